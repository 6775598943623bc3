/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "migrate_nodes.h"
#include "move_pages.h"
#include "mpol_alloc.h"
#include "numa_maps.h"
#include "vma.h"

unsigned long mv_nodes_with_memory(struct vm *vm)
{
	return nodes_with_memory(vm);
}

long mv_migrate_nodes(struct vm *vm, unsigned int id, unsigned long from, unsigned int nr_from, unsigned long to,
		      bool move_all, unsigned long allowed)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = migrate_node_pairs(vm, mm, from, nr_from, to, move_all ? MPOL_MF_MOVE_ALL : MPOL_MF_MOVE, allowed);
	mmput(vm, mm);
	API_END(vm, answer);
}

static struct move_arrays arrays_of(const struct mv_move_arrays *arrays)
{
	return (struct move_arrays){
		.count = arrays->count,
		.pages = arrays->pages,
		.nodes = arrays->nodes,
		.status = arrays->status,
		.nr_pages = arrays->nr_pages,
		.nr_nodes = arrays->nr_nodes,
		.nr_status = arrays->nr_status,
	};
}

long mv_query_pages(struct vm *vm, unsigned int id, const struct mv_move_arrays *user)
{
	const struct move_arrays arrays = arrays_of(user);
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = do_pages_stat(vm, mm, &arrays);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_move_pages(struct vm *vm, unsigned int id, const struct mv_move_arrays *user, bool move_all,
		   unsigned long mems, unsigned int caller, unsigned long allowed)
{
	const struct move_arrays arrays = arrays_of(user);
	const struct move_rules rules = {move_all, nodes_with_memory(vm), mems, allowed};
	struct mm *mm, *caller_mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	caller_mm = caller ? get_mm(vm, caller) : NULL;
	answer = do_pages_move(vm, mm, &arrays, &rules, caller_mm);
	if (caller_mm)
		mmput(vm, caller_mm);
	mmput(vm, mm);
	API_END(vm, answer);
}

/*
 * The area that holds the address or comes next, with what is in it: 1, or 0 if there is none. One area at a time, as
 * a read of numa_maps goes: between two of them the process may change.
 */
long mv_numa_stats(struct vm *vm, unsigned int id, unsigned long address, struct mv_vma *info,
		   struct mv_numa_stats *stats)
{
	struct numa_stats gathered;
	struct mm *mm;
	unsigned int index;
	long found;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	down_read(vm, &mm->mmap_sem);
	index = vma_index(mm, address);
	found = index < mm->nr_vmas;
	if (found) {
		fill_vma(info, mm->vmas[index]);
		/* In shared memory that of the file, as its first page has it. */
		describe_policy(vma_policy(mm->vmas[index], mm->vmas[index]->start), &info->policy);
		gather_numa_stats(vm, mm->vmas[index], &gathered);
		*stats = (struct mv_numa_stats){
			gathered.pages,     gathered.anon,   gathered.dirty,	 gathered.mapmax,
			gathered.swapcache, gathered.active, gathered.writeback, {0},
		};
		memcpy(stats->node, gathered.node, sizeof(stats->node));
	}
	up_read(vm, &mm->mmap_sem);
	mmput(vm, mm);
	API_END(vm, found);
}
