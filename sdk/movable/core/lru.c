/* SPDX-License-Identifier: MIT */
#include "lru.h"

#include "filemap.h"
#include "steps.h"

enum lru_list page_lru(const struct page *page)
{
	enum lru_list list;

	if (page_flag(page, PG_unevictable))
		return LRU_UNEVICTABLE;
	list = page_is_file_cache(page) ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON;
	return page_flag(page, PG_active) ? list + 1 : list;
}

static struct pglist_data *node_of(struct vm *vm, const struct page *page)
{
	return page_zone(vm, page)->node;
}

static void add_page_to_lru(struct vm *vm, struct page *page)
{
	struct pglist_data *node = node_of(vm, page);
	enum lru_list list = page_lru(page);

	/* A driver that linked a page which it did not mark as its own has been reported. */
	unlink_page(vm, page);
	set_page_flag(page, PG_lru);
	list_add(&page->lru, &node->lru[list]);
	node->stat[NR_INACTIVE_ANON + list] += hpage_nr_pages(page);
}

/* Off its list, PG_lru clear; the flags that chose the list stay. */
static void take_off_lru(struct vm *vm, struct page *page)
{
	enum lru_list list = page_lru(page);

	clear_page_flag(page, PG_lru);
	list_del(&page->lru);
	node_of(vm, page)->stat[NR_INACTIVE_ANON + list] -= hpage_nr_pages(page);
}

void lru_add_page_tail(struct vm *vm, const struct page *head, struct page *tail, bool head_on_lru)
{
	struct pglist_data *node = node_of(vm, tail);
	enum lru_list list = page_lru(tail);

	set_page_flag(tail, PG_lru);
	/* A head on its list has been counted with all its tails. */
	if (head_on_lru)
		list_add_tail(&tail->lru, (struct list_head *)&head->lru);
	else
		list_add_tail(&tail->lru, &node->lru[list]);
	node->stat[NR_INACTIVE_ANON + list] += !head_on_lru;
}

void del_page_from_lru(struct vm *vm, struct page *page)
{
	take_off_lru(vm, page);
	if (!test_clear_page_flag(page, PG_unevictable))
		clear_page_flag(page, PG_active);
}

/* The vector is empty before the first page is let go: another CPU may drain it meanwhile, or fill it. */
static void drain_pagevec(struct vm *vm, struct pagevec *pvec)
{
	struct pagevec taken = *pvec;

	pvec->nr = 0;
	for (unsigned int i = 0; i < taken.nr; i++) {
		add_page_to_lru(vm, taken.pages[i]);
		put_page(vm, taken.pages[i]);
	}
}

static void check_addable(struct vm *vm, const struct page *page)
{
	VM_BUG_ON_PAGE(vm, PageLRU(page), page, VM_RULE_LRU_ADD_ON_LRU, "a page off the LRU", "PG_lru set");
	VM_BUG_ON_PAGE(vm, page_flag(page, PG_active) && page_flag(page, PG_unevictable), page,
		       VM_RULE_LRU_ACTIVE_UNEVICTABLE, "active or unevictable", "both");
}

void lru_cache_add(struct vm *vm, struct page *page)
{
	struct pagevec *pvec = &vm->lru_add_pvecs[vm->cpu];

	check_addable(vm, page);
	get_page(vm, page);
	pvec->pages[pvec->nr++] = page;
	if (pvec->nr == PAGEVEC_SIZE || PageCompound(page))
		drain_pagevec(vm, pvec);
}

/* At once and without a reference: unevictable pages pass no vector. */
static void add_page_to_unevictable_list(struct vm *vm, struct page *page)
{
	clear_page_flag(page, PG_active);
	set_page_flag(page, PG_unevictable);
	add_page_to_lru(vm, page);
}

void lru_cache_add_new_anon(struct vm *vm, struct page *page, bool locked_area)
{
	if (!locked_area) {
		set_page_flag(page, PG_active);
		lru_cache_add(vm, page);
		return;
	}
	set_page_flag(page, PG_mlocked);
	page_zone(vm, page)->stat[NR_MLOCK]++;
	count_vm_events(vm, UNEVICTABLE_PGMLOCKED, 1);
	add_page_to_unevictable_list(vm, page);
}

void lru_add_drain(struct vm *vm)
{
	drain_pagevec(vm, &vm->lru_add_pvecs[vm->cpu]);
}

void lru_add_drain_all(struct vm *vm)
{
	for (unsigned int cpu = 0; cpu < vm->nr_cpus; cpu++)
		drain_pagevec(vm, &vm->lru_add_pvecs[cpu]);
}

int isolate_lru_page(struct vm *vm, struct page *page)
{
	if (unlikely(page->_refcount <= 0))
		violation(vm, VM_RULE_PAGE_REF_ZERO, page, "isolate_lru_page", "refcount above 0", "%d",
			  page->_refcount);
	if (!PageLRU(page))
		return -EBUSY;
	/* Nobody runs in between: callers that come from a page table hold no reference of their own. */
	page->_refcount++;
	take_off_lru(vm, page);
	/* A1 */
	migration_step(vm, STEP_A1, page, NULL);
	return 0;
}

int __isolate_lru_page(struct vm *vm, struct page *page, isolate_mode_t mode)
{
	if (!PageLRU(page) || (page_flag(page, PG_unevictable) && !(mode & ISOLATE_UNEVICTABLE)))
		return -EINVAL;
	if (mode & (ISOLATE_CLEAN | ISOLATE_ASYNC_MIGRATE) && page_flag(page, PG_writeback))
		return -EBUSY;
	if (mode & (ISOLATE_CLEAN | ISOLATE_ASYNC_MIGRATE) && page_flag(page, PG_dirty)) {
		const struct file *file = PageAnon(page) ? NULL : page_file(page);

		if (mode & ISOLATE_CLEAN || (file && file->migrate_method == MIGRATE_BY_FALLBACK))
			return -EBUSY;
	}
	if ((mode & ISOLATE_UNMAPPED && page_mapped(page)) || !page->_refcount)
		return -EBUSY;
	page->_refcount++;
	take_off_lru(vm, page);
	/* A1 */
	migration_step(vm, STEP_A1, page, NULL);
	return 0;
}

void putback_lru_page(struct vm *vm, struct page *page)
{
	bool was_unevictable = test_clear_page_flag(page, PG_unevictable);

	VM_BUG_ON_PAGE(vm, PageLRU(page), page, VM_RULE_LRU_ADD_ON_LRU, "an isolated page", "PG_lru set");
	if (page_flag(page, PG_mlocked)) {
		add_page_to_unevictable_list(vm, page);
		count_vm_events(vm, UNEVICTABLE_PGCULLED, !was_unevictable);
	} else {
		lru_cache_add(vm, page);
		count_vm_events(vm, UNEVICTABLE_PGRESCUED, was_unevictable);
	}
	put_page(vm, page);
}

void lru_set_active(struct vm *vm, struct page *page, bool active)
{
	take_off_lru(vm, page);
	if (active)
		set_page_flag(page, PG_active);
	else
		clear_page_flag(page, PG_active);
	add_page_to_lru(vm, page);
	count_vm_events(vm, active ? PGACTIVATE : PGDEACTIVATE, 1);
}

/* Whether this CPU's vector holds the page: then its flags may still be changed. */
static bool in_own_vector(const struct vm *vm, const struct page *page)
{
	const struct pagevec *pvec = &vm->lru_add_pvecs[vm->cpu];

	for (unsigned int i = 0; i < pvec->nr; i++)
		if (pvec->pages[i] == page)
			return true;
	return false;
}

void mark_page_accessed(struct vm *vm, struct page *page)
{
	if (page_flag(page, PG_active) || page_flag(page, PG_unevictable) || !page_flag(page, PG_referenced)) {
		set_page_flag(page, PG_referenced);
		return;
	}
	if (PageLRU(page))
		lru_set_active(vm, page, true);
	else if (in_own_vector(vm, page))
		set_page_flag(page, PG_active);
	clear_page_flag(page, PG_referenced);
}
