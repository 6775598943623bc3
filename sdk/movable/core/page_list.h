/* SPDX-License-Identifier: MIT
 *
 * Lists through page->lru that belong to Python: a driver's own, and those handed to migrate_pages().
 *
 * Wrong use is reported and not carried out, so that no list is ever corrupted.
 */
#ifndef MOVABLE_PAGE_LIST_H
#define MOVABLE_PAGE_LIST_H

#include "pageops.h"

/* Empty. NULL if there is no memory or no id left. */
struct page_list *page_list_create(struct vm *vm);

/* The pages still on it are unlinked. */
void page_list_destroy(struct vm *vm, struct page_list *list);

/* Links a page that is in use, on no list and not the VM's. */
void page_list_add(struct vm *vm, struct page_list *list, struct page *page, bool tail);

/* Unlinks a page of this list. */
void page_list_del(struct vm *vm, struct page_list *list, struct page *page);

/*
 * isolate_lru_page() or isolate_movable_page(), and the page on the list's tail, counted: what every caller of it does. The list
 * is empty or holds isolated pages already.
 */
bool page_list_isolate(struct vm *vm, struct page_list *list, struct page *page, isolate_mode_t mode);

#endif
