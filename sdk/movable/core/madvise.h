/* SPDX-License-Identifier: MIT
 *
 * Advice about memory: madvise(2) of Linux 4.9. spec/differences-numa.md N37.
 */
#ifndef MOVABLE_MADVISE_H
#define MOVABLE_MADVISE_H

#include "task.h"

enum madvise {
	MADV_NORMAL = 0,
	MADV_RANDOM = 1,
	MADV_SEQUENTIAL = 2,
	MADV_WILLNEED = 3,
	MADV_DONTNEED = 4,
	MADV_FREE = 8,
	MADV_DONTFORK = 10,
	MADV_DOFORK = 11,
	MADV_MERGEABLE = 12,
	MADV_UNMERGEABLE = 13,
	MADV_HUGEPAGE = 14,
	MADV_NOHUGEPAGE = 15,
	MADV_DONTDUMP = 16,
	MADV_DODUMP = 17,
};

/*
 * Holes are passed over and reported at the end: -ENOMEM. -EINVAL: no such advice, no such range, or an area that cannot
 * take it; areas before that one have taken it.
 */
long do_madvise(struct vm *vm, struct mm *mm, unsigned long start, unsigned long length, int advice);

/* Brings the private page of an address into swap space. 0; -EINVAL: there is none; -EBUSY: as swap_out_page(). */
long swap_out(struct vm *vm, struct mm *mm, unsigned long address);

#endif
