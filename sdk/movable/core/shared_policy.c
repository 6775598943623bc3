/* SPDX-License-Identifier: MIT */
#include "shared_policy.h"

#include <stdlib.h>

/* Index of the first range that ends after the page. */
static unsigned int range_index(const struct shared_policy *shared, unsigned long index)
{
	unsigned int low = 0, high = shared->nr;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (shared->ranges[middle].end > index)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct mempolicy *shared_policy_lookup(const struct shared_policy *shared, unsigned long index)
{
	unsigned int at;

	if (likely(!shared->nr))
		return NULL;
	at = range_index(shared, index);
	return at < shared->nr && shared->ranges[at].start <= index ? shared->ranges[at].policy : NULL;
}

/* Room for two more: a range may be cut in two, and the new one lies between. */
static int make_room(struct shared_policy *shared)
{
	unsigned int room = 2 * shared->nr + 2;
	struct policy_range *ranges;

	if (shared->nr + 2 <= shared->room)
		return 0;
	ranges = realloc(shared->ranges, room * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	shared->ranges = ranges;
	shared->room = room;
	return 0;
}

static void insert(struct shared_policy *shared, unsigned int at, struct policy_range range)
{
	struct policy_range *place = &shared->ranges[at];

	memmove(place + 1, place, (shared->nr++ - at) * sizeof(*place));
	*place = range;
}

/* Clears [start, end). `rest` becomes the policy of what lies behind it, if one range covers it all. */
static void cut_out(struct shared_policy *shared, unsigned long start, unsigned long end, struct mempolicy **rest)
{
	unsigned int at = range_index(shared, start), next;
	struct policy_range *range = &shared->ranges[at];

	if (at < shared->nr && range->start < start && range->end > end) {
		insert(shared, at + 1, (struct policy_range){end, range->end, *rest});
		*rest = NULL;
		range->end = start;
		return;
	}
	if (at < shared->nr && range->start < start) {
		range->end = start;
		at++;
	}
	for (next = at; next < shared->nr && shared->ranges[next].end <= end; next++)
		free(shared->ranges[next].policy);
	if (next < shared->nr && shared->ranges[next].start < end)
		shared->ranges[next].start = end;
	memmove(&shared->ranges[at], &shared->ranges[next], (shared->nr - next) * sizeof(*shared->ranges));
	shared->nr -= next - at;
}

int shared_policy_set(struct shared_policy *shared, unsigned long start, unsigned long end,
		      const struct mempolicy *policy)
{
	struct mempolicy *copy, *rest = NULL;
	int err;

	if (!policy && !shared->nr)
		return 0;
	err = mpol_dup(policy, &copy);
	if (!err)
		err = mpol_dup(shared_policy_lookup(shared, start), &rest);
	if (!err)
		err = make_room(shared);
	if (!err) {
		cut_out(shared, start, end, &rest);
		if (copy)
			insert(shared, range_index(shared, start), (struct policy_range){start, end, copy});
		copy = NULL;
	}
	free(copy);
	free(rest);
	return err;
}

void shared_policy_destroy(struct shared_policy *shared)
{
	for (unsigned int i = 0; i < shared->nr; i++)
		free(shared->ranges[i].policy);
	free(shared->ranges);
}
