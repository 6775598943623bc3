/* SPDX-License-Identifier: MIT
 *
 * Moving the pages of a list to new frames. spec/migration.md 3, 4, 5.1.
 */
#ifndef MOVABLE_MIGRATE_H
#define MOVABLE_MIGRATE_H

#include "pageops.h"

enum migrate_reason {
	MR_COMPACTION,
	MR_MEMORY_FAILURE,
	MR_MEMORY_HOTPLUG,
	MR_SYSCALL,
	MR_MEMPOLICY_MBIND,
	MR_NUMA_MISPLACED,
	MR_CMA,
};

/* The target for `page`, or NULL. May point *result at an int that then gets the page's outcome. */
typedef struct page *new_page_t(struct vm *vm, struct page *page, unsigned long private, int **result);

/* Takes back a target that was not used. */
typedef void free_page_t(struct vm *vm, struct page *page, unsigned long private);

struct migrate_counts {
	unsigned long succeeded, failed;
};

/*
 * Returns how many pages were not moved, or -ENOMEM if it stopped early. Pages still on the list are
 * isolated; the caller puts them back. `put_new_page` may be NULL: then targets go to the allocator.
 */
int migrate_pages(struct vm *vm, struct list_head *from, new_page_t *get_new_page, free_page_t *put_new_page,
		  unsigned long private, enum migrate_mode mode, enum migrate_reason reason,
		  struct migrate_counts *counts);

/* A ready-made allocator: an order-0 movable page of exactly node `private`. */
new_page_t new_page_node;

#endif
