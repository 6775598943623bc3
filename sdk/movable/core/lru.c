/* SPDX-License-Identifier: MIT */
#include "lru.h"

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
	node->stat[NR_INACTIVE_ANON + list]++;
}

void del_page_from_lru(struct vm *vm, struct page *page)
{
	enum lru_list list = page_lru(page);

	clear_page_flag(page, PG_lru);
	list_del(&page->lru);
	node_of(vm, page)->stat[NR_INACTIVE_ANON + list]--;
	if (!test_clear_page_flag(page, PG_unevictable))
		clear_page_flag(page, PG_active);
}

static void drain_pagevec(struct vm *vm, struct pagevec *pvec)
{
	for (unsigned int i = 0; i < pvec->nr; i++) {
		add_page_to_lru(vm, pvec->pages[i]);
		put_page(vm, pvec->pages[i]);
	}
	pvec->nr = 0;
}

void lru_cache_add(struct vm *vm, struct page *page)
{
	struct pagevec *pvec = &vm->lru_add_pvecs[vm->cpu];

	VM_BUG_ON_PAGE(vm, PageLRU(page), page, VM_RULE_LRU_ADD_ON_LRU, "a page off the LRU", "PG_lru set");
	VM_BUG_ON_PAGE(vm, page_flag(page, PG_active) && page_flag(page, PG_unevictable), page,
		       VM_RULE_LRU_ACTIVE_UNEVICTABLE, "active or unevictable", "both");
	get_page(vm, page);
	pvec->pages[pvec->nr++] = page;
	if (pvec->nr == PAGEVEC_SIZE || PageCompound(page))
		drain_pagevec(vm, pvec);
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

void putback_lru_page(struct vm *vm, struct page *page)
{
	VM_BUG_ON_PAGE(vm, PageLRU(page), page, VM_RULE_LRU_ADD_ON_LRU, "an isolated page", "PG_lru set");
	clear_page_flag(page, PG_unevictable);
	if (page_flag(page, PG_mlocked)) {
		clear_page_flag(page, PG_active);
		set_page_flag(page, PG_unevictable);
		add_page_to_lru(vm, page);
	} else {
		lru_cache_add(vm, page);
	}
	put_page(vm, page);
}
