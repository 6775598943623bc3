/* SPDX-License-Identifier: MIT */
#include "vma.h"

#include <stdlib.h>

#include "filemap.h"
#include "hugetlb.h"
#include "mempolicy.h"

unsigned int vma_index(const struct mm *mm, unsigned long address)
{
	unsigned int low = 0, high = mm->nr_vmas;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (mm->vmas[middle]->end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct vma *find_vma(const struct mm *mm, unsigned long address)
{
	unsigned int index = vma_index(mm, address);

	return index < mm->nr_vmas && mm->vmas[index]->start <= address ? mm->vmas[index] : NULL;
}

void put_anon_vma(struct anon_vma *anon_vma)
{
	if (!--anon_vma->refs)
		free(anon_vma);
}

/* The area, which has no anon_vma, gets the other one's. mmap_sem held, for reading at least. */
static void share_anon_vma(struct vm *vm, struct vma *vma, struct vma *other)
{
	struct anon_vma *anon_vma = other->anon_vma;

	anon_vma->refs++;
	down_write(vm, &anon_vma->lock);
	/* Another thread's fault may have been faster. */
	if (!vma->anon_vma) {
		vma->anon_vma = anon_vma;
		list_add_tail(&vma->anon_node, &other->anon_node);
		anon_vma->refs++;
	}
	up_write(vm, &anon_vma->lock);
	put_anon_vma(anon_vma);
}

/* Whether the areas touch and continue each other: all but access rights and reverse map are alike. */
static bool is_continued_by(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && !((a->flags ^ b->flags) & ~(unsigned int)VM_ACCESS_FLAGS) && a->file == b->file &&
	       a->pgoff + ((a->end - a->start) >> PAGE_SHIFT) == b->pgoff && mpol_equal(a->policy, b->policy);
}

/* A neighbour that may be one area with this one some day, and has an anon_vma. */
static struct vma *find_mergeable_anon_vma(const struct vma *vma)
{
	const struct mm *mm = vma->mm;
	unsigned int index = vma_index(mm, vma->start);
	struct vma *next = index + 1 < mm->nr_vmas ? mm->vmas[index + 1] : NULL;
	struct vma *prev = index ? mm->vmas[index - 1] : NULL;

	if (next && next->anon_vma && is_continued_by(vma, next))
		return next;
	if (prev && prev->anon_vma && is_continued_by(prev, vma))
		return prev;
	return NULL;
}

int anon_vma_prepare(struct vm *vm, struct vma *vma)
{
	struct anon_vma *anon_vma;
	struct vma *neighbour;

	if (vma->anon_vma)
		return 0;
	neighbour = find_mergeable_anon_vma(vma);
	if (neighbour) {
		share_anon_vma(vm, vma, neighbour);
		return 0;
	}
	anon_vma = calloc(1, sizeof(*anon_vma));
	if (!anon_vma)
		return -ENOMEM;
	vm_lock_init(vm, &anon_vma->lock, ANON_VMA_LOCK);
	list_init(&anon_vma->vmas);
	anon_vma->refs = 1;
	list_add_tail(&vma->anon_node, &anon_vma->vmas);
	vma->anon_vma = anon_vma;
	return 0;
}

void vma_link_rmap(struct vm *vm, struct vma *vma, struct vma *origin)
{
	if (vma->anon_vma) {
		down_write(vm, &vma->anon_vma->lock);
		vma->anon_vma->refs++;
		list_add(&vma->anon_node, &origin->anon_node);
		up_write(vm, &vma->anon_vma->lock);
	}
	if (vma->file) {
		down_write(vm, &vma->file->i_mmap_lock);
		vma->file->refs++;
		list_add(&vma->i_mmap_node, &origin->i_mmap_node);
		up_write(vm, &vma->file->i_mmap_lock);
	}
}

int vma_insert(struct mm *mm, struct vma *vma)
{
	unsigned int index = vma_index(mm, vma->start);

	if (mm->nr_vmas == mm->room) {
		unsigned int room = mm->room ? 2 * mm->room : 8;
		struct vma **vmas = realloc(mm->vmas, room * sizeof(*vmas));

		if (!vmas)
			return -ENOMEM;
		mm->vmas = vmas;
		mm->room = room;
	}
	memmove(&mm->vmas[index + 1], &mm->vmas[index], (mm->nr_vmas - index) * sizeof(*mm->vmas));
	mm->vmas[index] = vma;
	mm->nr_vmas++;
	vma->mm = mm;
	return 0;
}

void vma_remove(struct vm *vm, struct mm *mm, unsigned int index)
{
	struct vma *vma = mm->vmas[index];

	hugetlb_unreserve(vm, vma);
	memmove(&mm->vmas[index], &mm->vmas[index + 1], (--mm->nr_vmas - index) * sizeof(*mm->vmas));
	if (vma->anon_vma) {
		down_write(vm, &vma->anon_vma->lock);
		list_del(&vma->anon_node);
		up_write(vm, &vma->anon_vma->lock);
		put_anon_vma(vma->anon_vma);
	}
	if (vma->file) {
		down_write(vm, &vma->file->i_mmap_lock);
		list_del(&vma->i_mmap_node);
		up_write(vm, &vma->file->i_mmap_lock);
		file_put(vm, vma->file);
	}
	free(vma->policy);
	free(vma);
}

int vma_split_at(struct vm *vm, struct mm *mm, unsigned long address)
{
	struct vma *vma = find_vma(mm, address), *upper;
	int err;

	if (!vma || vma->start == address)
		return 0;
	if (vma->flags & VM_HUGETLB && address & (HPAGE_PMD_SIZE - 1))
		return -EINVAL;
	upper = malloc(sizeof(*upper));
	if (!upper)
		return -ENOMEM;
	/* One area holds all of a huge page. */
	if (address & (HPAGE_PMD_SIZE - 1))
		split_huge_pmd(vm, mm, address);
	*upper = *vma;
	if (mpol_dup(vma->policy, &upper->policy)) {
		free(upper);
		return -ENOMEM;
	}
	upper->pgoff += (address - vma->start) >> PAGE_SHIFT;
	upper->start = address;
	/* Linked before the lower part shrinks: at no time is a page outside both. */
	vma_link_rmap(vm, upper, vma);
	vma->end = address;
	err = vma_insert(mm, upper);
	if (err) {
		vma->end = upper->end;
		if (upper->anon_vma) {
			list_del(&upper->anon_node);
			put_anon_vma(upper->anon_vma);
		}
		if (upper->file) {
			list_del(&upper->i_mmap_node);
			file_put(vm, upper->file);
		}
		free(upper->policy);
		free(upper);
		return err;
	}
	hugetlb_share_map(upper);
	return 0;
}

static bool can_merge(const struct vma *a, const struct vma *b)
{
	if (a->flags & VM_SPECIAL)
		return false;
	return a->end == b->start && a->flags == b->flags && a->file == b->file &&
	       a->pgoff + ((a->end - a->start) >> PAGE_SHIFT) == b->pgoff &&
	       (!a->anon_vma || !b->anon_vma || a->anon_vma == b->anon_vma) && mpol_equal(a->policy, b->policy);
}

/* The lower area takes over the upper one. */
static void merge(struct vm *vm, struct mm *mm, unsigned int index)
{
	struct vma *a = mm->vmas[index], *b = mm->vmas[index + 1];

	if (!a->anon_vma && b->anon_vma)
		share_anon_vma(vm, a, b);
	a->end = b->end;
	vma_remove(vm, mm, index + 1);
}

void vma_merge_range(struct vm *vm, struct mm *mm, unsigned long start, unsigned long end)
{
	unsigned int i = vma_index(mm, start ? start - 1 : 0);

	while (i + 1 < mm->nr_vmas && mm->vmas[i]->start < end) {
		if (can_merge(mm->vmas[i], mm->vmas[i + 1]))
			merge(vm, mm, i);
		else
			i++;
	}
}
