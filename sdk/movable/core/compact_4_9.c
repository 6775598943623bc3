/* SPDX-License-Identifier: MIT
 *
 * Compaction as in Linux 4.9. spec/compaction.md.
 */
#include "compact_profile.h"

#include "watermark.h"

/* Async runs look only where pages are movable (4.1 step 4). */
static bool suitable_source(const struct vm *vm, const struct compact_control *cc, const struct page *page)
{
	return cc->mode != MIGRATE_ASYNC || is_movable_block(vm, page);
}

/* Blocks that are free as a whole stay so; unmovable ones get no movable pages (5.2). */
static bool suitable_target(const struct vm *vm, const struct compact_control *cc, const struct page *page)
{
	return cc->ignore_block_suitable || (!heads_whole_block(page) && is_movable_block(vm, page));
}

/* A block of which one whole call isolated nothing is not looked at again for a while (3.5). */
static bool is_fruitless(const struct compact_control *cc, const struct block_scan *scan)
{
	return scan->pos == scan->end && !scan->nr_isolated && !cc->ignore_skip_hint;
}

static void source_scanned(struct vm *vm, const struct compact_control *cc, const struct block_scan *scan)
{
	if (!is_fruitless(cc, scan))
		return;
	set_pageblock_skip(vm, scan->start);
	raise_cached_migrate(cc, scan->start);
}

static void target_scanned(struct vm *vm, const struct compact_control *cc, const struct block_scan *scan)
{
	if (!is_fruitless(cc, scan))
		return;
	set_pageblock_skip(vm, scan->start);
	lower_cached_free(cc, scan->start);
}

static bool may_clear_skip(const struct vm *vm, const struct zone *zone, unsigned long block_start)
{
	(void)vm, (void)zone, (void)block_start;
	return true;
}

/* Steps 4 and 5 of 6.3: the watermark, and a free block that the request could use at once. */
static enum compact_result goal_reached(const struct vm *vm, const struct compact_control *cc)
{
	(void)vm;
	if (!zone_watermark_ok(cc->zone, (unsigned int)cc->order, alloc_watermark(cc->zone, cc->alloc_flags),
			       cc->classzone_idx, cc->alloc_flags))
		return COMPACT_CONTINUE;
	return suitable_page_exists(cc) ? COMPACT_SUCCESS : COMPACT_NO_SUITABLE_PAGE;
}

static unsigned long next_source(struct vm *vm, struct compact_control *cc)
{
	(void)vm;
	return cc->migrate_pfn;
}

static void find_targets(struct vm *vm, struct compact_control *cc)
{
	(void)vm, (void)cc;
}

const struct compact_profile compact_4_9 = {
	.rescans = false,
	.hints_inside_block = true,
	.most_step = 1,
	.counts_all_pages = false,
	.counts_all_failed = false,
	.captures = false,
	.suitable_source = suitable_source,
	.suitable_target = suitable_target,
	.source_scanned = source_scanned,
	.target_scanned = target_scanned,
	.may_clear_skip = may_clear_skip,
	.goal_reached = goal_reached,
	.next_source = next_source,
	.find_targets = find_targets,
};
