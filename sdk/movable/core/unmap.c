/* SPDX-License-Identifier: MIT */
#include "unmap.h"

#include "filemap.h"
#include "hugetlb.h"
#include "lru.h"
#include "swap.h"

static void zap_page(struct vm *vm, struct mm *mm, pte_t *pte)
{
	struct page *page = pte_page(vm, *pte);
	bool young = *pte & PTE_YOUNG;

	mm->counters[mm_counter_of(page)]--;
	if (!PageAnon(page)) {
		if (*pte & PTE_DIRTY)
			set_page_dirty(vm, page);
		if (young)
			mark_page_accessed(vm, page);
	}
	*pte = 0;
	page_remove_rmap(vm, page);
	/* A slot that nobody will ever read is not kept. */
	if (PageSwapCache(page) && !page_mapped(page) && !PageLocked(page))
		try_to_free_swap(vm, page);
	put_page(vm, page);
}

/* Whether an entry of a huge page stands for all of it: the range that is zapped has all of it. */
static bool is_whole_pmd(unsigned long address, unsigned long end)
{
	return !(address & (HPAGE_PMD_SIZE - 1)) && end - address >= HPAGE_PMD_SIZE;
}

static long zap_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	struct mm *mm = vma->mm;
	bool whole = is_whole_pmd(address, *(const unsigned long *)private);
	pte_t old;

	/* Another CPU may have made a huge page since the caller split those that the range cuts: entries were freed. */
	if (unlikely(*pte & PTE_HUGE) && !whole)
		split_huge_pmd(vm, mm, address);
	old = *pte;
	if (unlikely(vma->flags & VM_HUGETLB)) {
		zap_hugetlb(vm, vma, pte);
		return 0;
	}
	if (pte_maps_page(old)) {
		if (likely(!(old & PTE_HUGE)) || !zap_huge_pmd(vm, vma, pte))
			zap_page(vm, mm, pte);
		return 0;
	}
	*pte = 0;
	if (is_swap_entry(old)) {
		mm->counters[MM_SWAPENTS]--;
		swap_free(vm, pte_value(old));
	} else if (is_migration_entry(old)) {
		/* The reference was dropped when the entry was made. */
		mm->counters[mm_counter_of(pte_page(vm, old))]--;
	}
	return 0;
}

void zap_page_range(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end)
{
	walk_vma(vm, vma, start, end, zap_pte, &end);
}

void unmap_mapping_range(struct vm *vm, struct file *file, unsigned long first)
{
	down_read(vm, &file->i_mmap_lock);
	for (struct list_head *pos = file->i_mmap.next; pos != &file->i_mmap; pos = pos->next) {
		struct vma *vma = list_vma(pos, i_mmap_node);
		unsigned long start = vma->start;

		if (first > vma->pgoff)
			start += (first - vma->pgoff) << PAGE_SHIFT;
		if (start < vma->end)
			zap_page_range(vm, vma, start, vma->end);
	}
	up_read(vm, &file->i_mmap_lock);
}
