/* SPDX-License-Identifier: MIT */
#include "scanner.h"

#include "compact_log.h"
#include "compact_profile.h"
#include "page_alloc.h"

void reset_cached_positions(struct zone *zone)
{
	zone->compact_cached_migrate_pfn[0] = zone->compact_cached_migrate_pfn[1] = zone->zone_start_pfn;
	zone->compact_cached_free_pfn = round_down(zone_end_pfn(zone) - 1, pageblock_nr_pages);
}

static void count_targets(struct vm *vm, struct compact_control *cc, unsigned long nr_scanned, unsigned long nr_isolated)
{
	cc->free_scanned += nr_scanned;
	cc->isolated += nr_isolated;
	count_vm_events(vm, COMPACTFREE_SCANNED, nr_scanned);
	count_vm_events(vm, COMPACTISOLATED, nr_isolated);
}

unsigned long isolate_freepages_block(struct vm *vm, struct compact_control *cc, unsigned long *start,
				      unsigned long end, unsigned long step)
{
	const struct compact_profile *profile = vm->compact_profile;
	struct block_scan scan = {.start = *start, .pos = *start, .end = end};

	for (; scan.pos < end; scan.pos += step) {
		struct page *page = pfn_to_page(vm, scan.pos);
		unsigned long isolated;
		unsigned int order;

		scan.nr_scanned++;
		if (unlikely(PageCompound(page))) {
			scan.pos += (1UL << compound_order(page)) - 1;
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
		if (profile->counts_all_pages)
			scan.nr_scanned += isolated - 1;
		scan.nr_isolated += isolated;
		cc->nr_freepages += isolated;
		scan.pos += isolated - 1;
		if (cc->nr_freepages >= cc->nr_migratepages) {
			scan.pos++;
			break;
		}
	}
	if (scan.pos > end)
		scan.pos = end;
	profile->target_scanned(vm, cc, &scan);
	count_targets(vm, cc, scan.nr_scanned, scan.nr_isolated);
	compact_event(vm, COMPACT_EVENT_ISOLATE_FREEPAGES, scan.start, scan.pos, scan.nr_scanned, scan.nr_isolated);
	*start = scan.pos;
	return scan.nr_isolated;
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

/* Scans blocks from cc->free_pfn down until there are as many targets as the batch has pages (5.1). */
static void scan_for_targets(struct vm *vm, struct compact_control *cc)
{
	const struct compact_profile *profile = vm->compact_profile;
	struct zone *zone = cc->zone;
	unsigned long low_limit = round_down(cc->migrate_pfn, pageblock_nr_pages) + pageblock_nr_pages;
	unsigned long start = cc->free_pfn, block_start = round_down(start, pageblock_nr_pages);
	unsigned long block_end = block_start + pageblock_nr_pages;
	unsigned long step = cc->mode == MIGRATE_ASYNC ? profile->most_step : 1;

	if (block_end > zone_end_pfn(zone))
		block_end = zone_end_pfn(zone);
	for (; block_start >= low_limit;
	     block_end = block_start, block_start -= pageblock_nr_pages, start = block_start) {
		struct page *page = pageblock_pfn_to_page(vm, block_start, block_end, zone);
		bool fruitful;

		if (!page || !profile->suitable_target(vm, cc, page))
			continue;
		if (!cc->ignore_skip_hint && get_pageblock_skip(vm, block_start))
			continue;
		fruitful = isolate_freepages_block(vm, cc, &start, block_end, step);
		if (cc->nr_freepages >= cc->nr_migratepages) {
			if (start >= block_end)
				start = block_start - pageblock_nr_pages;
			break;
		}
		if (start < block_end)
			break;
		if (fruitful)
			step = 1;
		else if (step < profile->most_step)
			step *= 2;
	}
	cc->free_pfn = start;
}

/* Refills cc->freepages, which is empty. */
static void isolate_freepages(struct vm *vm, struct compact_control *cc)
{
	vm->compact_profile->find_targets(vm, cc);
	if (!cc->nr_freepages)
		scan_for_targets(vm, cc);
	map_pages(vm, &cc->freepages);
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
