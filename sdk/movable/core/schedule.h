/* SPDX-License-Identifier: MIT
 *
 * Emulated CPUs that take turns: the scheduling decision, blocking, and what is watched meanwhile.
 *
 * One CPU runs at a time, each on a greenlet of its own. At a scheduling point the strategy chooses who goes
 * on; Python is entered only for a real switch. Everything that happens is numbered, so a run is told by its
 * seed, or by the few steps at which it left the default: stay on the CPU, else the next one in turn.
 *
 * Without a schedule (vm->sched NULL) a point is one branch.
 */
#ifndef MOVABLE_SCHEDULE_H
#define MOVABLE_SCHEDULE_H

#include "vm.h"

/* What happened at a step. Python names them in the same order (movable.sched.trace). */
enum sched_event {
	EV_START,
	EV_END,
	EV_OP,
	EV_LINE,
	EV_LOCK,
	EV_TRYLOCK,
	EV_UNLOCK,
	EV_WAIT,
	EV_WAKE,
	EV_YIELD,
	EV_LOCK_PAGE,
	EV_TRYLOCK_PAGE,
	EV_UNLOCK_PAGE,
	EV_WAIT_PAGE,
	EV_GET_PAGE,
	EV_PUT_PAGE,
	EV_ALLOC,
	EV_FREE,
	EV_COPY,
	EV_ISOLATE, /* a callback begins; in the order of enum callback */
	EV_MIGRATE,
	EV_PUTBACK,
	EV_RETURN,
	EV_FAULT, /* a page fault begins; the page's address */
	EV_RMAP,  /* one mapping of a page is about to be changed */
	EV_MOVE,  /* a page in a cache is frozen, between its two places */
	EV_ACCESS, /* a process is about to read or write memory; its address */
	EV_REBIND, /* the nodes of a process change, between the two steps; the new ones */
	NR_SCHED_EVENTS
};

enum sched_policy { SCHED_DEFAULT, SCHED_ROUND_ROBIN, SCHED_RANDOM, SCHED_PCT };

/* How a lock is taken. */
enum lock_flags {
	LOCK_SPIN = 1, /* its holder may not sleep */
	LOCK_TRY = 2,  /* never waits: no order to keep */
};

#define MAX_LOCK_CLASSES 64
#define MAX_HELD 64
#define LOCK_CLASS_PAGE 0
#define LOCK_CLASS_OTHER (MAX_LOCK_CLASSES - 1) /* names that found no room: no order is kept for them */
#define LOCK_CLASS_NAME 48

struct sched_step {
	uint8_t cpu, event, chosen, alternative; /* who was at it, what, who goes on; whom the default would choose */
	uint32_t runnable;			 /* a bit for each CPU that could go on */
	uint64_t id;
};

/*
 * A step at which a schedule leaves the default: CPU `at` is at its own step number `step`, and `cpu` goes on.
 * Own steps, so that a choice keeps its meaning where others before it are left out.
 */
struct sched_choice {
	uint32_t at, step, cpu;
};

struct held_lock {
	uint64_t id;
	uint8_t class, flags;
};

struct sched_cpu {
	bool present, done, daemon;
	bool blocked, timed; /* timed: waits no longer than until nobody else can go on */
	bool timed_out;
	uint8_t wait_event; /* what it waits for, while blocked */
	uint64_t wait_id;
	unsigned int nr_held, atomic;
	struct held_lock held[MAX_HELD];
	uint64_t priority;
	uint32_t nr_steps;	  /* its own */
	unsigned int next_choice; /* the first choice that may still come */
};

struct sched {
	enum sched_policy policy;
	uint64_t rng, seed;
	unsigned int depth, nr_changes;
	uint32_t changes[32]; /* PCT: steps at which the running CPU falls behind all others */
	uint64_t next_low;
	unsigned int sharpness; /* random: one step in that many may switch */
	uint32_t limit;
	bool strict_async; /* sleeping in a MIGRATE_ASYNC callback breaks a rule */

	const struct sched_choice *choices; /* borrowed: the schedule that is followed, by CPU and step */
	unsigned int nr_choices;

	unsigned int nr_cpus;
	struct sched_cpu cpus[MAX_CPUS];
	void *switch_to[MAX_CPUS]; /* Python functions, borrowed */
	void *numbers[MAX_CPUS];   /* Python ints, borrowed: by what each CPU is known to Python now */
	void *machine, *attribute; /* the object and the attribute that has the running CPU's number; both borrowed */

	uint32_t nr_steps, room;
	struct sched_step *steps;
	uint64_t hash;
	uint32_t nr_switches, nr_preemptions, async_sleeps;
	uint32_t nr_between; /* switches that daemons have no part in: without any, nothing was concurrent */
	bool over; /* nothing is left but daemons that wait: let them end */

	unsigned int nr_classes;
	char class_names[MAX_LOCK_CLASSES][LOCK_CLASS_NAME];
	uint64_t before[MAX_LOCK_CLASSES]; /* classes that were held when one of this class was taken */
};

/* Sets up a schedule; -ENOMEM. Ends one; harmless without. */
struct sched *sched_begin(struct vm *vm, uint32_t limit);
void sched_end(struct vm *vm);

/* The slow halves of the inlines below. Each may leave the core through vm_die(). */
void sched_step(struct vm *vm, enum sched_event event, uint64_t id);
void sched_yield_step(struct vm *vm, enum sched_event event, uint64_t id);
bool sched_wait(struct vm *vm, enum sched_event event, uint64_t id, bool timed);
void sched_wake(struct vm *vm, enum sched_event event, uint64_t id);
void sched_lock_attempt(struct vm *vm, unsigned int class, uint64_t id, unsigned int flags);
void sched_lock_taken(struct vm *vm, unsigned int class, uint64_t id, unsigned int flags);
void sched_lock_released(struct vm *vm, uint64_t id, unsigned int class);
void sched_might_sleep(struct vm *vm, const char *where);

/* Whoever runs after CPU `ended` has finished: a CPU, -1 when all is done, -2 when nobody can go on. */
int sched_next(struct vm *vm, int ended);

/* Who runs first. */
int sched_first(struct vm *vm);

/* Reports that nobody can go on. */
void sched_deadlock(struct vm *vm);

unsigned int sched_lock_class(struct sched *s, const char *name);

static inline void sched_point(struct vm *vm, enum sched_event event, uint64_t id)
{
	if (unlikely(vm->sched != NULL))
		sched_step(vm, event, id);
}

static inline void sched_page_point(struct vm *vm, enum sched_event event, const struct page *page)
{
	if (unlikely(vm->sched != NULL))
		sched_step(vm, event, page_to_pfn(vm, page));
}

static inline void might_sleep(struct vm *vm, const char *where)
{
	if (unlikely(vm->sched != NULL))
		sched_might_sleep(vm, where);
}

static inline uint32_t sched_switches(const struct vm *vm)
{
	return vm->sched ? vm->sched->nr_switches : 0;
}

#endif
