/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "page_alloc.h"
#include "pcp.h"

static void prepare_page(struct vm *vm, unsigned long pfn)
{
	if (!(*pageblock_of(vm, pfn) & PB_READY) && !PageBuddy(pfn_to_page(vm, pfn))) {
		struct page *page = pfn_to_page(vm, pfn);

		/* Inside a boot-time buddy: the block stays as it is, this page gets what it needs. */
		page->_mapcount = -1;
		page->lock_cpu = -1;
		set_page_zone(page, &vm->zones[vm->pageblock_zone[pfn_to_block(pfn)]]);
	}
}

/* Makes the struct page fit to be looked at; -EINVAL if there is no such page. */
long mv_prepare_page(struct vm *vm, unsigned long pfn)
{
	if (!pfn_valid(vm, pfn))
		return -EINVAL;
	if (!vm_begin_access(vm))
		return BROKEN;
	prepare_page(vm, pfn);
	vm_end_access(vm);
	return 0;
}

long mv_read(struct vm *vm, unsigned long pfn, int field)
{
	const struct page *page = pfn_to_page(vm, pfn);

	switch ((enum mv_field)field) {
	case MV_FLAGS:
		return (long)(page->flags & PAGE_FLAGS_MASK);
	case MV_REFCOUNT:
		return page->_refcount;
	case MV_MAPCOUNT:
		return page->_mapcount;
	case MV_PRIVATE:
		return (long)page->private;
	case MV_INDEX:
		return (long)page->index;
	case MV_LOCK_CPU:
		return PageLocked(page) ? page->lock_cpu : -1;
	case MV_LIST:
		return page->list_id;
	case MV_ORDER:
		return PageBuddy(page) ? (long)page_order(page) : page->alloc_order;
	case MV_NID:
		return page_to_nid(vm, page);
	case MV_ZONE:
		return page_zone(vm, page)->id;
	case MV_MAPPING_BITS:
		return (long)mapping_bits(page);
	default:
		return -EINVAL;
	}
}

static long write_field(struct page *page, int field, unsigned long value)
{
	if (page->_refcount <= 0)
		return -EPERM;
	switch ((enum mv_field)field) {
	case MV_MAPCOUNT:
		page->_mapcount = (int)value;
		return 0;
	case MV_PRIVATE:
		page->private = value;
		return 0;
	case MV_INDEX:
		page->index = value;
		return 0;
	case MV_SET_FLAGS:
		page->flags |= value & PAGE_FLAGS_MASK;
		return 0;
	case MV_CLEAR_FLAGS:
		page->flags &= ~(value & PAGE_FLAGS_MASK);
		return 0;
	default:
		return -EINVAL;
	}
}

/* -EPERM for a page that nobody uses. */
long mv_write(struct vm *vm, unsigned long pfn, int field, unsigned long value)
{
	long answer;

	if (!vm_begin_access(vm))
		return BROKEN;
	answer = write_field(pfn_to_page(vm, pfn), field, value);
	vm_end_access(vm);
	return answer;
}

void *mv_page_owner(struct vm *vm, unsigned long pfn)
{
	const struct address_space *mapping = page_mapping(pfn_to_page(vm, pfn));

	return mapping ? mapping->owner : NULL;
}

long mv_get_page(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	get_page(vm, pfn_to_page(vm, pfn));
	API_END(vm, 0);
}

long mv_put_page(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	put_page(vm, pfn_to_page(vm, pfn));
	API_END(vm, 0);
}

long mv_lock_page(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, true);
	lock_page(vm, pfn_to_page(vm, pfn));
	API_END(vm, 0);
}

long mv_trylock_page(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	API_END(vm, trylock_page(vm, pfn_to_page(vm, pfn)));
}

long mv_unlock_page(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	unlock_page(vm, pfn_to_page(vm, pfn));
	API_END(vm, 0);
}

long mv_page_movable(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	API_END(vm, PageMovable(vm, pfn_to_page(vm, pfn)));
}

long mv_set_movable(struct vm *vm, unsigned long pfn, struct address_space *mapping)
{
	API_BEGIN(vm, false);
	__SetPageMovable(vm, pfn_to_page(vm, pfn), mapping);
	API_END(vm, 0);
}

long mv_clear_movable(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	__ClearPageMovable(vm, pfn_to_page(vm, pfn));
	API_END(vm, 0);
}

long mv_copy_page(struct vm *vm, unsigned long to, unsigned long from)
{
	API_BEGIN(vm, false);
	copy_highpage(vm, pfn_to_page(vm, to), pfn_to_page(vm, from));
	API_END(vm, 0);
}

long mv_discard(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	API_END(vm, discard_frames(vm, pfn_to_page(vm, pfn), 1));
}

/* What success asks of migratepage, in one call (spec/migration.md 6.8 (11)). Both pages locked. */
long mv_replace_page(struct vm *vm, struct address_space *mapping, unsigned long newpage, unsigned long oldpage)
{
	struct page *new = pfn_to_page(vm, newpage), *old = pfn_to_page(vm, oldpage);

	API_BEGIN(vm, false);
	copy_highpage(vm, new, old);
	new->private = old->private;
	new->index = old->index;
	new->_mapcount = old->_mapcount;
	get_page(vm, new);
	/* Marked before the old page is cleared: at no time does neither belong to the driver. */
	__SetPageMovable(vm, new, mapping);
	__ClearPageMovable(vm, old);
	old->private = 0;
	old->_mapcount = -1;
	put_page(vm, old);
	API_END(vm, 0);
}

long mv_alloc_pages(struct vm *vm, int nid, unsigned int gfp, unsigned int order)
{
	struct page *page;

	API_BEGIN(vm, true);
	page = alloc_pages_node(vm, nid, gfp, order);
	/* Whoever gets an exception does not learn of the page. */
	if (page && entry_failed(vm, &entry_)) {
		__free_pages(vm, page, order);
		page = NULL;
	}
	API_END(vm, page ? (long)page_to_pfn(vm, page) : -1);
}

long mv_free_pages(struct vm *vm, unsigned long pfn, unsigned int order)
{
	API_BEGIN(vm, false);
	__free_pages(vm, pfn_to_page(vm, pfn), order);
	API_END(vm, 0);
}

/* -EINVAL if the zone would end up with fewer than no pages, or more than it has. */
static long adjust_managed(struct zone *zone, long delta)
{
	long managed = (long)zone->managed_pages + delta;

	if (managed < 0 || managed > (long)zone->present_pages)
		return -EINVAL;
	zone->managed_pages = (unsigned long)managed;
	return 0;
}

long mv_adjust_managed(struct vm *vm, unsigned long pfn, long delta)
{
	API_BEGIN(vm, false);
	API_END(vm, adjust_managed(page_zone(vm, pfn_to_page(vm, pfn)), delta));
}

long mv_pageblock_migratetype(struct vm *vm, unsigned long pfn)
{
	return get_pageblock_migratetype(vm, pfn_to_page(vm, pfn));
}

long mv_set_pageblock_migratetype(struct vm *vm, unsigned long pfn, int type)
{
	unsigned long moved;

	API_BEGIN(vm, false);
	/* Pages that wait in per-CPU lists would go back under the old type. */
	drain_all_pages(vm);
	moved = change_pageblock_migratetype(vm, pfn_to_page(vm, pfn), (enum migratetype)type);
	API_END(vm, (long)moved);
}

long mv_pageblock_skip(struct vm *vm, unsigned long pfn)
{
	return get_pageblock_skip(vm, pfn);
}
