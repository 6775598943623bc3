/* SPDX-License-Identifier: MIT */
#include "numa_maps.h"

#include "rmap.h"
#include "swap.h"

/* Of a huge page the head tells. */
static void count_page(struct numa_stats *stats, const struct page *head, bool dirty, int nid)
{
	unsigned long mapcount = (unsigned long)page_mapcount(head);

	stats->pages++;
	stats->anon += PageAnon(head);
	stats->dirty += dirty || page_flag(head, PG_dirty);
	stats->swapcache += PageSwapCache(head);
	stats->active += page_flag(head, PG_active) || page_flag(head, PG_unevictable);
	stats->writeback += page_flag(head, PG_writeback);
	if (mapcount > stats->mapmax)
		stats->mapmax = mapcount;
	stats->node[nid]++;
}

/* A page of the hugetlb pool counts once, at its head. */
static long gather_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	struct page *page, *head;

	(void)address;
	if (!pte_maps_page(*pte))
		return 0;
	page = pte_page(vm, *pte);
	head = compound_head(page);
	if (page_flag(head, PG_reserved) || (vma->flags & VM_HUGETLB && page != head))
		return 0;
	count_page(private, head, *pte & PTE_DIRTY, page_to_nid(vm, page));
	return 0;
}

void gather_numa_stats(struct vm *vm, struct vma *vma, struct numa_stats *stats)
{
	*stats = (struct numa_stats){0};
	walk_vma(vm, vma, vma->start, vma->end, gather_pte, stats);
}
