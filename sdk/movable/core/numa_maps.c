/* SPDX-License-Identifier: MIT */
#include "numa_maps.h"

#include "rmap.h"
#include "swap.h"

static void count_page(struct numa_stats *stats, const struct page *page, bool dirty, int nid)
{
	unsigned long mapcount = (unsigned long)page_mapcount(page);

	stats->pages++;
	stats->anon += PageAnon(page);
	stats->dirty += dirty || page_flag(page, PG_dirty);
	stats->swapcache += PageSwapCache(page);
	stats->active += page_flag(page, PG_active) || page_flag(page, PG_unevictable);
	stats->writeback += page_flag(page, PG_writeback);
	if (mapcount > stats->mapmax)
		stats->mapmax = mapcount;
	stats->node[nid]++;
}

static long gather_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	const struct page *page;

	(void)vma;
	(void)address;
	if (!pte_maps_page(*pte))
		return 0;
	page = pte_page(vm, *pte);
	if (!page_flag(page, PG_reserved))
		count_page(private, page, *pte & PTE_DIRTY, page_to_nid(vm, page));
	return 0;
}

void gather_numa_stats(struct vm *vm, struct vma *vma, struct numa_stats *stats)
{
	*stats = (struct numa_stats){0};
	walk_vma(vm, vma, vma->start, vma->end, gather_pte, stats);
}
