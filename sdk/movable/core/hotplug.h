/* SPDX-License-Identifier: MIT
 *
 * Taking memory out of a running machine, and putting it back. spec/compaction.md 8.3.
 *
 * A frame that is offline is reserved, carries PAGE_EXT_OFFLINE and has no memory behind it.
 */
#ifndef MOVABLE_HOTPLUG_H
#define MOVABLE_HOTPLUG_H

#include "contig.h"

/*
 * Empties the pageblocks of [start, end) and takes them from their zone. -EINVAL: not whole blocks without holes
 * of one zone, all of them online. -EBUSY, -ENOMEM; -EINTR; -EAGAIN: `max_passes` passes were not enough. After an
 * error nothing is offline; pages that were moved stay where they are. LRU pages are moved; drivers' pages too with
 * `non_lru`, as from Linux 4.14 on (D18), else they are in the way. Sleeps. The watermarks are the caller's to set.
 */
int offline_pages(struct vm *vm, unsigned long start, unsigned long end, bool non_lru, unsigned long max_passes,
		  struct range_result *result);

/* Hands offline frames to the allocator again. -EINVAL: one of [start, end) is not offline. */
int online_pages(struct vm *vm, unsigned long start, unsigned long end);

#endif
