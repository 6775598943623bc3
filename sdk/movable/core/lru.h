/* SPDX-License-Identifier: MIT
 *
 * LRU lists of a node and the per-CPU vector in front of them. spec/migration.md 7.
 */
#ifndef MOVABLE_LRU_H
#define MOVABLE_LRU_H

#include "pageops.h"

/* The list that the page's flags select. */
enum lru_list page_lru(const struct page *page);

/* Queues the page for its LRU list, with a reference until the vector is drained. Not PageLRU (asserted). */
void lru_cache_add(struct vm *vm, struct page *page);

/* A new page of a process: as above, but in a VM_LOCKED area at once to the unevictable list (7.5). */
void lru_cache_add_new_anon(struct vm *vm, struct page *page, bool locked_area);

/* Moves this CPU's queued pages to their lists. */
void lru_add_drain(struct vm *vm);

/* The same for every CPU. */
void lru_add_drain_all(struct vm *vm);

/* Takes the page off its list, with a reference. 0, or -EBUSY if it is on none. The caller counts it (7.2). */
int isolate_lru_page(struct vm *vm, struct page *page);

/* A tail of a huge page that is being split gets an LRU entry of its own: by its head, or (head isolated) on the list. */
void lru_add_page_tail(struct vm *vm, const struct page *head, struct page *tail, bool head_on_lru);

/* What the compaction scanner may take: 0, -EINVAL or -EBUSY (spec/compaction.md 4.3). */
int __isolate_lru_page(struct vm *vm, struct page *page, isolate_mode_t mode);

/* Gives an isolated page back to the LRU and drops the isolation reference. */
void putback_lru_page(struct vm *vm, struct page *page);

/* A page that was used: referenced, and active the second time (7.5). */
void mark_page_accessed(struct vm *vm, struct page *page);

/* At free: off its list, PG_lru and what chose the list cleared (spec/migration.md 1.5). */
void del_page_from_lru(struct vm *vm, struct page *page);

/* Moves a page on an LRU list to the active or the inactive one. */
void lru_set_active(struct vm *vm, struct page *page, bool active);

#endif
