/* SPDX-License-Identifier: MIT
 *
 * Where a process's pages come from: the one place that allocates by policy. spec/migration.md 9.4.
 *
 * Every allocation keeps within mems_allowed of the process.
 */
#ifndef MOVABLE_MPOL_ALLOC_H
#define MOVABLE_MPOL_ALLOC_H

#include "mempolicy.h"
#include "page_alloc.h"

struct file;

/* The policy of an address: the area's own, in shared memory the file's; NULL if the process's is to be used. */
const struct mempolicy *vma_policy(const struct vma *vma, unsigned long address);

/* 2^order pages for an address of an area: by its policy, else the process's, else near the running CPU. */
struct page *alloc_pages_vma(struct vm *vm, gfp_t gfp, unsigned int order, const struct vma *vma,
			     unsigned long address);

static inline struct page *alloc_page_vma(struct vm *vm, gfp_t gfp, const struct vma *vma, unsigned long address)
{
	return alloc_pages_vma(vm, gfp, 0, vma, address);
}

/* Where a huge page of that order comes from: the node to start at, and the nodes that are allowed. */
int policy_node(const struct vm *vm, const struct vma *vma, unsigned long address, unsigned int order,
		uint64_t *allowed);

/* A page by the process's policy, whose rotor it advances; near the running CPU if there is no process. */
struct page *alloc_page_mm(struct vm *vm, gfp_t gfp, struct mm *mm);

/* A page for the cache of a file. `mm` is who asks for it, NULL: nobody with a policy. */
struct page *alloc_page_cache(struct vm *vm, gfp_t gfp, struct file *file, unsigned long index, struct mm *mm);

#endif
