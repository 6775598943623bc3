/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include "filemap.h"
#include "hugetlb.h"
#include "lru.h"
#include "mlock.h"
#include "mpol_alloc.h"
#include "special.h"
#include "swap.h"
#include "vma.h"

/* A window of one page table: it is aligned, and smaller. */
#define FAULT_AROUND_BYTES 0x10000UL

/* Where a fault happened. `pte` is what the entry held when the fault began. */
struct fault {
	struct vma *vma;
	unsigned long address;
	bool write;
	pte_t pte;
};

/* Write access for a page of a private area, where the area allows it. */
static unsigned int writable(const struct vma *vma)
{
	return vma->flags & VM_WRITE ? PTE_WRITE | PTE_DIRTY : 0;
}

/* The entry, if it still holds what the fault found; else NULL: somebody was faster. */
static pte_t *unchanged(const struct fault *fault)
{
	pte_t *pte = pte_offset(fault->vma->mm, fault->address);

	return pte && *pte == fault->pte ? pte : NULL;
}

/* Maps a new private page of the caller's; false if the entry has changed meanwhile. Drops the caller's reference. */
static bool map_new_anon(struct vm *vm, const struct fault *fault, struct page *page)
{
	struct vma *vma = fault->vma;
	pte_t *pte = unchanged(fault);

	if (!pte) {
		put_page(vm, page);
		return false;
	}
	set_page_flag(page, PG_uptodate);
	set_page_flag(page, PG_swapbacked);
	page->_refcount++;
	page_add_anon_rmap(vm, page, vma, fault->address);
	vma->mm->counters[MM_ANONPAGES]++;
	*pte = make_pte(page_to_pfn(vm, page), pte_protection(vma) | PTE_YOUNG | writable(vma));
	lru_cache_add_new_anon(vm, page, vma->flags & VM_LOCKED);
	put_page(vm, page);
	return true;
}

static int do_anonymous_page(struct vm *vm, const struct fault *fault)
{
	pte_t *pte = pte_alloc(fault->vma->mm, fault->address);
	struct page *page;

	if (!pte)
		return -ENOMEM;
	if (unlikely(fault->vma->flags & VM_HUGEPAGE) &&
	    do_huge_pmd_fault(vm, fault->vma, fault->address, fault->write))
		return 0;
	if (!fault->write) {
		*pte = make_pte(0, pte_protection(fault->vma) | PTE_ZERO | PTE_YOUNG);
		return 0;
	}
	if (anon_vma_prepare(vm, fault->vma))
		return -ENOMEM;
	page = alloc_page_vma(vm, GFP_HIGHUSER_MOVABLE | __GFP_ZERO, fault->vma, fault->address);
	if (!page)
		return -ENOMEM;
	map_new_anon(vm, fault, page);
	return 0;
}

/* The process gets a copy of its own of what it wrote to; of the zero page if `old` is NULL. */
static int wp_page_copy(struct vm *vm, const struct fault *fault, struct page *old)
{
	struct mm *mm = fault->vma->mm;
	struct page *page;
	int err = anon_vma_prepare(vm, fault->vma);

	if (err)
		return err;
	if (old)
		old->_refcount++;
	page = alloc_page_vma(vm, GFP_HIGHUSER_MOVABLE | (old ? 0 : __GFP_ZERO), fault->vma, fault->address);
	if (page && old)
		copy_highpage(vm, page, old);
	if (page && map_new_anon(vm, fault, page) && old) {
		mm->counters[mm_counter_of(old)]--;
		page_remove_rmap(vm, old);
		put_page(vm, old);
	}
	if (old)
		put_page(vm, old);
	return page ? 0 : -ENOMEM;
}

int break_cow(struct vm *vm, struct vma *vma, unsigned long address)
{
	const struct fault fault = {.vma = vma, .address = address, .write = true, .pte = pte_read(vma->mm, address)};
	int err = wp_page_copy(vm, &fault, pte_page(vm, fault.pte));
	pte_t pte = pte_read(vma->mm, address);

	/* In an area that cannot be written the entry does not say so. */
	if (!err && pte_maps_page(pte) && !(pte & PTE_DIRTY))
		set_page_flag(pte_page(vm, pte), PG_dirty);
	return err;
}

/* Waits until the page is unlocked, so that whoever has it can finish. */
static void wait_for_owner(struct vm *vm, struct page *page)
{
	page->_refcount++;
	lock_page(vm, page);
	unlock_page(vm, page);
	put_page(vm, page);
}

/* A shared page becomes writable: its file learns that it is dirty. */
static int wp_page_shared(struct vm *vm, const struct fault *fault, struct page *page)
{
	pte_t *pte;

	page->_refcount++;
	lock_page(vm, page);
	pte = unchanged(fault);
	if (pte && page_file(page)) {
		set_page_dirty(vm, page);
		*pte |= PTE_WRITE | PTE_DIRTY | PTE_YOUNG;
	}
	unlock_page(vm, page);
	put_page(vm, page);
	return 0;
}

static int wp_zero_page(struct vm *vm, const struct fault *fault)
{
	struct fault single = *fault;

	/* Memory of a device is written as it is, or not at all. */
	if (fault->pte & PTE_SPECIAL)
		return -EFAULT;
	if (unlikely(fault->pte & PTE_HUGE)) {
		if (do_huge_pmd_fault(vm, fault->vma, fault->address, true))
			return 0;
		split_huge_pmd(vm, fault->vma->mm, fault->address);
		single.pte = pte_read(fault->vma->mm, fault->address);
		if (!(single.pte & PTE_ZERO))
			return 0;
	}
	return wp_page_copy(vm, &single, NULL);
}

static int do_wp_page(struct vm *vm, const struct fault *fault)
{
	struct page *page;
	pte_t *pte;

	if (fault->pte & PTE_ZERO)
		return wp_zero_page(vm, fault);
	if (unlikely(fault->pte & PTE_HUGE)) {
		do_huge_pmd_wp_page(vm, fault->vma, fault->address);
		return 0;
	}
	page = pte_page(vm, fault->pte);
	if (fault->vma->flags & VM_SHARED)
		return wp_page_shared(vm, fault, page);
	if (!PageAnon(page))
		return wp_page_copy(vm, fault, page);
	if (PageLocked(page)) {
		wait_for_owner(vm, page);
		return 0;
	}
	if (!reuse_swap_page(vm, page))
		return wp_page_copy(vm, fault, page);
	pte = unchanged(fault);
	if (pte)
		*pte |= PTE_WRITE | PTE_DIRTY | PTE_YOUNG;
	return 0;
}

/* A private write to a file's page that is not mapped yet: straight to the copy. */
static int do_cow_fault(struct vm *vm, const struct fault *fault, unsigned long index)
{
	struct vma *vma = fault->vma;
	struct page *page, *copy;
	int err = anon_vma_prepare(vm, vma);

	if (err)
		return err;
	/* Before the file's page is locked: nobody waits for memory with it in his hands. */
	copy = alloc_page_vma(vm, GFP_HIGHUSER_MOVABLE, vma, fault->address);
	if (!copy)
		return -ENOMEM;
	err = filemap_get_page(vm, vma->file, index, vma->mm, &page);
	if (err) {
		put_page(vm, copy);
		return err;
	}
	copy_highpage(vm, copy, page);
	map_new_anon(vm, fault, copy);
	unlock_page(vm, page);
	put_page(vm, page);
	return 0;
}

/* Maps a page of the area's file at an address where nothing is. Page locked; takes a reference of its own. */
static void map_file_page(struct vm *vm, struct vma *vma, unsigned long address, struct page *page, bool write)
{
	unsigned int bits = pte_protection(vma) | PTE_YOUNG;

	/* Nobody needs to be told of writes to shared memory that no device stores. */
	if (write || (vma->flags & VM_SHARED && vma->flags & VM_WRITE && vma->file->shmem))
		bits |= PTE_WRITE | (write ? PTE_DIRTY : 0);
	page->_refcount++;
	page_add_file_rmap(vm, page);
	vma->mm->counters[mm_counter_of(page)]++;
	*pte_offset(vma->mm, address) = make_pte(page_to_pfn(vm, page), bits);
	if (vma->flags & VM_LOCKED)
		mlock_vma_page(vm, page);
}

static unsigned long file_index(const struct vma *vma, unsigned long address)
{
	return vma->pgoff + ((address - vma->start) >> PAGE_SHIFT);
}

/* Maps the file's page if it is cached, can be had without waiting, and nothing is mapped there. */
static void map_cached(struct vm *vm, struct vma *vma, unsigned long address)
{
	unsigned long index = file_index(vma, address);
	struct page *page = find_get_page(vm, vma->file, index);

	if (!page)
		return;
	if (trylock_page(vm, page)) {
		/* It may have been cut off, or moved to another frame, before it was locked. */
		if (page->mapping == &vma->file->as && page->index == index && page_flag(page, PG_uptodate) &&
		    !pte_read(vma->mm, address))
			map_file_page(vm, vma, address, page, false);
		unlock_page(vm, page);
	}
	put_page(vm, page);
}

/* A read maps what is cached in the window of addresses around it as well. spec/migration.md 9.8 */
static void do_fault_around(struct vm *vm, const struct fault *fault)
{
	struct vma *vma = fault->vma;
	unsigned long start = round_down(fault->address, FAULT_AROUND_BYTES), end = start + FAULT_AROUND_BYTES;

	if (start < vma->start)
		start = vma->start;
	if (end > vma->end)
		end = vma->end;
	for (unsigned long address = start; address < end; address += PAGE_SIZE)
		if (!pte_read(vma->mm, address))
			map_cached(vm, vma, address);
}

static int do_file_fault(struct vm *vm, const struct fault *fault)
{
	struct vma *vma = fault->vma;
	unsigned long index = file_index(vma, fault->address);
	struct page *page;
	int err;

	if (!pte_alloc(vma->mm, fault->address))
		return -ENOMEM;
	if (fault->write && !(vma->flags & VM_SHARED))
		return do_cow_fault(vm, fault, index);
	if (!fault->write) {
		do_fault_around(vm, fault);
		if (!unchanged(fault))
			return 0;
	}
	err = filemap_get_page(vm, vma->file, index, vma->mm, &page);
	if (err)
		return err;
	if (fault->write)
		set_page_dirty(vm, page);
	if (unchanged(fault))
		map_file_page(vm, vma, fault->address, page, fault->write);
	unlock_page(vm, page);
	put_page(vm, page);
	return 0;
}

/* spec/migration.md 2.5: whoever meets a migration entry sleeps on the page lock, then tries again. */
static void migration_entry_wait(struct vm *vm, pte_t entry)
{
	struct page *page = pte_page(vm, entry);

	if (!page->_refcount) {
		/* Frozen for a moment. */
		if (vm->sched)
			sched_yield_step(vm, EV_YIELD, page_to_pfn(vm, page));
		return;
	}
	page->_refcount++;
	wait_on_page_locked(vm, page);
	put_page(vm, page);
}

/* Page locked, and still what the entry stands for. */
static void map_swapped_page(struct vm *vm, const struct fault *fault, struct page *page, pte_t *pte)
{
	struct vma *vma = fault->vma;
	unsigned long slot = pte_value(fault->pte);
	unsigned int bits = pte_protection(vma) | PTE_YOUNG;

	vma->mm->counters[MM_SWAPENTS]--;
	vma->mm->counters[MM_ANONPAGES]++;
	page->_refcount++;
	page_add_anon_rmap(vm, page, vma, fault->address);
	vm->swap->slots[slot].count--;
	if (fault->write && reuse_swap_page(vm, page))
		bits |= writable(vma);
	*pte = make_pte(page_to_pfn(vm, page), bits);
	if (vma->flags & VM_LOCKED)
		mlock_vma_page(vm, page);
	/* Slots that may be wanted for others are not kept. */
	if (vma->flags & VM_LOCKED || 2 * vm->swap->nr_used > vm->swap->nr_slots)
		try_to_free_swap(vm, page);
}

static int do_swap_page(struct vm *vm, const struct fault *fault)
{
	unsigned long slot = pte_value(fault->pte);
	struct page *page;
	pte_t *pte;

	if (is_migration_entry(fault->pte)) {
		migration_entry_wait(vm, fault->pte);
		return 0;
	}
	if (anon_vma_prepare(vm, fault->vma))
		return -ENOMEM;
	page = swapin_page(vm, slot, fault->vma, fault->address);
	if (!page)
		return unchanged(fault) ? -ENOMEM : 0;
	lock_page(vm, page);
	wait_on_page_writeback(vm, page);
	pte = unchanged(fault);
	if (pte && PageSwapCache(page) && page->private == slot)
		map_swapped_page(vm, fault, page, pte);
	unlock_page(vm, page);
	put_page(vm, page);
	return 0;
}

static bool access_allowed(const struct vma *vma, bool write)
{
	return vma->flags & (write ? VM_WRITE : VM_ACCESS_FLAGS);
}

int handle_mm_fault(struct vm *vm, struct mm *mm, unsigned long address, bool write)
{
	struct fault fault = {.vma = find_vma(mm, address), .address = round_down(address, PAGE_SIZE), .write = write};

	if (!fault.vma || !access_allowed(fault.vma, write))
		return -EFAULT;
	sched_point(vm, EV_FAULT, fault.address);
	count_vm_events(vm, PGFAULT, 1);
	if (unlikely(fault.vma->flags & VM_HUGETLB))
		return hugetlb_fault(vm, fault.vma, fault.address, write);
	fault.pte = pte_read(mm, address);
	if (!fault.pte && unlikely(fault.vma->special))
		return do_special_fault(vm, fault.vma, fault.address);
	if (!fault.pte)
		return fault.vma->file ? do_file_fault(vm, &fault) : do_anonymous_page(vm, &fault);
	if (!pte_present(fault.pte))
		return do_swap_page(vm, &fault);
	if (write && !(fault.pte & PTE_WRITE))
		return do_wp_page(vm, &fault);
	return 0;
}

/* The frame that an access goes to, with the entry marked as the hardware does; NULL: a fault. */
static struct page *translate(struct vm *vm, struct mm *mm, unsigned long address, bool write, bool *zero)
{
	pte_t *pte = pte_offset(mm, address);

	*zero = false;
	if (!pte || !pte_present(*pte) || *pte & PTE_PROTNONE || (write && !(*pte & PTE_WRITE)))
		return NULL;
	*pte |= PTE_YOUNG | (write ? PTE_DIRTY : 0);
	*zero = *pte & PTE_ZERO;
	return pte_page(vm, *pte);
}

/* As translate(), with faults handled. 0 and *page (NULL: the zero page), or the fault's error. */
static int fault_in(struct vm *vm, struct mm *mm, unsigned long address, bool write, struct page **page)
{
	for (;;) {
		bool zero;
		int err;

		*page = translate(vm, mm, address, write, &zero);
		if (zero)
			*page = NULL;
		if (*page || zero)
			return 0;
		down_read(vm, &mm->mmap_sem);
		err = handle_mm_fault(vm, mm, address, write);
		up_read(vm, &mm->mmap_sem);
		if (err)
			return err;
		if (vm->interrupt)
			return -EINTR;
	}
}

/* Bytes of one access: of one page, and under a schedule few enough that others can come in between. */
static unsigned long access_length(const struct vm *vm, unsigned long address, unsigned long length)
{
	unsigned long grain = vm->sched ? PAGE_SIZE / 4 : PAGE_SIZE;
	unsigned long rest = grain - (address & (grain - 1));

	return rest < length ? rest : length;
}

int access_process(struct vm *vm, struct mm *mm, unsigned long address, void *buffer, unsigned long length,
		   bool write, unsigned long *done)
{
	for (*done = 0; *done < length;) {
		unsigned long at = address + *done, n = access_length(vm, at, length - *done);
		unsigned char *bytes = (unsigned char *)buffer + *done, *memory;
		struct page *page;
		int err;

		sched_point(vm, EV_ACCESS, at);
		err = fault_in(vm, mm, at, write, &page);
		if (err)
			return err;
		/* From here on nobody runs in between: one instruction of the process. */
		memory = page ? page_address(vm, page) + (at & (PAGE_SIZE - 1)) : NULL;
		if (write)
			memcpy(memory, bytes, n);
		else if (memory)
			memcpy(bytes, memory, n);
		else
			memset(bytes, 0, n);
		*done += n;
	}
	return 0;
}

int touch_process(struct vm *vm, struct mm *mm, unsigned long address, unsigned long length, bool write)
{
	unsigned long end = address + length;

	for (address = round_down(address, PAGE_SIZE); address < end; address += PAGE_SIZE) {
		struct page *page;
		int err;

		sched_point(vm, EV_ACCESS, address);
		err = fault_in(vm, mm, address, write, &page);
		if (err)
			return err;
	}
	return 0;
}

long pin_user_page(struct vm *vm, struct mm *mm, unsigned long address, bool write)
{
	struct page *page;
	int err;

	sched_point(vm, EV_ACCESS, address);
	err = fault_in(vm, mm, address, write, &page);
	if (err)
		return err;
	/* The zero page has no frame to pin. */
	if (!page)
		return -EFAULT;
	/* The pool's pages are held as a whole. */
	if (unlikely(PageHuge(page)))
		page = compound_head(page);
	page->_refcount++;
	return (long)page_to_pfn(vm, page);
}

long lookup_node(struct vm *vm, struct mm *mm, unsigned long address)
{
	const struct vma *vma;
	struct page *page;
	bool raw;
	int err;

	down_read(vm, &mm->mmap_sem);
	vma = find_vma(mm, address);
	raw = vma && vma->flags & (VM_IO | VM_PFNMAP);
	up_read(vm, &mm->mmap_sem);
	err = raw ? -EFAULT : fault_in(vm, mm, address, false, &page);
	if (err)
		return err == -EFBIG ? -EFAULT : err;
	/* The zero page lies where the kernel does: on the first node. */
	return page ? page_zone(vm, page)->node->node_id : first_node(nodes_with_memory(vm));
}

int populate_page(struct vm *vm, struct mm *mm, unsigned long address)
{
	int err = 0;

	for (;;) {
		const struct vma *vma;
		pte_t pte;
		bool write;

		down_read(vm, &mm->mmap_sem);
		vma = find_vma(mm, address);
		pte = pte_read(mm, address);
		write = vma && (vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
		if (!vma || !(vma->flags & VM_LOCKED) || !(vma->flags & VM_ACCESS_FLAGS) || err || vm->interrupt ||
		    (pte_present(pte) && (!write || pte & PTE_WRITE))) {
			up_read(vm, &mm->mmap_sem);
			return err;
		}
		err = handle_mm_fault(vm, mm, address, write);
		up_read(vm, &mm->mmap_sem);
	}
}
