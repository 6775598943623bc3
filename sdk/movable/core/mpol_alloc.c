/* SPDX-License-Identifier: MIT */
#include "mpol_alloc.h"

#include "filemap.h"

/* The area's pages by number: of its file, or of the address space. */
static unsigned long linear_index(const struct vma *vma, unsigned long address)
{
	return vma->pgoff + ((address - vma->start) >> PAGE_SHIFT);
}

const struct mempolicy *vma_policy(const struct vma *vma, unsigned long address)
{
	if (vma->file && vma->file->shmem)
		return shared_policy_lookup(&vma->file->policy, linear_index(vma, address));
	return vma->policy;
}

/* The node to start at. Of an interleave index only 32 bits count. */
static int first_choice(const struct vm *vm, const struct mempolicy *policy, unsigned long index)
{
	if (policy && policy->mode == MPOL_INTERLEAVE)
		return nth_node(policy->nodes, (unsigned int)index % nodes_weight(policy->nodes));
	if (policy && policy->mode == MPOL_PREFERRED && !policy->local)
		return policy->preferred;
	return vm->cpu_node[vm->cpu];
}

/* A set to which the process may send nothing at all binds nobody. */
static uint64_t allowed_nodes(const struct mempolicy *policy, const struct mm *mm)
{
	uint64_t allowed = mm ? mm->mems_allowed : ALL_NODES;
	uint64_t bound = policy && policy->mode == MPOL_BIND ? policy->nodes & allowed : 0;

	return bound ? bound : allowed;
}

/* Allocates from this node on. What interleaving got where it wanted is counted, as numastat shows it. */
static struct page *alloc_from(struct vm *vm, gfp_t gfp, unsigned int order, const struct mempolicy *policy,
			       const struct mm *mm, int nid)
{
	/* Asked now: while the allocation reclaims, another CPU may replace the policy. */
	bool interleave = policy && policy->mode == MPOL_INTERLEAVE;
	struct page *page = __alloc_pages_nodemask(vm, gfp, order, nid, allowed_nodes(policy, mm));
	struct zone *wanted = vm->nodes[nid].zonelist[0];

	if (page && interleave && page_zone(vm, page) == wanted)
		wanted->stat[NUMA_INTERLEAVE_HIT]++;
	return page;
}

static struct page *alloc_by_index(struct vm *vm, gfp_t gfp, unsigned int order, const struct mempolicy *policy,
				   const struct mm *mm, unsigned long index)
{
	return alloc_from(vm, gfp, order, policy, mm, first_choice(vm, policy, index));
}

struct page *alloc_pages_vma(struct vm *vm, gfp_t gfp, unsigned int order, const struct vma *vma,
			     unsigned long address)
{
	const struct mempolicy *policy = vma_policy(vma, address);
	unsigned long index = (vma->pgoff >> order) + ((address - vma->start) >> (PAGE_SHIFT + order));

	return alloc_by_index(vm, gfp, order, policy ? policy : vma->mm->policy, vma->mm, index);
}

int policy_node(const struct vm *vm, const struct vma *vma, unsigned long address, unsigned int order,
		uint64_t *allowed)
{
	const struct mempolicy *policy = vma_policy(vma, address);
	unsigned long index = (vma->pgoff >> order) + ((address - vma->start) >> (PAGE_SHIFT + order));

	policy = policy ? policy : vma->mm->policy;
	*allowed = allowed_nodes(policy, vma->mm);
	return first_choice(vm, policy, index);
}

/* The rotor's node; it goes on to the next member of the set. */
static int interleave_nodes(struct mm *mm)
{
	int nid = mm->il_next;

	mm->il_next = next_node_in(nid, mm->policy->nodes);
	return nid;
}

struct page *alloc_page_mm(struct vm *vm, gfp_t gfp, struct mm *mm)
{
	const struct mempolicy *policy = mm ? mm->policy : NULL;
	int nid = policy && policy->mode == MPOL_INTERLEAVE ? interleave_nodes(mm) : first_choice(vm, policy, 0);

	return alloc_from(vm, gfp, 0, policy, mm, nid);
}

/* memory_spread_page of the process's cpuset (9.9): the next allowed node, whatever the policy says. */
static int cpuset_spread_node(struct mm *mm)
{
	if (mm->spread_rotor < 0)
		/* Any node will do for a start: one that is the same whenever the run is repeated. */
		mm->spread_rotor = nth_node(mm->mems_allowed, mm->id % nodes_weight(mm->mems_allowed));
	else
		mm->spread_rotor = next_node_in(mm->spread_rotor, mm->mems_allowed);
	return mm->spread_rotor;
}

struct page *alloc_page_cache(struct vm *vm, gfp_t gfp, struct file *file, unsigned long index, struct mm *mm)
{
	const struct mempolicy *policy;

	if (file->shmem) {
		policy = shared_policy_lookup(&file->policy, index);
		return alloc_by_index(vm, gfp, 0, policy || !mm ? policy : mm->policy, mm, index + file->id);
	}
	if (mm && mm->spread_page)
		return __alloc_pages_nodemask(vm, gfp, 0, cpuset_spread_node(mm), mm->mems_allowed);
	return alloc_page_mm(vm, gfp, mm);
}
