/* SPDX-License-Identifier: MIT
 *
 * Isolating and putting back movable pages that are on no LRU. spec/migration.md 6.3-6.5.
 */
#ifndef MOVABLE_NON_LRU_H
#define MOVABLE_NON_LRU_H

#include "pageops.h"

/* Takes the page from its driver; on success the isolation reference is kept. Never sleeps on the lock. */
bool isolate_movable_page(struct vm *vm, struct page *page, isolate_mode_t mode);

/* Gives an isolated page back to its driver. Page locked, PageMovable, PG_isolated (all asserted). */
void putback_movable_page(struct vm *vm, struct page *page);

/*
 * Ends an isolation without migration: locks the page (may sleep), gives it back if it is still movable,
 * drops the isolation reference.
 */
void end_isolation(struct vm *vm, struct page *page);

/* Gives back every page of a migration list; drops the isolation references and NR_ISOLATED_*. */
void putback_movable_pages(struct vm *vm, struct list_head *pages);

/* NR_ISOLATED_ANON or NR_ISOLATED_FILE of the page's node; Linux 4.9 counts drivers' pages too. */
void mod_isolated(struct vm *vm, const struct page *page, long delta);

#endif
