/* SPDX-License-Identifier: MIT */
#include "steps.h"

#include <stdlib.h>

int step_log_begin(struct vm *vm, unsigned long room)
{
	struct step_log *log = malloc(sizeof(*log) + room * sizeof(log->records[0]));
	struct call_record *calls = malloc(room * sizeof(*calls));

	if (!log || !calls) {
		free(log);
		free(calls);
		return -ENOMEM;
	}
	log->calls = calls;
	log->nr = log->nr_calls = 0;
	log->room = room;
	step_log_end(vm);
	vm->step_log = log;
	return 0;
}

void step_log_end(struct vm *vm)
{
	if (vm->step_log)
		free(vm->step_log->calls);
	free(vm->step_log);
	vm->step_log = NULL;
}

void record_call(struct vm *vm, const struct call_record *call)
{
	struct step_log *log = vm->step_log;

	log->calls[log->nr_calls++ % log->room] = *call;
}

void record_step(struct vm *vm, enum migration_step step, const struct page *page, const struct page *newpage,
		 const char *function, const char *file, unsigned int line)
{
	struct step_log *log = vm->step_log;

	log->records[log->nr++ % log->room] = (struct step_record){
		.step = (unsigned char)step,
		.cpu = (unsigned char)vm->cpu,
		.pfn = page_to_pfn(vm, page),
		.newpfn = newpage ? page_to_pfn(vm, newpage) : ~0UL,
		.refs = page->_refcount,
		.mapcount = page->_mapcount + 1,
		.new_refs = newpage ? newpage->_refcount : 0,
		.new_mapcount = newpage ? newpage->_mapcount + 1 : 0,
		.function = function,
		.file = file,
		.line = line,
	};
}
