/* SPDX-License-Identifier: MIT */
#include "api.h"
#include "compact_log.h"
#include "compact_profile.h"
#include "lru.h"
#include "page_alloc.h"
#include "pcp.h"

static void fill_run(struct mv_run *run, const struct compact_control *cc, enum compact_result result)
{
	run->zone = (int)cc->zone->id;
	run->order = cc->order;
	run->mode = (int)cc->mode;
	run->result = (int)result;
	run->whole_zone = cc->whole_zone;
	run->migrate_pfn = cc->migrate_pfn;
	run->free_pfn = cc->free_pfn;
	run->migrate_scanned = cc->migrate_scanned;
	run->free_scanned = cc->free_scanned;
	run->isolated = cc->isolated;
	run->migrated = cc->migrated;
	run->failed = cc->failed;
}

long mv_compact_zone(struct vm *vm, struct mv_run *run)
{
	struct compact_control cc = {
		.zone = &vm->zones[run->zone],
		.order = run->order,
		.mode = (enum migrate_mode)run->mode,
		.gfp_mask = run->gfp,
		.alloc_flags = run->alloc_flags,
		.classzone_idx = (enum zone_type)run->classzone_idx,
		.ignore_skip_hint = run->ignore_skip_hint,
		.ignore_block_suitable = run->ignore_block_suitable,
		.direct_compaction = run->direct_compaction,
		.whole_zone = run->whole_zone,
	};

	API_BEGIN(vm, true);
	fill_run(run, &cc, compact_zone(vm, &cc));
	API_END(vm, run->result);
}

long mv_compact_node(struct vm *vm, int nid, struct mv_run *runs)
{
	struct compact_control ccs[MAX_NR_ZONES];
	enum compact_result results[MAX_NR_ZONES];
	unsigned int nr;

	API_BEGIN(vm, true);
	lru_add_drain_all(vm);
	nr = compact_node(vm, nid, ccs, results);
	for (unsigned int i = 0; i < nr; i++)
		fill_run(&runs[i], &ccs[i], results[i]);
	API_END(vm, (long)nr);
}

long mv_try_to_compact_pages(struct vm *vm, int nid, unsigned int order, unsigned int gfp, int priority)
{
	struct alloc_context ac;
	unsigned int memalloc = vm->task_flags & PF_MEMALLOC;
	unsigned int alloc_flags = WMARK_MIN | (gfp & __GFP_MOVABLE ? ALLOC_CMA : 0);
	enum compact_result result;

	API_BEGIN(vm, true);
	prepare_alloc_context(vm, &ac, gfp, order, nid);
	vm->task_flags |= PF_MEMALLOC;
	result = try_to_compact_pages(vm, &ac, alloc_flags, (enum compact_priority)priority, NULL);
	if (!memalloc)
		vm->task_flags &= ~(unsigned int)PF_MEMALLOC;
	API_END(vm, (long)result);
}

long mv_compaction_suitable(struct vm *vm, int zone, int order, unsigned int alloc_flags, int classzone_idx)
{
	return (long)compaction_suitable(vm, &vm->zones[zone], order, alloc_flags, (enum zone_type)classzone_idx);
}

int mv_fragmentation_index(struct vm *vm, int zone, unsigned int order)
{
	return fragmentation_index(&vm->zones[zone], order);
}

void mv_compact_state(struct vm *vm, int zone, struct mv_compact_state *state)
{
	const struct zone *z = &vm->zones[zone];

	*state = (struct mv_compact_state){
		.cached_migrate_pfn = {z->compact_cached_migrate_pfn[0], z->compact_cached_migrate_pfn[1]},
		.cached_free_pfn = z->compact_cached_free_pfn,
		.considered = z->compact_considered,
		.defer_shift = z->compact_defer_shift,
		.order_failed = z->compact_order_failed,
		.blockskip_flush = z->compact_blockskip_flush,
	};
}

long mv_reset_isolation_suitable(struct vm *vm, int zone)
{
	API_BEGIN(vm, false);
	reset_isolation_suitable(vm, &vm->zones[zone]);
	API_END(vm, 0);
}

long mv_compact_log_begin(struct vm *vm, unsigned long room)
{
	API_BEGIN(vm, false);
	API_END(vm, compact_log_begin(vm, room));
}

void mv_compact_log_end(struct vm *vm)
{
	compact_log_end(vm);
}

/* The newest `room` events, oldest first; how many. */
unsigned long mv_compact_log(struct vm *vm, struct mv_compact_record *records, unsigned long room)
{
	const struct compact_log *log = vm->compact_log;
	unsigned long kept = log ? (log->nr < log->room ? log->nr : log->room) : 0;

	if (kept > room)
		kept = room;
	for (unsigned long i = 0; i < kept; i++) {
		const struct compact_record *from = &log->records[(log->nr - kept + i) % log->room];

		records[i].kind = from->kind;
		memcpy(records[i].values, from->values, sizeof(records[i].values));
	}
	return kept;
}

long mv_drain_all_pages(struct vm *vm)
{
	API_BEGIN(vm, false);
	drain_all_pages(vm);
	API_END(vm, 0);
}

/* Empties the lists and leaves them so. */
long mv_pcp_disable(struct vm *vm)
{
	API_BEGIN(vm, false);
	drain_all_pages(vm);
	vm->pcp_disabled = true;
	API_END(vm, 0);
}

/* Lets pages wait there again. */
long mv_pcp_enable(struct vm *vm)
{
	API_BEGIN(vm, false);
	vm->pcp_disabled = false;
	API_END(vm, 0);
}

int mv_pcp_count(struct vm *vm, int zone, int cpu)
{
	return pcp_count(vm, &vm->zones[zone], cpu);
}

/* Both 0 on a machine without lists. */
void mv_pcp_sizes(struct vm *vm, int zone, unsigned long *high, unsigned long *batch)
{
	*high = vm->pcp ? vm->pcp_rules->high(vm, &vm->zones[zone]) : 0;
	*batch = vm->pcp ? vm->pcp_rules->batch(&vm->zones[zone]) : 0;
}
