/* SPDX-License-Identifier: MIT
 *
 * How pages of processes and files are moved: the methods of their mappings. spec/migration.md 2.1, 5.2-5.6.
 */
#ifndef MOVABLE_MIGRATE_PAGE_H
#define MOVABLE_MIGRATE_PAGE_H

#include "filemap.h"

/*
 * Moves identity and cache membership. Both pages locked, `page` unmapped. 0; -EAGAIN if somebody else has the
 * page or its slot has changed, with nothing done.
 */
int migrate_page_move_mapping(struct vm *vm, struct page *newpage, struct page *page, struct buffer_head *head,
			      enum migrate_mode mode, int extra_count);

/* Contents, and the flags that go along. Both pages locked, the mapping moved. */
void migrate_page_copy(struct vm *vm, struct page *newpage, struct page *page);

/* For anonymous memory, shmem and the swap cache, and for files without buffers. */
int migrate_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode);

/* For files that keep buffers at their pages. */
int buffer_migrate_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode);

/* For mappings without a method: dirty pages are written out first. */
int fallback_migrate_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode);

/* By the page's mapping: move_to_new_page() for pages on an LRU. Both pages locked. spec/migration.md 5.1 */
int move_lru_page(struct vm *vm, struct page *newpage, struct page *page, enum migrate_mode mode);

#endif
