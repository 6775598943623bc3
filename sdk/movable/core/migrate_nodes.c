/* SPDX-License-Identifier: MIT */
#include "migrate_nodes.h"

#include "hugetlb.h"
#include "lru.h"
#include "non_lru.h"
#include "page_alloc.h"

struct node_target {
	int nid;
	uint64_t allowed;
};

struct page *alloc_target(struct vm *vm, struct page *page, int nid, uint64_t allowed)
{
	if (unlikely(PageHuge(page)))
		return alloc_huge_page_node(vm, nid);
	return __alloc_pages_nodemask(vm, GFP_HIGHUSER_MOVABLE | __GFP_THISNODE, 0, nid, allowed);
}

static struct page *new_node_page(struct vm *vm, struct page *page, unsigned long private, int **result)
{
	const struct node_target *target = (const struct node_target *)private;

	(void)result;
	return alloc_target(vm, page, target->nid, target->allowed);
}

int migrate_queued(struct vm *vm, struct list_head *pagelist, new_page_t *get_new_page, unsigned long private)
{
	struct migrate_counts counts;
	int err;

	if (list_empty(pagelist))
		return 0;
	err = migrate_pages(vm, pagelist, get_new_page, NULL, private, MIGRATE_SYNC, MR_SYSCALL, &counts);
	putback_movable_pages(vm, pagelist);
	return err;
}

/* mmap_sem held for reading. */
static int migrate_to_node(struct vm *vm, struct mm *mm, int source, int dest, unsigned int flags, uint64_t allowed)
{
	const struct node_target target = {dest, allowed};
	struct list_head pagelist;

	list_init(&pagelist);
	queue_pages_range(vm, mm, 0, TASK_SIZE, 1ULL << source, flags | MPOL_MF_DISCONTIG_OK, &pagelist);
	return migrate_queued(vm, &pagelist, new_node_page, (unsigned long)&target);
}

/* The n-th node of a set, from 0. */
static int nth_node(uint64_t nodes, unsigned int n)
{
	while (n--)
		nodes &= nodes - 1;
	return __builtin_ctzll(nodes);
}

/* Where node s of `from` goes: its rank, taken within `to`. */
static int remap_node(int s, uint64_t from, uint64_t to)
{
	unsigned int rank = (unsigned int)__builtin_popcountll(from & ((1ULL << s) - 1));

	return to ? nth_node(to, rank % (unsigned int)__builtin_popcountll(to)) : s;
}

/* The next pair of nodes: one whose target is no source any more if there is such. False: nothing is left to do. */
static bool next_pair(uint64_t left, uint64_t from, unsigned int nr_from, uint64_t to, int *source, int *dest)
{
	*source = -1;
	for (uint64_t rest = left; rest; rest &= rest - 1) {
		int s = __builtin_ctzll(rest), d;

		if (nr_from != (unsigned int)__builtin_popcountll(to) && to >> s & 1)
			continue;
		d = remap_node(s, from, to);
		if (d == s)
			continue;
		*source = s;
		*dest = d;
		if (!(left >> d & 1))
			break;
	}
	return *source >= 0;
}

long migrate_node_pairs(struct vm *vm, struct mm *mm, uint64_t from, unsigned int nr_from, uint64_t to,
			unsigned int flags, uint64_t allowed)
{
	uint64_t left = from;
	long busy = 0, moved;
	int source, dest;

	lru_add_drain_all(vm);
	down_read(vm, &mm->mmap_sem);
	while (next_pair(left, from, nr_from, to, &source, &dest) && !vm->interrupt) {
		left &= ~(1ULL << source);
		moved = migrate_to_node(vm, mm, source, dest, flags, allowed);
		if (moved < 0) {
			busy = moved;
			break;
		}
		busy += moved;
	}
	up_read(vm, &mm->mmap_sem);
	return busy;
}
