/* SPDX-License-Identifier: MIT */
#include "callbacks.h"

/* What a callback may not change behind the VM's back. */
struct snapshot {
	uint32_t switches; /* other CPUs' turns so far: they may change what the page lock does not protect */
	unsigned long flags;
	struct address_space *mapping;
	unsigned long private, index;
	int refcount, mapcount;
};

/* Whose callback runs: restored afterwards, since a callback may cause another one. */
struct callback_state {
	enum callback callback;
	struct page *page;
	const struct address_space *mapping;
	enum migrate_mode mode;
};

static struct callback_state begin_callback(struct vm *vm, enum callback callback, struct page *page,
					    const struct address_space *mapping)
{
	struct callback_state outer = {vm->callback, vm->callback_page, vm->callback_mapping,
					     vm->callback_mode};

	vm->callback = callback;
	vm->callback_page = page;
	vm->callback_mapping = mapping;
	sched_point(vm, EV_ISOLATE + (callback - CALLBACK_ISOLATE), page_to_pfn(vm, page));
	return outer;
}

static void end_callback(struct vm *vm, struct callback_state outer)
{
	sched_page_point(vm, EV_RETURN, vm->callback_page);
	vm->callback = outer.callback;
	vm->callback_page = outer.page;
	vm->callback_mapping = outer.mapping;
	vm->callback_mode = outer.mode;
}

/* Nobody looks at it without debug. */
static struct snapshot take_snapshot(const struct vm *vm, const struct page *page)
{
	if (likely(!vm->debug))
		return (struct snapshot){0};
	return (struct snapshot){
		.switches = sched_switches(vm),
		.flags = page->flags & PAGE_FLAGS_MASK,
		.mapping = page->mapping,
		.private = page->private,
		.index = page->index,
		.refcount = page->_refcount,
		.mapcount = page->_mapcount,
	};
}

static bool undisturbed(const struct vm *vm, const struct snapshot *before)
{
	return sched_switches(vm) == before->switches;
}

/* Whether the count is not what it was, plus `change`; unknown where others have taken or dropped references. */
static bool references_differ(const struct vm *vm, const struct snapshot *before, const struct page *page, int change)
{
	return undisturbed(vm, before) && page->_refcount != before->refcount + change;
}

/* The name of the first thing that differs, or NULL. */
static const char *difference(const struct vm *vm, const struct snapshot *before, const struct page *page)
{
	if (page->mapping != before->mapping)
		return "mapping";
	if (references_differ(vm, before, page, 0))
		return "refcount";
	if (!undisturbed(vm, before))
		return NULL;
	if ((page->flags & PAGE_FLAGS_MASK) != before->flags)
		return "flags";
	if (page->_mapcount != before->mapcount)
		return "mapcount or page type";
	if (page->private != before->private)
		return "private";
	if (page->index != before->index)
		return "index";
	return NULL;
}

/* Always on: a page that lost the VM's own reference is in the allocator's hands, nothing can go on. */
static void assert_still_held(struct vm *vm, const struct page *page, const char *where)
{
	if (unlikely(page->_refcount <= 0))
		violation(vm, VM_RULE_PAGE_REF_ZERO, page, where, "the VM's reference left alone", "refcount %d",
			  page->_refcount);
}

static const char *lock_text(const struct page *page)
{
	return PageLocked(page) ? "locked by another CPU" : "unlocked";
}

static void report_unlocked(struct vm *vm, const struct page *page)
{
	violation(vm, VM_RULE_MIGRATE_UNLOCKED, page, "migratepage", "both pages locked", "%s", lock_text(page));
}

static void check_isolated(struct vm *vm, const struct snapshot *before, const struct page *page)
{
	static const char where[] = "isolate_page";

	if (!page_is_movable(page))
		violation(vm, VM_RULE_ISOLATE_LOST_MOVABLE, page, where, "PageMovable", "not movable any more");
	if (page->_refcount < before->refcount && undisturbed(vm, before))
		violation(vm, VM_RULE_ISOLATE_REF_CHANGED, page, where, "at least the references it had",
			  "%d before, %d after", before->refcount, page->_refcount);
	if (page->list_id)
		violation(vm, VM_RULE_ISOLATE_LEFT_ON_LIST, page, where, "page.lru linked into no list",
			  "still on page list %u", page->list_id);
}

static void check_refused(struct vm *vm, const struct snapshot *before, const struct page *page, unsigned int list_id)
{
	const char *changed = difference(vm, before, page);

	if (!changed && page->list_id != list_id && undisturbed(vm, before))
		changed = "list membership";
	if (changed)
		violation(vm, VM_RULE_ISOLATE_FALSE_CHANGED, page, "isolate_page", "nothing changed",
			  "%s changed", changed);
}

bool call_isolate_page(struct vm *vm, struct page *page, isolate_mode_t mode)
{
	struct address_space *mapping = movable_mapping(page);
	struct snapshot before = take_snapshot(vm, page);
	unsigned int list_id = page->list_id, recorded = vm->nr_violations;
	struct callback_state outer = begin_callback(vm, CALLBACK_ISOLATE, page, mapping);
	bool isolated = mapping->a_ops->isolate_page(page, mode);

	assert_still_held(vm, page, "isolate_page");
	/* One mistake, one report: what follows from a callback that failed is not listed again. */
	if (vm->debug && vm->nr_violations == recorded && !vm->interrupt) {
		if (!page_locked_here(vm, page))
			violation(vm, VM_RULE_ISOLATE_UNLOCKED, page, "isolate_page", "page locked", "%s", lock_text(page));
		else if (PageIsolated(page))
			violation(vm, VM_RULE_ISOLATE_SET_FLAG, page, "isolate_page", "PG_isolated clear", "set");
		else if (isolated)
			check_isolated(vm, &before, page);
		else
			check_refused(vm, &before, page, list_id);
	}
	end_callback(vm, outer);
	return isolated;
}

static void check_migrated(struct vm *vm, const struct snapshot *old_before, const struct snapshot *new_before,
			   const struct page *newpage, const struct page *page)
{
	static const char where[] = "migratepage";

	if (!page_is_movable(newpage))
		violation(vm, VM_RULE_MIGRATE_NEW_NOT_MOVABLE, newpage, where, "__SetPageMovable(newpage)",
			  "not marked movable");
	else if (newpage->mapping != old_before->mapping)
		violation(vm, VM_RULE_MIGRATE_NEW_MAPPING, newpage, where, "the old page's mapping", "another one");
	if (newpage->_refcount <= new_before->refcount && undisturbed(vm, new_before))
		violation(vm, VM_RULE_MIGRATE_NEW_REF, newpage, where, "get_page(newpage): refcount above 1", "%d",
			  newpage->_refcount);
	if (page_is_movable(page))
		violation(vm, VM_RULE_MIGRATE_OLD_MOVABLE, page, where, "__ClearPageMovable(oldpage)",
			  "still movable");
	if (references_differ(vm, old_before, page, -1))
		violation(vm, VM_RULE_MIGRATE_OLD_REF, page, where, "put_page(oldpage): one reference less",
			  "%d before, %d after", old_before->refcount, page->_refcount);
}

static void check_not_migrated(struct vm *vm, int rc, const struct snapshot *old_before,
			       const struct snapshot *new_before, const struct page *newpage, const struct page *page)
{
	static const char where[] = "migratepage";
	const char *changed = difference(vm, new_before, newpage);

	if (changed || newpage->list_id)
		violation(vm, VM_RULE_MIGRATE_NEW_TOUCHED, newpage, where, "newpage untouched", "%s changed (rc %d)",
			  changed ? changed : "list membership", rc);
	changed = difference(vm, old_before, page);
	/* A driver may give the page up for good and answer with an error other than -EAGAIN. */
	if (changed && (rc == -EAGAIN || page_is_movable(page)))
		violation(vm, VM_RULE_MIGRATE_OLD_TOUCHED, page, where, "oldpage untouched", "%s changed (rc %d)",
			  changed, rc);
}

int call_migratepage(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct address_space *mapping = movable_mapping(page);
	struct snapshot old_before = take_snapshot(vm, page), new_before = take_snapshot(vm, newpage);
	unsigned int recorded = vm->nr_violations;
	struct callback_state outer = begin_callback(vm, CALLBACK_MIGRATE, page, mapping);
	int rc;

	vm->callback_mode = mode;
	rc = mapping->a_ops->migratepage(mapping, newpage, page, mode);

	assert_still_held(vm, page, "migratepage");
	assert_still_held(vm, newpage, "migratepage");
	if (unlikely(rc > 0))
		violation(vm, VM_RULE_HOOK_POSITIVE, page, "migratepage", "0 or a negative errno", "%d", rc);
	if (vm->debug && vm->nr_violations == recorded && !vm->interrupt) {
		if (!page_locked_here(vm, page) || !page_locked_here(vm, newpage))
			report_unlocked(vm, page_locked_here(vm, page) ? newpage : page);
		else if (!PageIsolated(page))
			violation(vm, VM_RULE_MIGRATE_ISOLATED_WRITTEN, page, "migratepage", "PG_isolated set",
				  "clear");
		else if (rc == MIGRATEPAGE_SUCCESS)
			check_migrated(vm, &old_before, &new_before, newpage, page);
		else
			check_not_migrated(vm, rc, &old_before, &new_before, newpage, page);
	}
	/* It has been reported: the assertions that follow are about the VM. */
	if (vm->debug)
		set_page_flag(page, PG_isolated);
	end_callback(vm, outer);
	return rc;
}

void call_putback_page(struct vm *vm, struct page *page)
{
	struct address_space *mapping = movable_mapping(page);
	struct snapshot before = take_snapshot(vm, page);
	unsigned int recorded = vm->nr_violations;
	struct callback_state outer = begin_callback(vm, CALLBACK_PUTBACK, page, mapping);

	mapping->a_ops->putback_page(page);
	assert_still_held(vm, page, "putback_page");
	if (vm->debug && vm->nr_violations == recorded && !vm->interrupt) {
		static const char where[] = "putback_page";

		if (!page_locked_here(vm, page))
			violation(vm, VM_RULE_PUTBACK_UNLOCKED, page, where, "page locked", "%s", lock_text(page));
		else if (!PageIsolated(page))
			violation(vm, VM_RULE_PUTBACK_ISOLATED_WRITTEN, page, where, "PG_isolated set", "clear");
		if (page->_refcount < before.refcount && undisturbed(vm, &before))
			violation(vm, VM_RULE_PUTBACK_REF_CHANGED, page, where, "the references it had",
				  "%d before, %d after", before.refcount, page->_refcount);
		if (!page_is_movable(page))
			violation(vm, VM_RULE_PUTBACK_LOST_MOVABLE, page, where, "PageMovable", "not movable");
	}
	end_callback(vm, outer);
}
