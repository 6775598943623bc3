/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "api.h"
#include "buddy.h"
#include "filemap.h"
#include "lru.h"
#include "memmap.h"
#include "non_lru.h"
#include "pagetable.h"
#include "swap.h"

static unsigned char kind_on_lru(const struct page *page)
{
	enum lru_list list = page_lru(page);

	if (PageSwapCache(page) && list != LRU_UNEVICTABLE)
		return MV_KIND_SWAP_CACHE;
	return (unsigned char)(MV_KIND_INACTIVE_ANON + list);
}

static unsigned char kind_of(const struct page *page, struct address_space **mappings, int nr)
{
	if (page_flag(page, PG_reserved))
		return MV_KIND_RESERVED;
	if (PageLRU(page))
		return kind_on_lru(page);
	if (PageAnon(page))
		return MV_KIND_ANON_OFF_LRU;
	if (page_file(page))
		return MV_KIND_FILE_OFF_LRU;
	if (!__PageMovable(page))
		return MV_KIND_KERNEL;
	for (int i = 0; i < nr; i++)
		if (movable_mapping(page) == mappings[i])
			return (unsigned char)(MV_KIND_MAPPING + i);
	return MV_KIND_KERNEL;
}

/* The kinds of the block that starts at pfn: one page, a free block or a higher-order allocation. */
static unsigned long block_kind(struct vm *vm, unsigned long pfn, struct address_space **mappings, int nr,
				unsigned char *kind)
{
	const struct page *page = pfn_to_page(vm, pfn);

	if (!pfn_valid(vm, pfn)) {
		*kind = MV_KIND_HOLE;
		return 1;
	}
	/* A block that was never split lies inside one free block. */
	if (!(*pageblock_of(vm, pfn) & PB_READY)) {
		*kind = MV_KIND_FREE;
		return pageblock_nr_pages - (pfn & (pageblock_nr_pages - 1));
	}
	if (PageBuddy(page)) {
		*kind = MV_KIND_FREE;
		return 1UL << page_order(page);
	}
	*kind = kind_of(page, mappings, nr);
	return page->_refcount > 0 ? 1UL << page->alloc_order : 1;
}

/* Writes what each frame from start up to end is used for. */
long mv_page_kinds(struct vm *vm, unsigned long start, unsigned long end, struct address_space **mappings, int nr,
		   unsigned char *kinds)
{
	unsigned long step;

	if (!vm_begin_access(vm))
		return BROKEN;
	for (unsigned long pfn = start; pfn < end; pfn += step) {
		unsigned char kind;

		step = block_kind(vm, pfn, mappings, nr, &kind);
		if (step > end - pfn)
			step = end - pfn;
		memset(kinds + (pfn - start), kind, step);
	}
	vm_end_access(vm);
	return 0;
}

static long clear_refs_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	(void)vma;
	(void)address;
	(void)private;
	if (!pte_maps_page(*pte))
		return 0;
	*pte &= ~(pte_t)PTE_YOUNG;
	clear_page_flag(pte_page(vm, *pte), PG_referenced);
	return 0;
}

/* mmap_sem is held while it lasts. */
long mv_clear_refs(struct vm *vm, unsigned int id)
{
	struct mm *mm;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	down_read(vm, &mm->mmap_sem);
	walk_page_range(vm, mm, 0, TASK_SIZE, clear_refs_pte, NULL);
	up_read(vm, &mm->mmap_sem);
	mmput(vm, mm);
	API_END(vm, 0);
}
