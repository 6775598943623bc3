/* SPDX-License-Identifier: MIT */
#include "policy.h"

static struct page *alloc_page_policy(struct vm *vm, gfp_t gfp, const struct mempolicy *policy)
{
	int nid = policy->preferred < 0 ? vm->cpu_node[vm->cpu] : policy->preferred;

	return __alloc_pages_nodemask(vm, gfp, 0, nid, policy->nodes);
}

struct page *alloc_page_vma(struct vm *vm, gfp_t gfp, const struct vma *vma, unsigned long address)
{
	(void)address;
	return alloc_page_policy(vm, gfp, vma->has_policy ? &vma->policy : &vma->mm->policy);
}

struct page *alloc_page_mm(struct vm *vm, gfp_t gfp, const struct mm *mm)
{
	static const struct mempolicy local = {-1, ~0ULL};

	return alloc_page_policy(vm, gfp, mm ? &mm->policy : &local);
}
