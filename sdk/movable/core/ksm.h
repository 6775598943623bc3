/* SPDX-License-Identifier: MIT
 *
 * Merged pages: one page, mapped read-only wherever the same contents were found. spec/migration.md 1.3, 1.4 (C12).
 *
 * The mapping of such a page is its stable node, with both tag bits. The node knows each place that was merged; children
 * of a process are found through the anon_vma of the place. Reclaim leaves merged pages alone.
 */
#ifndef MOVABLE_KSM_H
#define MOVABLE_KSM_H

#include "rmap.h"

#define PAGE_MAPPING_KSM 3UL

struct stable_node;

/* By its tag bits alone; a driver's page can carry them by mistake (6.2). */
static inline bool PageKsm(const struct page *page)
{
	return mapping_bits(page) == PAGE_MAPPING_KSM;
}

/* A page of a process: where it lies. */
struct ksm_place {
	struct mm *mm;
	unsigned long address;
};

/*
 * Merges the private anonymous pages at these places, which hold the same bytes, to the first one's page. Its pfn;
 * -EINVAL: a place without such a page, or other bytes there; -EBUSY: a page is in use by others, locked or being moved; -ENOMEM. Places before
 * one that fails are merged. Takes each process's mmap_sem in turn.
 */
long ksm_merge(struct vm *vm, const struct ksm_place *places, unsigned int nr);

/* Gives each process of the area copies of its own. mmap_sem held for writing. 0 or -ENOMEM. */
int unmerge_ksm_pages(struct vm *vm, struct vma *vma);

/* rmap_walk() of a page with both tag bits. */
long rmap_walk_ksm(struct vm *vm, struct page *page, rmap_walker *walker, void *private);

/* C12: both pages locked. The node follows the page; the old one has none any more. */
void ksm_migrate_page(struct page *newpage, struct page *oldpage);

/* The page is freed: its node goes too. */
void ksm_free_page(struct page *page);

void ksm_destroy_all(struct vm *vm);

#endif
