/* SPDX-License-Identifier: MIT
 *
 * Reclaim, as far as the allocator's slow path needs it. spec/compaction.md 2.13 steps 8, 11, 12.
 */
#ifndef MOVABLE_VMSCAN_H
#define MOVABLE_VMSCAN_H

#include "page_alloc.h"

/* Frees pages of the nodes that a request may use; how many. */
unsigned long try_to_free_pages(struct vm *vm, const struct alloc_context *ac);

/* Frees up to `pages` pages of a node, whatever the request; how many. */
unsigned long reclaim_node(struct vm *vm, struct pglist_data *node, unsigned long pages);

/* Brings one anonymous page into swap space, used or not. 0; -EBUSY: it is not on an LRU, is held, or there is no slot. */
long swap_out_page(struct vm *vm, struct page *page);
/*
 * Drops the clean file pages of a migration list from their caches, which is cheaper than moving them; mapped ones
 * are unmapped first. Those that are in somebody's hands, and all other pages, stay listed. How many are free now.
 * spec/compaction.md 8.2 step 2.
 */
unsigned long reclaim_clean_pages_from_list(struct vm *vm, struct list_head *pages);

/* Pages of the zone's node that reclaim may look at: anonymous ones only while there is swap space. */
unsigned long zone_reclaimable_pages(const struct vm *vm, const struct zone *zone);

#endif
