/* SPDX-License-Identifier: MIT
 *
 * A log of what compaction does: the kernel's compaction events that tell of scanners and batches.
 * spec/compaction.md 10.2.
 */
#ifndef MOVABLE_COMPACT_LOG_H
#define MOVABLE_COMPACT_LOG_H

#include "vm.h"

enum compact_event_kind {
	COMPACT_EVENT_ISOLATE_MIGRATEPAGES, /* start, end, scanned, taken */
	COMPACT_EVENT_ISOLATE_FREEPAGES,    /* the same */
	COMPACT_EVENT_MIGRATE_PAGES,	    /* succeeded, failed, mode: migrate_pages()'s own event */
	COMPACT_EVENT_MIGRATEPAGES,	    /* migrated, failed */
	COMPACT_EVENT_SUITABLE,		    /* zone, order, result */
	COMPACT_EVENT_BEGIN,		    /* zone, migrate_pfn, free_pfn, synchronous */
	COMPACT_EVENT_END,		    /* zone, migrate_pfn, free_pfn, result << 1 | synchronous */
	COMPACT_EVENT_FINISHED,		    /* zone, order, result */
};

struct compact_record {
	int kind;
	unsigned long values[4];
};

struct compact_log {
	unsigned long nr, room; /* nr may be more than room: the oldest are lost */
	struct compact_record records[];
};

/* Starts or empties a log of the last `room` events. -ENOMEM. */
int compact_log_begin(struct vm *vm, unsigned long room);
void compact_log_end(struct vm *vm);

void record_compact_event(struct vm *vm, enum compact_event_kind kind, unsigned long a, unsigned long b,
			  unsigned long c, unsigned long d);

/* Notes an event, if somebody keeps a log. */
static inline void compact_event(struct vm *vm, enum compact_event_kind kind, unsigned long a, unsigned long b,
				 unsigned long c, unsigned long d)
{
	if (unlikely(vm->compact_log != NULL))
		record_compact_event(vm, kind, a, b, c, d);
}

#endif
