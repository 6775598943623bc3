/* SPDX-License-Identifier: MIT
 *
 * Taking page table entries away: munmap, exit, truncation.
 */
#ifndef MOVABLE_UNMAP_H
#define MOVABLE_UNMAP_H

#include "pagetable.h"

/* Empties [start, end) of an area. mmap_sem held for writing, or the lock of the file's i_mmap. */
void zap_page_range(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end);

/* Empties all entries of a file's pages from index `first` on, private copies included. */
void unmap_mapping_range(struct vm *vm, struct file *file, unsigned long first);

#endif
