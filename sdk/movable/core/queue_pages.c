/* SPDX-License-Identifier: MIT */
#include "queue_pages.h"

#include "hugetlb.h"
#include "lru.h"
#include "non_lru.h"
#include "rmap.h"
#include "vma.h"

struct queue_pages {
	struct list_head *pagelist;
	uint64_t nodes;
	unsigned int flags;
	unsigned long skip; /* up to here: a huge page that stays whole */
};

int queue_page(struct vm *vm, struct page *page, struct list_head *pagelist)
{
	int err = isolate_lru_page(vm, page);

	if (err)
		return err;
	link_page_tail(vm, page, pagelist);
	mod_isolated(vm, page, 1);
	return 0;
}

bool split_huge_entry(struct vm *vm, struct vma *vma, unsigned long address, const pte_t *pte)
{
	if (*pte & PTE_ZERO)
		split_huge_pmd(vm, vma->mm, address);
	else
		get_and_split_huge_page(vm, pte_page(vm, *pte));
	return !(*pte & PTE_HUGE);
}

static bool is_candidate(const struct vm *vm, const struct page *page, const struct queue_pages *qp)
{
	return (qp->nodes >> page_to_nid(vm, page) & 1) != !!(qp->flags & MPOL_MF_INVERT);
}

static bool may_move(const struct page *page, const struct queue_pages *qp)
{
	return qp->flags & MPOL_MF_MOVE_ALL || page_mapcount(page) == 1;
}

/* A page of the hugetlb pool, met at its first entry in the range. */
static long queue_hugetlb(struct vm *vm, pte_t pte, const struct queue_pages *qp)
{
	struct page *head = pte_maps_page(pte) ? compound_head(pte_page(vm, pte)) : NULL;

	if (head && is_candidate(vm, head, qp) && may_move(head, qp))
		isolate_huge_page(vm, head, qp->pagelist);
	return 0;
}

/* Shared pages, and pages off the LRU, are passed over in silence. */
static long queue_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	struct queue_pages *qp = private;
	struct page *page;

	if (address < qp->skip)
		return 0;
	if (unlikely(vma->flags & VM_HUGETLB)) {
		qp->skip = round_down(address, HPAGE_PMD_SIZE) + HPAGE_PMD_SIZE;
		return queue_hugetlb(vm, *pte, qp);
	}
	if (unlikely(*pte & PTE_HUGE) && !split_huge_entry(vm, vma, address, pte)) {
		qp->skip = round_down(address, HPAGE_PMD_SIZE) + HPAGE_PMD_SIZE;
		return 0;
	}
	if (!pte_maps_page(*pte))
		return 0;
	page = pte_page(vm, *pte);
	if (!page_flag(page, PG_reserved) && is_candidate(vm, page, qp) && may_move(page, qp))
		queue_page(vm, page, qp->pagelist);
	return 0;
}

/* Whether the scan takes the step from one area to the next for a hole in the range. */
static bool is_hole(const struct mm *mm, unsigned int index, const struct vma *prev, unsigned long end)
{
	const struct vma *vma = mm->vmas[index];

	return (index + 1 == mm->nr_vmas && vma->end < end) || (prev && prev->end < vma->start);
}

int queue_pages_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end, uint64_t nodes,
		      unsigned int flags, struct list_head *pagelist)
{
	struct queue_pages qp = {pagelist, nodes, flags, 0};
	const struct vma *prev = NULL;

	for (unsigned int i = vma_index(mm, start); i < mm->nr_vmas && mm->vmas[i]->start < end; i++) {
		struct vma *vma = mm->vmas[i];

		/* Not even visited: what comes next may look like a gap. */
		if (!vma_migratable(vma))
			continue;
		if (!(flags & MPOL_MF_DISCONTIG_OK) && is_hole(mm, i, prev, end))
			return -EFAULT;
		prev = vma;
		/* STRICT alone looks at no page. */
		if (flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
			walk_vma(vm, vma, start > vma->start ? start : vma->start, end < vma->end ? end : vma->end,
				 queue_pte, &qp);
	}
	return 0;
}
