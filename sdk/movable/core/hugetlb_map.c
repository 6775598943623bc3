/* SPDX-License-Identifier: MIT
 *
 * Mapping, sharing and moving pages of the hugetlb pool. The head has references, lock and mapping count.
 */
#include "hugetlb.h"
#include "mpol_alloc.h"
#include "rmap.h"
#include "vma.h"

static void fill_entries(pte_t *pte, const struct vm *vm, const struct page *page, unsigned int bits)
{
	unsigned long pfn = page_to_pfn(vm, page);

	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		pte[i] = make_pte(pfn + i, bits | PTE_HUGE);
}

static void copy_huge_page(struct vm *vm, struct page *to, struct page *from)
{
	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		copy_highpage(vm, to + i, from + i);
}

/* A new page of the pool, whose one reference becomes the mapping's. */
static void map_new_page(struct vm *vm, struct vma *vma, unsigned long start, pte_t *pte, struct page *page,
			 bool writable)
{
	unsigned int bits = pte_protection(vma) | PTE_YOUNG;

	if (writable && vma->flags & VM_WRITE)
		bits |= PTE_WRITE | PTE_DIRTY;
	set_page_flag(page, PG_uptodate);
	page->mapping = (struct address_space *)((unsigned long)vma->anon_vma | PAGE_MAPPING_ANON);
	page->index = vma->pgoff + ((start - vma->start) >> PAGE_SHIFT);
	page->_mapcount = 0;
	page->ext |= PAGE_EXT_HUGETLB_ACTIVE;
	fill_entries(pte, vm, page, bits);
}

static int hugetlb_no_page(struct vm *vm, struct vma *vma, unsigned long start, pte_t *pte, bool write)
{
	struct page *page;

	if (anon_vma_prepare(vm, vma))
		return -ENOMEM;
	page = alloc_huge_page(vm, vma, start);
	if (!page)
		return *pte ? 0 : -ENOSPC;
	/* Others may have run: a surplus page takes time. */
	if (*pte) {
		put_page(vm, page);
		return 0;
	}
	memset(page_address(vm, page), 0, HPAGE_PMD_SIZE);
	map_new_page(vm, vma, start, pte, page, write);
	return 0;
}

static void drop_mapping(struct vm *vm, struct page *page)
{
	page->_mapcount--;
	put_page(vm, page);
}

/* The owner's write must not fail for want of a page: children lose theirs, and find none when they come back. */
static long unmap_other(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private)
{
	pte_t *pte = page_check_address(vm, page, vma, address);

	if (pte && vma != private) {
		memset(pte, 0, HPAGE_PMD_NR * sizeof(*pte));
		page->_mapcount--;
		/* Not the last one: the owner has one. */
		page->_refcount--;
	}
	return 0;
}

static void make_writable(pte_t *pte)
{
	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		pte[i] |= PTE_WRITE | PTE_DIRTY | PTE_YOUNG;
}

static int hugetlb_cow(struct vm *vm, struct vma *vma, unsigned long start, pte_t *pte)
{
	struct page *old = pte_page(vm, *pte), *page;
	pte_t was = *pte;
	bool copied;
	int err = 0;

	if (page_mapcount(old) == 1) {
		make_writable(pte);
		return 0;
	}
	old->_refcount++;
	page = alloc_huge_page(vm, vma, start);
	copied = page && *pte == was;
	if (copied)
		copy_huge_page(vm, page, old);
	/* Others run during the allocation and the copy. */
	if (copied && *pte == was) {
		map_new_page(vm, vma, start, pte, page, true);
		drop_mapping(vm, old);
	} else if (page) {
		put_page(vm, page);
	} else if (vma->resv) {
		rmap_walk(vm, old, unmap_other, vma);
	} else if (*pte == was && page_mapcount(old) > 1) {
		err = -ENOSPC;
	}
	put_page(vm, old);
	return err;
}

static void wait_for_migration(struct vm *vm, pte_t entry)
{
	struct page *head = compound_head(pte_page(vm, entry));

	head->_refcount++;
	wait_on_page_locked(vm, head);
	put_page(vm, head);
}

int hugetlb_fault(struct vm *vm, struct vma *vma, unsigned long address, bool write)
{
	unsigned long start = round_down(address, HPAGE_PMD_SIZE);
	pte_t *pte = pte_alloc(vma->mm, start);

	if (!pte)
		return -ENOMEM;
	if (!*pte)
		return hugetlb_no_page(vm, vma, start, pte, write);
	if (is_migration_entry(*pte)) {
		wait_for_migration(vm, *pte);
		return 0;
	}
	return write && !(*pte & PTE_WRITE) ? hugetlb_cow(vm, vma, start, pte) : 0;
}

void zap_hugetlb(struct vm *vm, struct vma *vma, pte_t *pte)
{
	pte_t old = *pte;

	(void)vma;
	memset(pte, 0, HPAGE_PMD_NR * sizeof(*pte));
	/* The reference of a migration entry was dropped when it was made. */
	if (pte_present(old))
		drop_mapping(vm, pte_page(vm, old));
}

void copy_hugetlb_pte(struct vm *vm, pte_t *from, pte_t *to)
{
	struct page *page = pte_page(vm, *from);

	*from &= ~(pte_t)PTE_WRITE;
	*to = *from & ~(pte_t)PTE_YOUNG;
	if (pte_present(*from) && page_flag(page, PG_head)) {
		page->_refcount++;
		page->_mapcount++;
	}
}

static long unmap_one(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private)
{
	pte_t *pte;

	(void)private;
	sched_page_point(vm, EV_RMAP, page);
	pte = page_check_address(vm, page, vma, address);
	if (!pte)
		return 0;
	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++) {
		if (pte[i] & PTE_DIRTY)
			set_page_flag(page, PG_dirty);
		pte[i] = make_pte(pte_value(pte[i]), PTE_MIGRATION | PTE_HUGE | ((unsigned int)pte[i] & PTE_WRITE));
	}
	page->_mapcount--;
	page->_refcount--;
	return 0;
}

static long restore_one(struct vm *vm, struct page *target, struct vma *vma, unsigned long address, void *private)
{
	const struct page *old = private;
	unsigned int bits = pte_protection(vma);
	pte_t *pte;

	sched_page_point(vm, EV_RMAP, target);
	pte = pte_offset(vma->mm, address);
	if (!pte || !is_migration_entry(*pte) || pte_value(*pte) != page_to_pfn(vm, old))
		return 0;
	if (*pte & PTE_WRITE && vma->flags & VM_WRITE)
		bits |= PTE_WRITE;
	target->_refcount++;
	target->_mapcount++;
	fill_entries(pte, vm, target, bits);
	return 0;
}

/* Both locked, the old one not mapped. Only the isolation reference may be left. */
static int copy_to_new(struct vm *vm, struct page *newpage, struct page *page)
{
	static const unsigned long copied = 1UL << PG_referenced | 1UL << PG_uptodate | 1UL << PG_dirty;

	if (page_mapped(page) || page->_refcount != 1)
		return -EAGAIN;
	newpage->mapping = page->mapping;
	newpage->index = page->index;
	copy_huge_page(vm, newpage, page);
	newpage->flags |= page->flags & copied;
	return MIGRATEPAGE_SUCCESS;
}

/* Both locked. */
static int unmap_and_copy(struct vm *vm, struct page *newpage, struct page *page)
{
	struct anon_vma *anon_vma = page_anon_vma(page);
	bool was_mapped = page_mapped(page);
	int rc;

	if (was_mapped) {
		anon_vma->refs++;
		rmap_walk(vm, page, unmap_one, NULL);
	}
	rc = copy_to_new(vm, newpage, page);
	if (was_mapped) {
		rmap_walk(vm, rc == MIGRATEPAGE_SUCCESS ? newpage : page, restore_one, page);
		put_anon_vma(anon_vma);
	}
	return rc;
}

int move_huge_page(struct vm *vm, struct page *newpage, struct page *page, bool force, enum migrate_mode mode)
{
	int rc = -EAGAIN;

	if (!trylock_page(vm, page)) {
		if (!force || mode != MIGRATE_SYNC)
			return rc;
		lock_page(vm, page);
	}
	if (trylock_page(vm, newpage)) {
		rc = unmap_and_copy(vm, newpage, page);
		unlock_page(vm, newpage);
	}
	unlock_page(vm, page);
	return rc;
}
