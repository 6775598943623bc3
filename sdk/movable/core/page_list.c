/* SPDX-License-Identifier: MIT */
#include "page_list.h"

#include <stdlib.h>

#include "hugetlb.h"
#include "lru.h"
#include "non_lru.h"

/* A free id, the table grown if need be; 0 if there is none. */
static unsigned int find_id(struct vm *vm)
{
	struct page_list **lists;

	for (unsigned int id = 1; id < vm->nr_lists; id++)
		if (!vm->lists[id])
			return id;
	if (vm->nr_lists > MAX_LISTS)
		return 0;
	lists = realloc(vm->lists, (vm->nr_lists + 1) * sizeof(*lists));
	if (!lists)
		return 0;
	vm->lists = lists;
	lists[vm->nr_lists] = NULL;
	return vm->nr_lists++;
}

struct page_list *page_list_create(struct vm *vm)
{
	unsigned int id = find_id(vm);
	struct page_list *list = id ? calloc(1, sizeof(*list)) : NULL;

	if (!list)
		return NULL;
	list->id = id;
	list_init(&list->head);
	vm->lists[id] = list;
	return list;
}

void page_list_destroy(struct vm *vm, struct page_list *list)
{
	while (!list_empty(&list->head))
		unlink_page(vm, list_first_page(&list->head));
	vm->lists[list->id] = NULL;
	free(list);
}

/* The VM owns the link of an isolated page, but for the driver that is just getting it back. */
static bool lru_is_the_vms(struct vm *vm, const struct page *page, const char *where)
{
	bool getting_back = vm->callback == CALLBACK_PUTBACK && vm->callback_page == page;

	if (!PageIsolated(page) || getting_back)
		return false;
	violation(vm, VM_RULE_LRU_WHILE_ISOLATED, page, where, "page.lru left alone", "PG_isolated set");
	return true;
}

static void link_to_list(struct page_list *list, struct page *page, bool tail)
{
	page->list_id = (uint16_t)list->id;
	list->nr++;
	if (tail)
		list_add_tail(&page->lru, &list->head);
	else
		list_add(&page->lru, &list->head);
}

void page_list_add(struct vm *vm, struct page_list *list, struct page *page, bool tail)
{
	if (!list->nr)
		list->isolated = false;
	if (lru_is_the_vms(vm, page, "list_add"))
		return;
	if (page->list_id || PageLRU(page) || page->_refcount <= 0)
		violation(vm, VM_RULE_LIST_CORRUPT, page, "list_add", "a page in use and on no list",
			  "list %u, refcount %d", page->list_id, page->_refcount);
	link_to_list(list, page, tail);
}

void page_list_del(struct vm *vm, struct page_list *list, struct page *page)
{
	if (lru_is_the_vms(vm, page, "list_del"))
		return;
	if (page->list_id != list->id)
		violation(vm, VM_RULE_LIST_CORRUPT, page, "list_del", "a page of this list",
			  page->list_id ? "on list %u" : "on no list", page->list_id);
	unlink_page(vm, page);
}

bool page_list_isolate(struct vm *vm, struct page_list *list, struct page *page, isolate_mode_t mode)
{
	if (PageHuge(page)) {
		if (!isolate_huge_page(vm, page, &list->head))
			return false;
		if (!list->nr)
			list->isolated = true;
		unlink_page(vm, page);
		link_to_list(list, page, true);
		return true;
	}
	if (PageLRU(page) ? isolate_lru_page(vm, page) : !isolate_movable_page(vm, page, mode))
		return false;
	if (!list->nr)
		list->isolated = true;
	/* A driver that left it on its own list has been reported. */
	unlink_page(vm, page);
	link_to_list(list, page, true);
	mod_isolated(vm, page, 1);
	return true;
}
