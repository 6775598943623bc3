/* SPDX-License-Identifier: MIT */
#include "compaction.h"

#include "compact_log.h"
#include "compact_profile.h"
#include "lru.h"
#include "non_lru.h"
#include "page_alloc.h"
#include "pcp.h"
#include "scanner.h"
#include "vmscan.h"

static unsigned long compact_gap(int order)
{
	return 2UL << order;
}

int fragmentation_index(const struct zone *zone, unsigned int order)
{
	long free_pages = 0, total = 0, suitable = 0;

	for (unsigned int o = 0; o < MAX_ORDER; o++) {
		long blocks = (long)zone->free_area[o].nr_free;

		total += blocks;
		free_pages += blocks << o;
		if (o >= order)
			suitable += blocks << (o - order);
	}
	if (!total)
		return 0;
	if (suitable)
		return -1000;
	return (int)(1000 - (1000 + free_pages * 1000 / (1L << order)) / total);
}

/* 3.3, inner function. */
static enum compact_result suitable_with(const struct zone *zone, int order, unsigned int alloc_flags,
					 enum zone_type classzone_idx, long free_pages)
{
	unsigned long mark;

	if (order == -1)
		return COMPACT_CONTINUE;
	if (zone_watermark_ok(zone, (unsigned int)order, alloc_watermark(zone, alloc_flags), classzone_idx, alloc_flags))
		return COMPACT_SUCCESS;
	mark = zone->watermark[order > PAGE_ALLOC_COSTLY_ORDER ? WMARK_LOW : WMARK_MIN] + compact_gap(order);
	if (!__zone_watermark_ok(zone, 0, mark, classzone_idx, ALLOC_CMA, free_pages))
		return COMPACT_SKIPPED;
	return COMPACT_CONTINUE;
}

enum compact_result compaction_suitable(const struct vm *vm, const struct zone *zone, int order,
					unsigned int alloc_flags, enum zone_type classzone_idx)
{
	enum compact_result result =
		suitable_with(zone, order, alloc_flags, classzone_idx, zone->stat[NR_FREE_PAGES]);
	int index;

	if (result != COMPACT_CONTINUE || order <= PAGE_ALLOC_COSTLY_ORDER)
		return result;
	/* NOT_SUITABLE_ZONE in the kernel's trace: too little memory, not too scattered. */
	index = fragmentation_index(zone, (unsigned int)order);
	return index >= 0 && index <= vm->extfrag_threshold ? COMPACT_SKIPPED : result;
}

bool compaction_zonelist_suitable(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags)
{
	unsigned int position = 0;
	struct zone *zone;

	while ((zone = next_zone(vm, ac, &position))) {
		long available = (long)(zone_reclaimable_pages(vm, zone) / ac->order) + zone->stat[NR_FREE_PAGES];

		if (suitable_with(zone, (int)ac->order, alloc_flags, ac->classzone_idx, available) != COMPACT_SKIPPED)
			return true;
	}
	return false;
}

void defer_compaction(struct zone *zone, int order)
{
	zone->compact_considered = 0;
	if (zone->compact_defer_shift < COMPACT_MAX_DEFER_SHIFT)
		zone->compact_defer_shift++;
	if (order < zone->compact_order_failed)
		zone->compact_order_failed = order;
}

bool compaction_deferred(struct zone *zone, int order)
{
	unsigned int limit = 1U << zone->compact_defer_shift;

	if (order < zone->compact_order_failed)
		return false;
	if (++zone->compact_considered > limit)
		zone->compact_considered = limit;
	return zone->compact_considered < limit;
}

void compaction_defer_reset(struct zone *zone, int order, bool alloc_success)
{
	if (alloc_success)
		zone->compact_considered = zone->compact_defer_shift = 0;
	if (order >= zone->compact_order_failed)
		zone->compact_order_failed = order + 1;
}

bool compaction_restarting(const struct zone *zone, int order)
{
	return order >= zone->compact_order_failed && zone->compact_defer_shift == COMPACT_MAX_DEFER_SHIFT &&
	       zone->compact_considered >= 1U << COMPACT_MAX_DEFER_SHIFT;
}

void reset_isolation_suitable(struct vm *vm, struct zone *zone)
{
	unsigned long pfn = round_down(zone->zone_start_pfn, pageblock_nr_pages);

	zone->compact_blockskip_flush = false;
	for (; pfn < zone_end_pfn(zone); pfn += pageblock_nr_pages)
		if (vm->compact_profile->may_clear_skip(vm, zone, pfn))
			clear_pageblock_skip(vm, pfn);
	reset_cached_positions(zone);
}

bool suitable_page_exists(const struct compact_control *cc)
{
	enum migratetype wanted = gfpflags_to_migratetype(cc->gfp_mask);

	for (unsigned int order = (unsigned int)cc->order; order < MAX_ORDER; order++) {
		const struct free_area *area = &cc->zone->free_area[order];
		bool can_steal;

		if (!list_empty(&area->free_list[wanted]))
			return true;
		if (wanted == MIGRATE_MOVABLE && !list_empty(&area->free_list[MIGRATE_CMA]))
			return true;
		if (find_suitable_fallback(area, order, wanted, true, &can_steal) >= 0)
			return true;
	}
	return false;
}

/* Whether the run may end, and why (6.3). */
static enum compact_result __compact_finished(struct vm *vm, struct compact_control *cc)
{
	struct zone *zone = cc->zone;

	if (cc->contended || vm->interrupt)
		return COMPACT_CONTENDED;
	if (compact_scanners_met(cc)) {
		reset_cached_positions(zone);
		if (cc->direct_compaction)
			zone->compact_blockskip_flush = true;
		return cc->whole_zone ? COMPACT_COMPLETE : COMPACT_PARTIAL_SKIPPED;
	}
	return cc->order == -1 ? COMPACT_CONTINUE : vm->compact_profile->goal_reached(vm, cc);
}

static enum compact_result compact_finished(struct vm *vm, struct compact_control *cc)
{
	enum compact_result result = __compact_finished(vm, cc);

	compact_event(vm, COMPACT_EVENT_FINISHED, cc->zone->id, (unsigned long)cc->order, result, 0);
	return result == COMPACT_NO_SUITABLE_PAGE ? COMPACT_CONTINUE : result;
}

/* Where the two scanners begin (3.4). */
static void set_start_positions(struct compact_control *cc)
{
	struct zone *zone = cc->zone;
	unsigned long start = zone->zone_start_pfn, end = zone_end_pfn(zone);
	bool sync = cc->mode != MIGRATE_ASYNC;

	cc->last_migrated_pfn = 0;
	if (cc->whole_zone) {
		cc->migrate_pfn = start;
		cc->free_pfn = round_down(end - 1, pageblock_nr_pages);
		return;
	}
	cc->migrate_pfn = zone->compact_cached_migrate_pfn[sync];
	cc->free_pfn = zone->compact_cached_free_pfn;
	if (cc->free_pfn < start || cc->free_pfn >= end) {
		cc->free_pfn = round_down(end - 1, pageblock_nr_pages);
		zone->compact_cached_free_pfn = cc->free_pfn;
	}
	if (cc->migrate_pfn < start || cc->migrate_pfn >= end) {
		cc->migrate_pfn = start;
		zone->compact_cached_migrate_pfn[0] = zone->compact_cached_migrate_pfn[1] = start;
	}
	if (cc->migrate_pfn == start)
		cc->whole_zone = true;
}

/* In 4.9 the pages left on the list count as failed where the call stopped early (10.2); in 6.1 all that stayed. */
static void note_batch(struct vm *vm, const struct compact_control *cc, int err, const struct migrate_counts *counts)
{
	unsigned long failed = err > 0 ? (unsigned long)err : 0;

	if (likely(!vm->compact_log))
		return;
	if (vm->compact_profile->counts_all_failed)
		failed = cc->nr_migratepages - counts->succeeded;
	else if (err < 0)
		list_for_each_page(page, &cc->migratepages)
			failed++;
	compact_event(vm, COMPACT_EVENT_MIGRATE_PAGES, counts->succeeded, counts->failed, cc->mode, 0);
	compact_event(vm, COMPACT_EVENT_MIGRATEPAGES, cc->nr_migratepages - failed, failed, 0, 0);
}

/* Moves one batch; true if the run must end as contended (6.1 steps 2, 3). */
static bool migrate_batch(struct vm *vm, struct compact_control *cc)
{
	struct migrate_counts counts;
	int err = migrate_pages(vm, &cc->migratepages, compaction_alloc, compaction_free, (unsigned long)cc, cc->mode,
				MR_COMPACTION, &counts);

	cc->migrated += counts.succeeded;
	cc->failed += counts.failed;
	note_batch(vm, cc, err, &counts);
	cc->nr_migratepages = 0;
	if (!err && !vm->interrupt)
		return false;
	putback_movable_pages(vm, &cc->migratepages);
	if (err == -ENOMEM && !compact_scanners_met(cc))
		return true;
	if (cc->direct_compaction && cc->mode == MIGRATE_ASYNC) {
		/* The rest of this group of pages cannot merge any more. */
		cc->migrate_pfn = round_up(cc->migrate_pfn, 1UL << cc->order);
		cc->last_migrated_pfn = 0;
	}
	return false;
}

/* Lets freed pages merge as soon as the scanner has left the group they belong to (6.1 step 4). */
static void drain_check(struct vm *vm, struct compact_control *cc)
{
	if (cc->order <= 0 || !cc->last_migrated_pfn)
		return;
	if (cc->last_migrated_pfn < round_down(cc->migrate_pfn, 1UL << cc->order)) {
		lru_add_drain(vm);
		drain_local_pages(vm, cc->zone);
		cc->last_migrated_pfn = 0;
	}
}

/* One round of the loop in 6.1; the result to end with, CONTINUE to go on. */
static enum compact_result compact_round(struct vm *vm, struct compact_control *cc)
{
	unsigned long position = cc->migrate_pfn;
	enum isolate_result isolated;

	cc->rescan = vm->compact_profile->rescans && cc->last_block == pfn_to_block(position) + 1;
	isolated = isolate_migratepages(vm, cc);
	if (isolated == ISOLATE_ABORT) {
		putback_isolated(vm, cc);
		return COMPACT_CONTENDED;
	}
	if (isolated == ISOLATE_SUCCESS) {
		cc->last_block = pfn_to_block(position) + 1;
		if (migrate_batch(vm, cc))
			return COMPACT_CONTENDED;
	}
	drain_check(vm, cc);
	return vm->capture && vm->capture->page ? COMPACT_SUCCESS : COMPACT_CONTINUE;
}

static void note_run(struct vm *vm, const struct compact_control *cc, enum compact_event_kind kind,
		     enum compact_result result)
{
	unsigned long sync = cc->mode != MIGRATE_ASYNC;

	compact_event(vm, kind, cc->zone->id, cc->migrate_pfn, cc->free_pfn, (unsigned long)result << 1 | sync);
}

/* Ends a run: leftover targets go back, and the cached position rises to where they came from. */
static void finish_run(struct vm *vm, struct compact_control *cc)
{
	unsigned long highest;

	if (!cc->nr_freepages)
		return;
	highest = round_down(release_freepages(vm, cc), pageblock_nr_pages);
	if (highest > cc->zone->compact_cached_free_pfn)
		cc->zone->compact_cached_free_pfn = highest;
}

enum compact_result compact_zone(struct vm *vm, struct compact_control *cc)
{
	enum compact_result result = compaction_suitable(vm, cc->zone, cc->order, cc->alloc_flags,
							  cc->classzone_idx);

	list_init(&cc->freepages);
	list_init(&cc->migratepages);
	cc->nr_freepages = cc->nr_migratepages = 0;
	compact_event(vm, COMPACT_EVENT_SUITABLE, cc->zone->id, (unsigned long)cc->order, result, 0);
	if (result == COMPACT_SUCCESS || result == COMPACT_SKIPPED)
		return result;
	if (compaction_restarting(cc->zone, cc->order))
		reset_isolation_suitable(vm, cc->zone);
	set_start_positions(cc);
	note_run(vm, cc, COMPACT_EVENT_BEGIN, result);
	lru_add_drain(vm);

	while ((result = compact_finished(vm, cc)) == COMPACT_CONTINUE &&
	       (result = compact_round(vm, cc)) == COMPACT_CONTINUE)
		continue;
	finish_run(vm, cc);
	note_run(vm, cc, COMPACT_EVENT_END, result);
	return result;
}

unsigned int compact_node(struct vm *vm, int nid, struct compact_control *runs, enum compact_result *results)
{
	unsigned int nr = 0;

	for (int type = 0; type < MAX_NR_ZONES; type++) {
		struct zone *zone = vm->nodes[nid].zones[type];

		if (!zone || !zone->present_pages)
			continue;
		runs[nr] = (struct compact_control){
			.zone = zone,
			.mode = MIGRATE_SYNC,
			.order = -1,
			.ignore_skip_hint = true,
			.whole_zone = true,
		};
		results[nr] = compact_zone(vm, &runs[nr]);
		nr++;
	}
	return nr;
}

/* One zone for a request; see try_to_compact_pages(). */
static enum compact_result compact_zone_order(struct vm *vm, struct zone *zone, const struct alloc_context *ac,
					      unsigned int alloc_flags, enum compact_priority priority,
					      struct page **captured)
{
	bool full = priority == COMPACT_PRIO_SYNC_FULL;
	struct compact_control cc = {
		.zone = zone,
		.order = (int)ac->order,
		.gfp_mask = ac->gfp,
		.mode = priority == COMPACT_PRIO_ASYNC ? MIGRATE_ASYNC : MIGRATE_SYNC_LIGHT,
		.alloc_flags = alloc_flags,
		.classzone_idx = ac->classzone_idx,
		.direct_compaction = true,
		.whole_zone = full,
		.ignore_skip_hint = full,
		.ignore_block_suitable = full,
	};
	struct capture_control capture = {.cc = &cc};
	enum compact_result result;

	if (captured && vm->compact_profile->captures)
		vm->capture = &capture;
	result = compact_zone(vm, &cc);
	vm->capture = NULL;
	if (captured)
		*captured = capture.page;
	return result;
}

enum compact_result try_to_compact_pages(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags,
					 enum compact_priority priority, struct page **captured)
{
	enum compact_result result = COMPACT_SKIPPED;
	unsigned int position = 0;
	struct zone *zone;

	if (!(ac->gfp & __GFP_FS) || !(ac->gfp & __GFP_IO))
		return COMPACT_SKIPPED;
	while ((zone = next_zone(vm, ac, &position)) && !vm->interrupt) {
		enum compact_result status;

		if (priority > COMPACT_PRIO_SYNC_FULL && compaction_deferred(zone, (int)ac->order)) {
			result = result > COMPACT_DEFERRED ? result : COMPACT_DEFERRED;
			continue;
		}
		status = compact_zone_order(vm, zone, ac, alloc_flags, priority, captured);
		result = status > result ? status : result;
		if (status == COMPACT_SUCCESS) {
			compaction_defer_reset(zone, (int)ac->order, false);
			break;
		}
		if (priority != COMPACT_PRIO_ASYNC && (status == COMPACT_COMPLETE || status == COMPACT_PARTIAL_SKIPPED))
			defer_compaction(zone, (int)ac->order);
	}
	return result;
}

struct page *alloc_pages_direct_compact(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags,
					enum compact_priority priority, enum compact_result *result)
{
	unsigned int memalloc = vm->task_flags & PF_MEMALLOC;
	struct page *page = NULL;
	struct zone *zone;

	*result = COMPACT_SKIPPED;
	if (!ac->order)
		return NULL;
	/* The task that compacts never sleeps on a page lock and never compacts again inside. */
	vm->task_flags |= PF_MEMALLOC;
	*result = try_to_compact_pages(vm, ac, alloc_flags, priority, &page);
	if (!memalloc)
		vm->task_flags &= ~(unsigned int)PF_MEMALLOC;
	if (*result <= COMPACT_INACTIVE)
		return NULL;
	count_vm_events(vm, COMPACTSTALL, 1);
	if (page)
		prep_captured_block(vm, page, ac);
	else
		page = get_page_from_freelist(vm, ac, alloc_flags);
	if (!page) {
		count_vm_events(vm, COMPACTFAIL, 1);
		return NULL;
	}
	zone = page_zone(vm, page);
	zone->compact_blockskip_flush = false;
	compaction_defer_reset(zone, (int)ac->order, true);
	count_vm_events(vm, COMPACTSUCCESS, 1);
	return page;
}
