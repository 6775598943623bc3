/* SPDX-License-Identifier: MIT */
#include "buddy.h"

#include "compaction.h"

#include "watermark.h"

void mod_zone_freepage_state(struct zone *zone, long nr, enum migratetype type)
{
	zone->stat[NR_FREE_PAGES] += nr;
	if (type == MIGRATE_CMA)
		zone->stat[NR_FREE_CMA_PAGES] += nr;
}

static void add_to_free_list(struct zone *zone, struct page *page, unsigned int order, enum migratetype type,
			     bool tail)
{
	struct free_area *area = &zone->free_area[order];

	page->private = order;
	page->_mapcount = PAGE_BUDDY_MAPCOUNT_VALUE;
	set_page_zone(page, zone);
	if (tail)
		list_add_tail(&page->lru, &area->free_list[type]);
	else
		list_add(&page->lru, &area->free_list[type]);
	area->nr_free++;
}

void del_page_from_free_list(struct zone *zone, struct page *page)
{
	list_del(&page->lru);
	zone->free_area[page_order(page)].nr_free--;
	page->_mapcount = -1;
	page->private = 0;
}

static bool page_is_buddy(const struct vm *vm, const struct zone *zone, unsigned long pfn, unsigned int order)
{
	const struct page *buddy = pfn_to_page(vm, pfn);

	return pfn_valid(vm, pfn) && PageBuddy(buddy) && page_order(buddy) == order && page_zone(vm, buddy) == zone;
}

/* Pages of these types are counted apart, so no free block may hold them together with others. */
static bool is_counted_apart(enum migratetype type)
{
	return is_migrate_isolate(type) || type == MIGRATE_CMA;
}

/*
 * Above a pageblock, no merging across the edge of an isolated block (2.2 step 3), nor of a CMA block: the
 * kernel aligns CMA areas to the largest block, so there the question does not come up.
 */
static bool types_forbid_merge(const struct vm *vm, unsigned long pfn, unsigned long buddy_pfn)
{
	enum migratetype a = get_pageblock_migratetype(vm, pfn_to_page(vm, pfn));
	enum migratetype b = get_pageblock_migratetype(vm, pfn_to_page(vm, buddy_pfn));

	return a != b && (is_counted_apart(a) || is_counted_apart(b));
}

void __free_one_page(struct vm *vm, struct page *page, struct zone *zone, unsigned int order, enum migratetype type)
{
	unsigned long pfn = page_to_pfn(vm, page), buddy_pfn;
	bool tail = false;

	/* One of its pageblocks has got another type since it was allocated. */
	if (order > pageblock_order && types_forbid_merge(vm, pfn, pfn + pageblock_nr_pages)) {
		struct page *upper = page + pageblock_nr_pages;

		__free_one_page(vm, page, zone, pageblock_order, type);
		__free_one_page(vm, upper, zone, pageblock_order, get_pageblock_migratetype(vm, upper));
		return;
	}
	if (!is_migrate_isolate(type))
		mod_zone_freepage_state(zone, 1L << order, type);
	for (; order < MAX_ORDER - 1; order++) {
		if (unlikely(vm->capture != NULL) && compaction_capture(vm, pfn_to_page(vm, pfn), zone, order, type)) {
			mod_zone_freepage_state(zone, -(1L << order), type);
			return;
		}
		buddy_pfn = pfn ^ (1UL << order);
		if (!page_is_buddy(vm, zone, buddy_pfn, order))
			break;
		if (order >= pageblock_order && types_forbid_merge(vm, pfn, buddy_pfn))
			break;
		del_page_from_free_list(zone, pfn_to_page(vm, buddy_pfn));
		pfn &= buddy_pfn;
	}
	/* Likely to merge again soon: hand it out last. */
	if (order < MAX_ORDER - 2) {
		unsigned long merged = pfn & ~(1UL << order);

		tail = page_is_buddy(vm, zone, merged ^ (1UL << (order + 1)), order + 1);
	}
	add_to_free_list(zone, pfn_to_page(vm, pfn), order, type, tail);
}

/* Splits `page`, just taken off the lists, from `high` to `low`; the upper halves go back under `type`. */
static void expand(struct vm *vm, struct zone *zone, struct page *page, unsigned int low, unsigned int high,
		   enum migratetype type)
{
	unsigned long pfn = page_to_pfn(vm, page);

	/* A boot-time buddy's struct pages become real when the block stops being one piece. */
	memmap_make_ready(vm, pfn, 1UL << low);
	while (high > low) {
		high--;
		add_to_free_list(zone, pfn_to_page(vm, pfn + (1UL << high)), high, type, false);
	}
}

struct page *__rmqueue_smallest(struct vm *vm, struct zone *zone, unsigned int order, enum migratetype type)
{
	for (unsigned int current_order = order; current_order < MAX_ORDER; current_order++) {
		struct list_head *list = &zone->free_area[current_order].free_list[type];
		struct page *page;

		if (list_empty(list))
			continue;
		page = list_first_page(list);
		del_page_from_free_list(zone, page);
		expand(vm, zone, page, order, current_order, type);
		return page;
	}
	return NULL;
}

/* spec/compaction.md 2.4; ended by MIGRATE_TYPES. */
static const enum migratetype fallbacks[MIGRATE_PCPTYPES][3] = {
	[MIGRATE_UNMOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE, MIGRATE_TYPES},
	[MIGRATE_RECLAIMABLE] = {MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_TYPES},
	[MIGRATE_MOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE, MIGRATE_TYPES},
};

static bool can_steal_fallback(unsigned int order, enum migratetype wanted)
{
	return order >= pageblock_order / 2 || wanted == MIGRATE_RECLAIMABLE || wanted == MIGRATE_UNMOVABLE;
}

int find_suitable_fallback(const struct free_area *area, unsigned int order, enum migratetype wanted,
			   bool only_stealable, bool *can_steal)
{
	*can_steal = false;
	if (!area->nr_free)
		return -1;
	for (int i = 0; fallbacks[wanted][i] != MIGRATE_TYPES; i++) {
		enum migratetype type = fallbacks[wanted][i];

		if (list_empty(&area->free_list[type]))
			continue;
		*can_steal = can_steal_fallback(order, wanted);
		if (!only_stealable || *can_steal)
			return (int)type;
	}
	return -1;
}

unsigned long move_freepages_block(struct vm *vm, struct zone *zone, struct page *page, enum migratetype type)
{
	unsigned long pfn = page_to_pfn(vm, page), end, moved = 0;
	unsigned long start = round_down(pfn, pageblock_nr_pages);

	end = start + pageblock_nr_pages;
	if (zone_spans_pfn(zone, start))
		pfn = start;
	if (!zone_spans_pfn(zone, end - 1))
		return 0;
	while (pfn < end) {
		struct page *head = pfn_to_page(vm, pfn);

		if (!PageBuddy(head)) {
			pfn++;
			continue;
		}
		list_move(&head->lru, &zone->free_area[page_order(head)].free_list[type]);
		pfn += 1UL << page_order(head);
		moved += 1UL << page_order(head);
	}
	return moved;
}

/* Splits a free block of the largest order, so that its two pageblocks can differ. */
static void split_largest_block(struct vm *vm, struct zone *zone, unsigned long pfn)
{
	struct page *page = pfn_to_page(vm, round_down(pfn, MAX_ORDER_NR_PAGES));

	if (!PageBuddy(page) || page_order(page) != MAX_ORDER - 1)
		return;
	del_page_from_free_list(zone, page);
	for (int i = 0; i < 2; i++, page += pageblock_nr_pages)
		add_to_free_list(zone, page, pageblock_order, get_pageblock_migratetype(vm, page), false);
}

/* A free buddy changes lists: its zone counts it under its new type. */
static void relist(struct zone *zone, struct page *head, enum migratetype old, enum migratetype type)
{
	long nr = 1L << page_order(head);

	list_move(&head->lru, &zone->free_area[page_order(head)].free_list[type]);
	if (!is_migrate_isolate(old))
		mod_zone_freepage_state(zone, -nr, old);
	if (!is_migrate_isolate(type))
		mod_zone_freepage_state(zone, nr, type);
}

/* Frees a free block once more: its neighbour may be one that it can merge with now (8.1). */
static void merge_again(struct vm *vm, struct page *page, enum migratetype type)
{
	struct zone *zone = page_zone(vm, page);

	del_page_from_free_list(zone, page);
	if (!is_migrate_isolate(type))
		mod_zone_freepage_state(zone, -(1L << pageblock_order), type);
	__free_one_page(vm, page, zone, pageblock_order, type);
}

unsigned long change_pageblock_migratetype(struct vm *vm, struct page *page, enum migratetype type)
{
	unsigned long start = round_down(page_to_pfn(vm, page), pageblock_nr_pages), moved = 0, pfn;
	struct page *first = pfn_to_page(vm, start);
	struct zone *block_zone = &vm->zones[vm->pageblock_zone[pfn_to_block(start)]];
	enum migratetype old = get_pageblock_migratetype(vm, page);

	split_largest_block(vm, page_zone(vm, page), start);
	set_pageblock_migratetype(vm, page, type);
	if (is_migrate_isolate(old))
		block_zone->nr_isolate_pageblock--;
	if (is_migrate_isolate(type))
		block_zone->nr_isolate_pageblock++;
	for (pfn = start; pfn < start + pageblock_nr_pages;) {
		struct page *head = pfn_to_page(vm, pfn);

		if (!PageBuddy(head)) {
			pfn++;
			continue;
		}
		relist(page_zone(vm, head), head, old, type);
		pfn += 1UL << page_order(head);
		moved += 1UL << page_order(head);
	}
	if (PageBuddy(first) && page_order(first) == pageblock_order)
		merge_again(vm, first, type);
	return moved;
}

static void change_pageblock_range(struct vm *vm, struct page *page, unsigned int order, enum migratetype type)
{
	for (unsigned long i = 0; i < 1UL << order; i += pageblock_nr_pages)
		set_pageblock_migratetype(vm, page + i, type);
}

static void steal_suitable_fallback(struct vm *vm, struct zone *zone, struct page *page, unsigned int order,
				    enum migratetype type)
{
	if (order >= pageblock_order)
		change_pageblock_range(vm, page, order, type);
	else if (move_freepages_block(vm, zone, page, type) >= 1UL << (pageblock_order - 1))
		set_pageblock_migratetype(vm, page, type);
}

/* The largest foreign block is split, its remainder goes to the wanted type's lists (2.6 A). */
static struct page *__rmqueue_fallback(struct vm *vm, struct zone *zone, unsigned int order,
				       enum migratetype wanted)
{
	for (int current_order = MAX_ORDER - 1; current_order >= (int)order; current_order--) {
		struct free_area *area = &zone->free_area[current_order];
		bool can_steal;
		int type = find_suitable_fallback(area, (unsigned int)current_order, wanted, false, &can_steal);
		struct page *page;

		if (type < 0)
			continue;
		page = list_first_page(&area->free_list[type]);
		if (can_steal)
			steal_suitable_fallback(vm, zone, page, (unsigned int)current_order, wanted);
		del_page_from_free_list(zone, page);
		expand(vm, zone, page, order, (unsigned int)current_order, wanted);
		return page;
	}
	return NULL;
}

struct page *__rmqueue(struct vm *vm, struct zone *zone, unsigned int order, enum migratetype wanted,
		       enum migratetype *type)
{
	struct page *page;

	*type = wanted;
	page = __rmqueue_smallest(vm, zone, order, wanted);
	if (page)
		return page;
	if (wanted == MIGRATE_MOVABLE) {
		*type = MIGRATE_CMA;
		page = __rmqueue_smallest(vm, zone, order, MIGRATE_CMA);
		if (page)
			return page;
		*type = wanted;
	}
	return __rmqueue_fallback(vm, zone, order, wanted);
}

unsigned long __isolate_free_page(struct vm *vm, struct page *page, unsigned int order)
{
	struct zone *zone = page_zone(vm, page);
	enum migratetype type = get_pageblock_migratetype(vm, page);

	if (!is_migrate_isolate(type)) {
		unsigned long watermark = zone->watermark[WMARK_MIN] + (1UL << order);

		if (!zone_watermark_ok(zone, 0, watermark, 0, ALLOC_CMA))
			return 0;
		mod_zone_freepage_state(zone, -(1L << order), type);
	}
	del_page_from_free_list(zone, page);
	memmap_make_ready(vm, page_to_pfn(vm, page), 1UL << order);
	if (order >= pageblock_order - 1) {
		for (unsigned long i = 0; i < 1UL << order; i += pageblock_nr_pages) {
			enum migratetype block = get_pageblock_migratetype(vm, page + i);

			if (!is_migrate_isolate(block) && block != MIGRATE_CMA)
				set_pageblock_migratetype(vm, page + i, MIGRATE_MOVABLE);
		}
	}
	return 1UL << order;
}
