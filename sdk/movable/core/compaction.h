/* SPDX-License-Identifier: MIT
 *
 * Compacting a zone. spec/compaction.md 3, 6, 7 (Linux 4.9); what another kernel does otherwise: compact_profile.h.
 */
#ifndef MOVABLE_COMPACTION_H
#define MOVABLE_COMPACTION_H

#include "migrate.h"

struct alloc_context;

/* spec/compaction.md 3.2 */
enum compact_result {
	COMPACT_NOT_SUITABLE_ZONE,
	COMPACT_SKIPPED,
	COMPACT_DEFERRED,
	COMPACT_INACTIVE = COMPACT_DEFERRED,
	COMPACT_NO_SUITABLE_PAGE,
	COMPACT_CONTINUE,
	COMPACT_COMPLETE,
	COMPACT_PARTIAL_SKIPPED,
	COMPACT_CONTENDED,
	COMPACT_SUCCESS,
};

/* spec/compaction.md 7.2 */
enum compact_priority { COMPACT_PRIO_SYNC_FULL, COMPACT_PRIO_SYNC_LIGHT, COMPACT_PRIO_ASYNC };

/* One run over one zone. spec/compaction.md 3.1. */
struct compact_control {
	struct zone *zone;
	struct list_head freepages, migratepages;
	unsigned long nr_freepages, nr_migratepages;
	unsigned long free_pfn, migrate_pfn;
	unsigned long last_migrated_pfn; /* lowest source of frees not yet drained; 0 = none */
	enum migrate_mode mode;
	int order; /* -1: the whole zone */
	gfp_t gfp_mask;
	unsigned int alloc_flags;
	enum zone_type classzone_idx;
	bool ignore_skip_hint, ignore_block_suitable, direct_compaction, whole_zone, contended;
	bool no_set_skip_hint; /* not a run over a zone: leaves no hints */

	/* Linux 6.1: spec/differences-drivers.md 3 */
	bool rescan;		   /* this call takes all that is left of its block (3.1) */
	bool jumped;		   /* migrate_pfn is a block found through the free lists (3.6) */
	unsigned long last_block;  /* in which the last call that yielded pages began, plus 1; 0 = none yet */
	unsigned int search_failures;
	unsigned long lowest_found; /* the lowest block found so; 0 = none, ~0UL = used */
	int search_order;	    /* where the last search for a target succeeded; 0 = none yet */

	/* What the run did, for the caller */
	unsigned long migrate_scanned, free_scanned, isolated, migrated, failed;
};

/*
 * Linux 6.1: the request of a task that compacts. A block of exactly its order that becomes free meanwhile is
 * handed to it and never enters a free list.
 */
struct capture_control {
	const struct compact_control *cc;
	struct page *page;
};

/* Whether the block goes to the request that captures, if there is one; then it is no more free. */
bool compaction_capture(struct vm *vm, struct page *page, const struct zone *zone, unsigned int order,
			enum migratetype type);

/* Whether compaction makes sense here (3.3): SUCCESS, SKIPPED or CONTINUE. */
enum compact_result compaction_suitable(const struct vm *vm, const struct zone *zone, int order,
					unsigned int alloc_flags, enum zone_type classzone_idx);

/* Whether compaction would make sense in some zone of the request if all that can be reclaimed were (2.13). */
bool compaction_zonelist_suitable(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags);

/* The fragmentation index of 9.5, -1000 to 1000. */
int fragmentation_index(const struct zone *zone, unsigned int order);

/* One run (3.7). The caller fills in the settings; the lists may be uninitialised. */
enum compact_result compact_zone(struct vm *vm, struct compact_control *cc);

/* Every zone of the node, whole, MIGRATE_SYNC (7.3). Fills runs[], one per populated zone; how many. */
unsigned int compact_node(struct vm *vm, int nid, struct compact_control *runs, enum compact_result *results);

/*
 * Direct compaction over the request's zonelist (7.1 step 2). A block that was captured for the request is in
 * *captured, no longer free and not yet prepared; NULL: nobody wants one.
 */
enum compact_result try_to_compact_pages(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags,
					 enum compact_priority priority, struct page **captured);

/* 7.1 whole: compacts, then allocates. */
struct page *alloc_pages_direct_compact(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags,
					enum compact_priority priority, enum compact_result *result);

/* Deferral (3.6) */
void defer_compaction(struct zone *zone, int order);
bool compaction_deferred(struct zone *zone, int order);
void compaction_defer_reset(struct zone *zone, int order, bool alloc_success);
bool compaction_restarting(const struct zone *zone, int order);

/* Clears the zone's skip bits and cached positions (3.5). */
void reset_isolation_suitable(struct vm *vm, struct zone *zone);

#endif
