/* SPDX-License-Identifier: MIT
 *
 * Moving the memory of a process from nodes to nodes, each page's rank among them kept. spec/migration.md 9.7.
 */
#ifndef MOVABLE_MIGRATE_NODES_H
#define MOVABLE_MIGRATE_NODES_H

#include "migrate.h"
#include "queue_pages.h"

/*
 * A page of exactly one node, as the target of a NUMA call's migration of `page`; NULL if the node is not among `allowed`,
 * which does not bind pages of the hugetlb pool.
 */
struct page *alloc_target(struct vm *vm, struct page *page, int nid, uint64_t allowed);

/* Migrates a list of queued pages synchronously, and puts back what is left. As migrate_pages(). */
int migrate_queued(struct vm *vm, struct list_head *pagelist, new_page_t *get_new_page, unsigned long private);

/*
 * `flags` is MPOL_MF_MOVE or MPOL_MF_MOVE_ALL; `allowed` are the nodes that the caller may allocate on. Takes mmap_sem.
 * How many eligible pages stayed behind, or -ENOMEM; what has moved by then stays moved. `nr_from` is the number of
 * nodes in `from`, those above 63 included.
 */
long migrate_node_pairs(struct vm *vm, struct mm *mm, uint64_t from, unsigned int nr_from, uint64_t to,
			unsigned int flags, uint64_t allowed);

static inline long do_migrate_pages(struct vm *vm, struct mm *mm, uint64_t from, uint64_t to, unsigned int flags,
				    uint64_t allowed)
{
	return migrate_node_pairs(vm, mm, from, (unsigned int)__builtin_popcountll(from), to, flags, allowed);
}

#endif
