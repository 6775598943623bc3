/* SPDX-License-Identifier: MIT
 *
 * The policy of a process and the nodes it may use: system calls on them, and cpusets. spec/migration.md 9.5, 9.9.
 */
#ifndef MOVABLE_TASK_POLICY_H
#define MOVABLE_TASK_POLICY_H

#include "mempolicy.h"

/* set_mempolicy(2). 0, -EINVAL, -ENOMEM. */
long do_set_mempolicy(struct vm *vm, struct mm *mm, const struct mpol_request *request);

/* get_mempolicy(2) with MPOL_F_ADDR: copies the policy of an address; *found: whether there is one. 0, -EFAULT. */
long policy_of_address(struct vm *vm, struct mm *mm, unsigned long address, struct mempolicy *policy, bool *found);

/* The process may use other nodes from now on: its policy follows. `mems` is not empty. */
void cpuset_change_task_nodemask(struct vm *vm, struct mm *mm, uint64_t mems);

/* The policies of its areas follow. Takes mmap_sem for writing. */
void mpol_rebind_mm(struct vm *vm, struct mm *mm, uint64_t mems);

#endif
