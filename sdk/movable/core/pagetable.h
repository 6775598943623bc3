/* SPDX-License-Identifier: MIT
 *
 * Page table entries, and walking over them. spec/migration.md 2.5.
 *
 * An entry is 0, or maps a page, or is a swap entry or a migration entry. What happens to an entry between two
 * scheduling points is what a kernel does under the entry's lock.
 */
#ifndef MOVABLE_PAGETABLE_H
#define MOVABLE_PAGETABLE_H

#include "task.h"

typedef uint64_t pte_t;

enum pte_bits {
	PTE_PRESENT = 1,
	PTE_WRITE = 2,
	PTE_YOUNG = 4,
	PTE_DIRTY = 8,
	PTE_PROTNONE = 0x10, /* mapped, but any access faults */
	PTE_ZERO = 0x20,     /* the shared zero page, which has no frame here */
	PTE_HUGE = 0x100,    /* one of the 512 entries that stand for one PMD (huge.h, hugetlb.h) */
	PTE_SPECIAL = 0x200, /* with PTE_ZERO: memory of a device, which has no frame and no struct page here */
	/* Not present, and not 0: one of these, and a swap slot or page frame above PTE_SHIFT. */
	PTE_SWAP = 0x40,
	PTE_MIGRATION = 0x80, /* with PTE_WRITE: write access comes back */
};

#define PTE_SHIFT 12

static inline bool pte_present(pte_t pte)
{
	return pte & PTE_PRESENT;
}

/* Maps a page frame: one with a reverse map. */
static inline bool pte_maps_page(pte_t pte)
{
	return (pte & (PTE_PRESENT | PTE_ZERO)) == PTE_PRESENT;
}

static inline bool is_migration_entry(pte_t pte)
{
	return pte & PTE_MIGRATION;
}

static inline bool is_swap_entry(pte_t pte)
{
	return pte & PTE_SWAP;
}

/* The page frame, or the swap slot. */
static inline unsigned long pte_value(pte_t pte)
{
	return pte >> PTE_SHIFT;
}

static inline pte_t make_pte(unsigned long value, unsigned int bits)
{
	return (pte_t)value << PTE_SHIFT | bits;
}

static inline struct page *pte_page(const struct vm *vm, pte_t pte)
{
	return pfn_to_page(vm, pte_value(pte));
}

static inline pte_t *pte_offset(struct mm *mm, unsigned long address)
{
	return radix_slot(&mm->page_table, address >> PAGE_SHIFT);
}

static inline pte_t *pte_alloc(struct mm *mm, unsigned long address)
{
	return radix_create(&mm->page_table, address >> PAGE_SHIFT);
}

/* The entry's value; 0 also where there is no table. */
static inline pte_t pte_read(struct mm *mm, unsigned long address)
{
	return radix_get(&mm->page_table, address >> PAGE_SHIFT);
}

/* What a present entry of this area may do. */
unsigned int pte_protection(const struct vma *vma);

/* Called for each entry that is not 0; a non-zero answer ends the walk. */
typedef long pte_walker(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private);

/* Walks the entries of one area in [start, end); the last answer. */
long walk_vma(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end, pte_walker *walker,
	      void *private);

/* The same over all areas of the process in the range. Holes are passed over. */
long walk_page_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end, pte_walker *walker,
		     void *private);

#endif
