/* SPDX-License-Identifier: MIT */
#include "swap.h"

#include <stdlib.h>

#include "filemap.h"
#include "ksm.h"
#include "lru.h"
#include "mpol_alloc.h"

static const struct address_space_operations swap_aops = {NULL, NULL, NULL};
struct address_space swapper_space = {.a_ops = &swap_aops};

int swapon(struct vm *vm, unsigned long slots)
{
	struct swap_info *swap = vm->swap;
	struct swap_slot *table;

	if (!swap) {
		swap = calloc(1, sizeof(*swap));
		if (!swap)
			return -ENOMEM;
		vm_lock_init(vm, &swap->tree_lock, TREE_LOCK);
		vm->swap = swap;
	}
	table = realloc(swap->slots, (swap->nr_slots + slots) * sizeof(*table));
	if (!table)
		return slots ? -ENOMEM : 0;
	memset(table + swap->nr_slots, 0, slots * sizeof(*table));
	swap->slots = table;
	swap->nr_slots += slots;
	return 0;
}

void swap_destroy(struct vm *vm)
{
	if (!vm->swap)
		return;
	for (unsigned long slot = 0; slot < vm->swap->nr_slots; slot++)
		free(vm->swap->slots[slot].data);
	free(vm->swap->slots);
	free(vm->swap);
}

static struct swap_slot *slot_of(struct vm *vm, unsigned long slot)
{
	return &vm->swap->slots[slot];
}

static bool in_use(const struct swap_slot *slot)
{
	return slot->count || slot->page;
}

/* The next free slot after the one given out last, with memory behind it; false if there is none. */
static bool get_swap_page(struct vm *vm, unsigned long *found)
{
	struct swap_info *swap = vm->swap;

	if (!swap || swap->nr_used == swap->nr_slots)
		return false;
	for (unsigned long i = 0; i < swap->nr_slots; i++) {
		unsigned long at = (swap->next + i) % swap->nr_slots;

		if (in_use(&swap->slots[at]))
			continue;
		if (!swap->slots[at].data)
			swap->slots[at].data = malloc(PAGE_SIZE);
		if (!swap->slots[at].data)
			return false;
		swap->next = at + 1;
		*found = at;
		return true;
	}
	return false;
}

static void link_to_slot(struct vm *vm, struct page *page, unsigned long at)
{
	struct swap_slot *slot = slot_of(vm, at);

	vm->swap->nr_used += !in_use(slot);
	slot->page = page;
	page->private = at;
	set_page_flag(page, PG_swapcache);
	page->_refcount++;
	mod_file_pages(vm, page, 1);
}

bool add_to_swap(struct vm *vm, struct page *page)
{
	unsigned long slot;
	bool found;

	if (!vm->swap)
		return false;
	down_write(vm, &vm->swap->tree_lock);
	found = get_swap_page(vm, &slot);
	if (found)
		link_to_slot(vm, page, slot);
	up_write(vm, &vm->swap->tree_lock);
	if (found)
		set_page_dirty(vm, page);
	return found;
}

void __delete_from_swap_cache(struct vm *vm, struct page *page)
{
	struct swap_slot *slot = slot_of(vm, page->private);

	mod_file_pages(vm, page, -1);
	slot->page = NULL;
	vm->swap->nr_used -= !in_use(slot);
	page->private = 0;
	clear_page_flag(page, PG_swapcache);
}

void delete_from_swap_cache(struct vm *vm, struct page *page)
{
	__delete_from_swap_cache(vm, page);
	page->_refcount--;
	set_page_flag(page, PG_dirty);
}

void swap_duplicate(struct vm *vm, unsigned long slot)
{
	slot_of(vm, slot)->count++;
}

void swap_free(struct vm *vm, unsigned long at)
{
	struct swap_slot *slot = slot_of(vm, at);
	struct page *page = slot->page;

	slot->count--;
	if (slot->count)
		return;
	if (!page) {
		vm->swap->nr_used--;
		return;
	}
	/* A locked page is in somebody's hands, who finds the slot without users. */
	if (PageLocked(page) || page_mapped(page) || page_flag(page, PG_writeback) || !page->_refcount)
		return;
	/* Held until the end: the cache's may be the only reference. */
	page->_refcount++;
	delete_from_swap_cache(vm, page);
	clear_page_flag(page, PG_dirty);
	put_page(vm, page);
}

bool try_to_free_swap(struct vm *vm, struct page *page)
{
	if (!PageSwapCache(page) || page_flag(page, PG_writeback) || slot_of(vm, page->private)->count)
		return false;
	delete_from_swap_cache(vm, page);
	return true;
}

bool reuse_swap_page(struct vm *vm, struct page *page)
{
	unsigned int users = (unsigned int)page_mapcount(page);

	/* Others may be merged into it at any time. */
	if (unlikely(PageKsm(page)))
		return false;
	if (PageSwapCache(page))
		users += slot_of(vm, page->private)->count;
	if (users > 1)
		return false;
	if (PageSwapCache(page)) {
		if (page_flag(page, PG_writeback))
			return false;
		delete_from_swap_cache(vm, page);
	}
	return true;
}

int swap_writepage(struct vm *vm, struct page *page)
{
	if (try_to_free_swap(vm, page)) {
		unlock_page(vm, page);
		return 0;
	}
	memcpy(slot_of(vm, page->private)->data, page_address(vm, page), PAGE_SIZE);
	count_vm_events(vm, PSWPOUT, 1);
	/* The device is done before anybody could look. */
	unlock_page(vm, page);
	return 0;
}

static struct page *lookup(struct vm *vm, unsigned long slot)
{
	for (;;) {
		struct page *page;

		sched_point(vm, EV_GET_PAGE, slot);
		page = slot_of(vm, slot)->page;
		if (!page)
			return NULL;
		if (page->_refcount) {
			page->_refcount++;
			return page;
		}
		sched_yield_step(vm, EV_YIELD, page_to_pfn(vm, page));
	}
}

/* Puts a fresh, locked page in the slot's place; false if somebody was faster, or nobody needs the slot any more. */
static bool read_slot(struct vm *vm, struct page *page, unsigned long at)
{
	struct swap_slot *slot = slot_of(vm, at);
	bool mine;

	down_write(vm, &vm->swap->tree_lock);
	mine = !slot->page && slot->count;
	if (mine) {
		link_to_slot(vm, page, at);
		memcpy(page_address(vm, page), slot->data, PAGE_SIZE);
		set_page_flag(page, PG_uptodate);
	}
	up_write(vm, &vm->swap->tree_lock);
	return mine;
}

struct page *swapin_page(struct vm *vm, unsigned long slot, const struct vma *vma, unsigned long address)
{
	struct page *page = lookup(vm, slot);

	if (page)
		return page;
	page = alloc_page_vma(vm, GFP_HIGHUSER_MOVABLE, vma, address);
	if (!page)
		return NULL;
	set_page_flag(page, PG_swapbacked);
	trylock_page(vm, page);
	if (read_slot(vm, page, slot)) {
		count_vm_events(vm, PSWPIN, 1);
		count_vm_events(vm, PGMAJFAULT, 1);
		lru_cache_add(vm, page);
	}
	/* Without a slot it is a page of nobody: the fault sees that, and drops it. */
	unlock_page(vm, page);
	return page;
}
