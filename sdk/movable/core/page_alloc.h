/* SPDX-License-Identifier: MIT
 *
 * Allocating and freeing pages over the zones of a machine. spec/compaction.md 2.7, 2.11-2.13;
 * freeing: spec/migration.md 1.5.
 *
 * Per-CPU page lists have capacity 0 (spec/compaction.md 2.8 permits it): a page freed is in the buddy at once.
 */
#ifndef MOVABLE_PAGE_ALLOC_H
#define MOVABLE_PAGE_ALLOC_H

#include "buddy.h"
#include "watermark.h"

/* gfp bits (2.12), Linux 4.9 values */
enum gfp_bits {
	__GFP_DMA = 0x1,
	__GFP_HIGHMEM = 0x2,
	__GFP_DMA32 = 0x4,
	__GFP_MOVABLE = 0x8,
	__GFP_RECLAIMABLE = 0x10,
	__GFP_HIGH = 0x20,
	__GFP_IO = 0x40,
	__GFP_FS = 0x80,
	__GFP_NORETRY = 0x1000,
	__GFP_MEMALLOC = 0x2000,
	__GFP_COMP = 0x4000,
	__GFP_ZERO = 0x8000,
	__GFP_NOMEMALLOC = 0x10000,
	__GFP_NOFAIL = 0x800,
	__GFP_REPEAT = 0x400,
	__GFP_THISNODE = 0x40000,
	__GFP_ATOMIC = 0x80000,
	__GFP_DIRECT_RECLAIM = 0x400000,
};

#define GFP_KERNEL 0x24000c0u
#define GFP_USER 0x24200c0u
#define GFP_HIGHUSER_MOVABLE 0x24200cau

/* For transparent huge pages of areas that asked for them. */
#define GFP_TRANSHUGE 0x4342cau

#define ALL_NODES UINT64_MAX

enum migratetype gfpflags_to_migratetype(gfp_t gfp);

/* The highest zone type a request may use. */
enum zone_type gfp_zone(gfp_t gfp);

/* What one request is served from. */
struct alloc_context {
	gfp_t gfp;
	unsigned int order;
	int nid;
	uint64_t nodemask;	/* nodes it may use, a bit each */
	struct zone *preferred; /* first zone of the zonelist that fits; NULL if none does */
	enum zone_type high_zoneidx, classzone_idx;
	enum migratetype migratetype;
};

/* A request that may use every node. */
void prepare_alloc_context(struct vm *vm, struct alloc_context *ac, gfp_t gfp, unsigned int order, int nid);

/* The next zone the request may use, at or after `*position` in its zonelist; NULL at the end. */
struct zone *next_zone(struct vm *vm, const struct alloc_context *ac, unsigned int *position);

struct page *get_page_from_freelist(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags);

/* The head page of 2^order pages near node `nid`, with one reference; NULL if there are none. */
struct page *alloc_pages_node(struct vm *vm, int nid, gfp_t gfp, unsigned int order);

/* The same, from nodes of the mask only. */
struct page *__alloc_pages_nodemask(struct vm *vm, gfp_t gfp, unsigned int order, int nid, uint64_t nodemask);

/* Drops a reference on an allocation of this order; the last one frees it. */
void __free_pages(struct vm *vm, struct page *page, unsigned int order);

/* Frees a page whose last reference is gone. */
void free_unref_page(struct vm *vm, struct page *page);

/* Makes a block just taken off the free lists 2^order single pages, each with one reference (5.4). */
void split_free_page(struct vm *vm, struct page *page, unsigned int order);

#endif
