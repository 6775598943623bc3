/* SPDX-License-Identifier: MIT
 *
 * Pages that are locked in memory: PG_mlocked and the unevictable list. spec/migration.md 2.5, 7.5.
 */
#ifndef MOVABLE_MLOCK_H
#define MOVABLE_MLOCK_H

#include "task.h"

/* A page that a VM_LOCKED area maps. Off to the unevictable list if it is on another. */
void mlock_vma_page(struct vm *vm, struct page *page);

/* The last mapping of a page is gone: it is locked no more. */
void clear_page_mlock(struct vm *vm, struct page *page);

/* The area is VM_LOCKED no more: pages that no other locked area maps go back to the other lists. */
void munlock_vma_pages(struct vm *vm, struct vma *vma);

/* Faults a range of VM_LOCKED areas in. 0, or -ENOMEM as mlock answers. Takes mmap_sem. */
long mlock_populate(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end);

#endif
