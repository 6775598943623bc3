/* SPDX-License-Identifier: MIT
 *
 * The two scanners of compaction: pages to move from the bottom of the zone up, targets from the top down.
 * spec/compaction.md 4, 5.
 */
#ifndef MOVABLE_SCANNER_H
#define MOVABLE_SCANNER_H

#include "compaction.h"

enum isolate_result { ISOLATE_ABORT, ISOLATE_NONE, ISOLATE_SUCCESS };

/* Fills cc->migratepages from at most one pageblock (4.1). */
enum isolate_result isolate_migratepages(struct vm *vm, struct compact_control *cc);

/*
 * Fills cc->migratepages from [start, end), whatever the blocks' types and hints (4.5). Where the next call goes
 * on, or 0 to abort.
 */
unsigned long isolate_migratepages_range(struct vm *vm, struct compact_control *cc, unsigned long start,
					 unsigned long end);

/*
 * Takes the free blocks from start on until `end` is covered, and makes them single pages with one reference each
 * (5.3, strict). One past the last page taken. All of it is free in ISOLATE blocks (test_pages_isolated()).
 */
unsigned long isolate_freepages_range(struct vm *vm, unsigned long start, unsigned long end);

/*
 * Takes free blocks of [*start, end), which lies in one block, onto cc->freepages, until the batch is served;
 * looks at every step-th page. Leaves *start where it stopped; how many pages it took (5.3).
 */
unsigned long isolate_freepages_block(struct vm *vm, struct compact_control *cc, unsigned long *start,
				      unsigned long end, unsigned long step);

/* Targets for migrate_pages(), from cc->freepages; `private` is the compact_control (5.5). */
new_page_t compaction_alloc;
free_page_t compaction_free;

/* Frees the targets that are left; the highest pfn among them (5.7). */
unsigned long release_freepages(struct vm *vm, struct compact_control *cc);

/* Gives back the pages that are isolated, and forgets them. */
void putback_isolated(struct vm *vm, struct compact_control *cc);

/* Both migrate scanner and free scanner are at its ends. */
void reset_cached_positions(struct zone *zone);

static inline bool compact_scanners_met(const struct compact_control *cc)
{
	return cc->free_pfn >> pageblock_order <= cc->migrate_pfn >> pageblock_order;
}

#endif
