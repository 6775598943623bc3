/* SPDX-License-Identifier: MIT
 *
 * The numbered steps of the kernel's page migration document, and a log of where each happened to which page.
 * spec/migration.md 8. There are no steps B17 and B18. Beside it a log of the calls of migrate_pages(), each as its
 * tracepoint has it (10).
 */
#ifndef MOVABLE_STEPS_H
#define MOVABLE_STEPS_H

#include "vm.h"

/* X(step, name, what) */
#define MIGRATION_STEPS(X)                                                                                   \
	X(STEP_A1, "A1", "take the page off the LRU")                                                        \
	X(STEP_A2, "A2", "get a target from the caller's allocator")                                         \
	X(STEP_A3, "A3", "run the migration")                                                                \
	X(STEP_B1, "B1", "lock the old page")                                                                \
	X(STEP_B2, "B2", "make sure that writeback is over")                                                 \
	X(STEP_B3, "B3", "lock the new page")                                                                \
	X(STEP_B4, "B4", "turn the page table entries into migration entries")                               \
	X(STEP_B5, "B5", "take the tree lock")                                                               \
	X(STEP_B6, "B6", "check the reference count")                                                        \
	X(STEP_B7, "B7", "check the tree slot")                                                              \
	X(STEP_B8, "B8", "prepare the new page")                                                             \
	X(STEP_B9, "B9", "point the tree to the new page")                                                   \
	X(STEP_B10, "B10", "drop the tree's reference to the old page")                                      \
	X(STEP_B11, "B11", "release the tree lock")                                                          \
	X(STEP_B12, "B12", "copy the contents")                                                              \
	X(STEP_B13, "B13", "copy the remaining flags")                                                       \
	X(STEP_B14, "B14", "clear the old page's flags")                                                     \
	X(STEP_B15, "B15", "end writeback queued on the new page")                                           \
	X(STEP_B16, "B16", "turn the migration entries into real ones")                                      \
	X(STEP_19, "19", "release both page locks")                                                          \
	X(STEP_20, "20", "move the new page to the LRU")

enum migration_step {
#define X(step, name, what) step,
	MIGRATION_STEPS(X)
#undef X
		NR_MIGRATION_STEPS
};

/* One step that was done: to whom, where in the core, and how both pages stood then. */
struct step_record {
	unsigned char step, cpu;
	unsigned long pfn, newpfn; /* newpfn ~0UL: no target yet */
	int refs, mapcount, new_refs, new_mapcount;
	const char *function, *file;
	unsigned int line;
};

/* One call of migrate_pages(), noted at its end: mm_migrate_pages. */
struct call_record {
	unsigned long succeeded, failed;
	unsigned char mode, reason;
};

struct step_log {
	unsigned long nr, nr_calls, room; /* they may be more than room: the oldest are lost */
	struct call_record *calls;
	struct step_record records[];
};

/* Starts or empties a log of the last `room` steps, and of as many calls. -ENOMEM. */
int step_log_begin(struct vm *vm, unsigned long room);
void step_log_end(struct vm *vm);

void record_step(struct vm *vm, enum migration_step step, const struct page *page, const struct page *newpage,
		 const char *function, const char *file, unsigned int line);

void record_call(struct vm *vm, const struct call_record *call);

/* Notes a step, if somebody keeps a log. `newpage` may be NULL. */
#define migration_step(vm, step, page, newpage)                                                              \
	do {                                                                                                 \
		if (unlikely((vm)->step_log != NULL))                                                        \
			record_step(vm, step, page, newpage, __func__, __FILE__, __LINE__);                  \
	} while (0)

#endif
