/* SPDX-License-Identifier: MIT
 *
 * Transparent huge pages: anonymous compound pages of 2 MiB. spec/migration.md 4.1 (3), 9.6, 9.8.
 *
 * The page table has entries of 4 KiB only, so a PMD that maps a huge page is 512 entries with PTE_HUGE. They change
 * together, and one area holds them all. A huge page is mapped by one PMD, or not at all: what a kernel would map by
 * single entries, or share (fork, a part that is unmapped, protected, locked, advised), is made 512 ordinary pages
 * first. References of others are kept where they were taken, on the head or on a tail.
 */
#ifndef MOVABLE_HUGE_H
#define MOVABLE_HUGE_H

#include "pagetable.h"

#define HPAGE_PMD_ORDER 9
#define HPAGE_PMD_NR (1UL << HPAGE_PMD_ORDER)
#define HPAGE_PMD_SIZE (PAGE_SIZE << HPAGE_PMD_ORDER)

/* The first of the 512 entries that cover an address; NULL where there is no table. */
static inline pte_t *pmd_offset(struct mm *mm, unsigned long address)
{
	return pte_offset(mm, round_down(address, HPAGE_PMD_SIZE));
}

/*
 * A fault at an address whose 2 MiB are empty or hold the huge zero page, in an area that wants huge pages. True: it is
 * dealt with, or somebody else was faster. False: not to be had, and nothing but the huge zero page's PMD has changed.
 */
bool do_huge_pmd_fault(struct vm *vm, struct vma *vma, unsigned long address, bool write);

/* Write access for the PMD at an address, whose page nobody shares. mmap_sem held for reading. */
void do_huge_pmd_wp_page(struct vm *vm, struct vma *vma, unsigned long address);

/*
 * Makes the huge page that `page` belongs to 512 ordinary ones, which are old, clean, and dirty by PG_dirty. The head is
 * locked, and the caller holds one reference on it. 0; -EBUSY if others hold more, or nothing maps it.
 */
int split_huge_page(struct vm *vm, struct page *page);

/* The same for a page that is neither locked nor held. May sleep. 0 also if it is no huge page (any more). */
int get_and_split_huge_page(struct vm *vm, struct page *page);

/* Makes the PMD at an address, if there is a huge one, 512 entries of ordinary pages, whoever holds them. */
void split_huge_pmd(struct vm *vm, struct mm *mm, unsigned long address);

/* The same for all of an area, in [start, end). */
void split_huge_pmd_range(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end);

/* Unmaps the PMD that starts at this entry. False: the page is in use by halves, and now mapped by ordinary entries. */
bool zap_huge_pmd(struct vm *vm, struct vma *vma, pte_t *pte);

#endif
