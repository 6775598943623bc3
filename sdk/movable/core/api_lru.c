/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "lru.h"
#include "steps.h"
#include "swap.h"
#include "vmscan.h"

long mv_isolate_lru_page(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	API_END(vm, isolate_lru_page(vm, pfn_to_page(vm, pfn)));
}

long mv_putback_lru_page(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	putback_lru_page(vm, pfn_to_page(vm, pfn));
	API_END(vm, 0);
}

long mv_lru_add_drain(struct vm *vm)
{
	API_BEGIN(vm, false);
	lru_add_drain(vm);
	API_END(vm, 0);
}

long mv_mark_page_accessed(struct vm *vm, unsigned long pfn)
{
	API_BEGIN(vm, false);
	mark_page_accessed(vm, pfn_to_page(vm, pfn));
	API_END(vm, 0);
}

/* The pages of an LRU list, head first; writes the first `room` pfns and returns how many there are. */
long mv_lru_pages(struct vm *vm, int nid, int list, unsigned long *pfns, unsigned long room)
{
	unsigned long count = 0;

	if (!vm_begin_access(vm))
		return BROKEN;
	list_for_each_page(page, &vm->nodes[nid].lru[list]) {
		if (count < room)
			pfns[count] = page_to_pfn(vm, page);
		count++;
	}
	vm_end_access(vm);
	return (long)count;
}

long mv_reclaim_node(struct vm *vm, int nid, unsigned long pages)
{
	API_BEGIN(vm, true);
	API_END(vm, (long)reclaim_node(vm, &vm->nodes[nid], pages));
}

long mv_swapon(struct vm *vm, unsigned long slots)
{
	API_BEGIN(vm, false);
	API_END(vm, swapon(vm, slots));
}

void mv_swap_info(struct vm *vm, unsigned long *slots, unsigned long *used)
{
	*slots = vm->swap ? vm->swap->nr_slots : 0;
	*used = vm->swap ? vm->swap->nr_used : 0;
}

#define X(step, name, what) {name, what},
static const struct {
	const char *name, *what;
} step_texts[] = {MIGRATION_STEPS(X)};
#undef X

int mv_nr_steps(void)
{
	return NR_MIGRATION_STEPS;
}

void mv_step_text(int step, const char **name, const char **what)
{
	*name = step_texts[step].name;
	*what = step_texts[step].what;
}

long mv_step_log_begin(struct vm *vm, unsigned long room)
{
	API_BEGIN(vm, false);
	API_END(vm, step_log_begin(vm, room));
}

void mv_step_log_end(struct vm *vm)
{
	step_log_end(vm);
}

/* How many of `nr` records are kept in a log with room for `log_room`, and wanted. */
static unsigned long kept_of(unsigned long nr, unsigned long log_room, unsigned long room)
{
	unsigned long kept = nr < log_room ? nr : log_room;

	return kept < room ? kept : room;
}

/* The last steps, oldest first; how many were written. */
unsigned long mv_step_log(struct vm *vm, struct mv_step_record *records, unsigned long room)
{
	const struct step_log *log = vm->step_log;
	unsigned long kept = log ? kept_of(log->nr, log->room, room) : 0;

	for (unsigned long i = 0; i < kept; i++) {
		const struct step_record *from = &log->records[(log->nr - kept + i) % log->room];

		records[i] = (struct mv_step_record){
			.step = from->step,
			.cpu = from->cpu,
			.pfn = from->pfn,
			.newpfn = from->newpfn,
			.refs = from->refs,
			.mapcount = from->mapcount,
			.new_refs = from->new_refs,
			.new_mapcount = from->new_mapcount,
			.function = from->function,
			.file = from->file,
			.line = from->line,
		};
	}
	return kept;
}

/* The last calls of migrate_pages(), oldest first; how many were written. */
unsigned long mv_call_log(struct vm *vm, struct mv_call_record *records, unsigned long room)
{
	const struct step_log *log = vm->step_log;
	unsigned long kept = log ? kept_of(log->nr_calls, log->room, room) : 0;

	for (unsigned long i = 0; i < kept; i++) {
		const struct call_record *from = &log->calls[(log->nr_calls - kept + i) % log->room];

		records[i] = (struct mv_call_record){from->succeeded, from->failed, from->mode, from->reason};
	}
	return kept;
}
