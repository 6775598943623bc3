/* SPDX-License-Identifier: MIT
 *
 * Allocating a given range of frames: what is in the way is moved. spec/compaction.md 8.2.
 */
#ifndef MOVABLE_CONTIG_H
#define MOVABLE_CONTIG_H

#include "vm.h"

/* What a call did to a range. */
struct range_result {
	unsigned long migrated, failed; /* pages, over all calls of migrate_pages() */
	unsigned long reclaimed;	/* clean file pages that were dropped instead */
	unsigned long passes;		/* calls of migrate_pages(); when offlining, of do_migrate_range() */
	unsigned long busy;		/* a page that was in the way when it failed; ~0UL if none is known */
};

/*
 * [start, end), which lies in one zone, as single pages with one reference each. -EBUSY, -ENOMEM, -EINTR: then
 * nothing is kept, and pages that were moved stay where they are. The blocks around the range, up to the largest
 * buddies, end as `type`. Sleeps.
 */
int alloc_contig_range(struct vm *vm, unsigned long start, unsigned long end, enum migratetype type,
		       struct range_result *result);

/* Drops a reference on each; how many are still in use by others. */
unsigned long free_contig_range(struct vm *vm, unsigned long start, unsigned long nr);

#endif
