/* SPDX-License-Identifier: MIT
 *
 * The reverse map: who maps a page, and changing all of its page table entries. spec/migration.md 2.5.
 */
#ifndef MOVABLE_RMAP_H
#define MOVABLE_RMAP_H

#include "pagetable.h"

static inline bool PageAnon(const struct page *page)
{
	return (unsigned long)page->mapping & PAGE_MAPPING_ANON;
}

static inline int page_mapcount(const struct page *page)
{
	return page->_mapcount + 1;
}

static inline bool page_mapped(const struct page *page)
{
	return page->_mapcount >= 0;
}

/* The anon_vma of an anonymous page; only meaningful while the page is mapped. */
static inline struct anon_vma *page_anon_vma(const struct page *page)
{
	if (mapping_bits(page) != PAGE_MAPPING_ANON)
		return NULL;
	return (struct anon_vma *)((unsigned long)page->mapping & ~PAGE_MAPPING_FLAGS);
}

/* A new entry maps the page: counted. `index` of an anonymous page that had no mapping yet is the address's. */
void page_add_anon_rmap(struct vm *vm, struct page *page, struct vma *vma, unsigned long address);
void page_add_file_rmap(struct vm *vm, struct page *page);

/* An entry maps the page no more. The last one of a locked page ends its being locked. Keeps the reference. */
void page_remove_rmap(struct vm *vm, struct page *page);

/* The counter of a process that a mapped page belongs to. */
enum mm_counter mm_counter_of(const struct page *page);

/* Called for each area and address that may map the page; a non-zero answer ends the walk. */
typedef long rmap_walker(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private);

/* Under the lock of the page's reverse map. Page locked, or a reference held and the page mapped. */
long rmap_walk(struct vm *vm, struct page *page, rmap_walker *walker, void *private);

/* The present entry at an address, if it maps this page; else NULL. */
pte_t *page_check_address(struct vm *vm, struct page *page, struct vma *vma, unsigned long address);

/* Page locked. Every entry becomes a migration entry; the page is mapped no more. */
void unmap_for_migration(struct vm *vm, struct page *page);

/* Page locked. As far as possible, entries become swap entries or vanish. False if the page is still mapped. */
bool try_to_unmap(struct vm *vm, struct page *page);

/* Both locked. Migration entries that name `old` become entries of `target`. spec/migration.md 2.5 */
void remove_migration_ptes(struct vm *vm, struct page *old, struct page *target);

/* How many entries have the page accessed since the last call; *locked: one lies in a VM_LOCKED area. */
int page_referenced(struct vm *vm, struct page *page, bool *locked);

/* Page locked. Takes write access and dirtiness from the shared entries of a file page; whether any was dirty. */
bool page_mkclean(struct vm *vm, struct page *page);

#endif
