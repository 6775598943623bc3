/* SPDX-License-Identifier: MIT */
#include "migrate_page.h"

#include "filemap.h"
#include "ksm.h"
#include "steps.h"
#include "swap.h"

/* Where a cache holds the page, and the lock of that tree. NULL: it is in none. */
struct tree {
	struct vm_lock *lock;
	struct file *file; /* NULL: the swap cache */
};

static bool find_tree(struct vm *vm, const struct page *page, struct tree *tree)
{
	tree->file = PageSwapCache(page) ? NULL : page_file(page);
	if (PageSwapCache(page))
		tree->lock = &vm->swap->tree_lock;
	else if (tree->file)
		tree->lock = &tree->file->tree_lock;
	else
		return false;
	return true;
}

static struct page *read_slot(struct vm *vm, const struct tree *tree, const struct page *page)
{
	if (!tree->file)
		return vm->swap->slots[page->private].page;
	return (struct page *)(uintptr_t)radix_get(&tree->file->pages, page->index);
}

static void write_slot(struct vm *vm, const struct tree *tree, const struct page *page, struct page *newpage)
{
	if (!tree->file)
		vm->swap->slots[page->private].page = newpage;
	else
		*radix_slot(&tree->file->pages, page->index) = (uint64_t)(uintptr_t)newpage;
}

/* B8 (M1 to M3): the identity. */
static void prepare_new_page(struct page *newpage, const struct page *page)
{
	newpage->index = page->index;
	newpage->mapping = page->mapping;
	if (page_flag(page, PG_swapbacked))
		set_page_flag(newpage, PG_swapbacked);
}

/* B8 (M4 to M6): what a page in a cache has besides. */
static void prepare_new_cache_page(struct page *newpage, struct page *page)
{
	newpage->_refcount++;
	if (PageSwapCache(page)) {
		set_page_flag(newpage, PG_swapcache);
		newpage->private = page->private;
	}
}

/* B6, second half: the references are frozen, so that nobody finds the page from here on. */
static bool page_freeze_refs(struct page *page, int expected)
{
	if (page->_refcount != expected)
		return false;
	page->_refcount = 0;
	return true;
}

static bool buffer_trylock(struct buffer_head *head)
{
	if (head->locked)
		return false;
	head->locked = true;
	head->count++;
	return true;
}

/* The counters of nodes and zones follow a page that changes its zone (2.1 step 7). */
static void move_statistics(struct vm *vm, const struct page *newpage, const struct page *page, bool dirty)
{
	long *from = page_zone(vm, page)->node->stat, *to = page_zone(vm, newpage)->node->stat;
	const struct file *file = PageSwapCache(page) ? NULL : page_file(page);

	if (from == to)
		return;
	from[NR_FILE_PAGES]--;
	to[NR_FILE_PAGES]++;
	if (file && file->shmem) {
		from[NR_SHMEM]--;
		to[NR_SHMEM]++;
	} else if (file && dirty) {
		from[NR_FILE_DIRTY]--;
		to[NR_FILE_DIRTY]++;
	}
}

/* Tree lock held. What can fail: B6, B7 and the buffers. False with nothing changed. */
static bool claim_page(struct vm *vm, const struct tree *tree, struct page *newpage, struct page *page, int expected,
		       struct buffer_head *head, enum migrate_mode mode)
{
	/* B6: nobody else has a reference. */
	migration_step(vm, STEP_B6, page, newpage);
	if (page->_refcount != expected)
		return false;
	/* B7: the slot still holds the page. */
	migration_step(vm, STEP_B7, page, newpage);
	if (read_slot(vm, tree, page) != page || !page_freeze_refs(page, expected))
		return false;
	if (mode == MIGRATE_ASYNC && head && !buffer_trylock(head)) {
		page->_refcount = expected;
		return false;
	}
	return true;
}

int migrate_page_move_mapping(struct vm *vm, struct page *newpage, struct page *page, struct buffer_head *head,
			      enum migrate_mode mode, int extra_count)
{
	int expected = 1 + extra_count;
	struct tree tree;
	bool dirty;

	if (!find_tree(vm, page, &tree)) {
		/* B6 without a tree: only the isolation reference is left. */
		migration_step(vm, STEP_B6, page, newpage);
		if (page->_refcount != expected)
			return -EAGAIN;
		migration_step(vm, STEP_B8, page, newpage);
		prepare_new_page(newpage, page);
		return 0;
	}
	expected += 1 + page_has_private(page);
	/* B5 */
	down_write(vm, tree.lock);
	migration_step(vm, STEP_B5, page, newpage);
	if (!claim_page(vm, &tree, newpage, page, expected, head, mode)) {
		up_write(vm, tree.lock);
		return -EAGAIN;
	}
	/* Others run into the frozen page here. */
	sched_page_point(vm, EV_MOVE, page);
	/* B8 */
	migration_step(vm, STEP_B8, page, newpage);
	prepare_new_page(newpage, page);
	prepare_new_cache_page(newpage, page);
	dirty = test_clear_page_flag(page, PG_dirty);
	if (dirty)
		set_page_flag(newpage, PG_dirty);
	/* B9 */
	write_slot(vm, &tree, page, newpage);
	migration_step(vm, STEP_B9, page, newpage);
	/* B10 */
	page->_refcount = expected - 1;
	migration_step(vm, STEP_B10, page, newpage);
	/* With interrupts still off in a kernel: the counters and the lock are one. */
	move_statistics(vm, newpage, page, dirty);
	/* B11 */
	up_write(vm, tree.lock);
	migration_step(vm, STEP_B11, page, newpage);
	return 0;
}

/* C5, C6 */
static void move_lru_flags(struct vm *vm, struct page *newpage, struct page *page)
{
	if (test_clear_page_flag(page, PG_active)) {
		VM_BUG_ON_PAGE(vm, page_flag(page, PG_unevictable), page, VM_RULE_LRU_ACTIVE_UNEVICTABLE,
			       "active or unevictable", "both");
		set_page_flag(newpage, PG_active);
	} else if (test_clear_page_flag(page, PG_unevictable)) {
		set_page_flag(newpage, PG_unevictable);
	}
}

void migrate_page_copy(struct vm *vm, struct page *newpage, struct page *page)
{
	static const unsigned long copied = 1UL << PG_error | 1UL << PG_referenced | 1UL << PG_uptodate |
					    1UL << PG_owner_priv_1 | 1UL << PG_mappedtodisk | 1UL << PG_dirty;

	/* B12: C1 */
	copy_highpage(vm, newpage, page);
	migration_step(vm, STEP_B12, page, newpage);
	/* B13: C2 to C10. Dirty still set here belongs to a page in no cache. */
	newpage->flags |= page->flags & copied;
	move_lru_flags(vm, newpage, page);
	migration_step(vm, STEP_B13, page, newpage);
	/* C12 */
	if (unlikely(PageKsm(page)))
		ksm_migrate_page(newpage, page);
	/* B14: C13, C14 */
	clear_page_flag(page, PG_swapcache);
	clear_page_flag(page, PG_private);
	page->private = 0;
	migration_step(vm, STEP_B14, page, newpage);
	/* B15: C15 */
	if (page_flag(newpage, PG_writeback))
		end_page_writeback(vm, newpage);
	migration_step(vm, STEP_B15, page, newpage);
}

int migrate_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	int rc;

	if (unlikely(page_flag(page, PG_writeback)))
		violation(vm, VM_RULE_MIGRATE_WRITEBACK, page, "migrate_page", "PG_writeback clear", "set");
	rc = migrate_page_move_mapping(vm, newpage, page, NULL, mode, 0);
	if (rc == MIGRATEPAGE_SUCCESS)
		migrate_page_copy(vm, newpage, page);
	return rc;
}

/* Sleeps until nobody uses the buffer. There is no device that could still have it: whoever locked it lets go. */
static void lock_buffer(struct buffer_head *head)
{
	head->locked = true;
	head->count++;
}

int buffer_migrate_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct buffer_head *head = page_flag(page, PG_private) ? (struct buffer_head *)page->private : NULL;
	int rc;

	if (!head)
		return migrate_page(vm, newpage, page, mode);
	rc = migrate_page_move_mapping(vm, newpage, page, head, mode, 0);
	if (rc != MIGRATEPAGE_SUCCESS)
		return rc;
	if (mode != MIGRATE_ASYNC)
		lock_buffer(head);
	clear_page_flag(page, PG_private);
	newpage->private = page->private;
	page->private = 0;
	page->_refcount--;
	newpage->_refcount++;
	head->page = newpage;
	set_page_flag(newpage, PG_private);
	migrate_page_copy(vm, newpage, page);
	head->locked = false;
	head->count--;
	return MIGRATEPAGE_SUCCESS;
}

/* spec/migration.md 5.4: this attempt can no longer succeed. */
static int writeout(struct vm *vm, struct page *page)
{
	struct file *file = page_file(page);
	int rc;

	if (!file || !file->has_writepage)
		return -EINVAL;
	if (!clear_page_dirty_for_io(vm, page))
		return -EAGAIN;
	/* B16, on the old page */
	remove_migration_ptes(vm, page, page);
	migration_step(vm, STEP_B16, page, page);
	rc = file_writepage(vm, page);
	lock_page(vm, page);
	return rc < 0 ? -EIO : -EAGAIN;
}

int fallback_migrate_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	if (page_flag(page, PG_dirty))
		return mode == MIGRATE_SYNC ? writeout(vm, page) : -EBUSY;
	if (page_flag(page, PG_private) && !try_to_free_buffers(vm, page))
		return -EAGAIN;
	return migrate_page(vm, newpage, page, mode);
}

int move_lru_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	const struct file *file = PageSwapCache(page) ? NULL : page_file(page);
	int rc;

	if (!file || file->migrate_method == MIGRATE_BY_COPY)
		rc = migrate_page(vm, newpage, page, mode);
	else if (file->migrate_method == MIGRATE_WITH_BUFFERS)
		rc = buffer_migrate_page(vm, newpage, page, mode);
	else
		rc = fallback_migrate_page(vm, newpage, page, mode);
	/* An untagged mapping would be reported when the old page is freed. */
	if (rc == MIGRATEPAGE_SUCCESS && !mapping_bits(page))
		page->mapping = NULL;
	return rc;
}
