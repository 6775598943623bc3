/* SPDX-License-Identifier: MIT */
#include "ksm.h"

#include <stdlib.h>

#include "fault.h"
#include "huge.h"
#include "lru.h"
#include "swap.h"
#include "vma.h"

/* One place that was merged. Its area may be split or end; its anon_vma stays. */
struct rmap_item {
	struct list_head link;
	struct anon_vma *anon_vma;
	unsigned long index; /* as page->index */
};

struct stable_node {
	struct list_head link, items;
};

#define entry_of(type, pos) ((type *)((char *)(pos) - offsetof(type, link)))

/* The page's node; NULL if the tag bits lie. */
static struct stable_node *page_stable_node(const struct page *page)
{
	if (!(page->ext & PAGE_EXT_KSM))
		return NULL;
	return (struct stable_node *)((unsigned long)page->mapping & ~PAGE_MAPPING_FLAGS);
}

static void set_page_stable_node(struct page *page, const struct stable_node *node)
{
	page->mapping = (struct address_space *)((unsigned long)node | PAGE_MAPPING_KSM);
	page->ext = (uint8_t)(node ? page->ext | PAGE_EXT_KSM : page->ext & ~PAGE_EXT_KSM);
}

static int add_item(struct stable_node *node, struct anon_vma *anon_vma, unsigned long index)
{
	struct rmap_item *item = malloc(sizeof(*item));

	if (!item)
		return -ENOMEM;
	*item = (struct rmap_item){.anon_vma = anon_vma, .index = index};
	anon_vma->refs++;
	list_add_tail(&item->link, &node->items);
	return 0;
}

static void free_node(struct stable_node *node)
{
	while (!list_empty(&node->items)) {
		struct rmap_item *item = entry_of(struct rmap_item, node->items.next);

		list_del(&item->link);
		put_anon_vma(item->anon_vma);
		free(item);
	}
	list_del(&node->link);
	free(node);
}

/* Node and page belong together from here on. Page locked. */
static int make_stable(struct vm *vm, struct page *page)
{
	struct stable_node *node = malloc(sizeof(*node));

	if (!node)
		return -ENOMEM;
	list_init(&node->items);
	if (add_item(node, page_anon_vma(page), page->index)) {
		free(node);
		return -ENOMEM;
	}
	list_add(&node->link, &vm->stable_nodes);
	set_page_stable_node(page, node);
	return 0;
}

/* Where the merge found a page: its area and entry. */
struct found {
	struct vma *vma;
	pte_t *pte;
	struct page *page;
};

/* mmap_sem held. A page that can be merged, in entries of 4 KiB. -EINVAL: there is none; -EBUSY: it is being moved. */
static int find_page(struct vm *vm, struct mm *mm, unsigned long address, struct found *found)
{
	*found = (struct found){.vma = find_vma(mm, address)};
	if (!found->vma || found->vma->flags & (VM_SHARED | VM_SPECIAL | VM_HUGETLB))
		return -EINVAL;
	split_huge_pmd(vm, mm, address);
	found->pte = pte_offset(mm, address);
	if (found->pte && is_migration_entry(*found->pte))
		return -EBUSY;
	if (!found->pte || !pte_maps_page(*found->pte))
		return -EINVAL;
	found->page = pte_page(vm, *found->pte);
	return PageAnon(found->page) ? 0 : -EINVAL;
}

/* Page locked. -EBUSY if somebody holds it who could write to it. Leaves the swap cache. */
static int check_unshared(struct vm *vm, struct page *page)
{
	try_to_free_swap(vm, page);
	return PageSwapCache(page) || page_flag(page, PG_mlocked) || page->_refcount != page_mapcount(page) + 1 ? -EBUSY
														  : 0;
}

static long write_protect_one(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private)
{
	pte_t *pte = page_check_address(vm, page, vma, address);

	(void)private;
	if (pte) {
		if (*pte & PTE_DIRTY)
			set_page_flag(page, PG_dirty);
		*pte &= ~(pte_t)(PTE_WRITE | PTE_DIRTY);
	}
	return 0;
}

/* Page locked, held once. Read-only at all its places. */
static int write_protect_page(struct vm *vm, struct page *page)
{
	int err = check_unshared(vm, page);

	if (!err)
		rmap_walk(vm, page, write_protect_one, NULL);
	/* The walk may have slept. */
	return err ? err : check_unshared(vm, page);
}

/* mmap_sem held, the page locked, both held. The entry maps the merged page from now on. */
static int replace_page(struct vm *vm, const struct found *found, struct page *kpage, unsigned long address)
{
	const struct vma *vma = found->vma;
	unsigned long index = vma->pgoff + ((address - vma->start) >> PAGE_SHIFT);
	int err = add_item(page_stable_node(kpage), vma->anon_vma, index);

	if (err)
		return err;
	kpage->_refcount++;
	page_add_anon_rmap(vm, kpage, found->vma, address);
	*found->pte = make_pte(page_to_pfn(vm, kpage), ((unsigned int)*found->pte & PTE_YOUNG) | pte_protection(vma));
	page_remove_rmap(vm, found->page);
	found->page->_refcount--;
	return 0;
}

/* mmap_sem held, the page locked, both held: the merged page's contents and node stay. */
static int merge_page(struct vm *vm, const struct found *found, struct page *kpage, unsigned long address)
{
	int err;

	if (PageKsm(found->page))
		return -EINVAL;
	err = write_protect_page(vm, found->page);
	if (err)
		return err;
	if (!pte_maps_page(*found->pte) || pte_page(vm, *found->pte) != found->page)
		return -EBUSY;
	if (memcmp(page_address(vm, kpage), page_address(vm, found->page), PAGE_SIZE))
		return -EINVAL;
	return replace_page(vm, found, kpage, address);
}

/* One place after the first. kpage is held. */
static int merge_place(struct vm *vm, struct mm *mm, struct page *kpage, unsigned long address)
{
	struct found found;
	int err;

	down_read(vm, &mm->mmap_sem);
	err = find_page(vm, mm, address, &found);
	if (!err) {
		struct page *page = found.page;

		if (page != kpage) {
			page->_refcount++;
			err = trylock_page(vm, page) ? 0 : -EBUSY;
			if (!err) {
				err = merge_page(vm, &found, kpage, address);
				unlock_page(vm, page);
			}
			put_page(vm, page);
		}
	}
	up_read(vm, &mm->mmap_sem);
	return err;
}

/* The first place's page becomes the merged one; held on success. */
static int first_page(struct vm *vm, struct mm *mm, unsigned long address, struct page **kpage)
{
	struct found found;
	int err;

	down_read(vm, &mm->mmap_sem);
	err = find_page(vm, mm, address, &found);
	if (!err) {
		struct page *page = found.page;

		page->_refcount++;
		lock_page(vm, page);
		err = PageKsm(page) ? 0 : write_protect_page(vm, page);
		if (!err && !PageKsm(page))
			err = page_mapped(page) ? make_stable(vm, page) : -EBUSY;
		unlock_page(vm, page);
		*kpage = page;
		if (err)
			put_page(vm, page);
	}
	up_read(vm, &mm->mmap_sem);
	return err;
}

long ksm_merge(struct vm *vm, const struct ksm_place *places, unsigned int nr)
{
	struct page *kpage;
	int err;

	/* A page in a vector has a reference more. */
	lru_add_drain_all(vm);
	err = first_page(vm, places[0].mm, places[0].address, &kpage);
	if (err)
		return err;
	for (unsigned int i = 1; i < nr && !err; i++)
		err = merge_place(vm, places[i].mm, kpage, places[i].address);
	put_page(vm, kpage);
	return err ? err : (long)page_to_pfn(vm, kpage);
}

int unmerge_ksm_pages(struct vm *vm, struct vma *vma)
{
	unsigned long index = vma->start >> PAGE_SHIFT;
	const pte_t *pte;
	int err = 0;

	while (!err && (pte = radix_next(&vma->mm->page_table, &index, vma->end >> PAGE_SHIFT))) {
		if (!pte_maps_page(*pte) || !PageKsm(pte_page(vm, *pte)))
			index++;
		else
			err = break_cow(vm, vma, index << PAGE_SHIFT);
		if (vm->interrupt)
			return -EINTR;
	}
	return err;
}

/* All areas of the place's family that can map the page there. */
static long walk_item(struct vm *vm, struct page *page, const struct rmap_item *item, rmap_walker *walker,
		      void *private)
{
	struct anon_vma *anon_vma = item->anon_vma;
	long answer = 0;

	down_read(vm, &anon_vma->lock);
	for (struct list_head *pos = anon_vma->vmas.next; pos != &anon_vma->vmas && !answer; pos = pos->next) {
		struct vma *vma = list_vma(pos, anon_node);
		unsigned long address = vma->start + ((item->index - vma->pgoff) << PAGE_SHIFT);

		if (item->index >= vma->pgoff && address < vma->end)
			answer = walker(vm, page, vma, address, private);
	}
	up_read(vm, &anon_vma->lock);
	return answer;
}

long rmap_walk_ksm(struct vm *vm, struct page *page, rmap_walker *walker, void *private)
{
	const struct stable_node *node = page_stable_node(page);
	long answer = 0;

	/* The page is locked or mapped, so the node stays; items are only added, at the end. */
	for (struct list_head *pos = node ? node->items.next : NULL; node && pos != &node->items && !answer;
	     pos = pos->next)
		answer = walk_item(vm, page, entry_of(struct rmap_item, pos), walker, private);
	return answer;
}

void ksm_migrate_page(struct page *newpage, struct page *oldpage)
{
	set_page_stable_node(newpage, page_stable_node(oldpage));
	set_page_stable_node(oldpage, NULL);
}

void ksm_free_page(struct page *page)
{
	struct stable_node *node = page_stable_node(page);

	if (node)
		free_node(node);
}

void ksm_destroy_all(struct vm *vm)
{
	while (!list_empty(&vm->stable_nodes))
		free_node(entry_of(struct stable_node, vm->stable_nodes.next));
}
