/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "fault.h"
#include "mbind.h"
#include "task_policy.h"

_Static_assert(sizeof(((struct mv_policy *)0)->user) == sizeof(struct user_nodes), "all nodes that a user can name");

void describe_policy(const struct mempolicy *policy, struct mv_policy *info)
{
	*info = (struct mv_policy){.mode = MPOL_DEFAULT};
	if (!policy)
		return;
	info->mode = (int)policy->mode;
	info->flags = policy->flags;
	info->local = policy->local;
	info->nodes = mpol_nodes(policy);
	memcpy(info->user, &policy->user, sizeof(info->user));
}

static struct mpol_request request_of(const struct mv_policy *info)
{
	struct mpol_request request = {.mode = (enum mpol_mode)info->mode, .flags = info->flags};

	memcpy(&request.nodes, info->user, sizeof(request.nodes));
	return request;
}

long mv_set_mempolicy(struct vm *vm, unsigned int id, const struct mv_policy *info)
{
	const struct mpol_request request = request_of(info);
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = do_set_mempolicy(vm, mm, &request);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_mbind(struct vm *vm, unsigned int id, unsigned long start, unsigned long end, const struct mv_policy *info,
	      unsigned int flags)
{
	const struct mpol_request request = request_of(info);
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = do_mbind(vm, mm, start, end, &request, flags);
	mmput(vm, mm);
	API_END(vm, answer);
}

void mv_policy_of_process(struct vm *vm, unsigned int mm, struct mv_policy *policy)
{
	describe_policy(mm_of(vm, mm)->policy, policy);
}

/* The policy in force for an address, without the process's. 0, -EFAULT. */
long mv_policy_of_address(struct vm *vm, unsigned int id, unsigned long address, struct mv_policy *info)
{
	struct mempolicy policy;
	struct mm *mm;
	bool found;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = policy_of_address(vm, mm, address, &policy, &found);
	describe_policy(found ? &policy : NULL, info);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_lookup_node(struct vm *vm, unsigned int id, unsigned long address)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = lookup_node(vm, mm, address);
	mmput(vm, mm);
	API_END(vm, answer);
}

/* The rotor of an INTERLEAVE policy. */
int mv_il_next(struct vm *vm, unsigned int mm)
{
	return mm_of(vm, mm)->il_next;
}

unsigned long mv_mems_allowed(struct vm *vm, unsigned int mm)
{
	return mm_of(vm, mm)->mems_allowed;
}

/* The process keeps to other nodes, its own policy with it. */
long mv_rebind_process(struct vm *vm, unsigned int id, unsigned long mems)
{
	struct mm *mm;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	/* A machine without any memory left has nothing to bind to. */
	if (mems)
		cpuset_change_task_nodemask(vm, mm, mems);
	mmput(vm, mm);
	API_END(vm, 0);
}

/* The policies of its areas follow. */
long mv_rebind_areas(struct vm *vm, unsigned int id, unsigned long mems)
{
	struct mm *mm;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	if (mems)
		mpol_rebind_mm(vm, mm, mems);
	mmput(vm, mm);
	API_END(vm, 0);
}

void mv_set_spread_page(struct vm *vm, unsigned int mm, bool spread)
{
	mm_of(vm, mm)->spread_page = spread;
}
