/* SPDX-License-Identifier: MIT
 *
 * How an entry point guards itself.
 *
 * A call that may run a driver's code, or hit a violation, stands between API_BEGIN and API_END
 * (violation.h). Calls without them only read, or happen before the machine runs.
 */
#ifndef MOVABLE_API_H
#define MOVABLE_API_H

#include <limits.h>

#include "compaction.h"
#include "entry_points.h"
#include "violation.h"

struct mempolicy;

/* api_policy.c: what Python sees of a policy; of none for NULL. */
void describe_policy(const struct mempolicy *policy, struct mv_policy *info);

#define BROKEN LONG_MIN

struct vma;

/* Describes an area to Python. */
void fill_vma(struct mv_vma *info, const struct vma *vma);

/* `gil`: whether Python code may run inside. */
#define API_BEGIN(vm, gil)                                                                                   \
	struct entry entry_;                                                                                 \
	if (!vm_enter(vm, &entry_, gil))                                                                     \
		return BROKEN;                                                                               \
	if (_setjmp(entry_.escape)) {                                                                        \
		vm_leave(vm, &entry_);                                                                       \
		return BROKEN;                                                                               \
	}

#define API_END(vm, value)                                                                                   \
	do {                                                                                                 \
		long value_ = (value);                                                                       \
		return vm_leave(vm, &entry_) ? BROKEN : value_;                                              \
	} while (0)

#endif
