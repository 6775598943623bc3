/* SPDX-License-Identifier: MIT */
#include "huge.h"

#include "lru.h"
#include "mpol_alloc.h"
#include "rmap.h"
#include "vma.h"

#define HUGE_ZERO (PTE_ZERO | PTE_HUGE)

static bool suitable(const struct vma *vma, unsigned long start)
{
	return !vma->file && (vma->flags & (VM_HUGEPAGE | VM_NOHUGEPAGE | VM_SHARED | VM_LOCKED | VM_SPECIAL |
					    VM_HUGETLB)) == VM_HUGEPAGE &&
	       start >= vma->start && start + HPAGE_PMD_SIZE <= vma->end;
}

/* Whether all entries are empty, or (`zero`) stand for the huge zero page. */
static bool pmd_is(const pte_t *pte, bool zero)
{
	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		if (zero ? (pte[i] & HUGE_ZERO) != HUGE_ZERO : pte[i] != 0)
			return false;
	return true;
}

static void fill_pmd(pte_t *pte, unsigned long pfn, unsigned int bits, bool zero)
{
	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		pte[i] = make_pte(zero ? 0 : pfn + i, bits | PTE_HUGE);
}

/* Of exactly the node that the policy names, if it may be used at all. */
static struct page *alloc_hugepage(struct vm *vm, const struct vma *vma, unsigned long start)
{
	uint64_t allowed;
	int nid = policy_node(vm, vma, start, HPAGE_PMD_ORDER, &allowed);
	gfp_t gfp = GFP_TRANSHUGE | __GFP_ZERO;

	if (allowed >> nid & 1)
		gfp |= __GFP_THISNODE;
	return __alloc_pages_nodemask(vm, gfp, HPAGE_PMD_ORDER, nid, allowed);
}

/* A new huge page, with the one reference of its mapping to be. */
static void map_huge_page(struct vm *vm, struct vma *vma, unsigned long start, pte_t *pte, struct page *page)
{
	unsigned int bits = pte_protection(vma) | PTE_YOUNG;

	if (vma->flags & VM_WRITE)
		bits |= PTE_WRITE | PTE_DIRTY;
	set_page_flag(page, PG_uptodate);
	set_page_flag(page, PG_swapbacked);
	page_add_anon_rmap(vm, page, vma, start);
	/* A tail is told apart from a driver's by this. */
	for (unsigned long i = 1; i < HPAGE_PMD_NR; i++) {
		page[i].mapping = page->mapping;
		page[i].index = page->index + i;
	}
	vma->mm->counters[MM_ANONPAGES] += HPAGE_PMD_NR;
	page_zone(vm, page)->node->stat[NR_ANON_THPS]++;
	/* Once it is mapped, another CPU may unmap it. */
	page->_refcount++;
	fill_pmd(pte, page_to_pfn(vm, page), bits, false);
	lru_cache_add_new_anon(vm, page, false);
	put_page(vm, page);
	count_vm_events(vm, THP_FAULT_ALLOC, 1);
}

/* A fault for reading costs no memory. */
static bool map_huge_zero(struct vma *vma, pte_t *pte)
{
	if (pmd_is(pte, false))
		fill_pmd(pte, 0, pte_protection(vma) | PTE_ZERO | PTE_YOUNG, true);
	return true;
}

bool do_huge_pmd_fault(struct vm *vm, struct vma *vma, unsigned long address, bool write)
{
	unsigned long start = round_down(address, HPAGE_PMD_SIZE);
	pte_t *pte = suitable(vma, start) ? pte_alloc(vma->mm, start) : NULL;
	bool zero = pte && *pte & PTE_ZERO;
	struct page *page;

	if (!pte || !pmd_is(pte, zero) || anon_vma_prepare(vm, vma))
		return false;
	if (!write)
		return zero || map_huge_zero(vma, pte);
	page = alloc_hugepage(vm, vma, start);
	if (!page) {
		count_vm_events(vm, THP_FAULT_FALLBACK, 1);
		return false;
	}
	/* Others may have run: the allocation sleeps. */
	if (pmd_is(pte, zero))
		map_huge_page(vm, vma, start, pte, page);
	else
		put_page(vm, page);
	return true;
}

void do_huge_pmd_wp_page(struct vm *vm, struct vma *vma, unsigned long address)
{
	pte_t *pte = pmd_offset(vma->mm, address);
	struct page *head = compound_head(pte_page(vm, *pte));

	if (PageLocked(head)) {
		/* Somebody may be splitting it. */
		head->_refcount++;
		wait_on_page_locked(vm, head);
		put_page(vm, head);
		return;
	}
	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		pte[i] |= PTE_WRITE | PTE_DIRTY | PTE_YOUNG;
}

/* A tail becomes a page of its own, mapped once; the references on it stay. */
static void make_ordinary(struct page *head, struct page *tail)
{
	static const unsigned long inherited = 1UL << PG_referenced | 1UL << PG_uptodate | 1UL << PG_dirty |
					       1UL << PG_active | 1UL << PG_swapbacked | 1UL << PG_unevictable;

	tail->flags |= head->flags & inherited;
	tail->ext = (uint8_t)((tail->ext & ~PAGE_EXT_TAIL) | PAGE_EXT_ALLOCATED);
	tail->alloc_order = 0;
	tail->_mapcount = 0;
	tail->_refcount++;
}

/* Nobody runs meanwhile. The entries name the same frames as before. */
static void split_page(struct vm *vm, struct page *head)
{
	bool on_lru = PageLRU(head);

	clear_page_flag(head, PG_head);
	head->alloc_order = 0;
	page_zone(vm, head)->node->stat[NR_ANON_THPS]--;
	for (unsigned long i = 1; i < HPAGE_PMD_NR; i++)
		make_ordinary(head, head + i);
	/* From the last one back: each goes next to the one before it. */
	for (unsigned long i = HPAGE_PMD_NR - 1; i > 0; i--)
		lru_add_page_tail(vm, head, head + i, on_lru);
	count_vm_events(vm, THP_SPLIT_PAGE, 1);
}

/* One PMD has one accessed and one dirty bit; each of the entries that follow it inherits them. */
static unsigned int spread_bits(pte_t *pte)
{
	unsigned int bits = 0;

	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		bits |= (unsigned int)pte[i] & (PTE_YOUNG | PTE_DIRTY);
	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		pte[i] = (pte[i] & ~(pte_t)PTE_HUGE) | bits;
	return bits;
}

static unsigned long tail_references(const struct page *head)
{
	unsigned long references = 0;

	for (unsigned long i = 1; i < HPAGE_PMD_NR; i++)
		references += (unsigned long)head[i]._refcount;
	return references;
}

/* Under the lock of the reverse map; nobody runs until it is done. */
static long split_mapped(struct vm *vm, struct page *head, struct vma *vma, unsigned long address, void *private)
{
	pte_t *pte = page_check_address(vm, head, vma, address);

	(void)private;
	if (!pte || !(*pte & PTE_HUGE))
		return 0;
	/* The mapping's reference and the caller's. */
	if (head->_refcount != 2 || tail_references(head))
		return -EBUSY;
	if (spread_bits(pte) & PTE_DIRTY)
		set_page_flag(head, PG_dirty);
	/* As entries that migration restores: what is known of accesses is in the pages. */
	for (unsigned long i = 0; i < HPAGE_PMD_NR; i++)
		pte[i] &= ~(pte_t)(PTE_YOUNG | PTE_DIRTY);
	split_page(vm, head);
	return 1;
}

int split_huge_page(struct vm *vm, struct page *page)
{
	struct page *head = compound_head(page);

	VM_BUG_ON_PAGE(vm, !PageLocked(head), head, VM_RULE_PAGE_NOT_LOCKED, "page locked", "unlocked");
	if (page_mapped(head))
		rmap_walk(vm, head, split_mapped, NULL);
	/* By this call, or by one that needs no lock, while this one waited. */
	if (!PageCompound(head))
		return 0;
	count_vm_events(vm, THP_SPLIT_PAGE_FAILED, 1);
	return -EBUSY;
}

int get_and_split_huge_page(struct vm *vm, struct page *page)
{
	struct page *head = compound_head(page);
	int err = 0;

	if (!PageTransHuge(head))
		return 0;
	head->_refcount++;
	lock_page(vm, head);
	if (PageTransHuge(head))
		err = split_huge_page(vm, head);
	unlock_page(vm, head);
	put_page(vm, head);
	return err;
}

void split_huge_pmd(struct vm *vm, struct mm *mm, unsigned long address)
{
	pte_t *pte = pmd_offset(mm, address);

	if (!pte || !(*pte & PTE_HUGE) || !pte_present(*pte) || (pte_maps_page(*pte) && PageHuge(pte_page(vm, *pte))))
		return;
	count_vm_events(vm, THP_SPLIT_PMD, 1);
	spread_bits(pte);
	if (!(*pte & PTE_ZERO))
		split_page(vm, pte_page(vm, *pte));
}

void split_huge_pmd_range(struct vm *vm, struct vma *vma, unsigned long start, unsigned long end)
{
	unsigned long index = start >> PAGE_SHIFT;
	const pte_t *pte;

	while ((pte = radix_next(&vma->mm->page_table, &index, end >> PAGE_SHIFT))) {
		if (*pte & PTE_HUGE)
			split_huge_pmd(vm, vma->mm, index << PAGE_SHIFT);
		index = round_down(index, HPAGE_PMD_NR) + HPAGE_PMD_NR;
	}
}

bool zap_huge_pmd(struct vm *vm, struct vma *vma, pte_t *pte)
{
	struct page *head = pte_page(vm, *pte);

	/* A tail that somebody pinned outlives the rest. */
	if (tail_references(head)) {
		spread_bits(pte);
		split_page(vm, head);
		return false;
	}
	memset(pte, 0, HPAGE_PMD_NR * sizeof(*pte));
	vma->mm->counters[MM_ANONPAGES] -= HPAGE_PMD_NR;
	page_zone(vm, head)->node->stat[NR_ANON_THPS]--;
	page_remove_rmap(vm, head);
	put_page(vm, head);
	return true;
}
