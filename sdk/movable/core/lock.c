/* SPDX-License-Identifier: MIT */
#include "lock.h"

static const char *const kind_names[NR_VM_LOCK_KINDS] = {"mmap_sem", "anon_vma lock", "i_mmap lock",
							 "i_rwsem",  "tree lock",     "task lock"};

void vm_lock_init(struct vm *vm, struct vm_lock *lock, enum vm_lock_kind kind)
{
	*lock = (struct vm_lock){.key = VM_LOCK_KEY | (uint64_t)kind << VM_LOCK_KIND_SHIFT | ++vm->lock_serial};
}

static enum vm_lock_kind kind_of(const struct vm_lock *lock)
{
	return (enum vm_lock_kind)(lock->key >> VM_LOCK_KIND_SHIFT & 0xff);
}

static bool is_free(const struct vm_lock *lock, bool write)
{
	return !lock->writer && !(write && lock->readers);
}

static void wait_for(struct vm *vm, struct vm_lock *lock, bool write)
{
	const char *name = kind_names[kind_of(lock)];

	if (!vm->sched) {
		/* Nobody else runs who could release it. */
		if (!is_free(lock, write)) {
			violation(vm, VM_RULE_SELF_DEADLOCK, NULL, name, "a lock that will be released",
				  "held by a call that this one is inside");
			vm_die(vm);
		}
		return;
	}
	sched_step(vm, EV_LOCK, lock->key);
	sched_lock_attempt(vm, sched_lock_class(vm->sched, name), lock->key, kind_of(lock) >= TREE_LOCK ? LOCK_SPIN : 0);
	while (!is_free(lock, write))
		sched_wait(vm, EV_WAIT, lock->key, false);
}

static void released(struct vm *vm, struct vm_lock *lock)
{
	if (!vm->sched)
		return;
	sched_lock_released(vm, lock->key, sched_lock_class(vm->sched, kind_names[kind_of(lock)]));
	sched_wake(vm, EV_WAIT, lock->key);
	sched_step(vm, EV_UNLOCK, lock->key);
}

void down_read(struct vm *vm, struct vm_lock *lock)
{
	wait_for(vm, lock, false);
	lock->readers++;
}

void up_read(struct vm *vm, struct vm_lock *lock)
{
	lock->readers--;
	released(vm, lock);
}

void down_write(struct vm *vm, struct vm_lock *lock)
{
	wait_for(vm, lock, true);
	lock->writer = true;
}

void up_write(struct vm *vm, struct vm_lock *lock)
{
	lock->writer = false;
	released(vm, lock);
}
