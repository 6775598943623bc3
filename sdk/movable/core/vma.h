/* SPDX-License-Identifier: MIT
 *
 * The areas of a process: finding, placing, splitting, merging them. Callers hold mmap_sem.
 */
#ifndef MOVABLE_VMA_H
#define MOVABLE_VMA_H

#include "task.h"

/* Index in mm->vmas of the first area that ends after the address; nr_vmas if none does. */
unsigned int vma_index(const struct mm *mm, unsigned long address);

/* The area that holds the address, or NULL. */
struct vma *find_vma(const struct mm *mm, unsigned long address);

/* Whether its pages may be moved for a NUMA call. spec/migration.md 9.6 */
static inline bool vma_migratable(const struct vma *vma)
{
	return !(vma->flags & (VM_IO | VM_PFNMAP));
}

/* Whether a fault on an empty entry of it is more than "give me zeros": all but private anonymous memory. */
static inline bool vma_has_fault_handler(const struct vma *vma)
{
	return vma->file || vma->flags & VM_HUGETLB || vma->special == SPECIAL_VDSO || vma->special == SPECIAL_VVAR;
}

/* Gives the area an anon_vma if it has none. 0 or -ENOMEM. */
int anon_vma_prepare(struct vm *vm, struct vma *vma);

/* Links a copy of an area, as fork and split make it, behind its origin in the reverse maps. */
void vma_link_rmap(struct vm *vm, struct vma *vma, struct vma *origin);

/* Drops a reference that was taken with ++. */
void put_anon_vma(struct anon_vma *anon_vma);

/* Puts the area into the process. 0 or -ENOMEM. */
int vma_insert(struct mm *mm, struct vma *vma);

/* Takes the area at an index out of process and reverse maps, and frees it. Its pages are unmapped already. */
void vma_remove(struct vm *vm, struct mm *mm, unsigned int index);

/* Makes `address` a boundary between areas, if one covers it. 0 or -ENOMEM. */
int vma_split_at(struct vm *vm, struct mm *mm, unsigned long address);

/* Joins areas of [start, end), and those next to it, that have become alike. */
void vma_merge_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end);

/* Changes one area; 0 or -errno. */
typedef int change_vma_t(struct vm *vm, struct vma *vma, const void *value);

/* Splits at both ends and changes each area of [start, end), up to the first error. mmap_sem held for writing. */
int change_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end, change_vma_t *change,
		 const void *value);

/*
 * System calls, spec/migration.md 7.5, 2.5. Addresses and lengths in bytes; starts must be page aligned (-EINVAL).
 */
struct mmap_request {
	unsigned long address; /* 0: anywhere */
	unsigned long length;
	unsigned int flags; /* VM_* */
	struct file *file;  /* NULL: anonymous */
	unsigned long pgoff;
	bool fixed; /* what is there is unmapped first */
	enum vma_special special;
	struct page *special_page;
};

/* The address, -EINVAL, -ENOMEM. */
long do_mmap(struct vm *vm, struct mm *mm, const struct mmap_request *request);

/* 0, -EINVAL, -ENOMEM. */
long do_munmap(struct vm *vm, struct mm *mm, unsigned long start, unsigned long length);

/* 0, -EINVAL; -ENOMEM if a part is not mapped. */
long do_mprotect(struct vm *vm, struct mm *mm, unsigned long start, unsigned long length, unsigned int access);

/* Locks or unlocks memory; locking faults it in. 0, -EINVAL; -ENOMEM if a part is not mapped. */
long do_mlock(struct vm *vm, struct mm *mm, unsigned long start, unsigned long length, bool lock);

#endif
