/* SPDX-License-Identifier: MIT */
#include "page_alloc.h"

#include "compaction.h"
#include "hugetlb.h"
#include "ksm.h"
#include "lru.h"
#include "pybridge.h"
#include "vmscan.h"

#define MAX_RECLAIM_RETRIES 16
#define MAX_COMPACT_RETRIES 16

enum migratetype gfpflags_to_migratetype(gfp_t gfp)
{
	unsigned int type = (gfp & (__GFP_RECLAIMABLE | __GFP_MOVABLE)) >> 3;

	/* Both bits together mean nothing; the kernel warns and they end as unmovable. */
	return type < MIGRATE_PCPTYPES ? (enum migratetype)type : MIGRATE_UNMOVABLE;
}

enum zone_type gfp_zone(gfp_t gfp)
{
	if (gfp & __GFP_DMA)
		return ZONE_DMA;
	if (gfp & __GFP_DMA32)
		return ZONE_DMA32;
	if ((gfp & (__GFP_HIGHMEM | __GFP_MOVABLE)) == (__GFP_HIGHMEM | __GFP_MOVABLE))
		return ZONE_MOVABLE;
	return ZONE_NORMAL;
}

struct zone *next_zone(struct vm *vm, const struct alloc_context *ac, unsigned int *position)
{
	struct zone *const *zonelist = vm->nodes[ac->nid].zonelist;
	struct zone *zone;

	while ((zone = zonelist[*position])) {
		(*position)++;
		if (ac->gfp & __GFP_THISNODE && zone->node->node_id != ac->nid)
			continue;
		/* A zone that has gone offline as a whole is in no zonelist (8.3). */
		if (!(ac->nodemask >> zone->node->node_id & 1) || !zone->present_pages)
			continue;
		if (zone->type <= ac->high_zoneidx)
			return zone;
	}
	return NULL;
}

static void prepare_context(struct vm *vm, struct alloc_context *ac, gfp_t gfp, unsigned int order, int nid,
			    uint64_t nodemask)
{
	unsigned int first = 0;

	ac->gfp = gfp;
	ac->order = order;
	ac->nid = nid;
	ac->nodemask = nodemask;
	ac->high_zoneidx = gfp_zone(gfp);
	ac->migratetype = gfpflags_to_migratetype(gfp);
	ac->preferred = next_zone(vm, ac, &first);
	ac->classzone_idx = ac->preferred ? ac->preferred->type : ZONE_NORMAL;
}

void prepare_alloc_context(struct vm *vm, struct alloc_context *ac, gfp_t gfp, unsigned int order, int nid)
{
	prepare_context(vm, ac, gfp, order, nid, ALL_NODES);
}

/* Reserves the page's block for high-order atomic requests, within the zone's bound (2.7). */
static void reserve_highatomic_pageblock(struct vm *vm, struct page *page, struct zone *zone)
{
	unsigned long limit = zone->managed_pages / 100 + pageblock_nr_pages;
	enum migratetype type = get_pageblock_migratetype(vm, page);

	if (zone->nr_reserved_highatomic >= limit)
		return;
	if (type == MIGRATE_HIGHATOMIC || is_migrate_isolate(type) || type == MIGRATE_CMA)
		return;
	zone->nr_reserved_highatomic += pageblock_nr_pages;
	set_pageblock_migratetype(vm, page, MIGRATE_HIGHATOMIC);
	move_freepages_block(vm, zone, page, MIGRATE_HIGHATOMIC);
}

static struct page *rmqueue(struct vm *vm, struct zone *zone, const struct alloc_context *ac,
			    unsigned int alloc_flags)
{
	enum migratetype type = MIGRATE_HIGHATOMIC;
	struct page *page = NULL;

	if (ac->order && alloc_flags & ALLOC_HARDER)
		page = __rmqueue_smallest(vm, zone, ac->order, type);
	if (!page)
		page = __rmqueue(vm, zone, ac->order, ac->migratetype, &type);
	if (!page)
		return NULL;
	mod_zone_freepage_state(zone, -(1L << ac->order), type);
	count_vm_events(vm, PGALLOC_DMA + zone->type, 1UL << ac->order);
	return page;
}

/* Linux 4.9 compares with the running CPU's node, whatever node was asked for (2.13). */
static void count_numa(const struct vm *vm, const struct alloc_context *ac, struct zone *zone)
{
	if (zone->node->node_id == vm->cpu_node[vm->cpu]) {
		zone->stat[NUMA_HIT]++;
		zone->stat[NUMA_LOCAL]++;
	} else {
		zone->stat[NUMA_MISS]++;
		ac->preferred->stat[NUMA_FOREIGN]++;
	}
}

/* A page that leaves the allocator: one reference, nothing else set (spec/migration.md 1.5). */
static void prep_new_page(struct vm *vm, struct page *page)
{
	page->flags &= ~PAGE_FLAGS_MASK;
	page->mapping = NULL;
	page->private = 0;
	page->_mapcount = -1;
	page->_refcount = 0;
	page->list_id = 0;
	page->lock_cpu = -1;
	page->ext &= PAGE_EXT_POISONED;
	if (page->ext & PAGE_EXT_POISONED) {
		long offset = unpoison_page(vm, page);

		if (unlikely(offset >= 0))
			violation(vm, VM_RULE_POISON_OVERWRITTEN, page, "prep_new_page", "0xaa in every byte",
				  "0x%02x at byte %ld", page_address(vm, page)[offset], offset);
	}
}

static void make_tail(struct page *head, unsigned long i)
{
	head[i].ext |= PAGE_EXT_TAIL;
	head[i].head_offset = (uint16_t)i;
}

static void prep_new_block(struct vm *vm, struct page *page, gfp_t gfp, unsigned int order)
{
	for (unsigned long i = 0; i < 1UL << order; i++) {
		prep_new_page(vm, page + i);
		if (gfp & __GFP_ZERO)
			clear_highpage(vm, page + i);
		if (i && gfp & __GFP_COMP)
			make_tail(page, i);
	}
	if (order && gfp & __GFP_COMP)
		set_page_flag(page, PG_head);
	page->ext |= PAGE_EXT_ALLOCATED;
	page->alloc_order = (uint8_t)order;
	page->_refcount = 1;
}

void split_free_page(struct vm *vm, struct page *page, unsigned int order)
{
	for (unsigned long i = 0; i < 1UL << order; i++)
		prep_new_block(vm, page + i, 0, 0);
}

struct page *get_page_from_freelist(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags)
{
	unsigned int position = 0;
	struct zone *zone;

	while ((zone = next_zone(vm, ac, &position))) {
		unsigned long mark = alloc_watermark(zone, alloc_flags);
		struct page *page;

		if (!(alloc_flags & ALLOC_NO_WATERMARKS) &&
		    !zone_watermark_ok(zone, ac->order, mark, ac->classzone_idx, alloc_flags))
			continue;
		page = rmqueue(vm, zone, ac, alloc_flags);
		if (!page)
			continue;
		count_numa(vm, ac, zone);
		prep_new_block(vm, page, ac->gfp, ac->order);
		if (ac->order && alloc_flags & ALLOC_HARDER)
			reserve_highatomic_pageblock(vm, page, zone);
		return page;
	}
	return NULL;
}

static unsigned int gfp_to_alloc_flags(gfp_t gfp)
{
	unsigned int flags = WMARK_MIN | ALLOC_CPUSET;

	if (gfp & __GFP_HIGH)
		flags |= ALLOC_HIGH;
	if (gfp & __GFP_ATOMIC) {
		flags &= ~ALLOC_CPUSET;
		if (!(gfp & __GFP_NOMEMALLOC))
			flags |= ALLOC_HARDER;
	}
	if (gfpflags_to_migratetype(gfp) == MIGRATE_MOVABLE)
		flags |= ALLOC_CMA;
	return flags;
}

static bool may_use_reserves(const struct vm *vm, gfp_t gfp)
{
	return !(gfp & __GFP_NOMEMALLOC) && (gfp & __GFP_MEMALLOC || vm->task_flags & PF_MEMALLOC);
}

static long free_pages_of(const struct vm *vm)
{
	long free_pages = 0;

	for (unsigned int i = 0; i < vm->nr_zones; i++)
		free_pages += vm->zones[i].stat[NR_FREE_PAGES];
	return free_pages;
}

/*
 * The last resort: one more try at the high mark, then the notifiers of drivers that can give memory
 * back (spec/compaction.md 2.13 step 13). *retry says that they really did. There is no task to kill.
 */
static struct page *alloc_pages_may_oom(struct vm *vm, const struct alloc_context *ac, bool *retry)
{
	struct page *page = get_page_from_freelist(vm, ac, WMARK_HIGH | ALLOC_CPUSET);
	long before;

	*retry = false;
	if (page)
		return page;
	if (!(ac->gfp & __GFP_NOFAIL)) {
		if (ac->order > PAGE_ALLOC_COSTLY_ORDER || ac->high_zoneidx < ZONE_NORMAL ||
		    ac->gfp & __GFP_THISNODE)
			return NULL;
	}
	before = free_pages_of(vm);
	*retry = py_out_of_memory(vm) > 0 && free_pages_of(vm) > before;
	return NULL;
}

/* How far a request has got in the slow path. */
struct retries {
	unsigned int no_progress, compaction;
	enum compact_priority priority;
	unsigned long reclaimed; /* by the last round */
};

/* Step 8 */
static struct page *alloc_pages_direct_reclaim(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags,
					       struct retries *retries)
{
	retries->reclaimed = try_to_free_pages(vm, ac);
	return retries->reclaimed ? get_page_from_freelist(vm, ac, alloc_flags) : NULL;
}

/* Step 11: whether what could still be reclaimed would do. */
static bool should_reclaim_retry(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags,
				 struct retries *retries)
{
	unsigned int position = 0;
	struct zone *zone;

	if (retries->reclaimed && ac->order <= PAGE_ALLOC_COSTLY_ORDER)
		retries->no_progress = 0;
	else
		retries->no_progress++;
	if (retries->no_progress > MAX_RECLAIM_RETRIES)
		return false;
	while ((zone = next_zone(vm, ac, &position))) {
		unsigned long reclaimable = zone_reclaimable_pages(vm, zone);
		long available = (long)reclaimable;

		if (!reclaimable)
			continue;
		available -= (long)((retries->no_progress * reclaimable + MAX_RECLAIM_RETRIES - 1) / MAX_RECLAIM_RETRIES);
		if (__zone_watermark_ok(zone, ac->order, zone->watermark[WMARK_MIN], ac->classzone_idx, alloc_flags,
					   available + zone->stat[NR_FREE_PAGES]))
			return true;
	}
	return false;
}

/* Step 12, after progress */
static bool should_compact_retry(struct vm *vm, const struct alloc_context *ac, unsigned int alloc_flags, enum compact_result result,
				 struct retries *retries)
{
	bool costly = ac->order > PAGE_ALLOC_COSTLY_ORDER;
	enum compact_priority floor = costly ? COMPACT_PRIO_SYNC_LIGHT : COMPACT_PRIO_SYNC_FULL;

	if (!ac->order)
		return false;
	retries->compaction += result == COMPACT_SUCCESS;
	if (result == COMPACT_SKIPPED || result == COMPACT_DEFERRED || result == COMPACT_CONTENDED ||
	    result == COMPACT_PARTIAL_SKIPPED)
		return compaction_zonelist_suitable(vm, ac, alloc_flags);
	if (result != COMPACT_COMPLETE && retries->compaction <= (costly ? 4 : MAX_COMPACT_RETRIES))
		return true;
	if (retries->priority <= floor)
		return false;
	retries->priority--;
	retries->compaction = 0;
	return true;
}

/* spec/compaction.md 2.13, slow path. */
static struct page *alloc_pages_slowpath(struct vm *vm, const struct alloc_context *ac)
{
	unsigned int alloc_flags = gfp_to_alloc_flags(ac->gfp);
	struct retries retries = {.priority = COMPACT_PRIO_SYNC_LIGHT};
	enum compact_result result;
	struct page *page = get_page_from_freelist(vm, ac, alloc_flags);
	bool reserves = may_use_reserves(vm, ac->gfp), retry;

	if (page)
		return page;
	if (ac->gfp & __GFP_DIRECT_RECLAIM && ac->order > PAGE_ALLOC_COSTLY_ORDER && !reserves) {
		page = alloc_pages_direct_compact(vm, ac, alloc_flags, COMPACT_PRIO_ASYNC, &result);
		if (page)
			return page;
		if (ac->gfp & __GFP_NORETRY) {
			if (result == COMPACT_DEFERRED)
				return NULL;
			retries.priority = COMPACT_PRIO_ASYNC;
		}
	}
	do {
		page = get_page_from_freelist(vm, ac, reserves ? ALLOC_NO_WATERMARKS : alloc_flags);
		if (page || !(ac->gfp & __GFP_DIRECT_RECLAIM) || vm->task_flags & PF_MEMALLOC)
			return page;
		page = alloc_pages_direct_reclaim(vm, ac, alloc_flags, &retries);
		if (page)
			return page;
		page = alloc_pages_direct_compact(vm, ac, alloc_flags, retries.priority, &result);
		if (page || ac->gfp & __GFP_NORETRY)
			return page;
		if (ac->order > PAGE_ALLOC_COSTLY_ORDER && !(ac->gfp & __GFP_REPEAT))
			return NULL;
		retry = should_reclaim_retry(vm, ac, alloc_flags, &retries) ||
			(retries.reclaimed && should_compact_retry(vm, ac, alloc_flags, result, &retries));
		if (retry)
			continue;
		page = alloc_pages_may_oom(vm, ac, &retry);
	} while (!page && retry && !vm->interrupt);
	return page;
}

/* A request that may not fail does not count either. */
static bool should_fail_alloc(struct alloc_faults *faults, enum callback callback, gfp_t gfp)
{
	unsigned long number;

	if (gfp & __GFP_NOFAIL || !(faults->inside >> callback & 1))
		return false;
	number = faults->seen++;
	if (number < faults->first || number > faults->last)
		return false;
	faults->failed++;
	return true;
}

struct page *__alloc_pages_nodemask(struct vm *vm, gfp_t gfp, unsigned int order, int nid, uint64_t nodemask)
{
	struct alloc_context ac;
	unsigned int alloc_flags = WMARK_LOW | ALLOC_CPUSET;
	struct page *page;

	if (order >= MAX_ORDER)
		return NULL;
	prepare_context(vm, &ac, gfp, order, nid, nodemask);
	if (!ac.preferred)
		return NULL;
	if (gfp & __GFP_DIRECT_RECLAIM)
		might_sleep(vm, "alloc_pages");
	sched_point(vm, EV_ALLOC, order);
	if (ac.migratetype == MIGRATE_MOVABLE)
		alloc_flags |= ALLOC_CMA;
	if (unlikely(vm->alloc_faults.armed) && should_fail_alloc(&vm->alloc_faults, vm->callback, gfp))
		return NULL;
	page = get_page_from_freelist(vm, &ac, alloc_flags);
	return page ? page : alloc_pages_slowpath(vm, &ac);
}

struct page *alloc_pages_node(struct vm *vm, int nid, gfp_t gfp, unsigned int order)
{
	return __alloc_pages_nodemask(vm, gfp, order, nid, ALL_NODES);
}

#define PAGE_FLAGS_CHECK_AT_FREE                                                                                 \
	(1UL << PG_lru | 1UL << PG_locked | 1UL << PG_private | 1UL << PG_private_2 | 1UL << PG_writeback |      \
	 1UL << PG_reserved | 1UL << PG_slab | 1UL << PG_swapcache | 1UL << PG_active | 1UL << PG_unevictable |  \
	 1UL << PG_mlocked)

/* spec/migration.md 1.5: what a page may not bring along. PG_isolated is accepted, as the kernel does. */
static void check_free_page(struct vm *vm, const struct page *page)
{
	const char *bad = NULL;

	if (page->_refcount)
		bad = "references left";
	else if (page->_mapcount != -1)
		bad = "a mapcount or page type left";
	else if (page->mapping)
		bad = "an untagged mapping left";
	else if (page->list_id)
		bad = "still on a page list";
	else if (page->flags & PAGE_FLAGS_CHECK_AT_FREE)
		bad = page_flag(page, PG_locked) ? "still locked" : "flags left";
	if (unlikely(bad))
		violation(vm, VM_RULE_BAD_PAGE, page, "free_pages_prepare", "no trace of the owner",
			  "%s (flags 0x%lx, mapcount %d)", bad, page->flags & PAGE_FLAGS_MASK,
			  page->_mapcount);
}

static void free_pages_prepare(struct vm *vm, struct page *page)
{
	if (mapping_bits(page)) {
		if (unlikely(page->ext & PAGE_EXT_KSM))
			ksm_free_page(page);
		page->mapping = NULL;
	}
	if (unlikely(vm->debug || page->list_id))
		check_free_page(vm, page);
	unlink_page(vm, page);
	page->flags &= ~PAGE_FLAGS_MASK;
	page->_mapcount = -1;
	page->mapping = NULL;
	page->ext = 0;
	page->lock_cpu = -1;
	if (vm->poison)
		poison_page(vm, page);
}

static void free_pages_ok(struct vm *vm, struct page *page, unsigned int order)
{
	struct zone *zone = page_zone(vm, page);

	if (unlikely(PageLRU(page)))
		del_page_from_lru(vm, page);
	for (unsigned long i = 0; i < 1UL << order; i++)
		free_pages_prepare(vm, page + i);
	count_vm_events(vm, PGFREE, 1UL << order);
	__free_one_page(vm, page, zone, order, get_pageblock_migratetype(vm, page));
}

static void assert_allocated(struct vm *vm, const struct page *page, unsigned int order, const char *where)
{
	if (unlikely(!(page->ext & PAGE_EXT_ALLOCATED) || page->alloc_order != order))
		violation(vm, VM_RULE_FREE_WRONG_ORDER, page, where, "head and order as allocated",
			  "order %u of a page allocated with order %u", order, page->alloc_order);
}

void free_unref_page(struct vm *vm, struct page *page)
{
	unsigned int order = compound_order(page);

	if (unlikely(page->ext & PAGE_EXT_HUGETLB)) {
		free_huge_page(vm, page);
		return;
	}
	assert_allocated(vm, page, order, "put_page");
	free_pages_ok(vm, page, order);
}

void __free_pages(struct vm *vm, struct page *page, unsigned int order)
{
	sched_page_point(vm, EV_FREE, page);
	if (unlikely(page->_refcount <= 0))
		violation(vm, VM_RULE_PAGE_REF_ZERO, page, "__free_pages", "refcount above 0", "%d",
			  page->_refcount);
	assert_allocated(vm, page, order, "__free_pages");
	if (--page->_refcount == 0)
		free_pages_ok(vm, page, order);
}
