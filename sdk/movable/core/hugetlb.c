/* SPDX-License-Identifier: MIT */
#include "hugetlb.h"

#include <stdlib.h>

#include "mpol_alloc.h"

#define GFP_HUGETLB (GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_THISNODE | __GFP_REPEAT)

/* Which 2 MiB of an area have taken their page. Areas that were one share it. */
struct resv_map {
	int refs;
	unsigned long start; /* address */
	bool consumed[];
};

struct hstate *hstate_of(struct vm *vm)
{
	if (!vm->hstate) {
		vm->hstate = calloc(1, sizeof(*vm->hstate));
		for (unsigned int nid = 0; vm->hstate && nid < MAX_NUMNODES; nid++)
			list_init(&vm->hstate->nodes[nid].free_list);
	}
	return vm->hstate;
}

static struct hugetlb_node *node_of(struct vm *vm, const struct page *page)
{
	return &vm->hstate->nodes[page_to_nid(vm, page)];
}

static void enqueue_huge_page(struct vm *vm, struct page *page)
{
	struct hugetlb_node *node = node_of(vm, page);

	link_page(vm, page, &node->free_list);
	node->free++;
	vm->hstate->free++;
}

/* With one reference; NULL if the node has none. */
static struct page *dequeue_huge_page_node(struct vm *vm, int nid)
{
	struct hugetlb_node *node = &vm->hstate->nodes[nid];
	struct page *page;

	if (list_empty(&node->free_list))
		return NULL;
	page = list_first_page(&node->free_list);
	unlink_page(vm, page);
	page->_refcount = 1;
	node->free--;
	vm->hstate->free--;
	return page;
}

/* Back to the buddy allocator; in no list and no count of free pages. */
static void update_and_free_page(struct vm *vm, struct page *page)
{
	node_of(vm, page)->nr--;
	vm->hstate->nr--;
	page->ext &= (uint8_t)~PAGE_EXT_HUGETLB;
	page->_refcount = 1;
	__free_pages(vm, page, HPAGE_PMD_ORDER);
}

void free_huge_page(struct vm *vm, struct page *page)
{
	struct hugetlb_node *node = node_of(vm, page);

	unlink_page(vm, page);
	page->mapping = NULL;
	page->flags &= ~(PAGE_FLAGS_MASK & ~(1UL << PG_head));
	page->ext &= (uint8_t)~PAGE_EXT_HUGETLB_ACTIVE;
	if (node->surplus) {
		node->surplus--;
		vm->hstate->surplus--;
		update_and_free_page(vm, page);
		return;
	}
	enqueue_huge_page(vm, page);
}

/* A new page for the pool, with one reference; NULL if there is no block. May sleep. */
static struct page *alloc_fresh_huge_page(struct vm *vm, int nid)
{
	struct page *page = alloc_pages_node(vm, nid, GFP_HUGETLB, HPAGE_PMD_ORDER);

	count_vm_events(vm, page ? HTLB_BUDDY_PGALLOC : HTLB_BUDDY_PGALLOC_FAIL, 1);
	if (!page)
		return NULL;
	page->ext |= PAGE_EXT_HUGETLB;
	vm->hstate->nr++;
	node_of(vm, page)->nr++;
	return page;
}

/* Counted before memory is asked for: others may ask meanwhile. */
static struct page *alloc_surplus_page(struct vm *vm, int nid)
{
	struct hstate *h = vm->hstate;
	struct page *page;

	if (h->surplus >= h->overcommit)
		return NULL;
	h->surplus++;
	page = alloc_fresh_huge_page(vm, nid);
	if (page)
		node_of(vm, page)->surplus++;
	else
		h->surplus--;
	return page;
}

static bool shrink_node(struct vm *vm, struct hugetlb_node *node)
{
	struct page *page;

	if (list_empty(&node->free_list) || vm->hstate->free <= vm->hstate->reserved)
		return false;
	page = list_first_page(&node->free_list);
	unlink_page(vm, page);
	node->free--;
	vm->hstate->free--;
	update_and_free_page(vm, page);
	return true;
}

/* Pages in use become surplus where the pool gets smaller than that, and the pool's again where it grows. */
static void move_surplus(struct hstate *h, struct hugetlb_node *node, long delta)
{
	node->surplus = (unsigned long)((long)node->surplus + delta);
	h->surplus = (unsigned long)((long)h->surplus + delta);
}

long hugetlb_set_pool(struct vm *vm, int nid, unsigned long pages)
{
	struct hstate *h = hstate_of(vm);
	struct hugetlb_node *node;

	if (!h)
		return -ENOMEM;
	node = &h->nodes[nid];
	while (node->surplus && pages > node->nr - node->surplus)
		move_surplus(h, node, -1);
	while (pages > node->nr - node->surplus && !vm->interrupt) {
		struct page *page = alloc_fresh_huge_page(vm, nid);

		if (!page)
			break;
		put_page(vm, page);
	}
	while (pages < node->nr - node->surplus && shrink_node(vm, node))
		;
	while (pages < node->nr - node->surplus)
		move_surplus(h, node, 1);
	return (long)node->nr;
}

/* The nodes that a policy allows, in the order of the zonelist of its first choice. */
static struct page *dequeue_by_policy(struct vm *vm, int nid, uint64_t allowed)
{
	struct zone *const *zonelist = vm->nodes[nid].zonelist;

	for (; *zonelist; zonelist++) {
		int at = (*zonelist)->node->node_id;
		struct page *page = allowed >> at & 1 ? dequeue_huge_page_node(vm, at) : NULL;

		if (page)
			return page;
	}
	return NULL;
}

static struct page *surplus_by_policy(struct vm *vm, int nid, uint64_t allowed)
{
	struct zone *const *zonelist = vm->nodes[nid].zonelist;
	int last = -1;

	for (; *zonelist; zonelist++) {
		int at = (*zonelist)->node->node_id;
		struct page *page = at != last && allowed >> at & 1 ? alloc_surplus_page(vm, at) : NULL;

		if (page)
			return page;
		last = at;
	}
	return NULL;
}

static bool *consumed_of(const struct vma *vma, unsigned long address)
{
	return vma->resv ? &vma->resv->consumed[(address - vma->resv->start) / HPAGE_PMD_SIZE] : NULL;
}

struct page *alloc_huge_page(struct vm *vm, struct vma *vma, unsigned long address)
{
	bool *consumed = consumed_of(vma, address), reserved = consumed && !*consumed;
	struct hstate *h = vm->hstate;
	struct page *page = NULL;
	uint64_t allowed;
	int nid = policy_node(vm, vma, address, HPAGE_PMD_ORDER, &allowed);

	if (reserved || h->free > h->reserved)
		page = dequeue_by_policy(vm, nid, allowed);
	if (page && reserved) {
		*consumed = true;
		h->reserved--;
	}
	return page ? page : surplus_by_policy(vm, nid, allowed);
}

struct page *alloc_huge_page_node(struct vm *vm, int nid)
{
	struct page *page = NULL;

	if (!hstate_of(vm))
		return NULL;
	if (vm->hstate->free > vm->hstate->reserved)
		page = dequeue_huge_page_node(vm, nid);
	return page ? page : alloc_surplus_page(vm, nid);
}

bool isolate_huge_page(struct vm *vm, struct page *page, struct list_head *list)
{
	if (!(page->ext & PAGE_EXT_HUGETLB_ACTIVE) || !get_page_unless_zero(vm, page))
		return false;
	/* Another CPU may have isolated it, or been given it, before the reference was there. */
	if (!(page->ext & PAGE_EXT_HUGETLB_ACTIVE)) {
		put_page(vm, page);
		return false;
	}
	page->ext &= (uint8_t)~PAGE_EXT_HUGETLB_ACTIVE;
	link_page_tail(vm, page, list);
	return true;
}

void putback_active_hugepage(struct vm *vm, struct page *page)
{
	unlink_page(vm, page);
	page->ext |= PAGE_EXT_HUGETLB_ACTIVE;
	put_page(vm, page);
}

/* Surplus pages that were made for a reservation are not kept when it goes. */
static void return_unused_surplus(struct vm *vm, unsigned long pages)
{
	for (unsigned int nid = 0; nid < vm->nr_nodes && pages; nid++) {
		struct hugetlb_node *node = &vm->hstate->nodes[nid];

		while (pages && node->surplus && shrink_node(vm, node)) {
			move_surplus(vm->hstate, node, -1);
			pages--;
		}
	}
}

static void unreserve(struct vm *vm, unsigned long pages)
{
	vm->hstate->reserved -= pages;
	return_unused_surplus(vm, pages);
}

/* More pages are promised: the pool must hold them, or surplus pages are made now. */
static int reserve(struct vm *vm, unsigned long pages)
{
	struct hstate *h = vm->hstate;

	h->reserved += pages;
	while (h->reserved > h->free) {
		struct page *page = vm->interrupt ? NULL : surplus_by_policy(vm, vm->cpu_node[vm->cpu], ALL_NODES);

		if (!page) {
			unreserve(vm, pages);
			return -ENOMEM;
		}
		/* It is free, although the node has surplus pages. */
		page->_refcount = 0;
		enqueue_huge_page(vm, page);
	}
	return 0;
}

int hugetlb_reserve(struct vm *vm, struct vma *vma)
{
	unsigned long pages = (vma->end - vma->start) / HPAGE_PMD_SIZE;
	struct resv_map *map;

	if (!hstate_of(vm))
		return -ENOMEM;
	/* More than the machine could have: no map is made for it. */
	if (pages > vm->end_pfn / HPAGE_PMD_NR || reserve(vm, pages))
		return -ENOMEM;
	map = calloc(1, sizeof(*map) + pages * sizeof(*map->consumed));
	if (!map) {
		unreserve(vm, pages);
		return -ENOMEM;
	}
	map->refs = 1;
	map->start = vma->start;
	vma->resv = map;
	return 0;
}

void hugetlb_share_map(struct vma *vma)
{
	if (vma->resv)
		vma->resv->refs++;
}

void hugetlb_unreserve(struct vm *vm, struct vma *vma)
{
	unsigned long unused = 0;

	if (!vma->resv)
		return;
	for (unsigned long address = vma->start; address < vma->end; address += HPAGE_PMD_SIZE)
		unused += !*consumed_of(vma, address);
	unreserve(vm, unused);
	if (!--vma->resv->refs)
		free(vma->resv);
	vma->resv = NULL;
}
