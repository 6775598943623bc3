/* SPDX-License-Identifier: MIT */
#include "page_isolation.h"

/* A page in use that is neither on the LRU nor a driver's that may be moved. */
static bool page_is_unmovable(const struct page *page, bool non_lru)
{
	return page->_refcount && !PageLRU(page) && !(non_lru && __PageMovable(page));
}

bool has_unmovable_pages(const struct vm *vm, struct page *page, bool non_lru)
{
	enum migratetype type = get_pageblock_migratetype(vm, page);
	unsigned long pfn = round_down(page_to_pfn(vm, page), pageblock_nr_pages), end = pfn + pageblock_nr_pages;

	if (page_zone(vm, page)->type == ZONE_MOVABLE || type == MIGRATE_MOVABLE || type == MIGRATE_CMA)
		return false;
	while (pfn < end) {
		const struct page *each = pfn_to_page(vm, pfn);

		if (page_is_unmovable(each, non_lru))
			return true;
		pfn += PageBuddy(each) ? 1UL << page_order(each) : 1;
	}
	return false;
}

int set_migratetype_isolate(struct vm *vm, struct page *page, bool non_lru)
{
	/* Who isolated it counts on it: a second owner would give it back under the first one's hands. */
	if (is_migrate_isolate(get_pageblock_migratetype(vm, page)))
		return -EBUSY;
	if (has_unmovable_pages(vm, page, non_lru))
		return -EBUSY;
	change_pageblock_migratetype(vm, page, MIGRATE_ISOLATE);
	return 0;
}

int start_isolate_page_range(struct vm *vm, unsigned long start, unsigned long end, enum migratetype type,
			     bool non_lru, unsigned long *busy)
{
	for (unsigned long pfn = start; pfn < end; pfn += pageblock_nr_pages) {
		if (!pfn_valid(vm, pfn) || !set_migratetype_isolate(vm, pfn_to_page(vm, pfn), non_lru))
			continue;
		*busy = pfn;
		undo_isolate_page_range(vm, start, pfn, type);
		return -EBUSY;
	}
	return 0;
}

void undo_isolate_page_range(struct vm *vm, unsigned long start, unsigned long end, enum migratetype type)
{
	for (unsigned long pfn = start; pfn < end; pfn += pageblock_nr_pages) {
		struct page *page = pfn_to_page(vm, pfn);

		if (pfn_valid(vm, pfn) && is_migrate_isolate(get_pageblock_migratetype(vm, page)))
			change_pageblock_migratetype(vm, page, type);
	}
}

int test_pages_isolated(const struct vm *vm, unsigned long start, unsigned long end, unsigned long *busy)
{
	unsigned long pfn = start;

	while (pfn < end) {
		const struct page *page = pfn_to_page(vm, pfn);

		*busy = pfn;
		if (!pfn_valid(vm, pfn) || !is_migrate_isolate(get_pageblock_migratetype(vm, page)) || !PageBuddy(page))
			return -EBUSY;
		pfn += 1UL << page_order(page);
	}
	return 0;
}
