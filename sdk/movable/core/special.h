/* SPDX-License-Identifier: MIT
 *
 * Mappings of what is not a process's own memory: the vdso, its data page, memory of a device. spec/migration.md 9.8.
 *
 * The vdso is one reserved page of the kernel, mapped by whoever asks for it. The others are raw: their entries name
 * no page. Their contents are not modelled and read as zeros.
 */
#ifndef MOVABLE_SPECIAL_H
#define MOVABLE_SPECIAL_H

#include "pagetable.h"

/*
 * Maps one page of what `special` says, at `address` (0: anywhere); the vdso's lies on node `nid`. Device memory is
 * there at once, the others come by a fault. The address, -EINVAL, -ENOMEM.
 */
long do_mmap_special(struct vm *vm, struct mm *mm, enum vma_special special, unsigned long address, int nid);

/* A fault on an empty entry of a special mapping. mmap_sem held. 0, -EFAULT, -ENOMEM. */
int do_special_fault(struct vm *vm, struct vma *vma, unsigned long address);

#endif
