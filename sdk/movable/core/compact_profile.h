/* SPDX-License-Identifier: MIT
 *
 * What differs between the kernels whose compaction a machine can have: Linux 4.9 (spec/compaction.md) and
 * Linux 6.1 (spec/differences-drivers.md 2, 3). The scanners and the loop of a run ask here and nowhere else.
 */
#ifndef MOVABLE_COMPACT_PROFILE_H
#define MOVABLE_COMPACT_PROFILE_H

#include "buddy.h"
#include "compaction.h"

/* One call of a scanner inside a block: it began at `start` and has come to `pos`. */
struct block_scan {
	unsigned long start, pos, end;
	unsigned long nr_scanned, nr_isolated;
	unsigned long first_taken; /* the first page the migrate scanner took, 0 if none */
};

struct compact_profile {
	/* Migrate scanner: the second call in a block takes all that is left of it (K01). */
	bool rescans;
	/* A hint at a block in which the migrate scanner stands already stops it (K14). */
	bool hints_inside_block;
	/* Free scanner: each fruitless block doubles the step to the next page looked at, up to this (K02). */
	unsigned long most_step;
	/* Free scanner: an isolated free block counts with all its pages (K03). */
	bool counts_all_pages;

	/* A batch's event: all pages that stayed count as failed. */
	bool counts_all_failed;
	/* A block of the wanted order that becomes free meanwhile goes to the request at once (K12). */
	bool captures;

	/* Whether the scanners may look into a block, given its first page. */
	bool (*suitable_source)(const struct vm *vm, const struct compact_control *cc, const struct page *page);
	bool (*suitable_target)(const struct vm *vm, const struct compact_control *cc, const struct page *page);

	/* After each call in a block: skip hints and cached positions (K14, K15). */
	void (*source_scanned)(struct vm *vm, const struct compact_control *cc, const struct block_scan *scan);
	void (*target_scanned)(struct vm *vm, const struct compact_control *cc, const struct block_scan *scan);

	/* Whether the block may lose its hint when the zone's hints are cleared. */
	bool (*may_clear_skip)(const struct vm *vm, const struct zone *zone, unsigned long block_start);

	/* Whether a run with a goal has reached it; the scanners have not met (K12). */
	enum compact_result (*goal_reached)(const struct vm *vm, const struct compact_control *cc);

	/* Where the migrate scanner goes on: its position, or a better block (K10). */
	unsigned long (*next_source)(struct vm *vm, struct compact_control *cc);

	/* Targets found without scanning the zone: blocks on cc->freepages, as many as cc->nr_freepages says (K11). */
	void (*find_targets)(struct vm *vm, struct compact_control *cc);
};

extern const struct compact_profile compact_4_9, compact_6_1;

/* A free block that the request could use at once, of its own type or by stealing (6.3 step 5). */
bool suitable_page_exists(const struct compact_control *cc);

static inline bool is_movable_block(const struct vm *vm, const struct page *page)
{
	enum migratetype type = get_pageblock_migratetype(vm, page);

	return type == MIGRATE_MOVABLE || type == MIGRATE_CMA;
}

/* Whether a pageblock's first page heads a free block of at least its size. */
static inline bool heads_whole_block(const struct page *page)
{
	return PageBuddy(page) && page_order(page) >= pageblock_order;
}

static inline void raise_cached_migrate(const struct compact_control *cc, unsigned long pfn)
{
	unsigned long *cached = cc->zone->compact_cached_migrate_pfn;

	if (pfn > cached[0])
		cached[0] = pfn;
	if (cc->mode != MIGRATE_ASYNC && pfn > cached[1])
		cached[1] = pfn;
}

static inline void lower_cached_free(const struct compact_control *cc, unsigned long pfn)
{
	if (pfn < cc->zone->compact_cached_free_pfn)
		cc->zone->compact_cached_free_pfn = pfn;
}

#endif
