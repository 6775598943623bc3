/* SPDX-License-Identifier: MIT
 *
 * Per-CPU lists of free single pages, in front of the buddy allocator. Linux 4.9: spec/compaction.md 2.8;
 * Linux 6.1: spec/differences-drivers.md 3.5, of which blocks of order 1 to 3 still bypass the lists.
 *
 * Only a machine that asks for them has them: without, a page freed is in the buddy at once.
 */
#ifndef MOVABLE_PCP_H
#define MOVABLE_PCP_H

#include "buddy.h"

/* The lists of one CPU for one zone. */
struct per_cpu_pages {
	struct list_head lists[MIGRATE_PCPTYPES];
	int count;
	unsigned int free_factor; /* 6.1: portions given back double with each, 2^free_factor so far */
};

struct pcp_rules {
	unsigned long (*batch)(const struct zone *zone); /* pages that move at once, 1 at the least */
	unsigned long (*high)(const struct vm *vm, const struct zone *zone);
	/* A page was freed to list `type` and the lists hold `high` or more: gives some back. */
	void (*shrink)(struct vm *vm, struct zone *zone, struct per_cpu_pages *pcp, int type);
};

extern const struct pcp_rules pcp_rules_4_9, pcp_rules_6_1;

/* One for each zone and CPU; false if there is no memory for them. */
bool pcp_create(struct vm *vm, const struct pcp_rules *rules);
void pcp_destroy(struct vm *vm);

/* Frees a single page whose block is of this type, to this CPU's lists. */
void pcp_free(struct vm *vm, struct zone *zone, struct page *page, enum migratetype type);

/* A page of the wanted type from this CPU's lists, refilled if need be; NULL if the zone has none. */
struct page *pcp_alloc(struct vm *vm, struct zone *zone, enum migratetype wanted);

/* Everything back to the buddy: this CPU's pages of one zone, or all there are. */
void drain_local_pages(struct vm *vm, struct zone *zone);
void drain_all_pages(struct vm *vm);

/* Pages of a zone that wait in the lists of one CPU. */
int pcp_count(const struct vm *vm, const struct zone *zone, int cpu);

/* Whether single pages go through the lists now. */
static inline bool pcp_in_use(const struct vm *vm)
{
	return vm->pcp && !vm->pcp_disabled;
}

/* Whether the page waits in a per-CPU list. */
static inline bool page_is_pcp(const struct page *page)
{
	return page->ext & PAGE_EXT_PCP;
}

#endif
