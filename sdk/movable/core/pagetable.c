/* SPDX-License-Identifier: MIT */
#include "pagetable.h"

#include "vma.h"

unsigned int pte_protection(const struct vma *vma)
{
	return vma->flags & VM_ACCESS_FLAGS ? PTE_PRESENT : PTE_PRESENT | PTE_PROTNONE;
}

long walk_vma(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end, pte_walker *walker,
	      void *private)
{
	unsigned long index = start >> PAGE_SHIFT;
	uint64_t *pte;
	long answer = 0;

	while (!answer && (pte = radix_next(&vma->mm->page_table, &index, end >> PAGE_SHIFT)))
		answer = walker(vm, vma, index++ << PAGE_SHIFT, pte, private);
	return answer;
}

long walk_page_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end, pte_walker *walker,
		     void *private)
{
	long answer = 0;

	for (unsigned int i = vma_index(mm, start); i < mm->nr_vmas && !answer; i++) {
		struct vma *vma = mm->vmas[i];

		if (vma->start >= end)
			break;
		answer = walk_vma(vm, vma, start > vma->start ? start : vma->start, end < vma->end ? end : vma->end,
				  walker, private);
	}
	return answer;
}
