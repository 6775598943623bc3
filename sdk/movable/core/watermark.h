/* SPDX-License-Identifier: MIT
 *
 * Watermarks of a zone. spec/compaction.md 2.9, 2.10.
 */
#ifndef MOVABLE_WATERMARK_H
#define MOVABLE_WATERMARK_H

#include "vm.h"

/* Allocation flags (2.12); the low two bits choose the watermark. */
#define ALLOC_WMARK_MASK 0x3u
#define ALLOC_NO_WATERMARKS 0x4u
#define ALLOC_HARDER 0x10u
#define ALLOC_HIGH 0x20u
#define ALLOC_CPUSET 0x40u
#define ALLOC_CMA 0x80u

/* 2.10 with `free_pages` given. */
bool __zone_watermark_ok(const struct zone *zone, unsigned int order, unsigned long mark,
			 enum zone_type classzone_idx, unsigned int alloc_flags, long free_pages);

/* 2.10 with the zone's free pages. */
bool zone_watermark_ok(const struct zone *zone, unsigned int order, unsigned long mark,
		       enum zone_type classzone_idx, unsigned int alloc_flags);

static inline unsigned long alloc_watermark(const struct zone *zone, unsigned int alloc_flags)
{
	return zone->watermark[alloc_flags & ALLOC_WMARK_MASK];
}

#endif
