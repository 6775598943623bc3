/* SPDX-License-Identifier: MIT
 *
 * move_pages(2): pages named one by one, each with a node of its own. spec/migration.md 9.8.
 */
#ifndef MOVABLE_MOVE_PAGES_H
#define MOVABLE_MOVE_PAGES_H

#include "task.h"

/* The caller's arrays, of `count` entries as it says. Of each only the first so many can be accessed. */
struct move_arrays {
	unsigned long count;
	const unsigned long *pages;
	const int *nodes;
	int *status;
	unsigned long nr_pages, nr_nodes, nr_status;
};

/* What a move may do. Sets of nodes, a bit each. */
struct move_rules {
	bool move_all;	  /* shared pages too */
	uint64_t memory;  /* nodes with memory */
	uint64_t mems;	  /* where the cpuset of the process lets its pages be */
	uint64_t allowed; /* where the caller may allocate */
};

/* Where pages are. 0; -EFAULT at the first chunk whose arrays cannot be accessed. Takes mmap_sem. */
long do_pages_stat(struct vm *vm, struct mm *mm, const struct move_arrays *arrays);

/* 0; -EFAULT, -ENODEV, -EACCES, -ENOMEM, with earlier chunks moved and reported. Takes mmap_sem. `caller` may be NULL. */
long do_pages_move(struct vm *vm, struct mm *mm, const struct move_arrays *arrays, const struct move_rules *rules,
		   struct mm *caller);

#endif
