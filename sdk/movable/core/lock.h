/* SPDX-License-Identifier: MIT
 *
 * The VM's own locks: mmap_sem, the locks of reverse maps, the tree locks of page caches, the
 * locks of inodes, and what guards a process's policy. spec/migration.md 2.4.
 *
 * They matter only under a schedule, where each is a scheduling point and a CPU waits for another one.
 */
#ifndef MOVABLE_LOCK_H
#define MOVABLE_LOCK_H

#include "schedule.h"
#include "violation.h"

/* Python names them in the same order (movable.sched.trace). From TREE_LOCK on they are spinlocks. */
enum vm_lock_kind { MMAP_SEM, ANON_VMA_LOCK, I_MMAP_LOCK, I_RWSEM, TREE_LOCK, TASK_LOCK, NR_VM_LOCK_KINDS };

/* Keys of these locks in a trace: this bit, the kind, and a number of its own. */
#define VM_LOCK_KEY (1UL << 60)
#define VM_LOCK_KIND_SHIFT 52

struct vm_lock {
	uint64_t key;
	int readers;
	bool writer;
};

void vm_lock_init(struct vm *vm, struct vm_lock *lock, enum vm_lock_kind kind);

/* A tree lock and a task lock are spinlocks and are only taken for writing; the others sleep. */
void down_read(struct vm *vm, struct vm_lock *lock);
void up_read(struct vm *vm, struct vm_lock *lock);
void down_write(struct vm *vm, struct vm_lock *lock);
void up_write(struct vm *vm, struct vm_lock *lock);

#endif
