/* SPDX-License-Identifier: MIT
 *
 * Taking pageblocks out of allocation: what contiguous allocation and memory offline begin with.
 * spec/compaction.md 8.1. The caller has the zone lock wherever a kernel caller would.
 */
#ifndef MOVABLE_PAGE_ISOLATION_H
#define MOVABLE_PAGE_ISOLATION_H

#include "buddy.h"

/*
 * Whether something in the page's block cannot be moved. Blocks of zone Movable and MOVABLE or CMA blocks are not
 * looked at. `non_lru`: drivers' movable pages do not count, as from Linux 4.14 on (D18).
 */
bool has_unmovable_pages(const struct vm *vm, struct page *page, bool non_lru);

/* Makes the page's block ISOLATE. -EBUSY if it is already, or has unmovable pages; nothing is changed then. */
int set_migratetype_isolate(struct vm *vm, struct page *page, bool non_lru);

/*
 * Isolates every block of [start, end), which is aligned to blocks; holes are passed over. -EBUSY if one cannot be:
 * then those that were isolated have got `type`, and *busy is the first page of the one that could not.
 */
int start_isolate_page_range(struct vm *vm, unsigned long start, unsigned long end, enum migratetype type,
			     bool non_lru, unsigned long *busy);

/* Gives the blocks of [start, end) that are ISOLATE still the type `type`. */
void undo_isolate_page_range(struct vm *vm, unsigned long start, unsigned long end, enum migratetype type);

/*
 * 0 if every page from start, the head of a free block, to end is free in an ISOLATE block; else -EBUSY, and *busy is
 * the first that is not.
 */
int test_pages_isolated(const struct vm *vm, unsigned long start, unsigned long end, unsigned long *busy);

#endif
