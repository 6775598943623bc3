/* SPDX-License-Identifier: MIT */
#include "watermark.h"

static bool area_serves(const struct free_area *area, unsigned int alloc_flags)
{
	if (!area->nr_free)
		return false;
	if (alloc_flags & ALLOC_HARDER)
		return true;
	for (int type = 0; type < MIGRATE_PCPTYPES; type++)
		if (!list_empty(&area->free_list[type]))
			return true;
	return alloc_flags & ALLOC_CMA && !list_empty(&area->free_list[MIGRATE_CMA]);
}

bool __zone_watermark_ok(const struct zone *zone, unsigned int order, unsigned long mark,
			 enum zone_type classzone_idx, unsigned int alloc_flags, long free_pages)
{
	long min = (long)mark;

	free_pages -= (1L << order) - 1;
	if (alloc_flags & ALLOC_HIGH)
		min -= min / 2;
	if (alloc_flags & ALLOC_HARDER)
		min -= min / 4;
	else
		free_pages -= (long)zone->nr_reserved_highatomic;
	if (!(alloc_flags & ALLOC_CMA))
		free_pages -= zone->stat[NR_FREE_CMA_PAGES];
	if (free_pages <= min + (long)zone->lowmem_reserve[classzone_idx])
		return false;
	if (!order)
		return true;
	for (unsigned int o = order; o < MAX_ORDER; o++)
		if (area_serves(&zone->free_area[o], alloc_flags))
			return true;
	return false;
}

bool zone_watermark_ok(const struct zone *zone, unsigned int order, unsigned long mark,
		       enum zone_type classzone_idx, unsigned int alloc_flags)
{
	return __zone_watermark_ok(zone, order, mark, classzone_idx, alloc_flags, zone->stat[NR_FREE_PAGES]);
}
