/* SPDX-License-Identifier: MIT */
#include "special.h"

#include "page_alloc.h"
#include "rmap.h"
#include "vma.h"

static const unsigned int special_flags[] = {
	[SPECIAL_VDSO] = VM_READ | VM_EXEC | VM_DONTEXPAND,
	[SPECIAL_VVAR] = VM_READ | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP,
	[SPECIAL_MEM] = VM_READ | VM_SHARED | VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP,
};

/* The kernel's page; it is made when it is first mapped, and stays. NULL: no memory. */
static struct page *vdso_page(struct vm *vm, int nid)
{
	struct page **page = &vm->nodes[nid].vdso_page, *made;

	if (*page)
		return *page;
	made = alloc_pages_node(vm, nid, GFP_KERNEL | __GFP_ZERO | __GFP_THISNODE, 0);
	/* The allocation sleeps: another CPU may have been first. */
	if (made && *page) {
		put_page(vm, made);
	} else if (made) {
		set_page_flag(made, PG_reserved);
		*page = made;
	}
	return *page;
}

static int map_raw(struct vma *vma, unsigned long address)
{
	pte_t *pte = pte_alloc(vma->mm, address);

	if (!pte)
		return -ENOMEM;
	*pte = make_pte(0, pte_protection(vma) | PTE_ZERO | PTE_SPECIAL | PTE_YOUNG);
	return 0;
}

long do_mmap_special(struct vm *vm, struct mm *mm, enum vma_special special, unsigned long address, int nid)
{
	struct mmap_request request = {
		.address = address,
		.length = PAGE_SIZE,
		.flags = special_flags[special],
		.special = special,
	};
	long start;

	if (special == SPECIAL_VDSO) {
		request.special_page = vdso_page(vm, nid);
		if (!request.special_page)
			return -ENOMEM;
	}
	start = do_mmap(vm, mm, &request);
	if (start > 0 && special == SPECIAL_MEM) {
		struct vma *vma;
		int err = 0;

		down_write(vm, &mm->mmap_sem);
		vma = find_vma(mm, (unsigned long)start);
		if (vma && vma->special == special)
			err = map_raw(vma, (unsigned long)start);
		up_write(vm, &mm->mmap_sem);
		if (err)
			return err;
	}
	return start;
}

static int map_vdso(struct vm *vm, struct vma *vma, unsigned long address)
{
	struct page *page = vma->special_page;
	pte_t *pte = pte_alloc(vma->mm, address);

	if (!pte)
		return -ENOMEM;
	page->_refcount++;
	page_add_file_rmap(vm, page);
	vma->mm->counters[mm_counter_of(page)]++;
	*pte = make_pte(page_to_pfn(vm, page), pte_protection(vma) | PTE_YOUNG);
	return 0;
}

int do_special_fault(struct vm *vm, struct vma *vma, unsigned long address)
{
	if (vma->special == SPECIAL_MEM)
		return -EFAULT;
	return vma->special == SPECIAL_VDSO ? map_vdso(vm, vma, address) : map_raw(vma, address);
}
