/* SPDX-License-Identifier: MIT */
#include "madvise.h"

#include "huge.h"
#include "ksm.h"
#include "lru.h"
#include "rmap.h"
#include "swap.h"
#include "unmap.h"
#include "vma.h"
#include "vmscan.h"

/* Which flags of an area an advice takes away, and which it gives. */
struct advice_flags {
	int advice;
	unsigned int clear, set;
};

static const struct advice_flags flag_advice[] = {
	{MADV_NORMAL, VM_RAND_READ | VM_SEQ_READ, 0},
	{MADV_RANDOM, VM_SEQ_READ, VM_RAND_READ},
	{MADV_SEQUENTIAL, VM_RAND_READ, VM_SEQ_READ},
	{MADV_DONTFORK, 0, VM_DONTCOPY},
	{MADV_DOFORK, VM_DONTCOPY, 0},
	{MADV_MERGEABLE, 0, VM_MERGEABLE},
	{MADV_UNMERGEABLE, VM_MERGEABLE, 0},
	{MADV_HUGEPAGE, VM_NOHUGEPAGE, VM_HUGEPAGE},
	{MADV_NOHUGEPAGE, VM_HUGEPAGE, VM_NOHUGEPAGE},
	{MADV_DONTDUMP, 0, VM_DONTDUMP},
	{MADV_DODUMP, VM_DONTDUMP, 0},
};

static const struct advice_flags *flags_of(int advice)
{
	for (unsigned int i = 0; i < sizeof(flag_advice) / sizeof(*flag_advice); i++)
		if (flag_advice[i].advice == advice)
			return &flag_advice[i];
	return NULL;
}

/* 1: nothing is to be done for this area; 0: go on; -EINVAL. */
static int check_flag_advice(const struct vma *vma, int advice)
{
	if (advice == MADV_DOFORK && vma->flags & VM_IO)
		return -EINVAL;
	if (advice == MADV_DODUMP && vma->flags & VM_SPECIAL)
		return -EINVAL;
	if (advice == MADV_MERGEABLE && vma->flags & (VM_SHARED | VM_SPECIAL | VM_HUGETLB))
		return 1;
	return 0;
}

static int advise_flags(struct vm *vm, struct vma *vma, const void *value)
{
	const struct advice_flags *advice = value;
	int answer = check_flag_advice(vma, advice->advice);

	if (answer)
		return answer < 0 ? answer : 0;
	if (advice->advice == MADV_UNMERGEABLE && vma->flags & VM_MERGEABLE)
		answer = unmerge_ksm_pages(vm, vma);
	if (!answer)
		vma->flags = (vma->flags & ~advice->clear) | advice->set;
	return answer;
}

/* Page of one process only, in no cache: old and clean, so that reclaim may drop it without swap. */
static void lazyfree_page(struct vm *vm, struct page *page, pte_t *pte)
{
	page->_refcount++;
	if (!trylock_page(vm, page)) {
		put_page(vm, page);
		return;
	}
	/* Others ran before the lock was taken: the entry may name another page now. */
	if (page_mapcount(page) == 1 && !PageKsm(page) && pte_maps_page(*pte) && pte_page(vm, *pte) == page &&
	    (!PageSwapCache(page) || try_to_free_swap(vm, page))) {
		clear_page_flag(page, PG_dirty);
		*pte &= ~(pte_t)(PTE_YOUNG | PTE_DIRTY);
		clear_page_flag(page, PG_referenced);
		if (PageLRU(page) && page_flag(page, PG_active) && !page_flag(page, PG_unevictable))
			lru_set_active(vm, page, false);
	}
	unlock_page(vm, page);
	put_page(vm, page);
}

static long free_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	(void)address;
	(void)private;
	if (is_swap_entry(*pte)) {
		unsigned long slot = pte_value(*pte);

		*pte = 0;
		vma->mm->counters[MM_SWAPENTS]--;
		swap_free(vm, slot);
	} else if (pte_maps_page(*pte)) {
		lazyfree_page(vm, pte_page(vm, *pte), pte);
	}
	return 0;
}

static int madvise_free(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end)
{
	if (vma->file || vma->special || vma->flags & VM_SHARED)
		return -EINVAL;
	split_huge_pmd_range(vm, vma, start, end);
	walk_vma(vm, vma, start, end, free_pte, NULL);
	return 0;
}

static void madvise_dontneed(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end)
{
	/* What a range cuts cannot go as a whole. */
	if (start & (HPAGE_PMD_SIZE - 1))
		split_huge_pmd(vm, vma->mm, start);
	if (end & (HPAGE_PMD_SIZE - 1))
		split_huge_pmd(vm, vma->mm, end);
	zap_page_range(vm, vma, start, end);
}

static bool has_free_swap(const struct vm *vm)
{
	return vm->swap && vm->swap->nr_used < vm->swap->nr_slots;
}

/* Advice that drops pages, of one area. mmap_sem held for reading. */
static int advise_pages(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end, int advice)
{
	if (advice == MADV_WILLNEED)
		return 0;
	if (vma->flags & (VM_LOCKED | VM_HUGETLB | VM_PFNMAP))
		return -EINVAL;
	if (advice == MADV_FREE && has_free_swap(vm))
		return madvise_free(vm, vma, start, end);
	madvise_dontneed(vm, vma, start, end);
	return 0;
}

/* All areas of the range; -ENOMEM at the end if it has holes. mmap_sem held. */
static int advise_areas(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end, int advice)
{
	const struct advice_flags *flags = flags_of(advice);
	bool hole = false;
	int err = 0;

	while (start < end && !err) {
		unsigned int index = vma_index(mm, start);
		struct vma *vma = index < mm->nr_vmas ? mm->vmas[index] : NULL;
		unsigned long upto;

		if (!vma || vma->start >= end)
			return -ENOMEM;
		hole |= vma->start > start;
		start = vma->start > start ? vma->start : start;
		upto = vma->end < end ? vma->end : end;
		err = flags ? change_range(vm, mm, start, upto, advise_flags, flags)
			    : advise_pages(vm, vma, start, upto, advice);
		start = upto;
	}
	return err ? err : hole ? -ENOMEM : 0;
}

long do_madvise(struct vm *vm, struct mm *mm, unsigned long start, unsigned long length, int advice)
{
	bool writes = flags_of(advice) != NULL;
	unsigned long end;
	int err;

	if (!writes && advice != MADV_WILLNEED && advice != MADV_DONTNEED && advice != MADV_FREE)
		return -EINVAL;
	end = start + round_up(length, PAGE_SIZE);
	if (start & (PAGE_SIZE - 1) || (length && end - start < length) || end < start)
		return -EINVAL;
	if (end == start)
		return 0;
	if (writes)
		down_write(vm, &mm->mmap_sem);
	else
		down_read(vm, &mm->mmap_sem);
	err = advise_areas(vm, mm, start, end, advice);
	if (writes)
		up_write(vm, &mm->mmap_sem);
	else
		up_read(vm, &mm->mmap_sem);
	return err;
}

long swap_out(struct vm *vm, struct mm *mm, unsigned long address)
{
	struct page *page;
	long err = -EINVAL;
	pte_t pte;

	/* A page in a vector is on no LRU yet. */
	lru_add_drain_all(vm);
	down_read(vm, &mm->mmap_sem);
	split_huge_pmd(vm, mm, address);
	pte = pte_read(mm, address);
	page = pte_maps_page(pte) ? pte_page(vm, pte) : NULL;
	if (page && PageAnon(page) && !PageKsm(page) && !PageCompound(page))
		err = swap_out_page(vm, page);
	up_read(vm, &mm->mmap_sem);
	return err;
}
