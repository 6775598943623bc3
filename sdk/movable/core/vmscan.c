/* SPDX-License-Identifier: MIT */
#include "vmscan.h"

#include "filemap.h"
#include "huge.h"
#include "ksm.h"
#include "lru.h"
#include "non_lru.h"
#include "swap.h"

#define SWAP_CLUSTER_MAX 32
#define DEF_PRIORITY 12

static bool has_swap(const struct vm *vm)
{
	return vm->swap && vm->swap->nr_used < vm->swap->nr_slots;
}

unsigned long zone_reclaimable_pages(const struct vm *vm, const struct zone *zone)
{
	const long *stat = zone->node->stat;
	long pages = stat[NR_INACTIVE_FILE] + stat[NR_ACTIVE_FILE];

	if (has_swap(vm))
		pages += stat[NR_INACTIVE_ANON] + stat[NR_ACTIVE_ANON];
	return (unsigned long)pages;
}

/* Page locked, unmapped, clean. Out of its cache if nobody else has it; the isolation reference stays. */
static bool remove_mapping(struct vm *vm, struct page *page)
{
	struct file *file = page_file(page);
	struct vm_lock *tree_lock = PageSwapCache(page) ? &vm->swap->tree_lock : &file->tree_lock;
	bool removed;

	down_write(vm, tree_lock);
	/* Isolation and cache. */
	removed = page->_refcount == 2 && !page_flag(page, PG_dirty);
	if (removed && PageSwapCache(page))
		__delete_from_swap_cache(vm, page);
	else if (removed)
		__delete_from_page_cache(vm, file, page);
	page->_refcount -= removed;
	up_write(vm, tree_lock);
	return removed;
}

enum pageout { PAGE_KEEP, PAGE_ACTIVATE, PAGE_CLEAN };

/* Page locked; afterwards too. Writes a dirty page. */
static enum pageout pageout(struct vm *vm, struct page *page)
{
	struct file *file = page_file(page);
	int err;

	if (!page_flag(page, PG_dirty))
		return PAGE_CLEAN;
	if (!PageSwapCache(page) && (!file || !file->has_writepage))
		return PAGE_ACTIVATE;
	clear_page_dirty_for_io(vm, page);
	err = PageSwapCache(page) ? swap_writepage(vm, page) : file_writepage(vm, page);
	lock_page(vm, page);
	if (err)
		set_page_dirty(vm, page);
	return err || page_flag(page, PG_dirty) || page_flag(page, PG_writeback) ? PAGE_KEEP : PAGE_CLEAN;
}

/* Whether the page was used lately, so that it stays (one reference) or becomes active (more, or of a process). */
static enum pageout check_references(struct vm *vm, struct page *page)
{
	bool locked;
	int references = page_referenced(vm, page, &locked);
	bool flagged = test_clear_page_flag(page, PG_referenced);

	if (locked)
		return PAGE_CLEAN; /* unmapping finds out, and locks the page */
	if (!references)
		return PAGE_CLEAN;
	if (!page_is_file_cache(page))
		return PAGE_ACTIVATE;
	set_page_flag(page, PG_referenced);
	return flagged || references > 1 ? PAGE_ACTIVATE : PAGE_KEEP;
}

static long find_dirty(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private)
{
	const pte_t *pte = page_check_address(vm, page, vma, address);

	(void)private;
	return pte && *pte & PTE_DIRTY;
}

/* An anonymous page that nobody has written to since MADV_FREE: its contents may be lost. */
static bool is_lazyfree(struct vm *vm, struct page *page)
{
	return PageAnon(page) && !PageCompound(page) && !PageKsm(page) && !PageSwapCache(page) &&
	       !page_flag(page, PG_dirty) && page_mapped(page) && !rmap_walk(vm, page, find_dirty, NULL);
}

static long drop_one(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private)
{
	pte_t *pte = page_check_address(vm, page, vma, address);

	(void)private;
	if (!pte)
		return 0;
	if (vma->flags & VM_LOCKED || *pte & PTE_DIRTY)
		return 1;
	*pte = 0;
	vma->mm->counters[MM_ANONPAGES]--;
	page_remove_rmap(vm, page);
	/* Not the last reference: the page is isolated. */
	page->_refcount--;
	return 0;
}

/* Page locked. Unmaps it without a trace, if nobody but its processes uses it. */
static bool drop_lazyfree(struct vm *vm, struct page *page)
{
	if (page->_refcount != 1 + page_mapcount(page))
		return false;
	/* Once nobody maps the page, nothing keeps its anon_vma. */
	if (page_mapped(page))
		rmap_walk(vm, page, drop_one, NULL);
	return !page_mapped(page) && page->_refcount == 1;
}

/* Page locked, unmapped and clean. Out of its cache, unless somebody uses it or its buffers. */
static enum pageout drop_from_cache(struct vm *vm, struct page *page)
{
	if (page_flag(page, PG_private) && !try_to_free_buffers(vm, page))
		return PAGE_ACTIVATE;
	/* An orphan, which the last reference frees. */
	if (!page_mapping(page) && page->_refcount == 1)
		return PAGE_CLEAN;
	return page_mapping(page) && remove_mapping(vm, page) ? PAGE_CLEAN : PAGE_KEEP;
}

/* Page locked. Whether it can be freed now: unmapped, clean, in no cache. `check`: pages that were used lately are left alone. */
static enum pageout shrink_page(struct vm *vm, struct page *page, bool check)
{
	enum pageout result;

	/* Its owner has let go of it meanwhile. */
	if (page->_refcount == 1)
		return PAGE_CLEAN;
	result = check ? check_references(vm, page) : PAGE_CLEAN;
	if (page_flag(page, PG_writeback) || result != PAGE_CLEAN)
		return page_flag(page, PG_writeback) ? PAGE_KEEP : result;
	if (is_lazyfree(vm, page))
		return drop_lazyfree(vm, page) ? PAGE_CLEAN : PAGE_ACTIVATE;
	if (PageKsm(page) || (PageTransHuge(page) && split_huge_page(vm, page)))
		return PAGE_ACTIVATE;
	if (PageAnon(page) && !PageSwapCache(page) && !add_to_swap(vm, page))
		return PAGE_ACTIVATE;
	if (page_mapped(page) && !try_to_unmap(vm, page))
		return page_flag(page, PG_mlocked) ? PAGE_KEEP : PAGE_ACTIVATE;
	result = pageout(vm, page);
	return result == PAGE_CLEAN ? drop_from_cache(vm, page) : result;
}

/* Page locked, of a file. Whether it can be freed although it may be in use, but without writing anything. */
static enum pageout shrink_clean_page(struct vm *vm, struct page *page)
{
	if (page_flag(page, PG_mlocked) || page_flag(page, PG_writeback))
		return PAGE_KEEP;
	if (page_mapped(page) && !try_to_unmap(vm, page))
		return page_flag(page, PG_mlocked) ? PAGE_KEEP : PAGE_ACTIVATE;
	/* One of its entries may have been dirty. */
	return page_flag(page, PG_dirty) ? PAGE_ACTIVATE : drop_from_cache(vm, page);
}

static bool is_clean_file_page(const struct page *page)
{
	return page_is_file_cache(page) && !page_flag(page, PG_dirty) && !__PageMovable(page);
}

/* Whether the page went: then it is off the list, and free. */
static bool reclaim_clean_page(struct vm *vm, struct page *page)
{
	enum pageout result = PAGE_KEEP;

	clear_page_flag(page, PG_active);
	if (trylock_page(vm, page)) {
		result = shrink_clean_page(vm, page);
		unlock_page(vm, page);
	}
	if (result == PAGE_ACTIVATE)
		set_page_flag(page, PG_active);
	if (result != PAGE_CLEAN)
		return false;
	unlink_page(vm, page);
	mod_isolated(vm, page, -1);
	put_page(vm, page);
	return true;
}

unsigned long reclaim_clean_pages_from_list(struct vm *vm, struct list_head *pages)
{
	struct list_head kept;
	unsigned long freed = 0;

	list_init(&kept);
	while (!list_empty(pages)) {
		struct page *page = list_first_page(pages);

		list_del(&page->lru);
		list_add_tail(&page->lru, &kept);
		if (is_clean_file_page(page))
			freed += reclaim_clean_page(vm, page);
	}
	list_splice_init(&kept, pages);
	return freed;
}

/* The isolated page is freed, or goes back to its list; whether it was freed. */
static bool finish_page(struct vm *vm, struct page *page, enum pageout result)
{
	mod_isolated(vm, page, -1);
	if (result == PAGE_CLEAN) {
		clear_page_flag(page, PG_active);
		clear_page_flag(page, PG_unevictable);
		put_page(vm, page);
		return true;
	}
	if (result == PAGE_ACTIVATE) {
		set_page_flag(page, PG_active);
		count_vm_events(vm, PGACTIVATE, 1);
	}
	putback_lru_page(vm, page);
	return false;
}

long swap_out_page(struct vm *vm, struct page *page)
{
	enum pageout result;

	if (isolate_lru_page(vm, page))
		return -EBUSY;
	mod_isolated(vm, page, 1);
	lock_page(vm, page);
	result = shrink_page(vm, page, false);
	unlock_page(vm, page);
	return finish_page(vm, page, result) ? 0 : -EBUSY;
}

/* Takes up to a batch from the tail of an inactive list and frees what can be freed. How many. */
static unsigned long shrink_inactive_list(struct vm *vm, struct pglist_data *node, enum lru_list list)
{
	struct page *batch[SWAP_CLUSTER_MAX];
	unsigned long nr = 0, freed = 0;
	const struct list_head *head = &node->lru[list];

	while (nr < SWAP_CLUSTER_MAX && !list_empty(head)) {
		struct page *page = list_page(head->prev);

		if (__isolate_lru_page(vm, page, 0))
			break;
		mod_isolated(vm, page, 1);
		batch[nr++] = page;
	}
	count_vm_events(vm, PGSCAN_DIRECT, nr);
	for (unsigned long i = 0; i < nr; i++) {
		struct page *page = batch[i];
		enum pageout result = PAGE_KEEP;

		if (trylock_page(vm, page)) {
			result = shrink_page(vm, page, true);
			unlock_page(vm, page);
		}
		freed += finish_page(vm, page, result);
	}
	/* Back on the lists at once: the next look may find them. */
	lru_add_drain(vm);
	count_vm_events(vm, PGSTEAL_DIRECT, freed);
	return freed;
}

/* Moves a batch from the tail of the active list to the inactive one, where that has become short. */
static void shrink_active_list(struct vm *vm, struct pglist_data *node, enum lru_list inactive)
{
	const struct list_head *head = &node->lru[inactive + 1];

	if (node->stat[NR_INACTIVE_ANON + inactive] > node->stat[NR_INACTIVE_ANON + inactive + 1])
		return;
	for (int i = 0; i < SWAP_CLUSTER_MAX && !list_empty(head); i++) {
		struct page *page = list_page(head->prev);

		count_vm_events(vm, PGREFILL, 1);
		lru_set_active(vm, page, false);
	}
}

/* One look at 1 / 2^priority of the node's lists. */
static unsigned long shrink_node(struct vm *vm, struct pglist_data *node, unsigned int priority, unsigned long wanted)
{
	static const enum lru_list lists[] = {LRU_INACTIVE_FILE, LRU_INACTIVE_ANON};
	unsigned long freed = 0;

	for (int i = 0; i < 2; i++) {
		enum lru_list list = lists[i];
		long size = node->stat[NR_INACTIVE_ANON + list] + node->stat[NR_INACTIVE_ANON + list + 1];
		long scan = size >> priority;

		if (list == LRU_INACTIVE_ANON && !has_swap(vm))
			continue;
		for (; scan > 0 && freed < wanted && !vm->interrupt; scan -= SWAP_CLUSTER_MAX) {
			shrink_active_list(vm, node, list);
			freed += shrink_inactive_list(vm, node, list);
		}
	}
	return freed;
}

unsigned long reclaim_node(struct vm *vm, struct pglist_data *node, unsigned long pages)
{
	unsigned int memalloc = vm->task_flags & PF_MEMALLOC;
	unsigned long freed = 0;

	vm->task_flags |= PF_MEMALLOC;
	lru_add_drain(vm);
	for (int priority = DEF_PRIORITY; priority >= 0 && freed < pages && !vm->interrupt; priority--)
		freed += shrink_node(vm, node, (unsigned int)priority, pages - freed);
	if (!memalloc)
		vm->task_flags &= ~(unsigned int)PF_MEMALLOC;
	return freed;
}

unsigned long try_to_free_pages(struct vm *vm, const struct alloc_context *ac)
{
	unsigned int memalloc = vm->task_flags & PF_MEMALLOC, position;
	unsigned long freed = 0;

	vm->task_flags |= PF_MEMALLOC;
	lru_add_drain(vm);
	for (int priority = DEF_PRIORITY; priority >= 0 && freed < SWAP_CLUSTER_MAX && !vm->interrupt; priority--) {
		const struct pglist_data *last = NULL;
		struct zone *zone;

		position = 0;
		while ((zone = next_zone(vm, ac, &position))) {
			/* The lists are the node's: one look for all its zones. */
			if (zone->node != last)
				freed += shrink_node(vm, zone->node, (unsigned int)priority, SWAP_CLUSTER_MAX);
			last = zone->node;
		}
	}
	if (!memalloc)
		vm->task_flags &= ~(unsigned int)PF_MEMALLOC;
	return freed;
}
