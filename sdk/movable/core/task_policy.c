/* SPDX-License-Identifier: MIT */
#include "task_policy.h"

#include <stdlib.h>

#include "mpol_alloc.h"
#include "vma.h"

long do_set_mempolicy(struct vm *vm, struct mm *mm, const struct mpol_request *request)
{
	struct mempolicy *policy, *unused;
	int err = mpol_new(request, &policy);

	if (err)
		return err;
	down_write(vm, &mm->task_lock);
	err = mpol_set_nodemask(vm, mm, request, policy);
	unused = policy;
	if (!err) {
		unused = mm->policy;
		mm->policy = policy;
		if (policy && policy->mode == MPOL_INTERLEAVE)
			mm->il_next = first_node(policy->nodes);
	}
	free(unused);
	up_write(vm, &mm->task_lock);
	return err;
}

long policy_of_address(struct vm *vm, struct mm *mm, unsigned long address, struct mempolicy *policy, bool *found)
{
	const struct mempolicy *seen = NULL;
	const struct vma *vma;

	down_read(vm, &mm->mmap_sem);
	vma = find_vma(mm, address);
	if (vma)
		seen = vma_policy(vma, address);
	if (seen)
		*policy = *seen;
	*found = seen;
	up_read(vm, &mm->mmap_sem);
	return vma ? 0 : -EFAULT;
}

void cpuset_change_task_nodemask(struct vm *vm, struct mm *mm, uint64_t mems)
{
	down_write(vm, &mm->task_lock);
	mm->mems_allowed |= mems;
	mpol_rebind_add(mm->policy, mems);
	/* Others may allocate for the process here: from old nodes or new ones. */
	sched_point(vm, EV_REBIND, mems);
	mpol_rebind_drop(mm->policy, mems);
	mm->mems_allowed = mems;
	up_write(vm, &mm->task_lock);
}

void mpol_rebind_mm(struct vm *vm, struct mm *mm, uint64_t mems)
{
	down_write(vm, &mm->mmap_sem);
	for (unsigned int i = 0; i < mm->nr_vmas; i++)
		mpol_rebind(mm->vmas[i]->policy, mems);
	up_write(vm, &mm->mmap_sem);
}
