/* SPDX-License-Identifier: MIT */
#include "scanner.h"

#include "buddy.h"
#include "lru.h"
#include "non_lru.h"
#include "page_alloc.h"
#include "rmap.h"

/* The end of the 2^order aligned group that holds pfn. */
static unsigned long group_end(unsigned long pfn, unsigned int order)
{
	return round_down(pfn, 1UL << order) + (1UL << order);
}

void reset_cached_positions(struct zone *zone)
{
	zone->compact_cached_migrate_pfn[0] = zone->compact_cached_migrate_pfn[1] = zone->zone_start_pfn;
	zone->compact_cached_free_pfn = round_down(zone_end_pfn(zone) - 1, pageblock_nr_pages);
}

/* A block of which one whole call isolated nothing is not looked at again for a while (3.5). */
static void update_pageblock_skip(struct vm *vm, struct compact_control *cc, unsigned long first_pfn,
				  unsigned long nr_isolated, bool migrate_scanner)
{
	struct zone *zone = cc->zone;

	if (cc->ignore_skip_hint || nr_isolated)
		return;
	set_pageblock_skip(vm, first_pfn);
	if (!migrate_scanner) {
		if (first_pfn < zone->compact_cached_free_pfn)
			zone->compact_cached_free_pfn = first_pfn;
		return;
	}
	if (first_pfn > zone->compact_cached_migrate_pfn[0])
		zone->compact_cached_migrate_pfn[0] = first_pfn;
	if (cc->mode != MIGRATE_ASYNC && first_pfn > zone->compact_cached_migrate_pfn[1])
		zone->compact_cached_migrate_pfn[1] = first_pfn;
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
	unsigned long low, end;
	unsigned long next_skip; /* end of the group being tried, where a failed page spoils its group */
	unsigned long nr_scanned, nr_isolated;
	bool skip_on_failure; /* direct async: a group with an unmovable page is of no use (4.2 c) */
};

/* A page cannot be taken. Where that spoils its group, gives the group's pages back and leaves it. */
static void scan_failed(struct vm *vm, struct compact_control *cc, struct migrate_scan *scan)
{
	if (likely(!scan->skip_on_failure))
		return;
	if (scan->nr_isolated) {
		acct_isolated(vm, cc);
		putback_isolated(vm, cc);
		cc->last_migrated_pfn = 0;
		scan->nr_isolated = 0;
	}
	if (scan->low < scan->next_skip) {
		scan->low = scan->next_skip - 1;
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

/* Looks at one page; true if it was isolated (4.2, checks 5 to 13). Moves scan->low over blocks. */
static bool scan_page(struct vm *vm, struct compact_control *cc, struct migrate_scan *scan, isolate_mode_t mode)
{
	struct page *page = pfn_to_page(vm, scan->low);

	scan->nr_scanned++;
	if (PageBuddy(page)) {
		unsigned int order = page_order(page);

		if (order > 0 && order < MAX_ORDER)
			scan->low += (1UL << order) - 1;
		return false;
	}
	if (unlikely(PageCompound(page))) {
		scan->low += (1UL << compound_order(page)) - 1;
		scan_failed(vm, cc, scan);
		return false;
	}
	/*
	 * The batch before ended here and its freed pages have merged with this one. A kernel still has them on
	 * per-CPU lists, and this page heads a block of its own: no failure.
	 */
	if (unlikely(!page->_refcount) && inside_free_block(vm, scan->low))
		return false;
	if (!(PageLRU(page) ? scan_lru_page(vm, page, mode) : scan_movable_page(vm, page, mode))) {
		scan_failed(vm, cc, scan);
		return false;
	}
	link_page(vm, page, &cc->migratepages);
	cc->nr_migratepages++;
	scan->nr_isolated++;
	if (!cc->last_migrated_pfn)
		cc->last_migrated_pfn = scan->low;
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
	const struct page *first = pfn_to_page(vm, scan->low), *page = first;
	const struct page *end = pfn_to_page(vm, scan->end);

	if (unlikely(scan->skip_on_failure))
		return;
	while (page < end && nothing_to_do(page))
		page++;
	scan->nr_scanned += (unsigned long)(page - first);
	scan->low += (unsigned long)(page - first);
}

/* Scans [low, end) of one block; where the next call goes on, or 0 to abort the run (4.2). */
static unsigned long isolate_migratepages_block(struct vm *vm, struct compact_control *cc, unsigned long low,
						unsigned long end, isolate_mode_t mode)
{
	struct migrate_scan scan = {.low = low, .end = end};

	/* Nobody else runs who could put pages back, so waiting, as the sync modes do, would not help. */
	if (too_many_isolated(cc->zone->node))
		return 0;
	if (cc->direct_compaction && cc->mode == MIGRATE_ASYNC) {
		scan.skip_on_failure = true;
		scan.next_skip = group_end(low, (unsigned int)cc->order);
	}
	for (; scan.low < end; scan.low++) {
		if (scan.skip_on_failure && scan.low >= scan.next_skip) {
			if (scan.nr_isolated)
				break;
			scan.next_skip = group_end(scan.low, (unsigned int)cc->order);
		}
		skip_scanned(vm, &scan);
		if (scan.low >= end)
			break;
		if (unlikely(vm->interrupt != NULL)) {
			cc->contended = true;
			break;
		}
		if (scan_page(vm, cc, &scan, mode) && cc->nr_migratepages == COMPACT_CLUSTER_MAX) {
			scan.low++;
			break;
		}
	}
	if (scan.low >= end) {
		scan.low = end;
		update_pageblock_skip(vm, cc, low, scan.nr_isolated, true);
	}
	cc->migrate_scanned += scan.nr_scanned;
	cc->isolated += scan.nr_isolated;
	count_vm_events(vm, COMPACTMIGRATE_SCANNED, scan.nr_scanned);
	count_vm_events(vm, COMPACTISOLATED, scan.nr_isolated);
	return scan.low;
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

/* Async runs look only where pages are movable (4.1 step 4). */
static bool suitable_migration_source(const struct vm *vm, const struct compact_control *cc, const struct page *page)
{
	enum migratetype type = get_pageblock_migratetype(vm, page);

	return cc->mode != MIGRATE_ASYNC || type == MIGRATE_MOVABLE || type == MIGRATE_CMA;
}

enum isolate_result isolate_migratepages(struct vm *vm, struct compact_control *cc)
{
	struct zone *zone = cc->zone;
	unsigned long low = cc->migrate_pfn, block_start = round_down(low, pageblock_nr_pages);
	unsigned long block_end = block_start + pageblock_nr_pages;
	isolate_mode_t mode = (vm->compact_unevictable_allowed ? ISOLATE_UNEVICTABLE : 0) |
			      (cc->mode != MIGRATE_SYNC ? ISOLATE_ASYNC_MIGRATE : 0);

	if (block_start < zone->zone_start_pfn)
		block_start = zone->zone_start_pfn;
	for (; block_end <= cc->free_pfn; low = block_start = block_end, block_end += pageblock_nr_pages) {
		struct page *page = pageblock_pfn_to_page(vm, block_start, block_end, zone);

		if (!page)
			continue;
		if (!cc->ignore_skip_hint && get_pageblock_skip(vm, block_start))
			continue;
		if (!suitable_migration_source(vm, cc, page))
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

/* Takes free pages of [*start, end), ascending; leaves *start where it stopped (5.3). */
static void isolate_freepages_block(struct vm *vm, struct compact_control *cc, unsigned long *start, unsigned long end)
{
	unsigned long first = *start, pfn = first, nr_scanned = 0, total = 0;

	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_page(vm, pfn);
		unsigned long isolated;
		unsigned int order;

		nr_scanned++;
		if (unlikely(PageCompound(page))) {
			pfn += (1UL << compound_order(page)) - 1;
			continue;
		}
		if (!PageBuddy(page))
			continue;
		order = page_order(page);
		isolated = __isolate_free_page(vm, page, order);
		if (!isolated)
			break;
		page->alloc_order = (uint8_t)order;
		list_add_tail(&page->lru, &cc->freepages);
		total += isolated;
		cc->nr_freepages += isolated;
		pfn += isolated - 1;
		if (cc->nr_freepages >= cc->nr_migratepages) {
			pfn++;
			break;
		}
	}
	if (pfn >= end) {
		pfn = end;
		update_pageblock_skip(vm, cc, first, total, false);
	}
	cc->free_scanned += nr_scanned;
	cc->isolated += total;
	count_vm_events(vm, COMPACTFREE_SCANNED, nr_scanned);
	count_vm_events(vm, COMPACTISOLATED, total);
	*start = pfn;
}

unsigned long isolate_freepages_range(struct vm *vm, unsigned long start, unsigned long end)
{
	unsigned long pfn = start, nr_scanned = 0;

	while (pfn < end) {
		struct page *page = pfn_to_page(vm, pfn);
		unsigned int order = page_order(page);

		nr_scanned++;
		pfn += __isolate_free_page(vm, page, order);
		split_free_page(vm, page, order);
	}
	count_vm_events(vm, COMPACTFREE_SCANNED, nr_scanned);
	count_vm_events(vm, COMPACTISOLATED, pfn - start);
	return pfn;
}

/* Blocks that are free as a whole stay so; unmovable ones get no movable pages (5.2). */
static bool suitable_migration_target(const struct vm *vm, const struct compact_control *cc, const struct page *page)
{
	enum migratetype type;

	if (cc->ignore_block_suitable)
		return true;
	if (PageBuddy(page) && page_order(page) >= pageblock_order)
		return false;
	type = get_pageblock_migratetype(vm, page);
	return type == MIGRATE_MOVABLE || type == MIGRATE_CMA;
}

/* Makes the isolated blocks single pages; the last block's highest page ends up first (5.4). */
static void map_pages(struct vm *vm, struct list_head *blocks)
{
	struct list_head single;

	list_init(&single);
	while (!list_empty(blocks)) {
		struct page *page = list_first_page(blocks);
		unsigned int order = page->alloc_order;

		list_del(&page->lru);
		split_free_page(vm, page, order);
		for (unsigned long i = 0; i < 1UL << order; i++)
			link_page(vm, page + i, &single);
	}
	if (list_empty(&single))
		return;
	*blocks = single;
	blocks->next->prev = blocks->prev->next = blocks;
}

/* Refills cc->freepages, which is empty (5.1). */
static void isolate_freepages(struct vm *vm, struct compact_control *cc)
{
	struct zone *zone = cc->zone;
	unsigned long low_limit = round_down(cc->migrate_pfn, pageblock_nr_pages) + pageblock_nr_pages;
	unsigned long start = cc->free_pfn, block_start = round_down(start, pageblock_nr_pages);
	unsigned long block_end = block_start + pageblock_nr_pages;

	if (block_end > zone_end_pfn(zone))
		block_end = zone_end_pfn(zone);
	for (; block_start >= low_limit;
	     block_end = block_start, block_start -= pageblock_nr_pages, start = block_start) {
		struct page *page = pageblock_pfn_to_page(vm, block_start, block_end, zone);

		if (!page || !suitable_migration_target(vm, cc, page))
			continue;
		if (!cc->ignore_skip_hint && get_pageblock_skip(vm, block_start))
			continue;
		isolate_freepages_block(vm, cc, &start, block_end);
		if (cc->nr_freepages >= cc->nr_migratepages) {
			if (start >= block_end)
				start = block_start - pageblock_nr_pages;
			break;
		}
		if (start < block_end)
			break;
	}
	map_pages(vm, &cc->freepages);
	cc->free_pfn = start;
}

struct page *compaction_alloc(struct vm *vm, struct page *migratepage, unsigned long private, int **result)
{
	struct compact_control *cc = (struct compact_control *)private;
	struct page *page;

	(void)migratepage;
	(void)result;
	if (list_empty(&cc->freepages)) {
		if (!cc->contended)
			isolate_freepages(vm, cc);
		if (list_empty(&cc->freepages))
			return NULL;
	}
	page = list_first_page(&cc->freepages);
	unlink_page(vm, page);
	cc->nr_freepages--;
	return page;
}

void compaction_free(struct vm *vm, struct page *page, unsigned long private)
{
	struct compact_control *cc = (struct compact_control *)private;

	link_page(vm, page, &cc->freepages);
	cc->nr_freepages++;
}

unsigned long release_freepages(struct vm *vm, struct compact_control *cc)
{
	unsigned long highest = 0;

	while (!list_empty(&cc->freepages)) {
		struct page *page = list_first_page(&cc->freepages);
		unsigned long pfn = page_to_pfn(vm, page);

		unlink_page(vm, page);
		put_page(vm, page);
		if (pfn > highest)
			highest = pfn;
	}
	cc->nr_freepages = 0;
	return highest;
}
