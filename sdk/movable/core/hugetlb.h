/* SPDX-License-Identifier: MIT
 *
 * The pool of 2 MiB pages that mmap(MAP_HUGETLB) takes from: pages, reservations, surplus. spec/migration.md 4.5, 9.8.
 *
 * A page of the pool is compound, marked PAGE_EXT_HUGETLB. Free, it has no reference and lies on its node's list. In use
 * it is marked active, but while it is isolated. The last reference brings it back to the pool of its own node.
 */
#ifndef MOVABLE_HUGETLB_H
#define MOVABLE_HUGETLB_H

#include "huge.h"

struct hugetlb_node {
	struct list_head free_list;
	unsigned long nr, free, surplus;
};

struct hstate {
	unsigned long nr, free, reserved, surplus;
	unsigned long overcommit; /* so many surplus pages may be made */
	struct hugetlb_node nodes[MAX_NUMNODES];
};

/* The machine's pool, made when first asked for; NULL: no memory. */
struct hstate *hstate_of(struct vm *vm);

/* Makes the node's pool so many pages large, as far as memory and use allow; how large it is then. -ENOMEM. */
long hugetlb_set_pool(struct vm *vm, int nid, unsigned long pages);

/* For a fault: by policy, from what the area has reserved or nobody has; else a surplus page. NULL: none to be had. */
struct page *alloc_huge_page(struct vm *vm, struct vma *vma, unsigned long address);

/* For a migration: a free page of this node that nobody has reserved, else a surplus page; NULL: none to be had. */
struct page *alloc_huge_page_node(struct vm *vm, int nid);

/* The last reference of a page of the pool is gone. */
void free_huge_page(struct vm *vm, struct page *page);

/* Takes an active page off its owner onto a list, with a reference; false if it is not active. It is not counted. */
bool isolate_huge_page(struct vm *vm, struct page *page, struct list_head *list);

/* Active again, off whatever list it is on, and a reference less. */
void putback_active_hugepage(struct vm *vm, struct page *page);

/* Reserves a page for each 2 MiB of a new area. 0 or -ENOMEM. */
int hugetlb_reserve(struct vm *vm, struct vma *vma);

/* The area, or a part that was split off, goes: what it reserved and did not use is free for others. */
void hugetlb_unreserve(struct vm *vm, struct vma *vma);

/* Another area, split off this one, has the same reservation map. */
void hugetlb_share_map(struct vma *vma);

/* A fault anywhere in a hugetlb area. mmap_sem held. 0; -ENOSPC: no page to be had (SIGBUS); -ENOMEM. */
int hugetlb_fault(struct vm *vm, struct vma *vma, unsigned long address, bool write);

/* Unmaps the huge page that starts at this entry, or takes its migration entries away. */
void zap_hugetlb(struct vm *vm, struct vma *vma, pte_t *pte);

/* fork: one entry of the parent, read-only on both sides, goes to the child. */
void copy_hugetlb_pte(struct vm *vm, pte_t *from, pte_t *to);

/* Both unlocked, the old page isolated. Moves it: as migrate_pages() says of one attempt. spec/migration.md 4.5 */
int move_huge_page(struct vm *vm, struct page *newpage, struct page *page, bool force, enum migrate_mode mode);

#endif
