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

/* Pages of the zone's node that reclaim may look at: anonymous ones only while there is swap space. */
unsigned long zone_reclaimable_pages(const struct vm *vm, const struct zone *zone);

#endif
