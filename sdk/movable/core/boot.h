/* SPDX-License-Identifier: MIT
 *
 * Building a machine: its nodes, zones and memory map, and the free memory handed to the buddy allocator.
 */
#ifndef MOVABLE_BOOT_H
#define MOVABLE_BOOT_H

#include "vm.h"

/* One zone, as the configuration describes it. Numbers are pages and pfns. */
struct boot_zone {
	int nid, type;
	unsigned long start_pfn, spanned;
	unsigned long watermark[NR_WMARK];
	unsigned long lowmem_reserve[MAX_NR_ZONES];
};

/* Frames that the buddy allocator never gets: a hole has no memory behind it, a reserved range has. */
struct boot_range {
	unsigned int zone;
	unsigned long start, pages;
	bool hole;
};

struct boot_config {
	unsigned int nr_nodes, nr_zones, nr_ranges, nr_cpus;
	unsigned long end_pfn; /* one past the last frame */
	const struct boot_zone *zones;	 /* ascending by pfn */
	const struct boot_range *ranges; /* ascending by pfn */
	const int *node_order;	       /* nr_nodes x nr_nodes: the nodes each falls back to, best first */
	const int *cpu_node;	       /* by CPU: the node it is local to */
	void *arena;		       /* frame contents, from pfn 0 */
	bool linux_6_1;		       /* compaction and per-CPU lists are those of Linux 6.1, not 4.9 */
	bool per_cpu_lists;
};

/* NULL with errno set if there is no memory for it. The configuration has been checked. */
struct vm *vm_create(const struct boot_config *config);

/* Needs the GIL if errors are still recorded. */
void vm_destroy(struct vm *vm);

#endif
