/* SPDX-License-Identifier: MIT
 *
 * The system calls that change a process's areas. Each takes mmap_sem for writing.
 */
#include <stdlib.h>

#include "fault.h"
#include "filemap.h"
#include "hugetlb.h"
#include "lru.h"
#include "mlock.h"
#include "pagetable.h"
#include "unmap.h"
#include "vma.h"

/* Rounds a range to pages; -EINVAL if it is none. */
static int page_range(unsigned long start, unsigned long length, unsigned long *end)
{
	if (start & (PAGE_SIZE - 1) || start >= TASK_SIZE || length > TASK_SIZE - start)
		return -EINVAL;
	*end = round_up(start + length, PAGE_SIZE);
	return 0;
}

/* The highest free place below MMAP_BASE, as Linux places areas; 0 if there is none. */
static unsigned long find_place(const struct mm *mm, unsigned long length, unsigned long align)
{
	unsigned long top = MMAP_BASE;

	for (unsigned int i = mm->nr_vmas; i-- > 0;) {
		const struct vma *vma = mm->vmas[i];

		if (vma->end <= top && top - vma->end >= length && round_down(top - length, align) >= vma->end)
			return round_down(top - length, align);
		if (vma->start < top)
			top = vma->start;
	}
	top = top >= MMAP_MIN && top - MMAP_MIN >= length ? round_down(top - length, align) : 0;
	return top >= MMAP_MIN ? top : 0;
}

static bool is_covered(const struct mm *mm, unsigned long start, unsigned long end)
{
	for (unsigned int i = vma_index(mm, start); start < end; i++) {
		if (i == mm->nr_vmas || mm->vmas[i]->start > start)
			return false;
		start = mm->vmas[i]->end;
	}
	return true;
}

/* Unmaps [start, end). mmap_sem held for writing. */
static int unmap_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end)
{
	int err = vma_split_at(vm, mm, start);
	unsigned int i;

	if (!err)
		err = vma_split_at(vm, mm, end);
	if (err)
		return err;
	for (i = vma_index(mm, start); i < mm->nr_vmas && mm->vmas[i]->start < end;) {
		struct vma *vma = mm->vmas[i];

		zap_page_range(vm, vma, vma->start, vma->end);
		if (vma->flags & VM_LOCKED)
			mm->locked_vm -= (vma->end - vma->start) >> PAGE_SHIFT;
		vma_remove(vm, mm, i);
	}
	return 0;
}

static long map_area(struct vm *vm, struct mm *mm, const struct mmap_request *request, unsigned long start,
		     unsigned long end)
{
	struct vma *vma = calloc(1, sizeof(*vma));
	struct file *file = request->file;

	if (!vma)
		return -ENOMEM;
	if (!file && !request->special && request->flags & VM_SHARED) {
		file = shmem_file_create(vm, end - start);
		if (!file) {
			free(vma);
			return -ENOMEM;
		}
	}
	*vma = (struct vma){
		.start = start,
		.end = end,
		.flags = request->flags,
		.file = file,
		.special = request->special,
		.special_page = request->special_page,
	};
	vma->pgoff = file ? request->pgoff : start >> PAGE_SHIFT;
	if (vma->flags & VM_HUGETLB && hugetlb_reserve(vm, vma)) {
		free(vma);
		return -ENOMEM;
	}
	if (vma_insert(mm, vma)) {
		hugetlb_unreserve(vm, vma);
		if (file && !request->file)
			file_put(vm, file);
		free(vma);
		return -ENOMEM;
	}
	if (file) {
		down_write(vm, &file->i_mmap_lock);
		/* Memory of a file of its own goes with the area. */
		file->refs += request->file != NULL;
		list_add_tail(&vma->i_mmap_node, &file->i_mmap);
		up_write(vm, &file->i_mmap_lock);
	}
	vma_merge_range(vm, mm, start, end);
	return (long)start;
}

static long mmap_locked(struct vm *vm, struct mm *mm, const struct mmap_request *request)
{
	unsigned long align = request->flags & VM_HUGETLB ? HPAGE_PMD_SIZE : PAGE_SIZE;
	unsigned long start = request->address, end, length = round_up(request->length, align);
	int err;

	if (!request->length || length > TASK_SIZE)
		return request->length ? -ENOMEM : -EINVAL;
	if (!request->fixed && align > PAGE_SIZE)
		start = round_up(start, align);
	err = start & (align - 1) ? -EINVAL : page_range(start, length, &end);
	if (err)
		return err;
	if (request->fixed) {
		err = start < MMAP_MIN ? -EINVAL : unmap_range(vm, mm, start, end);
		if (err)
			return err;
	} else if (start < MMAP_MIN || (vma_index(mm, start) < mm->nr_vmas && mm->vmas[vma_index(mm, start)]->start < end)) {
		start = find_place(mm, length, align);
		if (!start)
			return -ENOMEM;
	}
	return map_area(vm, mm, request, start, start + length);
}

long do_mmap(struct vm *vm, struct mm *mm, const struct mmap_request *request)
{
	long start;

	down_write(vm, &mm->mmap_sem);
	start = mmap_locked(vm, mm, request);
	up_write(vm, &mm->mmap_sem);
	if (start > 0 && request->flags & VM_LOCKED) {
		struct mmap_request unlocked = *request;
		long err = do_mlock(vm, mm, (unsigned long)start, unlocked.length, true);

		/* Pages that could not be had now are locked when they come. */
		if (err && err != -ENOMEM)
			return err;
	}
	return start;
}

long do_munmap(struct vm *vm, struct mm *mm, unsigned long start, unsigned long length)
{
	unsigned long end;
	int err = length ? page_range(start, length, &end) : -EINVAL;

	if (err)
		return err;
	down_write(vm, &mm->mmap_sem);
	err = unmap_range(vm, mm, start, end);
	up_write(vm, &mm->mmap_sem);
	return err;
}

/* Brings an entry in line with the area's new protection. Write access comes back through a fault. */
static long change_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	(void)vm;
	(void)address;
	(void)private;
	if (pte_present(*pte))
		*pte = (*pte & ~(pte_t)(PTE_WRITE | PTE_PROTNONE)) | pte_protection(vma);
	else if (is_migration_entry(*pte))
		*pte &= ~(pte_t)PTE_WRITE;
	return 0;
}

int change_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end, change_vma_t *change,
			const void *value)
{
	int err = vma_split_at(vm, mm, start);

	if (!err)
		err = vma_split_at(vm, mm, end);
	for (unsigned int i = vma_index(mm, start); !err && i < mm->nr_vmas && mm->vmas[i]->start < end; i++)
		err = change(vm, mm->vmas[i], value);
	vma_merge_range(vm, mm, start, end);
	return err;
}

static int protect_vma(struct vm *vm, struct vma *vma, const void *value)
{
	unsigned int access = *(const unsigned int *)value;

	if ((vma->flags & VM_ACCESS_FLAGS) == access)
		return 0;
	vma->flags = (vma->flags & ~(unsigned int)VM_ACCESS_FLAGS) | access;
	walk_vma(vm, vma, vma->start, vma->end, change_pte, NULL);
	return 0;
}

long do_mprotect(struct vm *vm, struct mm *mm, unsigned long start, unsigned long length, unsigned int access)
{
	unsigned long end;
	int err = page_range(start, length, &end);

	if (err || !length)
		return err;
	down_write(vm, &mm->mmap_sem);
	err = is_covered(mm, start, end) ? change_range(vm, mm, start, end, protect_vma, &access) : -ENOMEM;
	up_write(vm, &mm->mmap_sem);
	return err;
}

static int lock_vma(struct vm *vm, struct vma *vma, const void *value)
{
	long pages = (long)((vma->end - vma->start) >> PAGE_SHIFT);
	bool lock = *(const bool *)value;

	if (vma->flags & (VM_SPECIAL | VM_HUGETLB))
		return 0;
	if (lock == !!(vma->flags & VM_LOCKED))
		return 0;
	split_huge_pmd_range(vm, vma, vma->start, vma->end);
	vma->flags ^= VM_LOCKED;
	vma->mm->locked_vm += (unsigned long)(lock ? pages : -pages);
	if (!lock)
		munlock_vma_pages(vm, vma);
	return 0;
}

long do_mlock(struct vm *vm, struct mm *mm, unsigned long start, unsigned long length, bool lock)
{
	unsigned long end;
	int err = page_range(start, length, &end);

	if (err || !length)
		return err;
	/* Pages in a vector could not be taken off their list. */
	lru_add_drain_all(vm);
	down_write(vm, &mm->mmap_sem);
	err = is_covered(mm, start, end) ? change_range(vm, mm, start, end, lock_vma, &lock) : -ENOMEM;
	up_write(vm, &mm->mmap_sem);
	return err || !lock ? err : mlock_populate(vm, mm, start, end);
}
