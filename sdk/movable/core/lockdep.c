/* SPDX-License-Identifier: MIT
 *
 * What CPUs hold while a schedule runs: the order in which classes of locks are taken, and sleeping where
 * that is forbidden (spec/drivers.md 6.1).
 */
#include "schedule.h"
#include "violation.h"

unsigned int sched_lock_class(struct sched *s, const char *name)
{
	unsigned int class = 0;

	while (class < s->nr_classes && strncmp(s->class_names[class], name, LOCK_CLASS_NAME - 1))
		class++;
	if (class >= LOCK_CLASS_OTHER)
		return LOCK_CLASS_OTHER;
	if (class == s->nr_classes)
		snprintf(s->class_names[s->nr_classes++], LOCK_CLASS_NAME, "%s", name);
	return class;
}

/* Whether `from` was ever held, directly or through others, when `to` was taken. */
static bool comes_before(const struct sched *s, unsigned int from, unsigned int to)
{
	uint64_t seen = 1ull << to, todo = seen;

	while (todo) {
		unsigned int class = (unsigned int)__builtin_ctzll(todo);

		todo &= todo - 1;
		if (s->before[class] >> from & 1)
			return true;
		todo |= s->before[class] & ~seen;
		seen |= s->before[class];
	}
	return false;
}

/* Notes that `class` is taken under all that the CPU holds; a circle could deadlock on another day. */
static void check_order(struct vm *vm, unsigned int class)
{
	struct sched *s = vm->sched;
	const struct sched_cpu *cpu = &s->cpus[vm->cpu];

	if (class == LOCK_CLASS_OTHER)
		return;
	for (unsigned int i = 0; i < cpu->nr_held; i++) {
		unsigned int held = cpu->held[i].class;

		if (held == class || held == LOCK_CLASS_OTHER || s->before[class] >> held & 1)
			continue;
		if (comes_before(s, class, held))
			violation(vm, VM_RULE_LOCK_ORDER, NULL, s->class_names[class], "one order of locks everywhere",
				  "%s is taken under %s, elsewhere the other way round", s->class_names[class],
				  s->class_names[held]);
		s->before[class] |= 1ull << held;
	}
}

static void hold(struct vm *vm, unsigned int class, uint64_t id, unsigned int flags)
{
	struct sched_cpu *cpu = &vm->sched->cpus[vm->cpu];

	/* Beyond the table nothing is watched: what is not noted here could not be taken off again. */
	if (cpu->nr_held == MAX_HELD)
		return;
	cpu->held[cpu->nr_held++] = (struct held_lock){id, (uint8_t)class, (uint8_t)flags};
	cpu->atomic += flags & LOCK_SPIN;
}

/* Before the lock is tried for the first time: what is watched does not depend on whether it is free. */
void sched_lock_attempt(struct vm *vm, unsigned int class, uint64_t id, unsigned int flags)
{
	if (!(flags & LOCK_SPIN))
		sched_might_sleep(vm, vm->sched->class_names[class]);
	check_order(vm, class);
	hold(vm, class, id, flags);
}

/* After a try that succeeded. */
void sched_lock_taken(struct vm *vm, unsigned int class, uint64_t id, unsigned int flags)
{
	hold(vm, class, id, flags);
}

void sched_lock_released(struct vm *vm, uint64_t id, unsigned int class)
{
	struct sched_cpu *cpu = &vm->sched->cpus[vm->cpu];

	for (unsigned int i = cpu->nr_held; i-- > 0;) {
		if (cpu->held[i].id != id || cpu->held[i].class != class)
			continue;
		cpu->atomic -= cpu->held[i].flags & LOCK_SPIN;
		memmove(&cpu->held[i], &cpu->held[i + 1], (--cpu->nr_held - i) * sizeof(cpu->held[0]));
		return;
	}
}

void sched_might_sleep(struct vm *vm, const char *where)
{
	const struct sched_cpu *cpu = &vm->sched->cpus[vm->cpu];
	const char *name = "?";

	if (!cpu->atomic)
		return;
	for (unsigned int i = 0; i < cpu->nr_held; i++)
		if (cpu->held[i].flags & LOCK_SPIN)
			name = vm->sched->class_names[cpu->held[i].class];
	violation(vm, VM_RULE_SLEEP_IN_ATOMIC, NULL, where, "no spinlock held where a CPU may sleep", "%s held", name);
}
