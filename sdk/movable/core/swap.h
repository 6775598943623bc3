/* SPDX-License-Identifier: MIT
 *
 * Swap space and its cache. spec/migration.md 1.4 (M5), 2.1, 5.6.
 *
 * A slot is in use while page table entries name it or a page of the swap cache stands for it. What is stored lies in
 * memory of the emulator's own.
 */
#ifndef MOVABLE_SWAP_H
#define MOVABLE_SWAP_H

#include "rmap.h"

struct swap_slot {
	unsigned int count; /* page table entries */
	struct page *page;  /* in the swap cache, or NULL */
	unsigned char *data;
};

struct swap_info {
	unsigned long nr_slots, nr_used, next;
	struct vm_lock tree_lock;
	struct swap_slot *slots;
};

/* What page_mapping() answers for a page of the swap cache. */
extern struct address_space swapper_space;

static inline bool PageSwapCache(const struct page *page)
{
	return page_flag(page, PG_swapcache);
}

/* More slots. -ENOMEM. Harmless for 0. */
int swapon(struct vm *vm, unsigned long slots);
void swap_destroy(struct vm *vm);

/* Page locked. Gives an anonymous page a slot and puts it into the swap cache, dirty. False if there is no slot. */
bool add_to_swap(struct vm *vm, struct page *page);

/* One more entry names the slot. */
void swap_duplicate(struct vm *vm, unsigned long slot);

/* An entry is gone. With the last one, a cached page that nobody uses goes as well. */
void swap_free(struct vm *vm, unsigned long slot);

/* The page of the slot, read in if need be, with a reference, not locked; NULL if there is no memory. */
struct page *swapin_page(struct vm *vm, unsigned long slot, const struct vma *vma, unsigned long address);

/* Page locked. Off the swap cache; its reference is dropped. The page is dirty afterwards. */
void delete_from_swap_cache(struct vm *vm, struct page *page);

/* Page locked. The same if no entry names the slot and it is not being written. */
bool try_to_free_swap(struct vm *vm, struct page *page);

/* Whether a write fault may keep the page: nobody else uses it. Takes it out of the swap cache then. */
bool reuse_swap_page(struct vm *vm, struct page *page);

/* Page locked, clean for I/O. Writes it to its slot, unlocked afterwards. */
int swap_writepage(struct vm *vm, struct page *page);

/* Tree lock held, page not mapped. Off the cache, the reference stays with the caller. */
void __delete_from_swap_cache(struct vm *vm, struct page *page);

#endif
