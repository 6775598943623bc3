/* SPDX-License-Identifier: MIT
 *
 * Compaction as in Linux 6.1. spec/differences-drivers.md 2.1, 2.2, 3.
 */
#include "compact_profile.h"

#include "page_alloc.h"
#include "scanner.h"

#define MOST_STEP 32UL
#define SEARCH_ENTRIES 32UL

/* Async direct runs look only at blocks of the request's own type (K13). */
static bool suitable_source(const struct vm *vm, const struct compact_control *cc, const struct page *page)
{
	enum migratetype wanted = gfpflags_to_migratetype(cc->gfp_mask), type = get_pageblock_migratetype(vm, page);

	if (PageCompound(page) && compound_order(page) >= pageblock_order)
		return false;
	if (cc->mode != MIGRATE_ASYNC || !cc->direct_compaction)
		return true;
	return type == wanted || (wanted == MIGRATE_MOVABLE && type == MIGRATE_CMA);
}

/* Blocks that are free as a whole stay so, whatever the run says (3.3). */
static bool suitable_target(const struct vm *vm, const struct compact_control *cc, const struct page *page)
{
	return !heads_whole_block(page) && (cc->ignore_block_suitable || is_movable_block(vm, page));
}

/* K14, K15: hints of blocks that are done with; the cached position lies one block behind. */
static void source_scanned(struct vm *vm, const struct compact_control *cc, const struct block_scan *scan)
{
	bool done = scan->pos == scan->end && (!scan->nr_isolated || cc->rescan);

	if (cc->no_set_skip_hint)
		return;
	if (done || (scan->first_taken && scan->first_taken % pageblock_nr_pages == 0))
		set_pageblock_skip(vm, scan->start);
	if (done)
		raise_cached_migrate(cc, round_down(scan->end, pageblock_nr_pages) + pageblock_nr_pages);
}

static void target_scanned(struct vm *vm, const struct compact_control *cc, const struct block_scan *scan)
{
	if (scan->pos != scan->end)
		return;
	set_pageblock_skip(vm, scan->start);
	lower_cached_free(cc, round_down(scan->start, pageblock_nr_pages));
}

/* A hint stays where one page in eight shows neither a source nor a target (K14). */
static bool may_clear_skip(const struct vm *vm, const struct zone *zone, unsigned long block_start)
{
	for (unsigned long pfn = block_start; pfn < block_start + pageblock_nr_pages; pfn += 8) {
		const struct page *page = pfn_to_page(vm, pfn);

		if (zone_spans_pfn(zone, pfn) && pfn_valid(vm, pfn) && (PageLRU(page) || PageBuddy(page)))
			return true;
	}
	return false;
}

/* Only between blocks, and whatever the watermark (K12). */
static enum compact_result goal_reached(const struct vm *vm, const struct compact_control *cc)
{
	(void)vm;
	if (cc->migrate_pfn % pageblock_nr_pages)
		return COMPACT_CONTINUE;
	return suitable_page_exists(cc) ? COMPACT_SUCCESS : COMPACT_NO_SUITABLE_PAGE;
}

/* Searches of the free lists (3.6) */

static unsigned long block_start_of(unsigned long pfn)
{
	return round_down(pfn, pageblock_nr_pages);
}

/* How many entries a search may look at: fewer after each that was in vain. */
static unsigned long search_limit(const struct compact_control *cc)
{
	return (cc->search_failures < 6 ? SEARCH_ENTRIES >> cc->search_failures : 0) + 1;
}

/* The list starts behind the page: all up to it come last. */
static void rotate_behind(struct list_head *list, struct page *page)
{
	list->prev->next = list->next;
	list->next->prev = list->prev;
	list_link(list, &page->lru, page->lru.next);
}

static bool may_jump(const struct compact_control *cc)
{
	unsigned long pfn = cc->migrate_pfn;

	if (cc->ignore_skip_hint || cc->order <= PAGE_ALLOC_COSTLY_ORDER)
		return false;
	if (cc->direct_compaction && gfpflags_to_migratetype(cc->gfp_mask) != MIGRATE_MOVABLE)
		return false;
	return pfn % pageblock_nr_pages == 0 || pfn == cc->zone->zone_start_pfn;
}

/* The head of the first free block below `bound` whose pageblock has no hint. */
static struct page *find_source(struct vm *vm, struct compact_control *cc, unsigned long bound)
{
	unsigned long limit = search_limit(cc), looked_at = 0;
	struct page *found = NULL;

	for (int order = cc->order - 1; order >= PAGE_ALLOC_COSTLY_ORDER && looked_at < limit && !found; order--) {
		struct list_head *list = &cc->zone->free_area[order].free_list[MIGRATE_MOVABLE];

		list_for_each_page(page, list) {
			unsigned long pfn = page_to_pfn(vm, page);

			looked_at++;
			if (pfn < bound && !get_pageblock_skip(vm, pfn))
				found = page;
			if (found || looked_at == limit)
				break;
		}
		if (found)
			rotate_behind(list, found);
	}
	cc->migrate_scanned += looked_at;
	count_vm_events(vm, COMPACTMIGRATE_SCANNED, looked_at);
	return found;
}

/* A jump that was found before, the lowest; it can be used once. */
static unsigned long use_lowest_found(struct compact_control *cc)
{
	unsigned long pfn = cc->lowest_found;

	if (!pfn || pfn == ~0UL)
		return cc->migrate_pfn;
	cc->lowest_found = ~0UL;
	return pfn;
}

static unsigned long next_source(struct vm *vm, struct compact_control *cc)
{
	unsigned long distance = cc->free_pfn - cc->migrate_pfn, pfn;
	struct page *found;

	cc->jumped = false;
	if (!may_jump(cc))
		return cc->migrate_pfn;
	distance /= cc->migrate_pfn == cc->zone->zone_start_pfn ? 2 : 8;
	found = find_source(vm, cc, block_start_of(cc->migrate_pfn + distance));
	if (!found) {
		cc->search_failures++;
		return use_lowest_found(cc);
	}
	cc->search_failures = 0;
	cc->jumped = true;
	pfn = block_start_of(page_to_pfn(vm, found));
	set_pageblock_skip(vm, pfn);
	if (pfn < cc->zone->zone_start_pfn)
		pfn = cc->zone->zone_start_pfn;
	if (!cc->lowest_found || (cc->lowest_found != ~0UL && pfn < cc->lowest_found))
		cc->lowest_found = pfn;
	return pfn;
}

/* Where targets may lie, and what a search has seen. */
struct target_search {
	unsigned long preferred, acceptable; /* lowest pfns */
	unsigned long looked_at, highest;    /* highest block seen */
};

/* The first preferred free block of an order, else the highest acceptable one. */
static struct page *find_target(const struct vm *vm, const struct compact_control *cc, int order,
				unsigned long limit, struct target_search *search)
{
	const struct list_head *list = &cc->zone->free_area[order].free_list[MIGRATE_MOVABLE];
	unsigned long best = search->acceptable;
	struct page *found = NULL;

	for (struct list_head *item = list->prev; item != list && limit; item = item->prev, limit--) {
		struct page *page = list_page(item);
		unsigned long pfn = page_to_pfn(vm, page);

		search->looked_at++;
		if (block_start_of(pfn) > search->highest)
			search->highest = block_start_of(pfn);
		if (pfn >= search->preferred)
			return page;
		if (pfn >= best) {
			best = pfn;
			found = page;
		}
	}
	return found;
}

/* The whole block around a target that did not suffice. */
static void take_around(struct vm *vm, struct compact_control *cc, unsigned long pfn)
{
	unsigned long start = block_start_of(pfn), end = start + pageblock_nr_pages;

	if (cc->nr_freepages >= cc->nr_migratepages || (cc->direct_compaction && cc->mode == MIGRATE_ASYNC))
		return;
	if (start < cc->zone->zone_start_pfn)
		start = cc->zone->zone_start_pfn;
	if (end > zone_end_pfn(cc->zone))
		end = zone_end_pfn(cc->zone);
	if (!pageblock_pfn_to_page(vm, start, end, cc->zone))
		return;
	isolate_freepages_block(vm, cc, &start, end, 1);
	if (cc->nr_freepages < cc->nr_migratepages)
		set_pageblock_skip(vm, pfn);
}

static void take_target(struct vm *vm, struct compact_control *cc, struct page *page)
{
	unsigned int order = page_order(page);
	unsigned long taken = __isolate_free_page(vm, page, order);

	if (!taken)
		return;
	page->alloc_order = (uint8_t)order;
	list_add_tail(&page->lru, &cc->freepages);
	cc->nr_freepages += taken;
	cc->isolated += taken;
	count_vm_events(vm, COMPACTISOLATED, taken);
	take_around(vm, cc, page_to_pfn(vm, page));
}

/* Orders from the one that succeeded last downwards, wrapping round below the goal. */
static struct page *search_orders(const struct vm *vm, struct compact_control *cc, unsigned long limit,
				  struct target_search *search)
{
	int first = cc->search_order && cc->search_order < cc->order ? cc->search_order : cc->order - 1, order = first;

	do {
		struct page *page = find_target(vm, cc, order, limit, search);

		if (page) {
			cc->search_order = order;
			return page;
		}
		order = order ? order - 1 : cc->order - 1;
	} while (order != first);
	return NULL;
}

/* Nothing was found: the scan that follows need not begin at the end of the zone. */
static void lower_free_position(struct compact_control *cc, const struct target_search *search)
{
	if (search->highest >= search->acceptable)
		cc->free_pfn = search->highest;
	else if (cc->direct_compaction)
		cc->free_pfn = search->acceptable;
}

static void find_targets(struct vm *vm, struct compact_control *cc)
{
	unsigned long distance = cc->free_pfn - cc->migrate_pfn;
	unsigned long above = block_start_of(cc->migrate_pfn) + pageblock_nr_pages, limit = search_limit(cc) / 2;
	bool initial = cc->free_pfn == block_start_of(zone_end_pfn(cc->zone) - 1);
	struct target_search search = {
		.preferred = block_start_of(cc->free_pfn - distance / 4),
		.acceptable = block_start_of(cc->free_pfn - distance / 2),
	};
	struct page *page;

	/* Never a target in the block that is being emptied. */
	if (cc->order <= 0 || cc->free_pfn < above)
		return;
	search.acceptable = search.acceptable < above ? above : search.acceptable;
	search.preferred = search.preferred < above ? above : search.preferred;
	if (initial)
		limit = pageblock_nr_pages / 2;
	page = search_orders(vm, cc, limit ? limit : 1, &search);
	cc->free_scanned += search.looked_at;
	count_vm_events(vm, COMPACTFREE_SCANNED, search.looked_at);
	if (page) {
		cc->search_failures = 0;
		take_target(vm, cc, page);
		return;
	}
	cc->search_failures++;
	if (initial)
		lower_free_position(cc, &search);
}

bool compaction_capture(struct vm *vm, struct page *page, const struct zone *zone, unsigned int order,
			enum migratetype type)
{
	struct capture_control *capture = vm->capture;

	if (!capture || capture->page || capture->cc->zone != zone || capture->cc->order != (int)order)
		return false;
	if (type == MIGRATE_CMA || type == MIGRATE_ISOLATE)
		return false;
	if (order < pageblock_order && type == MIGRATE_MOVABLE)
		return false;
	capture->page = page;
	return true;
}

const struct compact_profile compact_6_1 = {
	.rescans = true,
	.hints_inside_block = false,
	.most_step = MOST_STEP,
	.counts_all_pages = true,
	.counts_all_failed = true,
	.captures = true,
	.suitable_source = suitable_source,
	.suitable_target = suitable_target,
	.source_scanned = source_scanned,
	.target_scanned = target_scanned,
	.may_clear_skip = may_clear_skip,
	.goal_reached = goal_reached,
	.next_source = next_source,
	.find_targets = find_targets,
};
