/* SPDX-License-Identifier: MIT */
#include "move_pages.h"

#include "hugetlb.h"
#include "lru.h"
#include "migrate_nodes.h"
#include "mpol_alloc.h"
#include "rmap.h"
#include "vma.h"

#define STAT_CHUNK 16UL

/* One entry of a chunk being moved. A chunk fills a page of the kernel's, but for one entry. */
struct page_to_node {
	unsigned long address;
	unsigned long pfn; /* of the page found there; or NO_PAGE */
	int node, status;
};

#define NO_PAGE ~0UL
#define MOVE_CHUNK (PAGE_SIZE / sizeof(struct page_to_node) - 1)

/* The chunk that a migration's targets are for. */
struct chunk {
	struct page_to_node *entries;
	unsigned long nr;
	uint64_t allowed;
	bool mixed;	   /* an entry found a page and did not queue it: another one may name the same */
	unsigned long next; /* not mixed: the entry after the one that was asked for last */
};

/*
 * The page that an entry maps (NULL: there is no table), without a reference; with `split`, none that is part of a transparent huge
 * page. 0, -EFAULT, -ENOENT, -EBUSY: 9.8, per-page status. mmap_sem held.
 */
static int follow_page(struct vm *vm, struct vma *vma, unsigned long address, const pte_t *pte, bool split,
		       struct page **page)
{
	if (split && pte && unlikely(*pte & PTE_HUGE) && !(vma->flags & VM_HUGETLB) &&
	    !split_huge_entry(vm, vma, address, pte))
		return -EBUSY;
	if (!pte || !*pte)
		return vma_has_fault_handler(vma) ? -ENOENT : -EFAULT;
	if (!pte_present(*pte))
		return -ENOENT;
	if (!pte_maps_page(*pte))
		return -EFAULT;
	*page = pte_page(vm, *pte);
	return 0;
}

/* Like find_vma(), with a guess. */
static struct vma *find_vma_near(const struct mm *mm, struct vma *guess, unsigned long address)
{
	return guess && guess->start <= address && address < guess->end ? guess : find_vma(mm, address);
}

/* mmap_sem held. All entries of the chunk are fetched at once, and then all page structures. */
static void stat_chunk(struct vm *vm, struct mm *mm, const unsigned long *pages, int *status, unsigned long nr)
{
	struct vma *vmas[STAT_CHUNK], *vma = NULL;
	const pte_t *ptes[STAT_CHUNK];
	struct page *found[STAT_CHUNK];

	for (unsigned long i = 0; i < nr; i++) {
		vma = vmas[i] = find_vma_near(mm, vma, pages[i]);
		ptes[i] = vma ? pte_offset(mm, pages[i]) : NULL;
		__builtin_prefetch(ptes[i]);
	}
	for (unsigned long i = 0; i < nr; i++) {
		found[i] = NULL;
		status[i] = vmas[i] ? follow_page(vm, vmas[i], pages[i], ptes[i], false, &found[i]) : -EFAULT;
		__builtin_prefetch(found[i]);
	}
	for (unsigned long i = 0; i < nr; i++)
		if (found[i])
			status[i] = page_to_nid(vm, found[i]);
}

static unsigned long chunk_length(const struct move_arrays *arrays, unsigned long start, unsigned long most)
{
	return arrays->count - start < most ? arrays->count - start : most;
}

long do_pages_stat(struct vm *vm, struct mm *mm, const struct move_arrays *arrays)
{
	int status[STAT_CHUNK];
	unsigned long nr;

	for (unsigned long start = 0; start < arrays->count; start += nr) {
		nr = chunk_length(arrays, start, STAT_CHUNK);
		if (start + nr > arrays->nr_pages)
			return -EFAULT;
		down_read(vm, &mm->mmap_sem);
		stat_chunk(vm, mm, arrays->pages + start, status, nr);
		up_read(vm, &mm->mmap_sem);
		if (start + nr > arrays->nr_status)
			return -EFAULT;
		memcpy(arrays->status + start, status, nr * sizeof(*status));
		if (vm->interrupt)
			return -EINTR;
	}
	return 0;
}

/* Reads and checks one entry. */
static int read_entry(const struct move_arrays *arrays, unsigned long index, const struct move_rules *rules,
		      struct page_to_node *entry)
{
	if (index >= arrays->nr_pages || index >= arrays->nr_nodes)
		return -EFAULT;
	*entry = (struct page_to_node){arrays->pages[index], NO_PAGE, arrays->nodes[index], 0};
	if (entry->node < 0 || entry->node >= MAX_NUMNODES || !(rules->memory >> entry->node & 1))
		return -ENODEV;
	return rules->mems >> entry->node & 1 ? 0 : -EACCES;
}

/* Finds an entry's page, and queues it if it is to move. The entry's status as long as it has not moved. */
static int queue_entry(struct vm *vm, struct mm *mm, struct page_to_node *entry, bool move_all,
		       struct list_head *pagelist)
{
	struct vma *vma = find_vma(mm, entry->address);
	struct page *page;
	int err = -EFAULT;

	if (vma && vma_migratable(vma))
		err = follow_page(vm, vma, entry->address, pte_offset(mm, entry->address), true, &page);
	if (err)
		return err;
	entry->pfn = page_to_pfn(vm, page);
	if (page_to_nid(vm, page) == entry->node)
		return entry->node;
	if (page_mapcount(compound_head(page)) > 1 && !move_all)
		return -EACCES;
	if (unlikely(PageHuge(page))) {
		/* By its head it moves as a whole; by a tail it does not. */
		if (page == compound_head(page))
			isolate_huge_page(vm, page, pagelist);
		return -EACCES;
	}
	return queue_page(vm, page, pagelist);
}

/* The first entry that names the page says where it goes, and gets to know what became of it. */
static struct page *new_page_of_chunk(struct vm *vm, struct page *page, unsigned long private, int **result)
{
	struct chunk *chunk = (struct chunk *)private;
	unsigned long pfn = page_to_pfn(vm, page), i = chunk->mixed ? 0 : chunk->next;
	struct page_to_node *entry;

	/* It is there: only pages of the chunk are on the list, in the order of the entries. */
	while (chunk->entries[i % chunk->nr].pfn != pfn)
		i++;
	entry = &chunk->entries[i % chunk->nr];
	chunk->next = (i + 1) % chunk->nr;
	*result = &entry->status;
	return alloc_target(vm, page, entry->node, chunk->allowed);
}

/* 0, or -ENOMEM: then the statuses are not to be told, although pages may have moved. */
static int move_chunk(struct vm *vm, struct mm *mm, struct chunk *chunk, bool move_all)
{
	struct list_head pagelist;
	int err;

	list_init(&pagelist);
	down_read(vm, &mm->mmap_sem);
	chunk->mixed = false;
	chunk->next = 0;
	for (unsigned long i = 0; i < chunk->nr; i++) {
		struct page_to_node *entry = &chunk->entries[i];
		const struct list_head *last = pagelist.prev;

		entry->status = queue_entry(vm, mm, entry, move_all, &pagelist);
		chunk->mixed |= entry->pfn != NO_PAGE && pagelist.prev == last;
	}
	err = migrate_queued(vm, &pagelist, new_page_of_chunk, (unsigned long)chunk);
	up_read(vm, &mm->mmap_sem);
	return err < 0 ? err : 0;
}

static int write_statuses(const struct move_arrays *arrays, unsigned long start, const struct chunk *chunk)
{
	for (unsigned long i = 0; i < chunk->nr; i++) {
		if (start + i >= arrays->nr_status)
			return -EFAULT;
		arrays->status[start + i] = chunk->entries[i].status;
	}
	return 0;
}

/* `work` has room for a chunk. */
static long move_chunks(struct vm *vm, struct mm *mm, const struct move_arrays *arrays,
			const struct move_rules *rules, struct page_to_node *work)
{
	struct chunk chunk = {.entries = work, .allowed = rules->allowed};
	int err = 0;

	for (unsigned long start = 0; start < arrays->count && !err; start += chunk.nr) {
		chunk.nr = chunk_length(arrays, start, MOVE_CHUNK);
		for (unsigned long i = 0; i < chunk.nr && !err; i++)
			err = read_entry(arrays, start + i, rules, &work[i]);
		if (!err)
			err = move_chunk(vm, mm, &chunk, rules->move_all);
		if (!err)
			err = write_statuses(arrays, start, &chunk);
		if (vm->interrupt)
			return -EINTR;
	}
	return err;
}

long do_pages_move(struct vm *vm, struct mm *mm, const struct move_arrays *arrays, const struct move_rules *rules,
		   struct mm *caller)
{
	struct page *work = alloc_page_mm(vm, GFP_KERNEL, caller);
	long answer;

	if (!work)
		return -ENOMEM;
	lru_add_drain_all(vm);
	answer = move_chunks(vm, mm, arrays, rules, (struct page_to_node *)page_address(vm, work));
	put_page(vm, work);
	return answer;
}
