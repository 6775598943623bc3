/* SPDX-License-Identifier: MIT */
#include "rmap.h"

#include "filemap.h"
#include "huge.h"
#include "ksm.h"
#include "mlock.h"
#include "swap.h"
#include "vma.h"

enum mm_counter mm_counter_of(const struct page *page)
{
	if (PageAnon(page))
		return MM_ANONPAGES;
	return page_is_file_cache(page) ? MM_FILEPAGES : MM_SHMEMPAGES;
}

static void count_mapped(struct vm *vm, const struct page *page, long delta)
{
	page_zone(vm, page)->node->stat[PageAnon(page) ? NR_ANON_MAPPED : NR_FILE_MAPPED] += delta;
}

void page_add_anon_rmap(struct vm *vm, struct page *page, struct vma *vma, unsigned long address)
{
	bool first = ++page->_mapcount == 0;

	if (!PageAnon(page)) {
		page->mapping = (struct address_space *)((unsigned long)vma->anon_vma | PAGE_MAPPING_ANON);
		page->index = vma->pgoff + ((address - vma->start) >> PAGE_SHIFT);
	}
	if (first)
		count_mapped(vm, page, hpage_nr_pages(page));
}

void page_add_file_rmap(struct vm *vm, struct page *page)
{
	if (++page->_mapcount == 0)
		count_mapped(vm, page, 1);
}

void page_remove_rmap(struct vm *vm, struct page *page)
{
	if (--page->_mapcount >= 0)
		return;
	count_mapped(vm, page, -hpage_nr_pages(page));
	clear_page_mlock(vm, page);
}

/* Where the area would map the page, if it does; false if the page lies outside. */
static bool vma_address(const struct vma *vma, const struct page *page, unsigned long *address)
{
	*address = vma->start + ((page->index - vma->pgoff) << PAGE_SHIFT);
	return page->index >= vma->pgoff && *address < vma->end;
}

static long walk_anon(struct vm *vm, struct page *page, struct anon_vma *anon_vma, rmap_walker *walker, void *private)
{
	long answer = 0;

	down_read(vm, &anon_vma->lock);
	for (struct list_head *pos = anon_vma->vmas.next; pos != &anon_vma->vmas && !answer; pos = pos->next) {
		struct vma *vma = list_vma(pos, anon_node);
		unsigned long address;

		if (vma_address(vma, page, &address))
			answer = walker(vm, page, vma, address, private);
	}
	up_read(vm, &anon_vma->lock);
	return answer;
}

static long walk_file(struct vm *vm, struct page *page, struct file *file, rmap_walker *walker, void *private)
{
	long answer = 0;

	down_read(vm, &file->i_mmap_lock);
	for (struct list_head *pos = file->i_mmap.next; pos != &file->i_mmap && !answer; pos = pos->next) {
		struct vma *vma = list_vma(pos, i_mmap_node);
		unsigned long address;

		if (vma_address(vma, page, &address))
			answer = walker(vm, page, vma, address, private);
	}
	up_read(vm, &file->i_mmap_lock);
	return answer;
}

long rmap_walk(struct vm *vm, struct page *page, rmap_walker *walker, void *private)
{
	struct anon_vma *anon_vma = page_anon_vma(page);
	long answer;

	if (unlikely(PageKsm(page)))
		return rmap_walk_ksm(vm, page, walker, private);
	if (!anon_vma) {
		struct file *file = page_file(page);

		return file ? walk_file(vm, page, file, walker, private) : 0;
	}
	anon_vma->refs++;
	answer = walk_anon(vm, page, anon_vma, walker, private);
	put_anon_vma(anon_vma);
	return answer;
}

pte_t *page_check_address(struct vm *vm, struct page *page, struct vma *vma, unsigned long address)
{
	pte_t *pte = pte_offset(vma->mm, address);

	return pte && pte_maps_page(*pte) && pte_value(*pte) == page_to_pfn(vm, page) ? pte : NULL;
}

/* Takes an entry that maps the page away: dirtiness goes to the page, mapping count and reference drop. */
static void replace_pte(struct vm *vm, struct page *page, pte_t *pte, pte_t value)
{
	if (*pte & PTE_DIRTY)
		set_page_dirty(vm, page);
	*pte = value;
	page_remove_rmap(vm, page);
	/* Not the last reference: the caller holds one, so nobody is told of this one. */
	page->_refcount--;
}

static long unmap_one_for_migration(struct vm *vm, struct page *page, struct vma *vma, unsigned long address,
				    void *private)
{
	pte_t *pte;

	(void)private;
	sched_page_point(vm, EV_RMAP, page);
	pte = page_check_address(vm, page, vma, address);
	if (pte)
		replace_pte(vm, page, pte,
			    make_pte(page_to_pfn(vm, page), PTE_MIGRATION | (unsigned int)(*pte & PTE_WRITE)));
	return !page_mapped(page);
}

void unmap_for_migration(struct vm *vm, struct page *page)
{
	VM_BUG_ON_PAGE(vm, !PageLocked(page), page, VM_RULE_MIGRATION_ENTRY_UNLOCKED, "page locked", "unlocked");
	rmap_walk(vm, page, unmap_one_for_migration, NULL);
}

static long unmap_one(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private)
{
	struct mm *mm = vma->mm;
	enum mm_counter counter = mm_counter_of(page);
	pte_t *pte;

	(void)private;
	sched_page_point(vm, EV_RMAP, page);
	pte = page_check_address(vm, page, vma, address);
	if (!pte)
		return 0;
	if (vma->flags & VM_LOCKED) {
		mlock_vma_page(vm, page);
		return 1;
	}
	mm->counters[counter]--;
	if (counter != MM_ANONPAGES) {
		replace_pte(vm, page, pte, 0);
		return !page_mapped(page);
	}
	swap_duplicate(vm, page->private);
	mm->counters[MM_SWAPENTS]++;
	replace_pte(vm, page, pte, make_pte(page->private, PTE_SWAP));
	return !page_mapped(page);
}

bool try_to_unmap(struct vm *vm, struct page *page)
{
	rmap_walk(vm, page, unmap_one, NULL);
	return !page_mapped(page);
}

static long restore_one(struct vm *vm, struct page *target, struct vma *vma, unsigned long address, void *private)
{
	const struct page *old = private;
	pte_t *pte, entry;

	sched_page_point(vm, EV_RMAP, target);
	pte = pte_offset(vma->mm, address);
	if (!pte || !is_migration_entry(*pte) || pte_value(*pte) != page_to_pfn(vm, old))
		return 0;
	target->_refcount++;
	/* Not accessed and not dirty: what is known of that is in the page. */
	entry = make_pte(page_to_pfn(vm, target), pte_protection(vma));
	if (*pte & PTE_WRITE && vma->flags & VM_WRITE)
		entry |= PTE_WRITE;
	*pte = entry;
	if (PageAnon(target))
		page_add_anon_rmap(vm, target, vma, address);
	else
		page_add_file_rmap(vm, target);
	if (vma->flags & VM_LOCKED)
		mlock_vma_page(vm, target);
	return 0;
}

void remove_migration_ptes(struct vm *vm, struct page *old, struct page *target)
{
	VM_BUG_ON_PAGE(vm, !PageLocked(old), old, VM_RULE_MIGRATION_ENTRY_UNLOCKED, "page locked", "unlocked");
	rmap_walk(vm, target, restore_one, old);
}

struct referenced {
	int count;
	bool locked;
};

/* A PMD of a huge page has one accessed bit. */
static bool test_clear_young(pte_t *pte)
{
	unsigned long entries = *pte & PTE_HUGE ? HPAGE_PMD_NR : 1;
	bool young = false;

	for (unsigned long i = 0; i < entries; i++) {
		young |= (pte[i] & PTE_YOUNG) != 0;
		pte[i] &= ~(pte_t)PTE_YOUNG;
	}
	return young;
}

static long referenced_one(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private)
{
	struct referenced *found = private;
	pte_t *pte = page_check_address(vm, page, vma, address);

	if (!pte)
		return 0;
	if (vma->flags & VM_LOCKED) {
		found->locked = true;
		return 1;
	}
	if (test_clear_young(pte))
		found->count++;
	return 0;
}

int page_referenced(struct vm *vm, struct page *page, bool *locked)
{
	struct referenced found = {0, false};

	if (page_mapped(page))
		rmap_walk(vm, page, referenced_one, &found);
	*locked = found.locked;
	return found.count;
}

static long mkclean_one(struct vm *vm, struct page *page, struct vma *vma, unsigned long address, void *private)
{
	pte_t *pte = page_check_address(vm, page, vma, address);

	if (pte && vma->flags & VM_SHARED && *pte & (PTE_DIRTY | PTE_WRITE)) {
		*(bool *)private |= (*pte & PTE_DIRTY) != 0;
		*pte &= ~(pte_t)(PTE_DIRTY | PTE_WRITE);
	}
	return 0;
}

bool page_mkclean(struct vm *vm, struct page *page)
{
	bool dirty = false;

	if (page_mapped(page))
		rmap_walk(vm, page, mkclean_one, &dirty);
	return dirty;
}
