/* SPDX-License-Identifier: MIT */
#include "non_lru.h"

#include "callbacks.h"
#include "hugetlb.h"
#include "lru.h"

/* With a reference on the page; whether it now belongs to the VM. */
static bool isolate_held_page(struct vm *vm, struct page *page, isolate_mode_t mode)
{
	bool isolated = false;

	/* Before the lock: the owner of a fresh page may still set its flags without it. */
	if (unlikely(!__PageMovable(page)))
		return false;
	/* The scanner meets any page; a held lock means that it is being moved or released. */
	if (unlikely(!trylock_page(vm, page)))
		return false;
	if (PageMovable(vm, page) && !PageIsolated(page)) {
		VM_BUG_ON_PAGE(vm, !page_mapping(page), page, VM_RULE_ISOLATE_NO_MAPPING, "a mapping", "none");
		isolated = call_isolate_page(vm, page, mode);
		if (isolated)
			set_page_flag(page, PG_isolated);
	}
	if (likely(PageLocked(page)))
		unlock_page(vm, page);
	return isolated;
}

bool isolate_movable_page(struct vm *vm, struct page *page, isolate_mode_t mode)
{
	if (unlikely(!get_page_unless_zero(vm, page)))
		return false;
	if (isolate_held_page(vm, page, mode))
		return true;
	put_page(vm, page);
	return false;
}

void putback_movable_page(struct vm *vm, struct page *page)
{
	VM_BUG_ON_PAGE(vm, !PageLocked(page), page, VM_RULE_PAGE_NOT_LOCKED, "page locked", "unlocked");
	VM_BUG_ON_PAGE(vm, !page_is_movable(page), page, VM_RULE_PUTBACK_NOT_MOVABLE, "PageMovable", "not movable");
	VM_BUG_ON_PAGE(vm, !PageIsolated(page), page, VM_RULE_PUTBACK_NOT_ISOLATED, "PG_isolated", "not isolated");
	/* The driver still sees PG_isolated inside its callback. */
	call_putback_page(vm, page);
	clear_page_flag(page, PG_isolated);
}

void end_isolation(struct vm *vm, struct page *page)
{
	lock_page(vm, page);
	if (PageMovable(vm, page))
		putback_movable_page(vm, page);
	else
		clear_page_flag(page, PG_isolated);
	/* A driver that unlocked the page has been reported. */
	if (likely(PageLocked(page)))
		unlock_page(vm, page);
	put_page(vm, page);
}

void mod_isolated(struct vm *vm, const struct page *page, long delta)
{
	enum node_item item = page_is_file_cache(page) ? NR_ISOLATED_FILE : NR_ISOLATED_ANON;

	page_zone(vm, page)->node->stat[item] += delta;
}

void putback_movable_pages(struct vm *vm, struct list_head *pages)
{
	while (!list_empty(pages)) {
		struct page *page = list_first_page(pages);

		if (unlikely(PageHuge(page))) {
			putback_active_hugepage(vm, page);
			continue;
		}
		unlink_page(vm, page);
		mod_isolated(vm, page, -1);
		if (likely(__PageMovable(page))) {
			VM_BUG_ON_PAGE(vm, !PageIsolated(page), page, VM_RULE_PUTBACK_NOT_ISOLATED, "PG_isolated",
				       "not isolated");
			end_isolation(vm, page);
		} else {
			putback_lru_page(vm, page);
		}
	}
}
