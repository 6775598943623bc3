/* SPDX-License-Identifier: MIT */
#include "mempolicy.h"

#include <stdlib.h>

/* Sets of nodes */

int nth_node(uint64_t nodes, unsigned int n)
{
	while (n--)
		nodes &= nodes - 1;
	return first_node(nodes);
}

int next_node_in(int nid, uint64_t nodes)
{
	uint64_t above = nid + 1 < MAX_NUMNODES ? nodes & ~0ULL << (nid + 1) : 0;

	return first_node(above ? above : nodes);
}

static bool is_empty(const struct user_nodes *user)
{
	for (int i = 0; i < USER_NODE_WORDS; i++)
		if (user->words[i])
			return false;
	return true;
}

/* onto(fold(user, |allowed|), allowed) of 9.3: each node counts around the members of `allowed`. */
static uint64_t relative_nodes(const struct user_nodes *user, uint64_t allowed)
{
	unsigned int weight = nodes_weight(allowed);
	uint64_t nodes = 0;

	for (unsigned int bit = 0; weight && bit < 64 * USER_NODE_WORDS; bit++)
		if (user->words[bit / 64] >> bit % 64 & 1)
			nodes |= 1ULL << nth_node(allowed, bit % weight);
	return nodes;
}

static int remap_node(int nid, uint64_t from, uint64_t to)
{
	unsigned int rank = nodes_weight(from & ((1ULL << nid) - 1));

	return from >> nid & 1 ? nth_node(to, rank % nodes_weight(to)) : nid;
}

static uint64_t remap_nodes(uint64_t nodes, uint64_t from, uint64_t to)
{
	uint64_t result = 0;

	for (; nodes; nodes &= nodes - 1)
		result |= 1ULL << remap_node(first_node(nodes), from, to);
	return result;
}

/* Making */

int mpol_new(const struct mpol_request *request, struct mempolicy **policy)
{
	enum mpol_mode mode = request->mode;
	bool empty = is_empty(&request->nodes);

	*policy = NULL;
	if (mode == MPOL_DEFAULT)
		return empty ? 0 : -EINVAL;
	if (mode == MPOL_PREFERRED ? empty && request->flags : mode == MPOL_LOCAL ? !empty : empty)
		return -EINVAL;
	*policy = calloc(1, sizeof(**policy));
	if (!*policy)
		return -ENOMEM;
	(*policy)->mode = mode == MPOL_LOCAL ? MPOL_PREFERRED : mode;
	(*policy)->flags = request->flags;
	return 0;
}

int mpol_set_nodemask(const struct vm *vm, const struct mm *mm, const struct mpol_request *request,
		      struct mempolicy *policy)
{
	const struct user_nodes *user = &request->nodes;
	uint64_t allowed = mm->mems_allowed & nodes_with_memory(vm), nodes;

	if (!policy)
		return 0;
	if (policy->mode == MPOL_PREFERRED && is_empty(user)) {
		policy->local = true;
		return 0;
	}
	nodes = policy->flags & MPOL_F_RELATIVE_NODES ? relative_nodes(user, allowed) : user->words[0] & allowed;
	if (!nodes)
		return -EINVAL;
	if (policy->flags)
		policy->user = *user;
	else
		policy->base = mm->mems_allowed;
	if (policy->mode == MPOL_PREFERRED)
		policy->preferred = first_node(nodes);
	else
		policy->nodes = nodes;
	return 0;
}

int mpol_dup(const struct mempolicy *policy, struct mempolicy **copy)
{
	*copy = NULL;
	if (!policy)
		return 0;
	*copy = malloc(sizeof(**copy));
	if (!*copy)
		return -ENOMEM;
	**copy = *policy;
	return 0;
}

/* Comparing */

uint64_t mpol_nodes(const struct mempolicy *policy)
{
	if (policy->mode != MPOL_PREFERRED)
		return policy->nodes;
	return policy->local ? 0 : 1ULL << policy->preferred;
}

bool mpol_equal(const struct mempolicy *a, const struct mempolicy *b)
{
	if (!a || !b)
		return a == b;
	if (a->mode != b->mode || a->flags != b->flags || a->local != b->local)
		return false;
	if (a->flags && memcmp(&a->user, &b->user, sizeof(a->user)))
		return false;
	return mpol_nodes(a) == mpol_nodes(b);
}

bool mpol_is_valid(const struct vm *vm, const struct mempolicy *policy)
{
	uint64_t nodes = mpol_nodes(policy);

	if (policy->mode != MPOL_PREFERRED && policy->mode != MPOL_BIND && policy->mode != MPOL_INTERLEAVE)
		return false;
	if (policy->flags & ~(unsigned int)MPOL_MODE_FLAGS || policy->flags == MPOL_MODE_FLAGS)
		return false;
	return !(nodes & ~all_nodes(vm)) && (nodes || policy->local);
}

/* Rebinding, 9.9 */

/* The node of a PREFERRED policy under other mems. Doing it twice changes nothing. */
static void rebind_preferred(struct mempolicy *policy, uint64_t mems)
{
	if (policy->flags & MPOL_F_STATIC_NODES) {
		uint64_t user = policy->user.words[0];

		policy->local = !user || !(mems >> first_node(user) & 1);
		if (!policy->local)
			policy->preferred = first_node(user);
	} else if (policy->flags & MPOL_F_RELATIVE_NODES) {
		uint64_t nodes = relative_nodes(&policy->user, mems);

		if (nodes)
			policy->preferred = first_node(nodes);
	} else if (!policy->local) {
		policy->preferred = remap_node(policy->preferred, policy->base, mems);
	}
}

static uint64_t rebound_nodes(const struct mempolicy *policy, uint64_t mems)
{
	uint64_t nodes;

	if (policy->flags & MPOL_F_STATIC_NODES)
		nodes = policy->user.words[0] & mems;
	else if (policy->flags & MPOL_F_RELATIVE_NODES)
		nodes = relative_nodes(&policy->user, mems);
	else
		nodes = remap_nodes(policy->nodes, policy->base, mems);
	return nodes ? nodes : mems;
}

void mpol_rebind_add(struct mempolicy *policy, uint64_t mems)
{
	if (!policy)
		return;
	if (policy->mode == MPOL_PREFERRED) {
		rebind_preferred(policy, mems);
		return;
	}
	/* What comes is kept in `base` until the second step. */
	policy->base = rebound_nodes(policy, mems);
	policy->nodes |= policy->base;
}

void mpol_rebind_drop(struct mempolicy *policy, uint64_t mems)
{
	if (!policy)
		return;
	if (policy->mode != MPOL_PREFERRED)
		policy->nodes = policy->base;
	policy->base = mems;
}

void mpol_rebind(struct mempolicy *policy, uint64_t mems)
{
	if (!policy || (!policy->flags && policy->base == mems))
		return;
	mpol_rebind_add(policy, mems);
	mpol_rebind_drop(policy, mems);
}
