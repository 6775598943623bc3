/* SPDX-License-Identifier: MIT
 *
 * struct page and what its fields may hold: the part of the emulated machine that a driver sees.
 * Meaning of each field and flag: spec/migration.md 1.
 */
#ifndef MOVABLE_PAGE_H
#define MOVABLE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)

struct list_head {
	struct list_head *next, *prev;
};

/* Bit numbers in page->flags (spec/migration.md 1.2). */
enum pageflags {
	PG_locked = 0,
	PG_error = 1,
	PG_referenced = 2,
	PG_uptodate = 3,
	PG_dirty = 4,
	PG_lru = 5,
	PG_active = 6,
	PG_slab = 7,
	PG_owner_priv_1 = 8,
	PG_arch_1 = 9,
	PG_reserved = 10,
	PG_private = 11,
	PG_private_2 = 12,
	PG_writeback = 13,
	PG_head = 14,
	PG_swapcache = 15,
	PG_mappedtodisk = 16,
	PG_reclaim = 17,
	PG_swapbacked = 18,
	PG_unevictable = 19,
	PG_mlocked = 20,
	NR_PAGEFLAGS = 21,
	PG_isolated = PG_reclaim, /* meaningful on non-LRU movable pages only */
};

#define PAGE_FLAGS_MASK ((1UL << NR_PAGEFLAGS) - 1)

/* Low bits of page->mapping (spec/migration.md 1.3). */
#define PAGE_MAPPING_ANON 1UL
#define PAGE_MAPPING_MOVABLE 2UL
#define PAGE_MAPPING_FLAGS 3UL

/* What _mapcount holds in a page that is never mapped (spec/migration.md 1.1). */
#define PAGE_BUDDY_MAPCOUNT_VALUE (-128)
#define PAGE_BALLOON_MAPCOUNT_VALUE (-256)
#define PAGE_KMEMCG_MAPCOUNT_VALUE (-512)

struct address_space;

struct page {
	unsigned long flags; /* pageflags below, the zone's number on top: use page_zone_id() */
	struct address_space *mapping;
	union {
		unsigned long index;
		void *freelist;
	};
	union {
		int _mapcount;
		unsigned int units;
	};
	int _refcount;
	struct list_head lru; /* the VM's while the page is isolated */
	unsigned long private;

	/* The emulator's own: read it, never write it. */
	int16_t lock_cpu;    /* owner of PG_locked */
	uint16_t list_id;    /* the struct page_list that lru is linked into, 0 = none */
	uint8_t ext;	     /* PAGE_EXT_* */
	uint8_t alloc_order; /* of an allocation's head page */
	uint16_t head_offset; /* of a compound page's tail: how far its head lies before it */
};

_Static_assert(sizeof(struct page) == 64, "struct page is one cache line");

#endif
