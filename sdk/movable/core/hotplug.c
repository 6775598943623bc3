/* SPDX-License-Identifier: MIT */
#include "hotplug.h"

#include "lru.h"
#include "non_lru.h"
#include "page_alloc.h"
#include "page_isolation.h"
#include "pcp.h"
#include "scanner.h"

#define NR_OFFLINE_AT_ONCE_PAGES 256
#define MAX_NEGATIVE_PASSES 5

/* One attempt to empty a range. */
struct offline {
	unsigned long start, end;
	bool non_lru;
	struct range_result *result;
};

static bool frame_is_offline(const struct page *page)
{
	return page->ext & PAGE_EXT_OFFLINE;
}

/* Whole pageblocks of one zone, with memory behind each. */
static bool range_is_valid(const struct vm *vm, unsigned long start, unsigned long end)
{
	const struct zone *zone;

	if ((start | end) & (pageblock_nr_pages - 1) || start >= end || !pfn_valid(vm, start))
		return false;
	zone = page_zone(vm, pfn_to_page(vm, start));
	if (start < zone->zone_start_pfn || end > zone_end_pfn(zone))
		return false;
	for (unsigned long pfn = start; pfn < end; pfn += pageblock_nr_pages)
		if (!pfn_valid(vm, pfn))
			return false;
	return true;
}

/* The first page of the range that could be moved; the range's end if there is none. */
static unsigned long scan_movable_pages(const struct vm *vm, const struct offline *off)
{
	for (unsigned long pfn = off->start; pfn < off->end; pfn++) {
		const struct page *page = pfn_to_page(vm, pfn);

		if (page->_refcount && (PageLRU(page) || (off->non_lru && __PageMovable(page))))
			return pfn;
	}
	return off->end;
}

/* Isolates one page in use onto the list; false if it cannot be. */
static bool take_page(struct vm *vm, const struct offline *off, struct page *page, struct list_head *list)
{
	if (PageLRU(page) ? isolate_lru_page(vm, page) != 0
			  : !off->non_lru || !isolate_movable_page(vm, page, ISOLATE_UNEVICTABLE))
		return false;
	unlink_page(vm, page);
	page->list_id = LIST_ID_VM;
	list_add_tail(&page->lru, list);
	mod_isolated(vm, page, 1);
	return true;
}

/* Another node first, then any (spec/migration.md 3.6). */
static struct page *new_page_elsewhere(struct vm *vm, struct page *page, unsigned long private, int **result)
{
	const struct zone *zone = page_zone(vm, page);
	gfp_t gfp = GFP_USER | __GFP_MOVABLE | (zone->type == ZONE_MOVABLE ? __GFP_HIGHMEM : 0);
	int nid = zone->node->node_id, next = (nid + 1) % (int)vm->nr_nodes;
	struct page *newpage = NULL;

	(void)private;
	(void)result;
	if (next != nid)
		newpage = __alloc_pages_nodemask(vm, gfp, 0, next, ALL_NODES & ~(1UL << nid));
	return newpage ? newpage : alloc_pages_node(vm, next, gfp, 0);
}

/* Collects pages from pfn on; -EBUSY if one in use cannot be taken. */
static int collect_pages(struct vm *vm, const struct offline *off, unsigned long pfn, struct list_head *list)
{
	unsigned long taken = 0;

	for (; pfn < off->end && taken < NR_OFFLINE_AT_ONCE_PAGES; pfn++) {
		struct page *page = pfn_to_page(vm, pfn);

		if (!page->_refcount)
			continue;
		if (take_page(vm, off, page, list)) {
			taken++;
		} else if (page->_refcount) {
			off->result->busy = pfn;
			return -EBUSY;
		}
	}
	return 0;
}

/* One pass from pfn on: negative, or how many pages did not move. */
static int do_migrate_range(struct vm *vm, const struct offline *off, unsigned long pfn)
{
	struct migrate_counts counts;
	struct list_head source;
	int ret;

	list_init(&source);
	off->result->passes++;
	ret = collect_pages(vm, off, pfn, &source);
	if (!ret && !list_empty(&source)) {
		ret = migrate_pages(vm, &source, new_page_elsewhere, NULL, 0, MIGRATE_SYNC, MR_MEMORY_HOTPLUG, &counts);
		off->result->migrated += counts.succeeded;
		off->result->failed += counts.failed;
	}
	putback_movable_pages(vm, &source);
	return ret;
}

/* Passes until nothing movable is left. */
static int empty_range(struct vm *vm, const struct offline *off, unsigned long max_passes)
{
	int negative = 0, ret;
	unsigned long pfn;

	for (;;) {
		if (vm->interrupt)
			return -EINTR;
		lru_add_drain_all(vm);
		pfn = scan_movable_pages(vm, off);
		if (pfn == off->end)
			return 0;
		if (off->result->passes == max_passes) {
			off->result->busy = pfn;
			return -EAGAIN;
		}
		ret = do_migrate_range(vm, off, pfn);
		if (ret < 0 && ++negative == MAX_NEGATIVE_PASSES)
			return ret;
	}
}

static void set_offline(struct vm *vm, struct page *page, unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++) {
		set_page_flag(page + i, PG_reserved);
		page[i]._refcount = 1;
		page[i].ext = PAGE_EXT_OFFLINE;
	}
	/* Frames that cannot be given back still hold no data that anybody may read. */
	if (discard_frames(vm, page, nr))
		memset(page_address(vm, page), 0, nr << PAGE_SHIFT);
}

/* Takes the free blocks of the range off the ISOLATE lists, for good. */
static void offline_isolated_pages(struct vm *vm, unsigned long start, unsigned long end)
{
	for (unsigned long pfn = start; pfn < end;) {
		struct page *page = pfn_to_page(vm, pfn);
		unsigned long nr = __isolate_free_page(vm, page, page_order(page));

		set_offline(vm, page, nr);
		pfn += nr;
	}
}

/* A balloon may have taken out more than there is left. */
static void shrink_zone(struct zone *zone, unsigned long nr)
{
	zone->managed_pages -= nr < zone->managed_pages ? nr : zone->managed_pages;
	zone->boot_managed_pages -= nr;
	zone->present_pages -= nr;
}

int offline_pages(struct vm *vm, unsigned long start, unsigned long end, bool non_lru, unsigned long max_passes,
		  struct range_result *result)
{
	const struct offline off = {start, end, non_lru, result};
	int ret;

	*result = (struct range_result){.busy = ~0UL};
	if (!range_is_valid(vm, start, end))
		return -EINVAL;
	might_sleep(vm, "offline_pages");
	ret = start_isolate_page_range(vm, start, end, MIGRATE_MOVABLE, non_lru, &result->busy);
	if (ret)
		return ret;
	ret = empty_range(vm, &off, max_passes);
	drain_all_pages(vm);
	if (!ret)
		ret = test_pages_isolated(vm, start, end, &result->busy);
	if (!ret) {
		result->busy = ~0UL;
		offline_isolated_pages(vm, start, end);
		shrink_zone(page_zone(vm, pfn_to_page(vm, start)), end - start);
	}
	undo_isolate_page_range(vm, start, end, MIGRATE_MOVABLE);
	return ret;
}

int online_pages(struct vm *vm, unsigned long start, unsigned long end)
{
	struct zone *zone;

	for (unsigned long pfn = start; pfn < end; pfn++)
		if (!pfn_valid(vm, pfn) || !frame_is_offline(pfn_to_page(vm, pfn)))
			return -EINVAL;
	zone = page_zone(vm, pfn_to_page(vm, start));
	zone->managed_pages += end - start;
	zone->boot_managed_pages += end - start;
	zone->present_pages += end - start;
	for (unsigned long pfn = start; pfn < end; pfn++) {
		struct page *page = pfn_to_page(vm, pfn);

		clear_page_flag(page, PG_reserved);
		page->ext = PAGE_EXT_ALLOCATED;
		page->alloc_order = 0;
		__free_pages(vm, page, 0);
	}
	return 0;
}
