/* SPDX-License-Identifier: MIT
 *
 * Page faults, and a process's accesses to its memory. spec/migration.md 2.5, 7.5.
 */
#ifndef MOVABLE_FAULT_H
#define MOVABLE_FAULT_H

#include "pagetable.h"

/*
 * Handles one fault; mmap_sem held for reading. 0: try the access again. -EFAULT: no such access (SIGSEGV), -EFBIG:
 * beyond the end of the file (SIGBUS), -ENOMEM.
 */
int handle_mm_fault(struct vm *vm, struct mm *mm, unsigned long address, bool write);

/*
 * Reads or writes memory as the process does, faulting where it must. An access is of at most so many bytes at once
 * as one page has; under a schedule others may run in between. 0, or as above with *done bytes through.
 */
int access_process(struct vm *vm, struct mm *mm, unsigned long address, void *buffer, unsigned long length,
		   bool write, unsigned long *done);

/* One access to each page of the range, without contents. */
int touch_process(struct vm *vm, struct mm *mm, unsigned long address, unsigned long length, bool write);

/* get_user_pages() for one page: faulted in, with a reference, whatever becomes of the mapping. The pfn, or as above. */
long pin_user_page(struct vm *vm, struct mm *mm, unsigned long address, bool write);

/* The process gets a copy of its own of the page mapped there. mmap_sem held for writing. 0 or -ENOMEM. */
int break_cow(struct vm *vm, struct vma *vma, unsigned long address);

/* The node of the page at an address, faulted in for reading (spec/migration.md 9.5); -EFAULT, -ENOMEM, -EINTR. */
long lookup_node(struct vm *vm, struct mm *mm, unsigned long address);

/* Faults the page of a VM_LOCKED area in, for writing where the area is private and writable. Takes mmap_sem. */
int populate_page(struct vm *vm, struct mm *mm, unsigned long address);

#endif
