/* SPDX-License-Identifier: MIT
 *
 * The memory map: struct pages, pageblocks, and which frames exist. spec/compaction.md 1.2, 1.3.
 *
 * A machine boots by linking its free memory as boot-time buddies, touching only their head pages. The
 * other struct pages of a block are initialised when the block is first split (PB_READY); until then
 * they read as zeros, which every predicate takes for "nothing special".
 */
#ifndef MOVABLE_MEMMAP_H
#define MOVABLE_MEMMAP_H

#include "vm.h"

#define PAGE_ZONE_SHIFT 48
#define POISON_WORD 0xaaaaaaaaaaaaaaaaUL

static inline unsigned long pfn_to_block(unsigned long pfn)
{
	return pfn >> pageblock_order;
}

static inline unsigned char *pageblock_of(const struct vm *vm, unsigned long pfn)
{
	return &vm->pageblocks[pfn_to_block(pfn)];
}

static inline bool pfn_valid(const struct vm *vm, unsigned long pfn)
{
	return pfn < vm->end_pfn && *pageblock_of(vm, pfn) & PB_VALID;
}

static inline struct zone *page_zone(const struct vm *vm, const struct page *page)
{
	unsigned long number = page->flags >> PAGE_ZONE_SHIFT;

	if (likely(number))
		return &vm->zones[number - 1];
	return &vm->zones[vm->pageblock_zone[pfn_to_block(page_to_pfn(vm, page))]];
}

static inline int page_to_nid(const struct vm *vm, const struct page *page)
{
	return page_zone(vm, page)->node->node_id;
}

/* The nodes with memory (the kernel's N_MEMORY), a bit each. */
uint64_t nodes_with_memory(const struct vm *vm);

static inline void set_page_zone(struct page *page, const struct zone *zone)
{
	page->flags = (page->flags & PAGE_FLAGS_MASK) | (unsigned long)(zone->id + 1) << PAGE_ZONE_SHIFT;
}

static inline enum migratetype get_pageblock_migratetype(const struct vm *vm, const struct page *page)
{
	return *pageblock_of(vm, page_to_pfn(vm, page)) & PB_MIGRATETYPE;
}

static inline void set_pageblock_migratetype(struct vm *vm, const struct page *page, enum migratetype type)
{
	unsigned char *block = pageblock_of(vm, page_to_pfn(vm, page));

	*block = (unsigned char)((*block & ~PB_MIGRATETYPE) | type);
}

static inline bool get_pageblock_skip(const struct vm *vm, unsigned long pfn)
{
	return *pageblock_of(vm, pfn) & PB_SKIP;
}

static inline void set_pageblock_skip(struct vm *vm, unsigned long pfn)
{
	*pageblock_of(vm, pfn) |= PB_SKIP;
}

static inline void clear_pageblock_skip(struct vm *vm, unsigned long pfn)
{
	*pageblock_of(vm, pfn) &= (unsigned char)~PB_SKIP;
}

/* Initialises the struct pages of the blocks in [pfn, pfn + pages) that are not ready. */
void memmap_make_ready(struct vm *vm, unsigned long pfn, unsigned long pages);

/* The first page of [start, end), which lies in one block; NULL if it is not wholly of this zone. */
struct page *pageblock_pfn_to_page(struct vm *vm, unsigned long start, unsigned long end, struct zone *zone);

/* Whether every block of the zone is valid and belongs to it (first and last pfn of each checked). */
bool zone_is_contiguous(struct vm *vm, struct zone *zone);

/* Zeros in the frame. Neither this nor a copy of zeros writes to a frame that holds zeros already. */
void clear_highpage(struct vm *vm, struct page *page);

void copy_highpage(struct vm *vm, struct page *to, struct page *from);

/* Poison on free, and the check on allocation: returns the offset of the first changed byte, or -1. */
void poison_page(struct vm *vm, struct page *page);
long unpoison_page(struct vm *vm, struct page *page);

/* Gives the frames' memory back to the operating system; it reads as zeros from then on. 0 or -errno. */
int discard_frames(struct vm *vm, struct page *page, unsigned long nr);

#endif
