/* SPDX-License-Identifier: MIT
 *
 * Making, copying and ending processes.
 */
#include <stdlib.h>

#include "filemap.h"
#include "hugetlb.h"
#include "mempolicy.h"
#include "pagetable.h"
#include "swap.h"
#include "unmap.h"
#include "vma.h"

static bool add_to_table(struct vm *vm, struct mm *mm)
{
	unsigned int id = 1;

	while (id < vm->nr_mms && vm->mms[id])
		id++;
	if (id >= vm->nr_mms) {
		struct mm **mms = realloc(vm->mms, (id + 1) * sizeof(*mms));

		if (!mms)
			return false;
		mms[0] = NULL;
		vm->mms = mms;
		vm->nr_mms = id + 1;
	}
	vm->mms[id] = mm;
	mm->id = id;
	return true;
}

struct mm *mm_create(struct vm *vm)
{
	struct mm *mm = calloc(1, sizeof(*mm));

	if (!mm)
		return NULL;
	mm->users = 1;
	vm_lock_init(vm, &mm->mmap_sem, MMAP_SEM);
	vm_lock_init(vm, &mm->task_lock, TASK_LOCK);
	/* Never empty: on a machine without any memory left it does not matter which nodes it may use. */
	mm->mems_allowed = nodes_with_memory(vm) ? nodes_with_memory(vm) : all_nodes(vm);
	mm->spread_rotor = -1;
	if (!add_to_table(vm, mm)) {
		free(mm);
		return NULL;
	}
	return mm;
}

struct mm *mm_of(const struct vm *vm, unsigned int id)
{
	return vm->mms[id];
}

static void free_mm(struct mm *mm)
{
	radix_destroy(&mm->page_table);
	free(mm->vmas);
	free(mm->policy);
	free(mm);
}

void mmput(struct vm *vm, struct mm *mm)
{
	if (--mm->users)
		return;
	/* Nobody else is left who could take mmap_sem. */
	while (mm->nr_vmas) {
		struct vma *vma = mm->vmas[mm->nr_vmas - 1];

		zap_page_range(vm, vma, vma->start, vma->end);
		vma_remove(vm, mm, mm->nr_vmas - 1);
	}
	free_mm(mm);
}

void mm_exit(struct vm *vm, struct mm *mm)
{
	vm->mms[mm->id] = NULL;
	mmput(vm, mm);
}

/* Both go with the machine, so references between them and to pages are nobody's. */
void mm_destroy_all(struct vm *vm)
{
	for (unsigned int id = 1; id < vm->nr_mms; id++) {
		struct mm *mm = vm->mms[id];

		if (!mm)
			continue;
		for (unsigned int i = 0; i < mm->nr_vmas; i++) {
			struct vma *vma = mm->vmas[i];

			if (vma->anon_vma)
				put_anon_vma(vma->anon_vma);
			free(vma->policy);
			free(vma);
		}
		free_mm(mm);
	}
	free(vm->mms);
}

/* One entry of the parent goes to the child, whose area is private or shared like the parent's. */
static long copy_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *from, void *private)
{
	struct mm *child = private;
	bool cow = (vma->flags & (VM_SHARED | VM_WRITE)) == VM_WRITE;
	pte_t *to = pte_alloc(child, address);
	struct page *page;

	if (!to)
		return -ENOMEM;
	if (unlikely(vma->flags & VM_HUGETLB)) {
		copy_hugetlb_pte(vm, from, to);
		return 0;
	}
	if (unlikely(*from & PTE_HUGE))
		split_huge_pmd(vm, vma->mm, address);
	if (cow && !is_swap_entry(*from))
		*from &= ~(pte_t)PTE_WRITE;
	/* The child has not used the page yet; what the parent wrote to shared memory is not the child's. */
	*to = *from & ~(pte_t)(PTE_YOUNG | (vma->flags & VM_SHARED ? PTE_DIRTY : 0));
	if (is_swap_entry(*from)) {
		swap_duplicate(vm, pte_value(*from));
		child->counters[MM_SWAPENTS]++;
		return 0;
	}
	if (*from & PTE_ZERO)
		return 0;
	page = pte_page(vm, *from);
	child->counters[mm_counter_of(page)]++;
	if (pte_present(*from)) {
		page->_refcount++;
		page->_mapcount++;
	}
	return 0;
}

static int copy_vma(struct vm *vm, struct mm *child, struct vma *vma)
{
	struct vma *copy = malloc(sizeof(*copy));
	int err;

	if (!copy)
		return -ENOMEM;
	*copy = *vma;
	/* Locks on memory are not inherited. */
	copy->flags &= ~(unsigned int)VM_LOCKED;
	copy->resv = NULL;
	err = mpol_dup(vma->policy, &copy->policy);
	if (!err)
		err = vma_insert(child, copy);
	if (err) {
		free(copy->policy);
		free(copy);
		return err;
	}
	/* Behind the parent's area in the reverse maps, before there are entries: no walk misses one. */
	vma_link_rmap(vm, copy, vma);
	return (int)walk_vma(vm, vma, vma->start, vma->end, copy_pte, child);
}

long mm_fork(struct vm *vm, struct mm *parent)
{
	struct mm *child = mm_create(vm);
	int err;

	if (!child)
		return -ENOMEM;
	down_write(vm, &parent->mmap_sem);
	child->mems_allowed = parent->mems_allowed;
	child->il_next = parent->il_next;
	child->spread_page = parent->spread_page;
	err = mpol_dup(parent->policy, &child->policy);
	for (unsigned int i = 0; i < parent->nr_vmas && !err; i++)
		if (!(parent->vmas[i]->flags & VM_DONTCOPY))
			err = copy_vma(vm, child, parent->vmas[i]);
	up_write(vm, &parent->mmap_sem);
	if (err) {
		mm_exit(vm, child);
		return err;
	}
	return (long)child->id;
}
