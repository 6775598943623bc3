/* SPDX-License-Identifier: MIT */
#include "compact_log.h"

#include <stdlib.h>

int compact_log_begin(struct vm *vm, unsigned long room)
{
	struct compact_log *log = malloc(sizeof(*log) + room * sizeof(log->records[0]));

	if (!log)
		return -ENOMEM;
	log->nr = 0;
	log->room = room;
	compact_log_end(vm);
	vm->compact_log = log;
	return 0;
}

void compact_log_end(struct vm *vm)
{
	free(vm->compact_log);
	vm->compact_log = NULL;
}

void record_compact_event(struct vm *vm, enum compact_event_kind kind, unsigned long a, unsigned long b,
			  unsigned long c, unsigned long d)
{
	struct compact_log *log = vm->compact_log;

	log->records[log->nr++ % log->room] = (struct compact_record){(int)kind, {a, b, c, d}};
}
