/* SPDX-License-Identifier: MIT */
#include "schedule.h"

#include <stdlib.h>

#include "pybridge.h"
#include "violation.h"

/* splitmix64 */
static uint64_t random_number(struct sched *s)
{
	uint64_t z = (s->rng += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

struct sched *sched_begin(struct vm *vm, uint32_t limit)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->limit = limit;
	s->room = limit + 1;
	s->steps = malloc(s->room * sizeof(*s->steps));
	s->next_low = 1ull << 31;
	s->hash = 0xCBF29CE484222325u;
	s->nr_classes = 1;
	snprintf(s->class_names[LOCK_CLASS_OTHER], LOCK_CLASS_NAME, "another lock");
	snprintf(s->class_names[LOCK_CLASS_PAGE], LOCK_CLASS_NAME, "page lock");
	if (!s->steps) {
		free(s);
		return NULL;
	}
	vm->sched = s;
	return s;
}

void sched_end(struct vm *vm)
{
	if (!vm->sched)
		return;
	free(vm->sched->steps);
	free(vm->sched);
	vm->sched = NULL;
}

static uint32_t runnable_mask(const struct sched *s)
{
	uint32_t mask = 0;

	for (unsigned int cpu = 0; cpu < s->nr_cpus; cpu++)
		if (s->cpus[cpu].present && !s->cpus[cpu].done && !s->cpus[cpu].blocked)
			mask |= 1u << cpu;
	return mask;
}

/* The next runnable CPU in turn, `me` last. */
static int next_in_turn(const struct sched *s, uint32_t runnable, int me)
{
	for (unsigned int i = 1; i <= s->nr_cpus; i++) {
		int cpu = (int)(((unsigned int)me + i) % s->nr_cpus);

		if (runnable >> cpu & 1)
			return cpu;
	}
	return -1;
}

static int highest_priority(const struct sched *s, uint32_t runnable)
{
	int best = -1;

	for (unsigned int cpu = 0; cpu < s->nr_cpus; cpu++)
		if (runnable >> cpu & 1 && (best < 0 || s->cpus[cpu].priority > s->cpus[best].priority))
			best = (int)cpu;
	return best;
}

static int random_choice(struct sched *s, uint32_t runnable, int me, bool stays)
{
	unsigned int nr = (unsigned int)__builtin_popcount(runnable), pick;

	if (stays && random_number(s) % s->sharpness)
		return me;
	pick = (unsigned int)(random_number(s) % nr);
	for (int cpu = 0;; cpu++)
		if (runnable >> cpu & 1 && !pick--)
			return cpu;
}

/* PCT: the highest priority runs; at its change points, and when it spins, the running CPU falls behind. */
static int pct_choice(struct sched *s, uint32_t runnable, int me, bool stays)
{
	for (unsigned int i = 0; i < s->nr_changes; i++)
		if (s->changes[i] == s->nr_steps)
			stays = false;
	if (!stays)
		s->cpus[me].priority = s->next_low--;
	return highest_priority(s, runnable);
}

/* The CPU that the schedule wants to go on at this step of `me`; -1 if it says nothing, or that CPU cannot. */
static int scheduled_choice(struct sched *s, uint32_t runnable, int me)
{
	struct sched_cpu *cpu = &s->cpus[me];
	const struct sched_choice *choice;

	for (; cpu->next_choice < s->nr_choices; cpu->next_choice++) {
		choice = &s->choices[cpu->next_choice];
		if (choice->at == (uint32_t)me && choice->step >= cpu->nr_steps)
			break;
		if (choice->at > (uint32_t)me)
			return -1;
	}
	if (cpu->next_choice >= s->nr_choices)
		return -1;
	choice = &s->choices[cpu->next_choice];
	if (choice->step != cpu->nr_steps || choice->cpu >= s->nr_cpus || !(runnable >> choice->cpu & 1))
		return -1;
	return (int)choice->cpu;
}

/* Who goes on. `stays`: whether `me` could; it may be asked to yield all the same. */
static int choose(struct sched *s, uint32_t runnable, int me, bool stays, int fallback)
{
	int scheduled = scheduled_choice(s, runnable, me);

	if (scheduled >= 0)
		return scheduled;
	switch (s->policy) {
	case SCHED_ROUND_ROBIN:
		return next_in_turn(s, runnable, me);
	case SCHED_RANDOM:
		return random_choice(s, runnable, me, stays);
	case SCHED_PCT:
		return pct_choice(s, runnable, me, stays);
	case SCHED_DEFAULT:
		break;
	}
	return fallback;
}

static void record(struct sched *s, const struct sched_step *step)
{
	uint64_t word = step->id * 0x9E3779B97F4A7C15u + ((uint64_t)step->cpu << 16 | (uint64_t)step->event << 8 | step->chosen);

	s->hash = (s->hash ^ word) * 0x100000001B3u;
	s->hash ^= s->hash >> 29;
	if (s->nr_steps < s->room)
		s->steps[s->nr_steps] = *step;
	s->nr_steps++;
	s->cpus[step->cpu].nr_steps++;
}

/* What belongs to the CPU that runs, kept on its own stack while another one runs. */
struct cpu_context {
	int cpu;
	unsigned int task_flags, depth;
	enum callback callback;
	struct page *callback_page;
	const struct address_space *callback_mapping;
	enum migrate_mode callback_mode;
};

static struct cpu_context save_context(const struct vm *vm)
{
	return (struct cpu_context){vm->cpu,	       vm->task_flags,	     vm->depth,		vm->callback,
				    vm->callback_page, vm->callback_mapping, vm->callback_mode};
}

static void restore_context(struct vm *vm, const struct cpu_context *context)
{
	vm->cpu = context->cpu;
	vm->task_flags = context->task_flags;
	vm->depth = context->depth;
	vm->callback = context->callback;
	vm->callback_page = context->callback_page;
	vm->callback_mapping = context->callback_mapping;
	vm->callback_mode = context->callback_mode;
}

/* Lets another CPU run until somebody switches back. The machine may be dead then: leaves the core. */
static void switch_to(struct vm *vm, int next)
{
	const struct cpu_context mine = save_context(vm);
	struct sched *s = vm->sched;

	s->nr_switches++;
	s->nr_between += !s->cpus[vm->cpu].daemon && !s->cpus[next].daemon;
	/* A CPU that has run before puts its own context back; one that has not starts with this. */
	restore_context(vm, &(struct cpu_context){.cpu = next});
	py_switch(vm, next);
	restore_context(vm, &mine);
	if (unlikely(vm->dead))
		vm_die(vm);
}

static void too_many_steps(struct vm *vm)
{
	violation(vm, VM_RULE_LIVELOCK, NULL, "schedule", "an end of the run", "no end after %u steps",
		  vm->sched->limit);
}

/* One step of the running CPU, which then stays or not. */
static void take_step(struct vm *vm, enum sched_event event, uint64_t id, bool stays)
{
	struct sched *s = vm->sched;
	uint32_t runnable = runnable_mask(s);
	int me = vm->cpu, next, fallback;

	if (unlikely(s->nr_steps >= s->limit))
		too_many_steps(vm);
	fallback = stays ? me : next_in_turn(s, runnable, me);
	next = choose(s, runnable, me, stays, fallback);
	record(s, &(struct sched_step){(uint8_t)me, (uint8_t)event, (uint8_t)next, (uint8_t)fallback, runnable, id});
	if (next == me)
		return;
	if (stays)
		s->nr_preemptions++;
	switch_to(vm, next);
}

void sched_step(struct vm *vm, enum sched_event event, uint64_t id)
{
	take_step(vm, event, id, true);
}

void sched_yield_step(struct vm *vm, enum sched_event event, uint64_t id)
{
	take_step(vm, event, id, false);
}

/* What a CPU waits for: the name of the lock that it has asked for last, or an event. */
static const char *awaited(const struct sched_cpu *cpu, const struct sched *s)
{
	const struct held_lock *asked = cpu->nr_held ? &cpu->held[cpu->nr_held - 1] : NULL;

	if (cpu->wait_event != EV_WAIT && cpu->wait_event != EV_WAIT_PAGE)
		return "a lock";
	return asked && asked->id == cpu->wait_id ? s->class_names[asked->class] : "an event";
}

static void describe_waits(const struct sched *s, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int cpu = 0; cpu < s->nr_cpus && used < size; cpu++) {
		const struct sched_cpu *c = &s->cpus[cpu];

		if (!c->present || c->done || c->daemon || !c->blocked)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%sCPU %u for %s", used ? ", " : "", cpu, awaited(c, s));
		if (c->wait_event == EV_WAIT_PAGE && used < size)
			used += (size_t)snprintf(text + used, size - used, " of 0x%lx", (unsigned long)c->wait_id);
	}
}

void sched_deadlock(struct vm *vm)
{
	char text[96];

	describe_waits(vm->sched, text, sizeof(text));
	violation(vm, VM_RULE_DEADLOCK, NULL, "schedule", "a CPU that can go on", "waiting: %s", text);
}

static void check_async(struct vm *vm)
{
	struct sched *s = vm->sched;

	if (vm->callback != CALLBACK_MIGRATE || vm->callback_mode != MIGRATE_ASYNC)
		return;
	s->async_sleeps++;
	if (s->strict_async)
		violation(vm, VM_RULE_SLEEP_IN_ASYNC, vm->callback_page, "migratepage", "no sleep in MIGRATE_ASYNC",
			  "a wait");
}

/* Whether a CPU that is not there for others only has not reached its end. */
static bool somebody_waits(const struct sched *s)
{
	for (unsigned int i = 0; i < s->nr_cpus; i++)
		if (s->cpus[i].present && !s->cpus[i].done && !s->cpus[i].daemon)
			return true;
	return false;
}

/* Time passes only when nobody can go on: the first CPU whose wait has an end then goes on. */
static uint32_t let_time_pass(struct sched *s)
{
	for (unsigned int i = 0; i < s->nr_cpus; i++) {
		if (!s->cpus[i].blocked || !s->cpus[i].timed)
			continue;
		s->cpus[i].blocked = false;
		s->cpus[i].timed_out = true;
		return 1u << i;
	}
	return 0;
}

/*
 * Blocks the running CPU until sched_wake() with the same event and id. False if that did not come: time is
 * up, or all is over.
 */
bool sched_wait(struct vm *vm, enum sched_event event, uint64_t id, bool timed)
{
	struct sched *s = vm->sched;
	struct sched_cpu *cpu = &s->cpus[vm->cpu];

	/* A spinning wait of a spinlock is no sleep. */
	if (!cpu->nr_held || !(cpu->held[cpu->nr_held - 1].flags & LOCK_SPIN) || cpu->held[cpu->nr_held - 1].id != id)
		check_async(vm);
	cpu->blocked = true;
	cpu->wait_event = (uint8_t)event;
	cpu->wait_id = id;
	cpu->timed = timed;
	cpu->timed_out = false;
	if (!runnable_mask(s) && !let_time_pass(s)) {
		if (somebody_waits(s))
			sched_deadlock(vm);
		s->over = true;
		cpu->blocked = false;
		return false;
	}
	take_step(vm, event, id, false);
	return !cpu->timed_out && !s->over;
}

void sched_wake(struct vm *vm, enum sched_event event, uint64_t id)
{
	struct sched *s = vm->sched;

	for (unsigned int i = 0; i < s->nr_cpus; i++)
		if (s->cpus[i].blocked && s->cpus[i].wait_event == event && s->cpus[i].wait_id == id)
			s->cpus[i].blocked = false;
}

int sched_first(struct vm *vm)
{
	struct sched *s = vm->sched;
	uint32_t runnable = runnable_mask(s);
	int fallback = next_in_turn(s, runnable, (int)s->nr_cpus - 1);
	int first = choose(s, runnable, fallback, true, fallback);

	record(s, &(struct sched_step){(uint8_t)fallback, EV_START, (uint8_t)first, (uint8_t)fallback, runnable, 0});
	return first;
}

int sched_next(struct vm *vm, int ended)
{
	struct sched *s = vm->sched;
	uint32_t runnable;
	int fallback, next;

	s->cpus[ended].done = true;
	runnable = runnable_mask(s);
	if (!runnable)
		runnable = let_time_pass(s);
	if (!runnable)
		return somebody_waits(s) ? -2 : -1;
	fallback = next_in_turn(s, runnable, ended);
	next = choose(s, runnable, ended, false, fallback);
	record(s, &(struct sched_step){(uint8_t)ended, EV_END, (uint8_t)next, (uint8_t)fallback, runnable, 0});
	return next;
}
