/* SPDX-License-Identifier: MIT */
#include "mlock.h"

#include "fault.h"
#include "lru.h"
#include "pagetable.h"
#include "rmap.h"
#include "vma.h"

static void count_mlocked(struct vm *vm, const struct page *page, long delta)
{
	page_zone(vm, page)->stat[NR_MLOCK] += delta;
}

void mlock_vma_page(struct vm *vm, struct page *page)
{
	if (page_flag(page, PG_mlocked))
		return;
	set_page_flag(page, PG_mlocked);
	count_mlocked(vm, page, 1);
	count_vm_events(vm, UNEVICTABLE_PGMLOCKED, 1);
	if (!isolate_lru_page(vm, page))
		putback_lru_page(vm, page);
}

void clear_page_mlock(struct vm *vm, struct page *page)
{
	if (!test_clear_page_flag(page, PG_mlocked))
		return;
	count_mlocked(vm, page, -1);
	count_vm_events(vm, UNEVICTABLE_PGCLEARED, 1);
	if (!isolate_lru_page(vm, page))
		putback_lru_page(vm, page);
	else if (page_flag(page, PG_unevictable))
		count_vm_events(vm, UNEVICTABLE_PGSTRANDED, 1);
}

/* One page of the range stays locked if another VM_LOCKED area maps it. */
static long munlock_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	struct page *page;
	bool locked;

	(void)vma;
	(void)address;
	(void)private;
	if (!pte_maps_page(*pte))
		return 0;
	page = pte_page(vm, *pte);
	if (!page_flag(page, PG_mlocked))
		return 0;
	page->_refcount++;
	lock_page(vm, page);
	page_referenced(vm, page, &locked);
	if (!locked && test_clear_page_flag(page, PG_mlocked)) {
		count_mlocked(vm, page, -1);
		count_vm_events(vm, UNEVICTABLE_PGMUNLOCKED, 1);
		if (!isolate_lru_page(vm, page))
			putback_lru_page(vm, page);
	}
	unlock_page(vm, page);
	put_page(vm, page);
	return 0;
}

void munlock_vma_pages(struct vm *vm, struct vma *vma)
{
	walk_vma(vm, vma, vma->start, vma->end, munlock_pte, NULL);
}

/* Pages that were there already. */
static long mlock_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	(void)address;
	(void)private;
	if (pte_maps_page(*pte) && vma->flags & VM_LOCKED)
		mlock_vma_page(vm, pte_page(vm, *pte));
	return 0;
}

long mlock_populate(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end)
{
	long err = 0;

	for (unsigned long address = start; address < end && !err && !vm->interrupt; address += PAGE_SIZE)
		err = populate_page(vm, mm, address);
	lru_add_drain_all(vm);
	down_read(vm, &mm->mmap_sem);
	walk_page_range(vm, mm, start, end, mlock_pte, NULL);
	up_read(vm, &mm->mmap_sem);
	/* mlock(2) has one answer for all pages that could not be had. */
	return err ? -ENOMEM : 0;
}
