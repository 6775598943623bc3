/* SPDX-License-Identifier: MIT
 *
 * Where a process's pages come from: the one place that allocates for faults.
 */
#ifndef MOVABLE_POLICY_H
#define MOVABLE_POLICY_H

#include "page_alloc.h"
#include "task.h"

/* A page for an address of an area: by the area's policy, else the process's, else near the running CPU. */
struct page *alloc_page_vma(struct vm *vm, gfp_t gfp, const struct vma *vma, unsigned long address);

/* A page by the process's policy; near the running CPU if there is no process. */
struct page *alloc_page_mm(struct vm *vm, gfp_t gfp, const struct mm *mm);

#endif
