/* SPDX-License-Identifier: MIT
 *
 * The three calls into a driver, and what the contract says about the pages before and after each.
 * spec/migration.md 6.1, 6.8; spec/drivers.md 6.3.
 *
 * The checks compare the pages with what they were before the call; they run at debug level 1 and above
 * and only record: the core goes on as the kernel would.
 */
#ifndef MOVABLE_CALLBACKS_H
#define MOVABLE_CALLBACKS_H

#include "pageops.h"

/* The page is locked and PageMovable, PG_isolated clear, the VM's reference taken. */
bool call_isolate_page(struct vm *vm, struct page *page, isolate_mode_t mode);

/* Both pages are locked, PG_isolated set on `page`. 0 or an errno; a driver may also answer nonsense. */
int call_migratepage(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode);

/* The page is locked, PageMovable and PG_isolated. */
void call_putback_page(struct vm *vm, struct page *page);

#endif
