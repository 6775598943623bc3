/* SPDX-License-Identifier: MIT */
#include "mbind.h"

#include <stdlib.h>

#include "filemap.h"
#include "hugetlb.h"
#include "lru.h"
#include "migrate.h"
#include "mpol_alloc.h"
#include "non_lru.h"
#include "queue_pages.h"
#include "vma.h"

/* Installing */

/* The area as a whole gets a copy of the policy; the memory of a file remembers it by itself. */
static int vma_replace_policy(struct vma *vma, const struct mempolicy *policy)
{
	unsigned long pages = (vma->end - vma->start) >> PAGE_SHIFT;
	struct mempolicy *copy;
	int err = mpol_dup(policy, &copy);

	if (!err && vma->file && vma->file->shmem)
		err = shared_policy_set(&vma->file->policy, vma->pgoff, vma->pgoff + pages, policy);
	if (err) {
		free(copy);
		return err;
	}
	free(vma->policy);
	vma->policy = copy;
	return 0;
}

/* What of one area lies in the range: split off, given the policy, and joined to the neighbours that it fits. */
static int bind_piece(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end,
		      const struct mempolicy *policy)
{
	int err = vma_split_at(vm, mm, start);

	if (!err)
		err = vma_split_at(vm, mm, end);
	if (!err)
		err = vma_replace_policy(find_vma(mm, start), policy);
	vma_merge_range(vm, mm, start, end);
	return err;
}

/* Step 13. An area that has the policy already is left as it is. mmap_sem held for writing. */
static int mbind_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end,
		       const struct mempolicy *policy)
{
	unsigned long last;
	int err = find_vma(mm, start) ? 0 : -EFAULT;

	for (; !err && start < end; start = last) {
		unsigned int index = vma_index(mm, start);
		const struct vma *vma;

		if (index == mm->nr_vmas || mm->vmas[index]->start >= end)
			break;
		vma = mm->vmas[index];
		start = start > vma->start ? start : vma->start;
		last = end < vma->end ? end : vma->end;
		if (!mpol_equal(vma->policy, policy))
			err = bind_piece(vm, mm, start, last, policy);
	}
	return err;
}

/* Moving */

struct bound_range {
	struct mm *mm;
	unsigned long start;
};

/* Where the area would map the page; -EFAULT if it would not. */
static unsigned long page_address_in_vma(const struct page *page, const struct vma *vma)
{
	unsigned long offset = page->index - vma->pgoff;

	if (PageAnon(page) ? !vma->anon_vma || page_anon_vma(page) != vma->anon_vma
			   : !vma->file || page_file(page) != vma->file)
		return -EFAULT;
	return page->index >= vma->pgoff && offset < (vma->end - vma->start) >> PAGE_SHIFT
		       ? vma->start + (offset << PAGE_SHIFT)
		       : (unsigned long)-EFAULT;
}

/* The target: by the policy of the first area from the range's start on that may map the page. */
static struct page *new_page(struct vm *vm, struct page *page, unsigned long private, int **result)
{
	const struct bound_range *range = (const struct bound_range *)private;
	struct mm *mm = range->mm;

	(void)result;
	for (unsigned int i = vma_index(mm, range->start); i < mm->nr_vmas; i++) {
		unsigned long address = page_address_in_vma(page, mm->vmas[i]);

		if (address == (unsigned long)-EFAULT)
			continue;
		if (unlikely(PageHuge(page)))
			return alloc_huge_page(vm, mm->vmas[i], address);
		return alloc_page_vma(vm, GFP_HIGHUSER_MOVABLE, mm->vmas[i], address);
	}
	return alloc_page_mm(vm, GFP_HIGHUSER_MOVABLE, mm);
}

/* Steps 12 to 15. mmap_sem held for writing. */
static int bind_and_move(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end,
			 const struct mempolicy *policy, uint64_t raw_nodes, unsigned int flags)
{
	struct bound_range range = {mm, start};
	struct migrate_counts counts;
	struct list_head pagelist;
	int err, left = 0;

	list_init(&pagelist);
	err = queue_pages_range(vm, mm, start, end, raw_nodes,
				flags | MPOL_MF_INVERT | (policy ? 0 : MPOL_MF_DISCONTIG_OK), &pagelist);
	if (!err)
		err = mbind_range(vm, mm, start, end, policy);
	if (!err && !list_empty(&pagelist))
		left = migrate_pages(vm, &pagelist, new_page, NULL, (unsigned long)&range, MIGRATE_SYNC,
				     MR_MEMPOLICY_MBIND, &counts);
	putback_movable_pages(vm, &pagelist);
	return left && flags & MPOL_MF_STRICT ? -EIO : err;
}

long do_mbind(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end,
	      const struct mpol_request *request, unsigned int flags)
{
	struct mempolicy *policy;
	int err = mpol_new(request, &policy);

	if (err)
		return err;
	if (flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		lru_add_drain_all(vm);
	down_write(vm, &mm->mmap_sem);
	err = mpol_set_nodemask(vm, mm, request, policy);
	if (!err)
		err = bind_and_move(vm, mm, start, end, policy, request->nodes.words[0], flags);
	up_write(vm, &mm->mmap_sem);
	free(policy);
	return err;
}
