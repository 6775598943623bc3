/* SPDX-License-Identifier: MIT
 *
 * The buddy allocator of one zone: free lists by order and migrate type, splitting, merging, stealing.
 * spec/compaction.md 2.1-2.7. The caller has the zone lock wherever a kernel caller would.
 */
#ifndef MOVABLE_BUDDY_H
#define MOVABLE_BUDDY_H

#include "pageops.h"

/* Order of a free head (PageBuddy). */
static inline unsigned int page_order(const struct page *page)
{
	return (unsigned int)page->private;
}

static inline bool is_migrate_isolate(enum migratetype type)
{
	return type == MIGRATE_ISOLATE;
}

/* Adjusts the zone's free counters by `nr` pages of a block of this type. */
void mod_zone_freepage_state(struct zone *zone, long nr, enum migratetype type);

/* Puts a block on the free lists, merging it with its free buddies (2.2). */
void __free_one_page(struct vm *vm, struct page *page, struct zone *zone, unsigned int order,
		     enum migratetype type);

/* Takes a free head off its list. */
void del_page_from_free_list(struct zone *zone, struct page *page);

/* Any block that serves the request: own type, CMA, then stealing (2.7). *type tells whose list it was. */
struct page *__rmqueue(struct vm *vm, struct zone *zone, unsigned int order, enum migratetype wanted,
		       enum migratetype *type);

/* From the lists of this type only (2.3). */
struct page *__rmqueue_smallest(struct vm *vm, struct zone *zone, unsigned int order, enum migratetype type);

/* The fallback type with a free block of this order, or -1 (2.5). */
int find_suitable_fallback(const struct free_area *area, unsigned int order, enum migratetype wanted,
			   bool only_stealable, bool *can_steal);

/* Relists the free buddies of the page's block under `type`; how many pages that were (2.6). */
unsigned long move_freepages_block(struct vm *vm, struct zone *zone, struct page *page, enum migratetype type);

/*
 * Gives the page's block another type, and its free pages with it, whichever zone they are of; how many those
 * are (8.1).
 */
unsigned long change_pageblock_migratetype(struct vm *vm, struct page *page, enum migratetype type);

/*
 * Takes a free block for the free scanner: 0 if the zone's watermark forbids it, else its size (5.3).
 * The pages are left as they are; split_free_page() makes them order-0 pages with one reference each.
 */
unsigned long __isolate_free_page(struct vm *vm, struct page *page, unsigned int order);

#endif
