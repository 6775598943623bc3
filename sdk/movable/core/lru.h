/* SPDX-License-Identifier: MIT
 *
 * LRU lists of a node and the per-CPU vector in front of them. spec/migration.md 7.1, 7.3, 7.4.
 *
 * So far only pages that migration itself puts there live here: a target that its driver forgot to mark.
 */
#ifndef MOVABLE_LRU_H
#define MOVABLE_LRU_H

#include "pageops.h"

/* The list that the page's flags select. */
enum lru_list page_lru(const struct page *page);

/* Queues the page for its LRU list, with a reference until the vector is drained. Not PageLRU (asserted). */
void lru_cache_add(struct vm *vm, struct page *page);

/* Moves this CPU's queued pages to their lists. */
void lru_add_drain(struct vm *vm);

/* The same for every CPU. */
void lru_add_drain_all(struct vm *vm);

/* Gives an isolated page back to the LRU and drops the isolation reference. */
void putback_lru_page(struct vm *vm, struct page *page);

/* At free: off its list, PG_lru and what chose the list cleared (spec/migration.md 1.5). */
void del_page_from_lru(struct vm *vm, struct page *page);

#endif
