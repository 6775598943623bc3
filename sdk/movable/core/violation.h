/* SPDX-License-Identifier: MIT
 *
 * Broken rules, and the way out of the core when one is fatal.
 *
 * A violation is recorded in the machine and raised by Python when the call returns. After a fatal one no
 * code of the core may go on: control leaves it segment by segment. Each call from Python into the core
 * sets up a `struct entry`; each call from the core into Python hides it (vm->top = NULL), so that a jump
 * never passes a Python frame; when the Python code returns, the core sees vm->dead and jumps on.
 */
#ifndef MOVABLE_VIOLATION_H
#define MOVABLE_VIOLATION_H

#include "vm.h"

struct rule_text {
	const char *id, *sentence, *source;
	enum rule_kind kind;
};

extern const struct rule_text vm_rules[NR_VM_RULES];

/* Records a breach; returns only if the rule is not fatal. `page` may be NULL. */
__attribute__((format(printf, 6, 7))) void violation(struct vm *vm, enum rule_id rule, const struct page *page,
						     const char *where, const char *expected,
						     const char *seen, ...);

/* Ends all work on the machine without a breach of its own: the cause is raised elsewhere. */
void vm_stop(struct vm *vm);

/* Leaves the core through the innermost entry. Needs vm->dead. */
_Noreturn void vm_die(struct vm *vm);

/* Returns false if the machine is dead, in another thread's hands or nested too deeply: do nothing then. */
bool vm_enter(struct vm *vm, struct entry *entry, bool needs_gil);

/*
 * Around code that only walks structures or writes a field: false while another thread is inside. Allowed on
 * a dead machine, whose structures can still be looked at.
 */
bool vm_begin_access(struct vm *vm);
void vm_end_access(struct vm *vm);

/* Whether this thread's last vm_enter() was refused because another thread was inside; asking resets it. */
bool vm_was_busy(void);

/* Whether the call has met something that Python will raise. */
static inline bool entry_failed(const struct vm *vm, const struct entry *entry)
{
	return vm->dead || vm->nr_violations > entry->first_violation || (vm->interrupt && !entry->was_interrupted);
}

/* Ends the call; true if Python has something to raise. */
bool vm_leave(struct vm *vm, struct entry *entry);

/* Cheap assertion about a page: no code where debugging is off. */
#define VM_BUG_ON_PAGE(vm, cond, page, rule, expected, ...)                                                    \
	do {                                                                                                 \
		if (unlikely((vm)->debug && (cond)))                                                         \
			violation(vm, rule, page, __func__, expected, __VA_ARGS__);                          \
	} while (0)

#endif
