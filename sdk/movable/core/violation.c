/* SPDX-License-Identifier: MIT */
#include "violation.h"

#include <stdarg.h>
#include <stdatomic.h>

#include "pybridge.h"
#include "recount.h"

_Thread_local struct vm *current_vm;

const struct rule_text vm_rules[NR_VM_RULES] = {
#define X(name, id, kind, sentence, source) {id, sentence, source, RULE_##kind},
	VM_RULES(X)
#undef X
};

static bool is_fatal(enum rule_id rule)
{
	return vm_rules[rule].kind == RULE_ASSERTION || vm_rules[rule].kind == RULE_RECOUNT;
}

static void fill(struct vm *vm, struct violation *v, enum rule_id rule, const struct page *page,
		 const char *where, const char *expected)
{
	v->rule = rule;
	v->pfn = page ? page_to_pfn(vm, page) : ~0UL;
	v->cpu = vm->cpu;
	v->mapping = vm->callback_mapping;
	v->exception = NULL;
	snprintf(v->where, sizeof(v->where), "%s", where);
	snprintf(v->expected, sizeof(v->expected), "%s", expected);
}

void violation(struct vm *vm, enum rule_id rule, const struct page *page, const char *where,
	       const char *expected, const char *seen, ...)
{
	struct violation record;
	va_list args;

	fill(vm, &record, rule, page, where, expected);
	va_start(args, seen);
	vsnprintf(record.seen, sizeof(record.seen), seen, args);
	va_end(args);

	/* The first ones tell the cause: when the table is full, later ones are dropped. */
	if (vm->nr_violations < MAX_VIOLATIONS) {
		record.exception = vm->raising;
		vm->raising = NULL;
		vm->violations[vm->nr_violations++] = record;
	}
	/* Under a schedule the first breach ends the run: what other CPUs would do with it tells nothing. */
	if (!is_fatal(rule) && !vm->sched)
		return;
	if (!vm->dead) {
		vm->dead = true;
		vm->fatal = record;
	}
	/* Without an entry there is nothing to unwind: the caller is vm_enter(). */
	if (vm->top)
		vm_die(vm);
}

void vm_stop(struct vm *vm)
{
	if (vm->dead)
		return;
	fill(vm, &vm->fatal, VM_RULE_STOPPED, NULL, "schedule", "no failure of another CPU");
	snprintf(vm->fatal.seen, sizeof(vm->fatal.seen), "one that failed");
	vm->dead = true;
}

_Noreturn void vm_die(struct vm *vm)
{
	_longjmp(vm->top->escape, 1);
}

/* Its address names the thread. */
static _Thread_local bool was_busy;

bool vm_was_busy(void)
{
	bool busy = was_busy;

	was_busy = false;
	return busy;
}

/* Calls release the GIL, so a second thread could otherwise walk in on the first. */
static bool take_machine(struct vm *vm)
{
	const void *nobody = NULL;

	if (vm->owner == &was_busy || atomic_compare_exchange_strong(&vm->owner, &nobody, &was_busy))
		return true;
	was_busy = true;
	return false;
}

bool vm_begin_access(struct vm *vm)
{
	return take_machine(vm);
}

void vm_end_access(struct vm *vm)
{
	if (!vm->depth && !vm->sched)
		vm->owner = NULL;
}

bool vm_enter(struct vm *vm, struct entry *entry, bool needs_gil)
{
	if (!take_machine(vm))
		return false;
	if (vm->dead) {
		vm->report_from = vm->nr_violations;
		vm_end_access(vm);
		return false;
	}
	if (vm->depth >= MAX_NESTING) {
		vm->report_from = vm->nr_violations;
		vm->top = NULL;
		violation(vm, VM_RULE_NESTING, NULL, "vm_enter", "at most 64 calls inside each other", "%u",
			  vm->depth + 1);
		return false;
	}
	entry->has_gil = needs_gil;
	if (needs_gil)
		entry->gil = py_take_gil();
	entry->first_violation = vm->nr_violations;
	entry->was_interrupted = vm->interrupt != NULL;
	entry->prev = vm->top;
	entry->prev_vm = current_vm;
	current_vm = vm;
	vm->top = entry;
	vm->depth++;
	return true;
}

bool vm_leave(struct vm *vm, struct entry *entry)
{
	/* A recount that fails comes back here through the entry, with the machine dead. */
	if (unlikely(vm->debug >= 2) && vm->depth == 1 && !vm->dead && !vm->sched)
		vm_recount(vm);
	vm->top = entry->prev;
	vm->depth--;
	current_vm = entry->prev_vm;
	if (entry->has_gil)
		py_release_gil(entry->gil);
	vm->report_from = entry->first_violation;
	vm_end_access(vm);
	return entry_failed(vm, entry);
}
