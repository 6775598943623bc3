/* SPDX-License-Identifier: MIT
 *
 * Memory policies: making, comparing and rebinding them. spec/migration.md 9.1, 9.3, 9.9.
 *
 * A policy belongs to one owner: a process, an area, or a range of a file's pages. No policy (NULL) is MPOL_DEFAULT.
 */
#ifndef MOVABLE_MEMPOLICY_H
#define MOVABLE_MEMPOLICY_H

#include "memmap.h"
#include "task.h"

enum mpol_mode { MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_MAX };

enum mpol_mode_flags { MPOL_F_RELATIVE_NODES = 1 << 14, MPOL_F_STATIC_NODES = 1 << 15 };

#define MPOL_MODE_FLAGS (MPOL_F_RELATIVE_NODES | MPOL_F_STATIC_NODES)

/* A set of nodes as a user names it: far more than the machine can have. */
#define USER_NODE_WORDS 16

struct user_nodes {
	uint64_t words[USER_NODE_WORDS];
};

struct mempolicy {
	enum mpol_mode mode; /* PREFERRED, BIND or INTERLEAVE */
	unsigned int flags;  /* MPOL_MODE_FLAGS */
	bool local;	     /* PREFERRED: the running CPU's node, whatever `preferred` says */
	int preferred;
	uint64_t nodes;		/* BIND, INTERLEAVE: the effective set, never empty */
	uint64_t base;		/* without a flag: the mems_allowed that the nodes are of */
	struct user_nodes user; /* with a flag: what was asked for */
};

/* Nodes that the machine has. */
static inline uint64_t all_nodes(const struct vm *vm)
{
	return ~0ULL >> (MAX_NUMNODES - vm->nr_nodes);
}

/* What a user asks for; the mode and its flags exist. */
struct mpol_request {
	enum mpol_mode mode;
	unsigned int flags;
	struct user_nodes nodes;
};

/* Checks and makes a policy for a process. 0 and *policy (NULL: MPOL_DEFAULT); -EINVAL, -ENOMEM. In two halves: */
int mpol_new(const struct mpol_request *request, struct mempolicy **policy);
int mpol_set_nodemask(const struct vm *vm, const struct mm *mm, const struct mpol_request *request,
		      struct mempolicy *policy);

/* 0 and a copy for another owner (NULL of NULL), or -ENOMEM. The copy goes with free(). */
int mpol_dup(const struct mempolicy *policy, struct mempolicy **copy);

bool mpol_equal(const struct mempolicy *a, const struct mempolicy *b);

/* What the policy sends pages to, as numa_maps and get_mempolicy show it: empty for a local one. */
uint64_t mpol_nodes(const struct mempolicy *policy);

/* In one step, as areas do it; NULL is left alone. Safe while others allocate: no time is without a node. */
void mpol_rebind(struct mempolicy *policy, uint64_t mems);

/* The two steps of a process: what comes is added, then what goes is dropped. */
void mpol_rebind_add(struct mempolicy *policy, uint64_t mems);
void mpol_rebind_drop(struct mempolicy *policy, uint64_t mems);

/* Whether the policy is one that mpol_new() and rebinding can make. */
bool mpol_is_valid(const struct vm *vm, const struct mempolicy *policy);

/* The n-th member of a set that has more than n, from 0. */
int nth_node(uint64_t nodes, unsigned int n);

/* The next member after `nid`, wrapping; the set is not empty. */
int next_node_in(int nid, uint64_t nodes);

static inline int first_node(uint64_t nodes)
{
	return __builtin_ctzll(nodes);
}

static inline unsigned int nodes_weight(uint64_t nodes)
{
	return (unsigned int)__builtin_popcountll(nodes);
}

#endif
