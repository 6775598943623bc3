/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "page_alloc.h"

/* Copies frame pairs[2i] to pairs[2i+1]: what a migration costs at the least. */
void mv_bench_copy(struct vm *vm, const unsigned long *pairs, unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++)
		memcpy(page_address(vm, pfn_to_page(vm, pairs[2 * i + 1])),
		       page_address(vm, pfn_to_page(vm, pairs[2 * i])), PAGE_SIZE);
}

/* Reads one word of each struct page: what a scan costs at the least. */
unsigned long mv_bench_touch(struct vm *vm, unsigned long start, unsigned long end)
{
	unsigned long sum = 0;

	for (unsigned long pfn = start; pfn < end; pfn++)
		sum += *(volatile unsigned long *)&pfn_to_page(vm, pfn)->flags;
	return sum;
}

/* Touches every frame and struct page, so that no first touch is measured. */
void mv_bench_prefault(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_zones; i++) {
		const struct zone *zone = &vm->zones[i];

		for (unsigned long pfn = zone->zone_start_pfn; pfn < zone_end_pfn(zone); pfn++)
			memset(page_address(vm, pfn_to_page(vm, pfn)), (int)pfn, PAGE_SIZE);
	}
}

static unsigned long xorshift(unsigned long *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static long populate(struct vm *vm, struct address_space *mapping, unsigned int keep_percent, unsigned long seed)
{
	long kept = 0;

	while (alloc_pages_node(vm, 0, GFP_HIGHUSER_MOVABLE, 0))
		continue;
	for (unsigned long pfn = 0; pfn < vm->end_pfn; pfn++) {
		struct page *page = pfn_to_page(vm, pfn);

		if (page->_refcount != 1 || page_flag(page, PG_reserved))
			continue;
		if (xorshift(&seed) % 100 >= keep_percent) {
			__free_pages(vm, page, 0);
			continue;
		}
		if (mapping) {
			lock_page(vm, page);
			__SetPageMovable(vm, page, mapping);
			unlock_page(vm, page);
		}
		page->private = pfn;
		kept++;
	}
	return kept;
}

/*
 * Takes all memory, then frees a random part of it, page by page; the rest belongs to `mapping`, each page
 * with its pfn in private, or is unmovable if `mapping` is NULL. How many pages stay.
 */
long mv_bench_populate(struct vm *vm, struct address_space *mapping, unsigned int keep_percent, unsigned long seed)
{
	API_BEGIN(vm, true);
	API_END(vm, populate(vm, mapping, keep_percent, seed));
}
