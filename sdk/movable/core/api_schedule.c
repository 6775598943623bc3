/* SPDX-License-Identifier: MIT */
#include "api.h"
#include "schedule.h"

_Static_assert(sizeof(struct mv_step) == sizeof(struct sched_step), "Python reads steps as the core records them");
_Static_assert(sizeof(struct mv_choice) == sizeof(struct sched_choice), "choices are borrowed as they are");

/* Priorities of PCT: a random order of the CPUs, above all that a change point gives. */
static void plan_priorities(struct sched *s, const struct mv_plan *plan)
{
	uint64_t state = plan->seed * 0x9E3779B97F4A7C15u + 1;

	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		s->cpus[cpu].priority = (1ull << 32) + ((state >> 40) << 6) + cpu;
	}
	s->nr_changes = plan->depth > 1 ? plan->depth - 1 : 0;
	if (s->nr_changes > sizeof(s->changes) / sizeof(s->changes[0]))
		s->nr_changes = sizeof(s->changes) / sizeof(s->changes[0]);
	for (unsigned int i = 0; i < s->nr_changes; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		s->changes[i] = (uint32_t)((state >> 33) % (plan->length ? plan->length : 1));
	}
}

/* -EBUSY if a schedule runs already, or inside a call; -ENOMEM. */
long mv_sched_begin(struct vm *vm, const struct mv_plan *plan, void *machine, void *attribute)
{
	struct sched *s;

	if (vm->sched || vm->depth)
		return -EBUSY;
	if (!vm_begin_access(vm))
		return BROKEN;
	s = sched_begin(vm, plan->limit);
	if (!s) {
		vm_end_access(vm);
		return -ENOMEM;
	}
	s->policy = (enum sched_policy)plan->policy;
	s->seed = s->rng = plan->seed;
	s->sharpness = plan->sharpness ? plan->sharpness : 1;
	s->strict_async = plan->strict_async;
	s->choices = (const struct sched_choice *)plan->choices;
	s->nr_choices = plan->nr_choices;
	s->machine = machine;
	s->attribute = attribute;
	plan_priorities(s, plan);
	return 0;
}

void mv_sched_add(struct vm *vm, int cpu, void *switch_to, void *number, bool daemon)
{
	struct sched *s = vm->sched;

	s->cpus[cpu].present = true;
	s->cpus[cpu].daemon = daemon;
	s->switch_to[cpu] = switch_to;
	s->numbers[cpu] = number;
	if ((unsigned int)cpu >= s->nr_cpus)
		s->nr_cpus = (unsigned int)cpu + 1;
}

void mv_sched_rename(struct vm *vm, int cpu, void *number)
{
	vm->sched->numbers[cpu] = number;
}

int mv_sched_first(struct vm *vm)
{
	return sched_first(vm);
}

int mv_sched_next(struct vm *vm, int ended)
{
	return sched_next(vm, ended);
}

/* Whether a CPU that is there for others should end. */
bool mv_sched_over(struct vm *vm)
{
	return vm->sched->over;
}

/* All CPUs but daemons have ended: lets those end. The next one that has not, or -1. */
int mv_sched_finish(struct vm *vm)
{
	struct sched *s = vm->sched;

	s->over = true;
	for (unsigned int cpu = 0; cpu < s->nr_cpus; cpu++) {
		s->cpus[cpu].blocked = false;
		if (s->cpus[cpu].present && !s->cpus[cpu].done)
			return (int)cpu;
	}
	return -1;
}

void mv_sched_stop(struct vm *vm)
{
	vm_stop(vm);
}

/* Records that no CPU can go on although some have not ended. */
long mv_sched_deadlock(struct vm *vm)
{
	API_BEGIN(vm, false);
	sched_deadlock(vm);
	API_END(vm, 0);
}

void mv_sched_result(struct vm *vm, struct mv_sched_result *result)
{
	const struct sched *s = vm->sched;

	*result = (struct mv_sched_result){s->nr_steps, s->nr_between, s->nr_preemptions, s->async_sleeps, s->hash};
}

/* Copies the first `room` steps; how many there are. */
unsigned int mv_sched_steps(struct vm *vm, struct mv_step *steps, unsigned int room)
{
	const struct sched *s = vm->sched;
	unsigned int nr = s->nr_steps < s->room ? s->nr_steps : s->room;

	memcpy(steps, s->steps, (nr < room ? nr : room) * sizeof(*steps));
	return nr;
}

void mv_sched_end(struct vm *vm)
{
	sched_end(vm);
	vm_end_access(vm);
}

/* The class of locks of this name, a new one if there is none; the last one takes what does not fit. */
int mv_lock_class(struct vm *vm, const char *name)
{
	return (int)sched_lock_class(vm->sched, name);
}

long mv_sched_point(struct vm *vm, int event, unsigned long id)
{
	API_BEGIN(vm, false);
	sched_step(vm, (enum sched_event)event, id);
	API_END(vm, 0);
}

long mv_sched_yield(struct vm *vm, unsigned long id)
{
	API_BEGIN(vm, false);
	sched_yield_step(vm, EV_YIELD, id);
	API_END(vm, 0);
}

/* A lock will be taken, and waited for if need be. */
long mv_sched_lock(struct vm *vm, unsigned int lock_class, unsigned long id, unsigned int flags)
{
	API_BEGIN(vm, false);
	sched_step(vm, EV_LOCK, id);
	sched_lock_attempt(vm, lock_class, id, flags);
	API_END(vm, 0);
}

/* A try has succeeded. */
long mv_sched_taken(struct vm *vm, unsigned int lock_class, unsigned long id, unsigned int flags)
{
	API_BEGIN(vm, false);
	sched_lock_taken(vm, lock_class, id, flags);
	API_END(vm, 0);
}

/* A lock was released: its waiters may go on. */
long mv_sched_unlock(struct vm *vm, unsigned int lock_class, unsigned long id)
{
	API_BEGIN(vm, false);
	sched_lock_released(vm, id, lock_class);
	sched_wake(vm, EV_WAIT, id);
	sched_step(vm, EV_UNLOCK, id);
	API_END(vm, 0);
}

/*
 * Returns 1 when mv_sched_wake() or mv_sched_unlock() of the same id has been called; 0 when all is over, or if
 * `timed` when nobody else can go on.
 */
long mv_sched_wait(struct vm *vm, unsigned long id, bool timed)
{
	bool woken;

	API_BEGIN(vm, false);
	woken = sched_wait(vm, EV_WAIT, id, timed);
	API_END(vm, woken);
}

long mv_sched_wake(struct vm *vm, unsigned long id)
{
	API_BEGIN(vm, false);
	sched_wake(vm, EV_WAIT, id);
	sched_step(vm, EV_WAKE, id);
	API_END(vm, 0);
}

long mv_sched_might_sleep(struct vm *vm, const char *where)
{
	API_BEGIN(vm, false);
	sched_might_sleep(vm, where);
	API_END(vm, 0);
}
