/* SPDX-License-Identifier: MIT */
#include "api.h"

/* From now on, counting from 0: those numbered first..last fail; none if first > last. False: others fail already. */
bool mv_fail_allocations(struct vm *vm, unsigned long first, unsigned long last, unsigned int inside)
{
	if (vm->alloc_faults.armed)
		return false;
	vm->alloc_faults = (struct alloc_faults){.armed = true, .inside = inside, .first = first, .last = last};
	return true;
}

void mv_stop_failing(struct vm *vm)
{
	vm->alloc_faults.armed = false;
}

void mv_alloc_faults(struct vm *vm, unsigned long *seen, unsigned long *failed)
{
	*seen = vm->alloc_faults.seen;
	*failed = vm->alloc_faults.failed;
}
