/* SPDX-License-Identifier: MIT
 *
 * The memory of a process: its areas, its page table and what it holds. spec/migration.md 2.5.
 */
#ifndef MOVABLE_TASK_H
#define MOVABLE_TASK_H

#include "lock.h"
#include "pageops.h"
#include "radix.h"

/* Flags of an area, Linux's values. */
enum vma_flags {
	VM_READ = 1,
	VM_WRITE = 2,
	VM_EXEC = 4,
	VM_SHARED = 8,
	VM_PFNMAP = 0x400, /* raw mappings: no struct page behind the entries */
	VM_LOCKED = 0x2000,
	VM_IO = 0x4000,
	VM_SEQ_READ = 0x8000,
	VM_RAND_READ = 0x10000,
	VM_DONTCOPY = 0x20000, /* fork leaves it out */
	VM_DONTEXPAND = 0x40000,
	VM_HUGETLB = 0x400000,
	VM_DONTDUMP = 0x4000000,
	VM_HUGEPAGE = 0x20000000,
	VM_NOHUGEPAGE = 0x40000000,
};

#define VM_MERGEABLE 0x80000000u
#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)
/* Mappings that are no ordinary memory. */
#define VM_SPECIAL (VM_IO | VM_DONTEXPAND | VM_PFNMAP)

/* What a special mapping shows (special.h). */
enum vma_special { SPECIAL_NONE, SPECIAL_VDSO, SPECIAL_VVAR, SPECIAL_MEM };

/* User addresses lie in [MMAP_MIN, TASK_SIZE); areas are placed from MMAP_BASE down. */
#define MMAP_MIN 0x10000UL
#define MMAP_BASE 0x7ffff7fff000UL
#define TASK_SIZE 0x7ffffffff000UL

enum mm_counter { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES, NR_MM_COUNTERS };

/* The areas that may map one anonymous page: those of a process and of its descendants. */
struct anon_vma {
	struct vm_lock lock;
	struct list_head vmas; /* parents before their children */
	int refs;
};

struct file;
struct mempolicy;
struct mm;
struct resv_map;

/* An area. Of a file if `file` is set; shared anonymous memory has a file of its own. */
struct vma {
	unsigned long start, end;
	unsigned long pgoff; /* of `start`, in pages: in the file, or the address itself */
	unsigned int flags;
	struct mm *mm;
	struct file *file;
	struct anon_vma *anon_vma; /* NULL until the first private page */
	struct list_head anon_node, i_mmap_node;
	enum vma_special special;
	struct page *special_page; /* the vdso's */
	struct resv_map *resv;	   /* of a hugetlb area: what it has reserved, or NULL */
	struct mempolicy *policy; /* or NULL (mpol_alloc.h: vma_policy) */
};

struct mm {
	unsigned int id;
	unsigned int users; /* the process, and calls that work on its memory: the last one unmaps it */
	struct vm_lock mmap_sem;
	struct vma **vmas; /* by address */
	unsigned int nr_vmas, room;
	struct radix page_table;
	long counters[NR_MM_COUNTERS];
	unsigned long locked_vm; /* pages of VM_LOCKED areas */
	/* Changed under task_lock; read without it, by who allocates. */
	struct vm_lock task_lock;
	uint64_t mems_allowed;
	struct mempolicy *policy; /* or NULL */
	int il_next;		  /* the rotor of an INTERLEAVE policy */
	bool spread_page;	  /* memory_spread_page of its cpuset */
	int spread_rotor;	  /* -1: not used yet */
};

#define list_vma(pos, member) ((struct vma *)((char *)(pos) - offsetof(struct vma, member)))


/* A process without memory; NULL if there is none for it. */
struct mm *mm_create(struct vm *vm);

/* The process of this id, which lives (its Python object makes sure). */
struct mm *mm_of(const struct vm *vm, unsigned int id);

/* A copy that shares all pages, private ones until one side writes. The id, or -ENOMEM. */
long mm_fork(struct vm *vm, struct mm *parent);

/* The same, for a call in which other CPUs may end the process; to be given back with mmput(). */
static inline struct mm *get_mm(const struct vm *vm, unsigned int id)
{
	struct mm *mm = mm_of(vm, id);

	mm->users++;
	return mm;
}

/* Drops a use. With the last one everything is unmapped, and the structure freed. */
void mmput(struct vm *vm, struct mm *mm);

/* Ends the process: its id is free again. */
void mm_exit(struct vm *vm, struct mm *mm);

/* Frees all processes with the machine; their pages need no care any more. */
void mm_destroy_all(struct vm *vm);

#endif
