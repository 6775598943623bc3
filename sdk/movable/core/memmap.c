/* SPDX-License-Identifier: MIT */
#include "memmap.h"

#include "schedule.h"

#include <sys/mman.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static void init_struct_page(struct page *page, const struct zone *zone)
{
	memset(page, 0, sizeof(*page));
	page->_mapcount = -1;
	page->lock_cpu = -1;
	set_page_zone(page, zone);
}

uint64_t nodes_with_memory(const struct vm *vm)
{
	uint64_t nodes = 0;

	for (unsigned int i = 0; i < vm->nr_zones; i++)
		if (vm->zones[i].present_pages)
			nodes |= 1ULL << vm->zones[i].node->node_id;
	return nodes;
}

void memmap_make_ready(struct vm *vm, unsigned long pfn, unsigned long pages)
{
	unsigned long start = round_down(pfn, pageblock_nr_pages);

	for (; start < pfn + pages; start += pageblock_nr_pages) {
		unsigned char *block = pageblock_of(vm, start);
		const struct zone *zone = &vm->zones[vm->pageblock_zone[pfn_to_block(start)]];

		if (likely(*block & PB_READY))
			continue;
		for (unsigned long i = 0; i < pageblock_nr_pages; i++)
			init_struct_page(pfn_to_page(vm, start + i), zone);
		*block |= PB_READY;
	}
}

struct page *pageblock_pfn_to_page(struct vm *vm, unsigned long start, unsigned long end, struct zone *zone)
{
	struct page *first = pfn_to_page(vm, start);

	if (likely(zone->contiguous))
		return first;
	if (!pfn_valid(vm, start) || !pfn_valid(vm, end - 1))
		return NULL;
	if (page_zone(vm, first) != zone || page_zone(vm, pfn_to_page(vm, end - 1)) != zone)
		return NULL;
	return first;
}

bool zone_is_contiguous(struct vm *vm, struct zone *zone)
{
	unsigned long pfn = zone->zone_start_pfn, end = zone_end_pfn(zone), block_end;

	for (; pfn < end; pfn = block_end) {
		block_end = round_down(pfn, pageblock_nr_pages) + pageblock_nr_pages;
		if (block_end > end)
			block_end = end;
		if (!pageblock_pfn_to_page(vm, pfn, block_end, zone))
			return false;
	}
	return true;
}

/* Reading a frame that was never written costs no memory of the host; writing zeros to it would. */
static bool frame_is_zero(const unsigned char *frame)
{
	const uint64_t *words = (const uint64_t *)frame;

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i += 8)
		if (words[i] | words[i + 1] | words[i + 2] | words[i + 3] | words[i + 4] | words[i + 5] |
		    words[i + 6] | words[i + 7])
			return false;
	return true;
}

void clear_highpage(struct vm *vm, struct page *page)
{
	if (!frame_is_zero(page_address(vm, page)))
		memset(page_address(vm, page), 0, PAGE_SIZE);
}

/*
 * Streaming stores: the target of a migration is not read again by the core, so it need not pass through
 * the cache. This thread sees its own stores; handing the machine to another one takes a lock, which
 * orders them.
 */
void copy_highpage(struct vm *vm, struct page *to, struct page *from)
{
	sched_page_point(vm, EV_COPY, from);
	if (frame_is_zero(page_address(vm, from))) {
		clear_highpage(vm, to);
		return;
	}
#if defined(__SSE2__)
	__m128i *target = (__m128i *)page_address(vm, to);
	const __m128i *source = (const __m128i *)page_address(vm, from);

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*target); i += 4) {
		__m128i a = _mm_load_si128(source + i), b = _mm_load_si128(source + i + 1);
		__m128i c = _mm_load_si128(source + i + 2), d = _mm_load_si128(source + i + 3);

		_mm_stream_si128(target + i, a);
		_mm_stream_si128(target + i + 1, b);
		_mm_stream_si128(target + i + 2, c);
		_mm_stream_si128(target + i + 3, d);
	}
#else
	memcpy(page_address(vm, to), page_address(vm, from), PAGE_SIZE);
#endif
}

void poison_page(struct vm *vm, struct page *page)
{
	memset(page_address(vm, page), (int)(POISON_WORD & 0xff), PAGE_SIZE);
	page->ext |= PAGE_EXT_POISONED;
}

long unpoison_page(struct vm *vm, struct page *page)
{
	const unsigned char *bytes = page_address(vm, page);
	const uint64_t *words = (const uint64_t *)bytes;
	uint64_t difference = 0;

	page->ext &= (uint8_t)~PAGE_EXT_POISONED;
	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		difference |= words[i] ^ POISON_WORD;
	if (likely(!difference))
		return -1;
	for (long offset = 0;; offset++)
		if (bytes[offset] != (POISON_WORD & 0xff))
			return offset;
}

int discard_frames(struct vm *vm, struct page *page, unsigned long nr)
{
	return madvise(page_address(vm, page), nr << PAGE_SHIFT, MADV_DONTNEED) ? -errno : 0;
}
