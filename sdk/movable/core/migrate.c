/* SPDX-License-Identifier: MIT */
#include "migrate.h"

#include "callbacks.h"
#include "filemap.h"
#include "hugetlb.h"
#include "lru.h"
#include "migrate_page.h"
#include "non_lru.h"
#include "page_alloc.h"
#include "steps.h"
#include "vma.h"

/* What stays the same for all pages of one migrate_pages(). */
struct migrate_control {
	new_page_t *get_new_page;
	free_page_t *put_new_page;
	unsigned long private;
	enum migrate_mode mode;
	enum migrate_reason reason;
};

static void release_target(struct vm *vm, const struct migrate_control *mc, struct page *newpage)
{
	if (mc->put_new_page)
		mc->put_new_page(vm, newpage, mc->private);
	else
		put_page(vm, newpage);
}

/* Both pages locked (asserted). spec/migration.md 5.1, the movable half. */
static int move_movable_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	int rc;

	VM_BUG_ON_PAGE(vm, !PageIsolated(page), page, VM_RULE_MIGRATE_NOT_ISOLATED, "PG_isolated", "not isolated");
	if (!PageMovable(vm, page)) {
		/* Given up by its driver since it was isolated: nothing to move. */
		clear_page_flag(page, PG_isolated);
		return MIGRATEPAGE_SUCCESS;
	}
	rc = call_migratepage(vm, newpage, page, mode);
	if (rc == MIGRATEPAGE_SUCCESS)
		clear_page_flag(page, PG_isolated);
	return rc;
}

/* Both pages are locked (asserted). */
static int move_to_new_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	VM_BUG_ON_PAGE(vm, !PageLocked(page), page, VM_RULE_PAGE_NOT_LOCKED, "old page locked", "unlocked");
	VM_BUG_ON_PAGE(vm, !PageLocked(newpage), newpage, VM_RULE_PAGE_NOT_LOCKED, "new page locked", "unlocked");
	if (likely(__PageMovable(page)))
		return move_movable_page(vm, newpage, page, mode);
	return move_lru_page(vm, newpage, page, mode);
}

/* Takes the old page's lock as far as mode, pass and task allow (spec/migration.md 4.2). */
static bool lock_old_page(struct vm *vm, struct page *page, bool force, enum migrate_mode mode)
{
	if (trylock_page(vm, page))
		return true;
	if (!force || mode == MIGRATE_ASYNC || vm->task_flags & PF_MEMALLOC)
		return false;
	lock_page(vm, page);
	return true;
}

/* spec/migration.md 4.3 step 2: 0 if the page is not under writeback (any more). */
static int settle_writeback(struct vm *vm, struct page *page, bool force, enum migrate_mode mode)
{
	if (likely(!page_flag(page, PG_writeback)))
		return 0;
	if (mode != MIGRATE_SYNC)
		return -EBUSY;
	if (!force)
		return -EAGAIN;
	/* Nothing of a driver's writeback is counted. */
	if (__PageMovable(page))
		clear_page_flag(page, PG_writeback);
	else
		wait_on_page_writeback(vm, page);
	return 0;
}

/* Both pages locked, an LRU page. Unmaps, moves, and maps again: the new page, or the old one (4.3 steps 6 to 8). */
static int unmap_and_move_lru(struct vm *vm, struct page *page, struct page *newpage, enum migrate_mode mode)
{
	bool was_mapped = false;
	int rc = -EAGAIN;

	if (!page->mapping) {
		/* An orphan: cut off its file while its buffers were in use. */
		if (page_has_private(page)) {
			try_to_free_buffers(vm, page);
			return rc;
		}
	} else if (page_mapped(page)) {
		/* B4 */
		unmap_for_migration(vm, page);
		migration_step(vm, STEP_B4, page, newpage);
		was_mapped = true;
	}
	if (!page_mapped(page))
		rc = move_to_new_page(vm, newpage, page, mode);
	if (was_mapped) {
		/* B16 */
		remove_migration_ptes(vm, page, rc == MIGRATEPAGE_SUCCESS ? newpage : page);
		migration_step(vm, STEP_B16, page, newpage);
	}
	return rc;
}

/* Keeps the anon_vma of a mapped page over the time in which nothing maps it. */
static struct anon_vma *get_page_anon_vma(const struct page *page)
{
	struct anon_vma *anon_vma = page_mapped(page) ? page_anon_vma(page) : NULL;

	if (anon_vma)
		anon_vma->refs++;
	return anon_vma;
}

/* spec/migration.md 4.2, 4.3. */
static int __unmap_and_move(struct vm *vm, struct page *page, struct page *newpage, bool force,
			    enum migrate_mode mode)
{
	struct anon_vma *anon_vma = NULL;
	bool is_lru = !__PageMovable(page);
	int rc;

	/* B1 */
	if (!lock_old_page(vm, page, force, mode))
		return -EAGAIN;
	migration_step(vm, STEP_B1, page, newpage);
	/* B2 */
	rc = settle_writeback(vm, page, force, mode);
	if (rc)
		goto unlock;
	migration_step(vm, STEP_B2, page, newpage);
	if (unlikely(is_lru))
		anon_vma = get_page_anon_vma(page);
	/* B3 */
	rc = -EAGAIN;
	if (unlikely(!trylock_page(vm, newpage)))
		goto unlock;
	migration_step(vm, STEP_B3, page, newpage);
	/* A driver's page goes straight on. */
	rc = is_lru ? unmap_and_move_lru(vm, page, newpage, mode) : move_to_new_page(vm, newpage, page, mode);
	/* 19. A driver that unlocked a page has been reported. */
	if (likely(PageLocked(newpage)))
		unlock_page(vm, newpage);
unlock:
	if (unlikely(anon_vma != NULL))
		put_anon_vma(anon_vma);
	if (likely(PageLocked(page)))
		unlock_page(vm, page);
	if (rc == MIGRATEPAGE_SUCCESS) {
		migration_step(vm, STEP_19, page, newpage);
		/* Looked at after both unlocks, as Linux 4.9 does: harmless while the tag stays. */
		if (__PageMovable(newpage)) {
			put_page(vm, newpage);
		} else {
			/* 20 */
			putback_lru_page(vm, newpage);
			migration_step(vm, STEP_20, page, newpage);
		}
	}
	return rc;
}

/* The owner freed the page while it was isolated: only the isolation reference is left (4.1 step 2). */
static void finish_freed_page(struct vm *vm, struct page *page)
{
	clear_page_flag(page, PG_active);
	clear_page_flag(page, PG_unevictable);
	if (__PageMovable(page)) {
		lock_page(vm, page);
		if (!PageMovable(vm, page))
			clear_page_flag(page, PG_isolated);
		unlock_page(vm, page);
	}
}

/* The page left the list for good: gone if it was moved, else back with its owner (4.1 steps 6, 7, 9). */
static void finish_page(struct vm *vm, struct page *page, int rc)
{
	unlink_page(vm, page);
	mod_isolated(vm, page, -1);
	if (rc == MIGRATEPAGE_SUCCESS)
		put_page(vm, page);
	else if (__PageMovable(page))
		end_isolation(vm, page);
	else
		putback_lru_page(vm, page);
}

/* The head of a huge page is what will be moved; its tails go to the LRU (4.1 step 3). */
static int split_for_migration(struct vm *vm, struct page *page)
{
	int err = 0;

	lock_page(vm, page);
	if (PageTransHuge(page))
		err = split_huge_page(vm, page);
	unlock_page(vm, page);
	return err;
}

/* One attempt at one page of the list. spec/migration.md 4.1. */
static int unmap_and_move(struct vm *vm, const struct migrate_control *mc, struct page *page, bool force)
{
	int rc = MIGRATEPAGE_SUCCESS, nid, *result = NULL;
	struct page *newpage = mc->get_new_page(vm, page, mc->private, &result);
	bool unused = false;

	if (!newpage)
		return -ENOMEM;
	migration_step(vm, STEP_A2, page, newpage);
	nid = page_to_nid(vm, newpage);
	if (unlikely(page->_refcount == 1)) {
		finish_freed_page(vm, page);
		unused = true;
	} else if (unlikely(page_flag(page, PG_head)) && split_for_migration(vm, page)) {
		rc = -EBUSY;
		unused = true;
	} else {
		migration_step(vm, STEP_A3, page, newpage);
		rc = __unmap_and_move(vm, page, newpage, force, mc->mode);
		unused = rc != MIGRATEPAGE_SUCCESS;
	}
	if (rc != -EAGAIN)
		finish_page(vm, page, rc);
	if (unused)
		release_target(vm, mc, newpage);
	if (result)
		*result = rc ? rc : nid;
	return rc;
}

/* The same for a page of the hugetlb pool. It is in no count, and goes back to its pool. spec/migration.md 4.5 */
static int unmap_and_move_huge_page(struct vm *vm, const struct migrate_control *mc, struct page *page, bool force)
{
	int rc, nid, *result = NULL;
	struct page *newpage = mc->get_new_page(vm, page, mc->private, &result);

	if (!newpage)
		return -ENOMEM;
	nid = page_to_nid(vm, newpage);
	/* A caller that does not know what it moves. */
	rc = PageHuge(newpage) ? move_huge_page(vm, newpage, page, force, mc->mode) : -EINVAL;
	if (rc != -EAGAIN)
		putback_active_hugepage(vm, page);
	if (rc == MIGRATEPAGE_SUCCESS)
		putback_active_hugepage(vm, newpage);
	else
		release_target(vm, mc, newpage);
	if (result)
		*result = rc ? rc : nid;
	return rc;
}

/*
 * One pass over the list. Each page goes to `tried` before its turn, so that a callback that frees other
 * pages of the list leaves no stale position behind. -ENOMEM ends the whole call.
 */
static int migrate_pass(struct vm *vm, const struct migrate_control *mc, struct list_head *from,
			struct list_head *tried, bool force, struct migrate_counts *counts, unsigned long *retry)
{
	*retry = 0;
	while (!list_empty(from) && !vm->interrupt) {
		struct page *page = list_first_page(from);
		int rc;

		/* The next page's first access would miss cache and TLB. */
		if (page->lru.next != from)
			__builtin_prefetch(page_address(vm, list_page(page->lru.next)));
		list_del(&page->lru);
		list_add_tail(&page->lru, tried);
		rc = unlikely(PageHuge(page)) ? unmap_and_move_huge_page(vm, mc, page, force)
					      : unmap_and_move(vm, mc, page, force);
		if (rc == -EAGAIN)
			++*retry;
		else if (rc == MIGRATEPAGE_SUCCESS)
			counts->succeeded++;
		else
			counts->failed++;
		if (rc == -ENOMEM)
			return rc;
	}
	return 0;
}

/* Moves all of `tried` to the front of `from`. */
static void splice_back(struct list_head *tried, struct list_head *from)
{
	if (list_empty(tried))
		return;
	tried->next->prev = from;
	tried->prev->next = from->next;
	from->next->prev = tried->prev;
	from->next = tried->next;
	list_init(tried);
}

int migrate_pages(struct vm *vm, struct list_head *from, new_page_t *get_new_page, free_page_t *put_new_page,
		  unsigned long private, enum migrate_mode mode, enum migrate_reason reason,
		  struct migrate_counts *counts)
{
	const struct migrate_control mc = {get_new_page, put_new_page, private, mode, reason};
	unsigned int swapwrite = vm->task_flags & PF_SWAPWRITE;
	unsigned long retry = 1;
	struct list_head tried;
	int rc = 0;

	*counts = (struct migrate_counts){0, 0};
	list_init(&tried);
	vm->task_flags |= PF_SWAPWRITE;
	for (int pass = 0; pass < 10 && retry && !rc && !vm->interrupt; pass++) {
		rc = migrate_pass(vm, &mc, from, &tried, pass > 2, counts, &retry);
		splice_back(&tried, from);
	}
	if (!rc) {
		counts->failed += retry;
		rc = (int)counts->failed;
	}
	count_vm_events(vm, PGMIGRATE_SUCCESS, counts->succeeded);
	count_vm_events(vm, PGMIGRATE_FAIL, counts->failed);
	if (!swapwrite)
		vm->task_flags &= ~(unsigned int)PF_SWAPWRITE;
	return rc;
}

struct page *new_page_node(struct vm *vm, struct page *page, unsigned long private, int **result)
{
	(void)result;
	if (PageHuge(page))
		return alloc_huge_page_node(vm, (int)private);
	return alloc_pages_node(vm, (int)private, GFP_HIGHUSER_MOVABLE | __GFP_THISNODE, 0);
}
