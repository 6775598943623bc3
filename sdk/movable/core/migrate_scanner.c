/* SPDX-License-Identifier: MIT */
#include "scanner.h"

#include "compact_log.h"
#include "compact_profile.h"
#include "lru.h"
#include "non_lru.h"
#include "rmap.h"

/* The end of the 2^order aligned group that holds pfn. */
static unsigned long group_end(unsigned long pfn, unsigned int order)
{
	return round_down(pfn, 1UL << order) + (1UL << order);
}

static bool too_many_isolated(const struct pglist_data *node)
{
	const long *stat = node->stat;
	long lru = stat[NR_INACTIVE_ANON] + stat[NR_ACTIVE_ANON] + stat[NR_INACTIVE_FILE] + stat[NR_ACTIVE_FILE];

	return stat[NR_ISOLATED_ANON] + stat[NR_ISOLATED_FILE] > lru / 2;
}

/* Linux 4.9 counts the batch once it is collected, drivers' pages included. */
static void acct_isolated(struct vm *vm, struct compact_control *cc)
{
	list_for_each_page(page, &cc->migratepages)
		mod_isolated(vm, page, 1);
}

void putback_isolated(struct vm *vm, struct compact_control *cc)
{
	putback_movable_pages(vm, &cc->migratepages);
	cc->nr_migratepages = 0;
}

/* One call of the migrate scanner inside a block. */
struct migrate_scan {
	struct block_scan block;
	unsigned long next_skip; /* end of the group being tried, where a failed page spoils its group */
	bool skip_on_failure; /* direct async: a group with an unmovable page is of no use (4.2 c) */
};

/* A page cannot be taken. Where that spoils its group, gives the group's pages back and leaves it. */
static void scan_failed(struct vm *vm, struct compact_control *cc, struct migrate_scan *scan)
{
	if (likely(!scan->skip_on_failure))
		return;
	if (scan->block.nr_isolated) {
		acct_isolated(vm, cc);
		putback_isolated(vm, cc);
		cc->last_migrated_pfn = 0;
		scan->block.nr_isolated = 0;
	}
	if (scan->block.pos < scan->next_skip) {
		scan->block.pos = scan->next_skip - 1;
		scan->next_skip += 1UL << cc->order;
	}
}

/* Whether the page lies inside a free block that starts before it. */
static bool inside_free_block(const struct vm *vm, unsigned long pfn)
{
	for (unsigned int order = 1; order < MAX_ORDER; order++) {
		const struct page *head = pfn_to_page(vm, round_down(pfn, 1UL << order));

		if (PageBuddy(head) && page_order(head) >= order)
			return true;
	}
	return false;
}

/* 4.2, checks 8 to 12. A pinned anonymous page could not be moved. */
static bool scan_lru_page(struct vm *vm, struct page *page, isolate_mode_t mode)
{
	if (!page_mapping(page) && page->_refcount > page_mapcount(page))
		return false;
	return !__isolate_lru_page(vm, page, mode);
}

/* 4.2, check 7 */
static bool scan_movable_page(struct vm *vm, struct page *page, isolate_mode_t mode)
{
	return __PageMovable(page) && !PageIsolated(page) && isolate_movable_page(vm, page, mode);
}

/* Looks at one page; true if it was isolated (4.2, checks 5 to 13). Moves scan->block.pos over blocks. */
static bool scan_page(struct vm *vm, struct compact_control *cc, struct migrate_scan *scan, isolate_mode_t mode)
{
	struct page *page = pfn_to_page(vm, scan->block.pos);

	scan->block.nr_scanned++;
	if (PageBuddy(page)) {
		unsigned int order = page_order(page);

		if (order > 0 && order < MAX_ORDER)
			scan->block.pos += (1UL << order) - 1;
		return false;
	}
	if (unlikely(PageCompound(page))) {
		scan->block.pos += (1UL << compound_order(page)) - 1;
		scan_failed(vm, cc, scan);
		return false;
	}
	/*
	 * The batch before ended here and its freed pages have merged with this one. A kernel still has them on
	 * per-CPU lists, and this page heads a block of its own: no failure.
	 */
	if (unlikely(!page->_refcount) && inside_free_block(vm, scan->block.pos))
		return false;
	if (!(PageLRU(page) ? scan_lru_page(vm, page, mode) : scan_movable_page(vm, page, mode))) {
		scan_failed(vm, cc, scan);
		return false;
	}
	link_page(vm, page, &cc->migratepages);
	cc->nr_migratepages++;
	if (!scan->block.nr_isolated++ && !scan->block.first_taken)
		scan->block.first_taken = scan->block.pos;
	if (!cc->last_migrated_pfn)
		cc->last_migrated_pfn = scan->block.pos;
	return true;
}

/* Neither a free block to jump over nor a page that could be taken. Without branches: memory is random. */
static bool nothing_to_do(const struct page *page)
{
	bool block = PageBuddy(page) & (page_order(page) != 0);
	bool compound_or_lru = page->flags & (1UL << PG_head | 1UL << PG_lru);

	return !(block | compound_or_lru | __PageMovable(page));
}

/* Passes over pages that only count as scanned. Where a failed page matters, each is looked at closely. */
static void skip_scanned(struct vm *vm, struct migrate_scan *scan)
{
	const struct page *first = pfn_to_page(vm, scan->block.pos), *page = first;
	const struct page *end = pfn_to_page(vm, scan->block.end);

	if (unlikely(scan->skip_on_failure))
		return;
	while (page < end && nothing_to_do(page))
		page++;
	scan->block.nr_scanned += (unsigned long)(page - first);
	scan->block.pos += (unsigned long)(page - first);
}

/* The end of a call in a block: hints, counters, the event. */
static void account_scan(struct vm *vm, struct compact_control *cc, struct block_scan *scan)
{
	if (scan->pos > scan->end)
		scan->pos = scan->end;
	vm->compact_profile->source_scanned(vm, cc, scan);
	cc->migrate_scanned += scan->nr_scanned;
	cc->isolated += scan->nr_isolated;
	count_vm_events(vm, COMPACTMIGRATE_SCANNED, scan->nr_scanned);
	count_vm_events(vm, COMPACTISOLATED, scan->nr_isolated);
	compact_event(vm, COMPACT_EVENT_ISOLATE_MIGRATEPAGES, scan->start, scan->pos, scan->nr_scanned,
		      scan->nr_isolated);
}

/* Scans [low, end) of one block; where the next call goes on, or 0 to abort the run (4.2). */
static unsigned long isolate_migratepages_block(struct vm *vm, struct compact_control *cc, unsigned long low,
						unsigned long end, isolate_mode_t mode)
{
	struct migrate_scan scan = {.block = {.start = low, .pos = low, .end = end}};
	struct block_scan *block = &scan.block;

	/* Nobody else runs who could put pages back, so waiting, as the sync modes do, would not help. */
	if (too_many_isolated(cc->zone->node))
		return 0;
	if (cc->direct_compaction && cc->mode == MIGRATE_ASYNC) {
		scan.skip_on_failure = true;
		scan.next_skip = group_end(low, (unsigned int)cc->order);
	}
	for (; block->pos < end; block->pos++) {
		if (scan.skip_on_failure && block->pos >= scan.next_skip) {
			if (block->nr_isolated)
				break;
			scan.next_skip = group_end(block->pos, (unsigned int)cc->order);
		}
		skip_scanned(vm, &scan);
		if (block->pos >= end)
			break;
		if (unlikely(vm->interrupt != NULL)) {
			cc->contended = true;
			break;
		}
		if (scan_page(vm, cc, &scan, mode) && cc->nr_migratepages >= COMPACT_CLUSTER_MAX && !cc->rescan) {
			block->pos++;
			break;
		}
	}
	account_scan(vm, cc, block);
	return block->pos;
}

unsigned long isolate_migratepages_range(struct vm *vm, struct compact_control *cc, unsigned long start,
					 unsigned long end)
{
	unsigned long pfn = start, block_start = round_down(start, pageblock_nr_pages), block_end;

	if (block_start < cc->zone->zone_start_pfn)
		block_start = cc->zone->zone_start_pfn;
	for (; pfn < end; pfn = block_start = block_end) {
		block_end = round_down(pfn, pageblock_nr_pages) + pageblock_nr_pages;
		if (block_end > end)
			block_end = end;
		if (!pageblock_pfn_to_page(vm, block_start, block_end, cc->zone))
			continue;
		pfn = isolate_migratepages_block(vm, cc, pfn, block_end, ISOLATE_UNEVICTABLE);
		if (!pfn || cc->contended || cc->nr_migratepages == COMPACT_CLUSTER_MAX)
			break;
	}
	acct_isolated(vm, cc);
	return cc->contended ? 0 : pfn;
}

/* Where a new block begins, a hint may say that there is nothing to find. */
static bool is_skipped(const struct vm *vm, const struct compact_control *cc, unsigned long low,
		       unsigned long block_start)
{
	if (cc->ignore_skip_hint || cc->jumped)
		return false;
	return (vm->compact_profile->hints_inside_block || low == block_start) && get_pageblock_skip(vm, block_start);
}

enum isolate_result isolate_migratepages(struct vm *vm, struct compact_control *cc)
{
	struct zone *zone = cc->zone;
	unsigned long low = vm->compact_profile->next_source(vm, cc), block_start = round_down(low, pageblock_nr_pages);
	unsigned long block_end = block_start + pageblock_nr_pages;
	isolate_mode_t mode = (vm->compact_unevictable_allowed ? ISOLATE_UNEVICTABLE : 0) |
			      (cc->mode != MIGRATE_SYNC ? ISOLATE_ASYNC_MIGRATE : 0);

	if (block_start < zone->zone_start_pfn)
		block_start = zone->zone_start_pfn;
	for (; block_end <= cc->free_pfn;
	     low = block_start = block_end, block_end += pageblock_nr_pages, cc->jumped = false) {
		struct page *page = pageblock_pfn_to_page(vm, block_start, block_end, zone);

		if (!page)
			continue;
		if (is_skipped(vm, cc, low, block_start) || !vm->compact_profile->suitable_source(vm, cc, page))
			continue;
		low = isolate_migratepages_block(vm, cc, low, block_end, mode);
		if (!low || cc->contended) {
			acct_isolated(vm, cc);
			return ISOLATE_ABORT;
		}
		break;
	}
	acct_isolated(vm, cc);
	cc->migrate_pfn = low;
	return cc->nr_migratepages ? ISOLATE_SUCCESS : ISOLATE_NONE;
}

