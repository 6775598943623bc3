/* SPDX-License-Identifier: MIT
 *
 * mbind(2): the policy of a range of addresses, and moving the pages that it does not suit. spec/migration.md 9.6.
 */
#ifndef MOVABLE_MBIND_H
#define MOVABLE_MBIND_H

#include "mempolicy.h"

/*
 * From step 9 on. `flags` are MPOL_MF_STRICT, _MOVE, _MOVE_ALL; the range is not empty and page aligned.
 * 0, -EINVAL, -ENOMEM, -EFAULT; -EIO if the policy is in force but not all could be moved.
 */
long do_mbind(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end,
	      const struct mpol_request *request, unsigned int flags);

#endif
