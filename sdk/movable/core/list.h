/* SPDX-License-Identifier: MIT
 *
 * Doubly linked circular lists of struct list_head, as everything that links pages uses them.
 */
#ifndef MOVABLE_LIST_H
#define MOVABLE_LIST_H

#include <movable/page.h>

#define list_page(pos) ((struct page *)((char *)(pos) - offsetof(struct page, lru)))

static inline void list_init(struct list_head *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline void list_link(struct list_head *item, struct list_head *prev, struct list_head *next)
{
	item->prev = prev;
	item->next = next;
	prev->next = item;
	next->prev = item;
}

static inline void list_add(struct list_head *item, struct list_head *head)
{
	list_link(item, head, head->next);
}

static inline void list_add_tail(struct list_head *item, struct list_head *head)
{
	list_link(item, head->prev, head);
}

/* Leaves the item pointing nowhere, so that a use of its stale links is a fault and not a corruption. */
static inline void list_del(struct list_head *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = item->prev = NULL;
}

static inline void list_move(struct list_head *item, struct list_head *head)
{
	list_del(item);
	list_add(item, head);
}

/* Moves all of `list` to the front of `head`; the list is empty then. */
static inline void list_splice_init(struct list_head *list, struct list_head *head)
{
	if (list_empty(list))
		return;
	list->next->prev = head;
	list->prev->next = head->next;
	head->next->prev = list->prev;
	head->next = list->next;
	list_init(list);
}

static inline struct page *list_first_page(const struct list_head *head)
{
	return list_page(head->next);
}

#define list_for_each_page(page, head)                                                                       \
	for (struct page *page = list_first_page(head); &page->lru != (head); page = list_page(page->lru.next))

#endif
