/* SPDX-License-Identifier: MIT
 *
 * Operations on one page: flags, references, the page lock, the movable mark. spec/migration.md 1, 2, 6.2.
 *
 * Flag bits are plain stores: one emulated CPU runs at a time.
 */
#ifndef MOVABLE_PAGEOPS_H
#define MOVABLE_PAGEOPS_H

#include "memmap.h"
#include "schedule.h"
#include "violation.h"

static inline bool page_flag(const struct page *page, enum pageflags flag)
{
	return page->flags >> flag & 1;
}

static inline void set_page_flag(struct page *page, enum pageflags flag)
{
	page->flags |= 1UL << flag;
}

static inline void clear_page_flag(struct page *page, enum pageflags flag)
{
	page->flags &= ~(1UL << flag);
}

static inline bool test_clear_page_flag(struct page *page, enum pageflags flag)
{
	bool was = page_flag(page, flag);

	clear_page_flag(page, flag);
	return was;
}

static inline bool PageLocked(const struct page *page)
{
	return page_flag(page, PG_locked);
}

static inline bool PageLRU(const struct page *page)
{
	return page_flag(page, PG_lru);
}

static inline bool PageIsolated(const struct page *page)
{
	return page_flag(page, PG_isolated);
}

static inline bool PageBuddy(const struct page *page)
{
	return page->_mapcount == PAGE_BUDDY_MAPCOUNT_VALUE;
}

static inline bool PageCompound(const struct page *page)
{
	return page_flag(page, PG_head) || page->ext & PAGE_EXT_TAIL;
}

/* Of a head; 0 for any other page. */
static inline unsigned int compound_order(const struct page *page)
{
	return page_flag(page, PG_head) ? page->alloc_order : 0;
}

/* The page that has the references, the lock and the flags of a compound page; any other page is its own head. */
static inline struct page *compound_head(struct page *page)
{
	return page->ext & PAGE_EXT_TAIL ? page - page->head_offset : page;
}

/* How many pages the head stands for. */
static inline long hpage_nr_pages(const struct page *page)
{
	return 1L << compound_order(page);
}

static inline bool page_is_file_cache(const struct page *page)
{
	return !page_flag(page, PG_swapbacked);
}

static inline unsigned long mapping_bits(const struct page *page)
{
	return (unsigned long)page->mapping & PAGE_MAPPING_FLAGS;
}

/* Part of a page of the hugetlb pool, as head or tail. */
static inline bool PageHuge(struct page *page)
{
	return PageCompound(page) && compound_head(page)->ext & PAGE_EXT_HUGETLB;
}

/* Part of a transparent huge page: compound, anonymous, and not of the hugetlb pool. */
static inline bool PageTransCompound(struct page *page)
{
	return PageCompound(page) && (unsigned long)page->mapping & PAGE_MAPPING_ANON && !PageHuge(page);
}

/* Its head. */
static inline bool PageTransHuge(struct page *page)
{
	return page_flag(page, PG_head) && PageTransCompound(page);
}

/* The pointer part of a movable page's mapping. */
static inline struct address_space *movable_mapping(const struct page *page)
{
	return (struct address_space *)((unsigned long)page->mapping & ~PAGE_MAPPING_FLAGS);
}

/* Lock-free; may be a false positive; still true after __ClearPageMovable. */
static inline bool __PageMovable(const struct page *page)
{
	return mapping_bits(page) == PAGE_MAPPING_MOVABLE;
}

/* PageMovable without its assertion. */
static inline bool page_is_movable(const struct page *page)
{
	const struct address_space *mapping = __PageMovable(page) ? movable_mapping(page) : NULL;

	return mapping && mapping->a_ops && mapping->a_ops->isolate_page;
}

/* Caller holds the page lock (asserted). */
bool PageMovable(struct vm *vm, const struct page *page);

/* Caller holds the page lock (asserted); the argument carries no MOVABLE tag (asserted). */
void __SetPageMovable(struct vm *vm, struct page *page, struct address_space *mapping);

/* Caller holds the page lock and the page is PageMovable (both asserted). Keeps the tag. */
void __ClearPageMovable(struct vm *vm, struct page *page);

/* The address space that owns the page; NULL for slab, anonymous and given-up pages. */
struct address_space *page_mapping(const struct page *page);

/* trylock_page() without its scheduling point. */
static inline bool take_page_lock(struct vm *vm, struct page *page)
{
	if (PageLocked(page))
		return false;
	set_page_flag(page, PG_locked);
	page->lock_cpu = (int16_t)vm->cpu;
	return true;
}

/* trylock_page() under a schedule. */
bool sched_trylock_page(struct vm *vm, struct page *page);

/* Never sleeps. */
static inline bool trylock_page(struct vm *vm, struct page *page)
{
	if (unlikely(vm->sched != NULL))
		return sched_trylock_page(vm, page);
	return take_page_lock(vm, page);
}

/* Waits for the lock through the machine's wait hook; a wait that cannot end is a violation. */
void lock_page(struct vm *vm, struct page *page);

/* Waits, in the same way, until nobody holds the lock. */
void wait_on_page_locked(struct vm *vm, struct page *page);

/* After the lock was dropped: who waits for it may go on. */
void sched_unlock_page(struct vm *vm, const struct page *page);

static inline void unlock_page(struct vm *vm, struct page *page)
{
	VM_BUG_ON_PAGE(vm, !PageLocked(page), page, VM_RULE_UNLOCK_NOT_LOCKED, "a locked page", "unlocked");
	clear_page_flag(page, PG_locked);
	page->lock_cpu = -1;
	if (unlikely(vm->sched != NULL))
		sched_unlock_page(vm, page);
}

static inline bool page_locked_here(const struct vm *vm, const struct page *page)
{
	return PageLocked(page) && page->lock_cpu == vm->cpu;
}

/* The page has a reference already (asserted). */
void get_page(struct vm *vm, struct page *page);

static inline bool get_page_unless_zero(struct vm *vm, struct page *page)
{
	sched_page_point(vm, EV_GET_PAGE, page);
	if (!page->_refcount)
		return false;
	page->_refcount++;
	return true;
}

/* list_id of pages on lists of the VM itself: pages being moved, and targets waiting for them. */
#define LIST_ID_VM UINT16_MAX

/* Takes the page off the page list it is on, if any, whoever's it is. */
static inline void unlink_page(struct vm *vm, struct page *page)
{
	if (!page->list_id)
		return;
	if (page->list_id != LIST_ID_VM)
		vm->lists[page->list_id]->nr--;
	page->list_id = 0;
	list_del(&page->lru);
}

/* Adds the page at the head of a list of the VM. A driver that left it on its own has been reported. */
static inline void link_page(struct vm *vm, struct page *page, struct list_head *head)
{
	unlink_page(vm, page);
	page->list_id = LIST_ID_VM;
	list_add(&page->lru, head);
}

/* The same at the tail: a migration list, whose pages go in the order in which they were found. */
static inline void link_page_tail(struct vm *vm, struct page *page, struct list_head *head)
{
	unlink_page(vm, page);
	page->list_id = LIST_ID_VM;
	list_add_tail(&page->lru, head);
}

/* Drops a reference; the last one frees the page. */
void put_page(struct vm *vm, struct page *page);

#endif
