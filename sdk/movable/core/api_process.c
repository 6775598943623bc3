/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "fault.h"
#include "filemap.h"
#include "lru.h"
#include "mpol_alloc.h"
#include "non_lru.h"
#include "page_list.h"
#include "pagetable.h"
#include "rmap.h"
#include "vma.h"

long mv_mm_create(struct vm *vm)
{
	const struct mm *mm;

	API_BEGIN(vm, false);
	mm = mm_create(vm);
	API_END(vm, mm ? (long)mm->id : -ENOMEM);
}

long mv_mm_exit(struct vm *vm, unsigned int mm)
{
	API_BEGIN(vm, true);
	mm_exit(vm, mm_of(vm, mm));
	API_END(vm, 0);
}

long mv_mm_fork(struct vm *vm, unsigned int id)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = mm_fork(vm, mm);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_mmap(struct vm *vm, unsigned int id, const struct mv_mmap *request)
{
	struct file *file = request->file ? vm->files[request->file] : NULL;
	struct mm *mm;
	long answer;
	const struct mmap_request r = {
		.address = request->address,
		.length = request->length,
		.flags = request->flags,
		.file = file,
		.pgoff = request->pgoff,
		.fixed = request->fixed,
	};

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	if (file)
		file->refs++;
	answer = do_mmap(vm, mm, &r);
	if (file)
		file_put(vm, file);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_munmap(struct vm *vm, unsigned int id, unsigned long start, unsigned long length)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = do_munmap(vm, mm, start, length);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_mprotect(struct vm *vm, unsigned int id, unsigned long start, unsigned long length, unsigned int access)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = do_mprotect(vm, mm, start, length, access);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_mlock(struct vm *vm, unsigned int id, unsigned long start, unsigned long length, bool lock)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = do_mlock(vm, mm, start, length, lock);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_access(struct vm *vm, unsigned int id, unsigned long address, void *buffer, unsigned long length, bool write,
	       unsigned long *done)
{
	struct mm *mm;
	long answer;

	*done = 0;
	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = access_process(vm, mm, address, buffer, length, write, done);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_touch(struct vm *vm, unsigned int id, unsigned long address, unsigned long length, bool write)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = touch_process(vm, mm, address, length, write);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_pin(struct vm *vm, unsigned int id, unsigned long address, bool write)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = pin_user_page(vm, mm, address, write);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_read_pte(struct vm *vm, unsigned int mm, unsigned long address)
{
	return (long)pte_read(mm_of(vm, mm), address);
}

/* Writes the first `room` entries of the range that are not 0, and returns how many there are. */
long mv_entries(struct vm *vm, unsigned int mm, unsigned long start, unsigned long end, struct mv_entry *entries,
		unsigned long room)
{
	struct radix *table = &mm_of(vm, mm)->page_table;
	unsigned long index = start >> PAGE_SHIFT, count = 0;
	const uint64_t *pte;

	if (!vm_begin_access(vm))
		return BROKEN;
	for (; (pte = radix_next(table, &index, end >> PAGE_SHIFT)); index++) {
		if (count < room)
			entries[count] = (struct mv_entry){index << PAGE_SHIFT, *pte};
		count++;
	}
	vm_end_access(vm);
	return (long)count;
}

long mv_nr_vmas(struct vm *vm, unsigned int mm)
{
	return (long)mm_of(vm, mm)->nr_vmas;
}

void fill_vma(struct mv_vma *info, const struct vma *vma)
{
	*info = (struct mv_vma){
		.start = vma->start,
		.end = vma->end,
		.pgoff = vma->pgoff,
		.flags = vma->flags,
		.file = vma->file ? vma->file->id : 0,
		.shmem = vma->file && !vma->file->as.owner,
		.owner = vma->file ? vma->file->as.owner : NULL,
		.special = (int)vma->special,
	};
	describe_policy(vma_policy(vma, vma->start), &info->policy);
}

void mv_vma(struct vm *vm, unsigned int mm, unsigned int index, struct mv_vma *info)
{
	fill_vma(info, mm_of(vm, mm)->vmas[index]);
}

void mv_mm_counters(struct vm *vm, unsigned int mm, long *counters)
{
	memcpy(counters, mm_of(vm, mm)->counters, sizeof(mm_of(vm, mm)->counters));
}

/* Isolates the page of one entry, as the callers of migrate_pages() do. */
static long isolate_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	struct page *page;

	(void)vma;
	(void)address;
	if (!pte_maps_page(*pte))
		return 0;
	page = pte_page(vm, *pte);
	if (PageLRU(page))
		page_list_isolate(vm, private, page, 0);
	return 0;
}

/* All pages of the range that are on an LRU; how many the list has now. mmap_sem is held while it lasts. */
long mv_isolate_range(struct vm *vm, unsigned int id, unsigned long start, unsigned long end, struct page_list *list)
{
	struct mm *mm;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	down_read(vm, &mm->mmap_sem);
	walk_page_range(vm, mm, start, end, isolate_pte, list);
	up_read(vm, &mm->mmap_sem);
	mmput(vm, mm);
	API_END(vm, (long)list->nr);
}
