/* SPDX-License-Identifier: MIT
 *
 * Collecting the pages of a process that a NUMA call is to move: the scan of spec/migration.md 9.6.
 */
#ifndef MOVABLE_QUEUE_PAGES_H
#define MOVABLE_QUEUE_PAGES_H

#include "pagetable.h"

/* spec/migration.md 9.1; the last two are the core's own. */
enum mpol_mf {
	MPOL_MF_STRICT = 1,
	MPOL_MF_MOVE = 2,     /* pages with one mapping */
	MPOL_MF_MOVE_ALL = 4, /* shared ones too */
	MPOL_MF_LAZY = 8,
	MPOL_MF_DISCONTIG_OK = 0x10, /* holes do not matter */
	MPOL_MF_INVERT = 0x20,	     /* candidates are pages on none of the nodes, instead of on one of them */
};

/*
 * Isolates an LRU page for a migration list, at its tail, and counts it. 0, or -EBUSY if the page is on no LRU.
 */
int queue_page(struct vm *vm, struct page *page, struct list_head *pagelist);

/*
 * Makes the transparent huge page at an entry ordinary pages; of the huge zero page only its PMD. False: it stays as it
 * is. mmap_sem held. May sleep, so that afterwards the entry may hold anything.
 */
bool split_huge_entry(struct vm *vm, struct vma *vma, unsigned long address, const pte_t *pte);

/*
 * Queues the candidates of [start, end) in the order of their addresses. mmap_sem held. 0, or -EFAULT for a hole that the
 * scan notices; what is queued by then is the caller's to put back.
 */
int queue_pages_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end, uint64_t nodes,
		      unsigned int flags, struct list_head *pagelist);

#endif
