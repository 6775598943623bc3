/* SPDX-License-Identifier: MIT */
#include "recount.h"

#include "buddy.h"
#include "lru.h"

static void free_head_is_valid(struct vm *vm, const struct zone *zone, const struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(vm, page);

	if (!PageBuddy(page) || page_order(page) != order || page_zone(vm, page) != zone || page->_refcount)
		violation(vm, VM_RULE_RECOUNT_FREE_LIST, page, "free_area_is_valid", "a free buddy of the list's order",
			  "order %u, refcount %d, %s", page_order(page), page->_refcount,
			  PageBuddy(page) ? "buddy" : "no buddy");
	if (pfn & ((1UL << order) - 1) || pfn < zone->zone_start_pfn || pfn + (1UL << order) > zone_end_pfn(zone))
		violation(vm, VM_RULE_RECOUNT_FREE_LIST, page, "free_area_is_valid", "an aligned block of the zone",
			  "pfn 0x%lx of order %u", pfn, order);
	if (order < pageblock_order) {
		unsigned long buddy_pfn = pfn ^ (1UL << order);
		const struct page *buddy = pfn_to_page(vm, buddy_pfn);

		if (pfn_valid(vm, buddy_pfn) && PageBuddy(buddy) && page_order(buddy) == order &&
		    page_zone(vm, buddy) == zone)
			violation(vm, VM_RULE_RECOUNT_UNMERGED, page, "free_area_is_valid", "buddies merged",
				  "both halves of order %u free", order);
	}
}

/* Free pages on the lists of a zone: all, those that NR_FREE_PAGES counts, and those of CMA blocks. */
struct free_count {
	long listed, counted, cma;
};

static void free_area_is_valid(struct vm *vm, const struct zone *zone, unsigned int order, struct free_count *free)
{
	const struct free_area *area = &zone->free_area[order];
	unsigned long heads = 0;

	for (int type = 0; type < MIGRATE_TYPES; type++) {
		list_for_each_page(page, &area->free_list[type]) {
			free_head_is_valid(vm, zone, page, order);
			heads++;
			free->listed += 1L << order;
			if (type != MIGRATE_ISOLATE)
				free->counted += 1L << order;
			if (type == MIGRATE_CMA)
				free->cma += 1L << order;
		}
	}
	if (heads != area->nr_free)
		violation(vm, VM_RULE_RECOUNT_FREE_LIST, NULL, "free_area_is_valid", "as many heads as nr_free says",
			  "zone %u order %u: %lu heads, nr_free %lu", zone->id, order, heads, area->nr_free);
}

static void used_page_is_valid(struct vm *vm, const struct page *page)
{
	const char *bad = NULL;

	if (!(page->ext & PAGE_EXT_ALLOCATED))
		bad = "neither free nor allocated";
	else if (page->_refcount <= 0 && !(page->ext & PAGE_EXT_HUGETLB))
		bad = "allocated without a reference";
	else if (PageLRU(page) && page->list_id)
		bad = "on the LRU and on a page list";
	if (bad)
		violation(vm, VM_RULE_RECOUNT_PAGE, page, "page_is_valid", "a free, used or reserved page",
			  "%s (refcount %d, flags 0x%lx)", bad, page->_refcount, page->flags & PAGE_FLAGS_MASK);
}

/* Never the allocator's. The vdso's page is marked, but was allocated. */
static bool is_reserved(const struct zone *zone, const struct page *page)
{
	return page_flag(page, PG_reserved) && page != zone->node->vdso_page;
}

/* Walks the zone's pages: every one is free, used or reserved, and the free ones are on the lists. */
static void zone_pages_are_valid(struct vm *vm, const struct zone *zone, long listed)
{
	unsigned long pfn = zone->zone_start_pfn, free_pages = 0, used = 0;

	while (pfn < zone_end_pfn(zone)) {
		const struct page *page = pfn_to_page(vm, pfn);

		if (!pfn_valid(vm, pfn)) {
			pfn = round_down(pfn, pageblock_nr_pages) + pageblock_nr_pages;
		} else if (PageBuddy(page)) {
			free_pages += 1UL << page_order(page);
			pfn += 1UL << page_order(page);
		} else if (is_reserved(zone, page) || page_zone(vm, page) != zone) {
			pfn++;
		} else {
			used_page_is_valid(vm, page);
			used += 1UL << page->alloc_order;
			pfn += 1UL << page->alloc_order;
		}
	}
	if ((long)free_pages != listed)
		violation(vm, VM_RULE_RECOUNT_FREE_PAGES, NULL, "zone_is_valid", "free pages as on the lists",
			  "zone %u: %lu, on the lists %ld", zone->id, free_pages, listed);
	if (free_pages + used != zone->boot_managed_pages)
		violation(vm, VM_RULE_RECOUNT_MANAGED, NULL, "zone_is_valid", "free + used = managed",
			  "zone %u: %lu + %lu, managed %lu", zone->id, free_pages, used, zone->boot_managed_pages);
}

/* The zone's count of ISOLATE blocks; a block that two zones share counts in the lower one. */
static void isolate_blocks_are_counted(struct vm *vm, const struct zone *zone)
{
	unsigned long pfn = round_down(zone->zone_start_pfn, pageblock_nr_pages), blocks = 0;

	for (; pfn < zone_end_pfn(zone); pfn += pageblock_nr_pages)
		if (pfn_valid(vm, pfn) && vm->pageblock_zone[pfn_to_block(pfn)] == zone->id &&
		    is_migrate_isolate(get_pageblock_migratetype(vm, pfn_to_page(vm, pfn))))
			blocks++;
	if (blocks != zone->nr_isolate_pageblock)
		violation(vm, VM_RULE_RECOUNT_FREE_PAGES, NULL, "zone_is_valid", "ISOLATE blocks as counted",
			  "zone %u: %lu, counted %lu", zone->id, blocks, zone->nr_isolate_pageblock);
}

static void zone_is_valid(struct vm *vm, const struct zone *zone)
{
	struct free_count free = {0, 0, 0};

	for (unsigned int order = 0; order < MAX_ORDER; order++)
		free_area_is_valid(vm, zone, order, &free);
	if (free.counted != zone->stat[NR_FREE_PAGES] || free.cma != zone->stat[NR_FREE_CMA_PAGES])
		violation(vm, VM_RULE_RECOUNT_FREE_PAGES, NULL, "zone_is_valid", "counters as on the lists",
			  "zone %u: free %ld counted as %ld, CMA %ld as %ld", zone->id, free.counted,
			  zone->stat[NR_FREE_PAGES], free.cma, zone->stat[NR_FREE_CMA_PAGES]);
	zone_pages_are_valid(vm, zone, free.listed);
	isolate_blocks_are_counted(vm, zone);
}

static void lru_is_valid(struct vm *vm, const struct pglist_data *node)
{
	for (int list = 0; list < NR_LRU_LISTS; list++) {
		long pages = 0;

		list_for_each_page(page, &node->lru[list]) {
			if (!PageLRU(page) || (int)page_lru(page) != list)
				violation(vm, VM_RULE_RECOUNT_LRU, page, "lru_is_valid", "PG_lru and the list's flags",
					  "flags 0x%lx on list %d", page->flags & PAGE_FLAGS_MASK, list);
			pages += hpage_nr_pages(page);
		}
		if (pages != node->stat[NR_INACTIVE_ANON + list])
			violation(vm, VM_RULE_RECOUNT_LRU, NULL, "lru_is_valid", "the list's counter",
				  "node %d list %d: %ld pages, counter %ld", node->node_id, list, pages,
				  node->stat[NR_INACTIVE_ANON + list]);
	}
}

static void page_lists_are_valid(struct vm *vm)
{
	long isolated = 0, counted = 0;

	for (unsigned int id = 1; id < vm->nr_lists; id++) {
		const struct page_list *list = vm->lists[id];
		unsigned long pages = 0, counted_apart = 0;

		if (!list)
			continue;
		list_for_each_page(page, &list->head) {
			if (page->list_id != id || page->_refcount <= 0)
				violation(vm, VM_RULE_RECOUNT_LIST, page, "page_list_is_valid", "a used page of the list",
					  "list %u, refcount %d", page->list_id, page->_refcount);
			pages++;
			counted_apart += PageHuge(page);
		}
		if (pages != list->nr)
			violation(vm, VM_RULE_RECOUNT_LIST, NULL, "page_list_is_valid", "the list's counter",
				  "%lu pages, counter %lu", pages, list->nr);
		isolated += list->isolated ? (long)(pages - counted_apart) : 0;
	}
	for (unsigned int nid = 0; nid < vm->nr_nodes; nid++)
		counted += vm->nodes[nid].stat[NR_ISOLATED_ANON] + vm->nodes[nid].stat[NR_ISOLATED_FILE];
	if (counted != isolated)
		violation(vm, VM_RULE_RECOUNT_ISOLATED, NULL, "page_lists_are_valid", "NR_ISOLATED_* as on the lists",
			  "%ld pages on migration lists, %ld counted", isolated, counted);
}

void vm_recount(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_zones; i++)
		zone_is_valid(vm, &vm->zones[i]);
	for (unsigned int nid = 0; nid < vm->nr_nodes; nid++)
		lru_is_valid(vm, &vm->nodes[nid]);
	page_lists_are_valid(vm);
	recount_maps(vm);
}
