/* SPDX-License-Identifier: MIT
 *
 * What the pages of an area are and where they lie, as numa_maps tells it. spec/migration.md 9.10.
 */
#ifndef MOVABLE_NUMA_MAPS_H
#define MOVABLE_NUMA_MAPS_H

#include "task.h"

/* Counts of pages; mapmax is the highest mapcount. */
struct numa_stats {
	unsigned long pages, anon, dirty, mapmax, swapcache, active, writeback;
	unsigned long node[MAX_NUMNODES];
};

/* mmap_sem held. */
void gather_numa_stats(struct vm *vm, struct vma *vma, struct numa_stats *stats);

#endif
