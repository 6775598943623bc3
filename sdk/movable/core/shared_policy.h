/* SPDX-License-Identifier: MIT
 *
 * The policies of shared memory: they belong to ranges of a file's pages, and hold in every mapping. spec/migration.md 9.4.
 */
#ifndef MOVABLE_SHARED_POLICY_H
#define MOVABLE_SHARED_POLICY_H

#include "mempolicy.h"

/* Pages [start, end). */
struct policy_range {
	unsigned long start, end;
	struct mempolicy *policy;
};

struct shared_policy {
	struct policy_range *ranges; /* by start; they do not overlap */
	unsigned int nr, room;
};

/* The policy of a page, or NULL. */
const struct mempolicy *shared_policy_lookup(const struct shared_policy *shared, unsigned long index);

/* Gives a range a copy of the policy, or (NULL) takes its policies away. 0; -ENOMEM with nothing changed. */
int shared_policy_set(struct shared_policy *shared, unsigned long start, unsigned long end,
		      const struct mempolicy *policy);

void shared_policy_destroy(struct shared_policy *shared);

#endif
