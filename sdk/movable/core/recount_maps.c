/* SPDX-License-Identifier: MIT
 *
 * Recounts of processes, page caches and swap: who maps what, and how often.
 */
#include <stdlib.h>

#include "filemap.h"
#include "huge.h"
#include "mempolicy.h"
#include "pagetable.h"
#include "recount.h"
#include "swap.h"

/* What page tables and caches say: mappings by page frame, entries by swap slot. */
struct tally {
	int *maps;
	unsigned int *slots;
	long counters[NR_MM_COUNTERS];
	long cached, shmem, dirty;
};

/* An entry with PTE_HUGE is one of 512 in order, of one compound page and one area. */
static void pmd_is_valid(struct vm *vm, const struct vma *vma, unsigned long address, pte_t *pte)
{
	unsigned long start = round_down(address, HPAGE_PMD_SIZE), i = (address - start) >> PAGE_SHIFT;
	struct page *page = pte_page(vm, *pte), *head = compound_head(page);

	if (start < vma->start || start + HPAGE_PMD_SIZE > vma->end || page != head + i || !PageCompound(page) ||
	    !(*pmd_offset(vma->mm, address) & PTE_HUGE))
		violation(vm, VM_RULE_RECOUNT_MM, page, "mm_is_valid", "a huge page mapped whole",
			  "entry %lu of 0x%lx of process %u", i, start, vma->mm->id);
}

static long count_pte(struct vm *vm, struct vma *vma, unsigned long address, pte_t *pte, void *private)
{
	struct tally *tally = private;
	const struct page *page;

	if (*pte & PTE_ZERO)
		return 0;
	if (is_swap_entry(*pte)) {
		tally->slots[pte_value(*pte)]++;
		tally->counters[MM_SWAPENTS]++;
		return 0;
	}
	page = pte_page(vm, *pte);
	if (is_migration_entry(*pte))
		violation(vm, VM_RULE_RECOUNT_RMAP, page, "mm_is_valid", "no migration entry at rest",
			  "one at address 0x%lx of process %u", address, vma->mm->id);
	if (unlikely(*pte & PTE_HUGE))
		pmd_is_valid(vm, vma, address, pte);
	/* A huge page is mapped once, by its head. */
	tally->maps[pte_value(*pte)] += !(page->ext & PAGE_EXT_TAIL);
	/* Pages of the pool are in no such count. */
	if (!(vma->flags & VM_HUGETLB))
		tally->counters[mm_counter_of(page)]++;
	return 0;
}

/* A policy that an owner has, or NULL. */
static void policy_is_valid(struct vm *vm, const struct mempolicy *policy, const char *owner, unsigned int id)
{
	if (policy && !mpol_is_valid(vm, policy))
		violation(vm, VM_RULE_RECOUNT_MM, NULL, "policy_is_valid", "a mode and nodes that can be",
			  "%s %u: mode %d, flags 0x%x, nodes 0x%lx", owner, id, (int)policy->mode, policy->flags,
			  (unsigned long)mpol_nodes(policy));
}

static void mm_is_valid(struct vm *vm, struct mm *mm, struct tally *tally)
{
	unsigned long end = 0;

	memset(tally->counters, 0, sizeof(tally->counters));
	policy_is_valid(vm, mm->policy, "process", mm->id);
	if (!mm->mems_allowed || mm->mems_allowed & ~all_nodes(vm))
		violation(vm, VM_RULE_RECOUNT_MM, NULL, "mm_is_valid", "some of the machine's nodes allowed",
			  "process %u: mems_allowed 0x%lx", mm->id, (unsigned long)mm->mems_allowed);
	for (unsigned int i = 0; i < mm->nr_vmas; i++) {
		struct vma *vma = mm->vmas[i];

		if (vma->start < end || vma->start >= vma->end || vma->mm != mm)
			violation(vm, VM_RULE_RECOUNT_MM, NULL, "mm_is_valid", "areas in order",
				  "process %u: area at 0x%lx after 0x%lx", mm->id, vma->start, end);
		end = vma->end;
		policy_is_valid(vm, vma->policy, "an area of process", mm->id);
	}
	walk_page_range(vm, mm, 0, TASK_SIZE, count_pte, tally);
	for (int i = 0; i < NR_MM_COUNTERS; i++)
		if (tally->counters[i] != mm->counters[i])
			violation(vm, VM_RULE_RECOUNT_MM, NULL, "mm_is_valid", "counters as in the page table",
				  "process %u: counter %d is %ld, entries %ld", mm->id, i, mm->counters[i],
				  tally->counters[i]);
}

/* References of a page at rest: of the tables, of its cache, of its buffers. Others may hold more. */
static int least_refs(const struct page *page, int maps)
{
	return maps + (page_file(page) || PageSwapCache(page)) + page_flag(page, PG_private);
}

static void page_maps_are_valid(struct vm *vm, unsigned long pfn, int maps)
{
	const struct page *page = pfn_to_page(vm, pfn);
	bool owned = PageAnon(page) || page_file(page);

	if (!maps && !(owned && page->_refcount > 0))
		return;
	if (maps != page_mapcount(page) || page->_refcount < least_refs(page, maps))
		violation(vm, VM_RULE_RECOUNT_RMAP, page, "page_maps_are_valid", "as many mappings as entries",
			  "%d entries, mapcount %d, refcount %d", maps, page_mapcount(page), page->_refcount);
}

static void policies_are_valid(struct vm *vm, const struct file *file)
{
	unsigned long end = 0;

	for (unsigned int i = 0; i < file->policy.nr; i++) {
		const struct policy_range *range = &file->policy.ranges[i];

		if (!range->policy || range->start < end || range->start >= range->end || !file->shmem)
			violation(vm, VM_RULE_RECOUNT_CACHE, NULL, "policies_are_valid", "ranges of shared memory in order",
				  "file %u: policy of pages %lu to %lu after %lu", file->id, range->start, range->end,
				  end);
		policy_is_valid(vm, range->policy, "a range of file", file->id);
		end = range->end;
	}
}

static void file_is_valid(struct vm *vm, struct file *file, struct tally *tally)
{
	unsigned long index = 0, pages = 0;
	const uint64_t *slot;

	for (; (slot = radix_next(&file->pages, &index, ~0UL)); index++) {
		const struct page *page = (const struct page *)(uintptr_t)*slot;

		pages++;
		if (page->mapping != &file->as || page->index != index || page->_refcount <= 0)
			violation(vm, VM_RULE_RECOUNT_CACHE, page, "file_is_valid", "the file's page of this index",
				  "index %lu of file %u: index %lu, refcount %d", index, file->id, page->index,
				  page->_refcount);
		tally->dirty += !file->shmem && page_flag(page, PG_dirty);
	}
	policies_are_valid(vm, file);
	if (pages != file->nr_pages)
		violation(vm, VM_RULE_RECOUNT_CACHE, NULL, "file_is_valid", "the file's counter",
			  "file %u: %lu pages, counter %lu", file->id, pages, file->nr_pages);
	tally->cached += (long)pages;
	tally->shmem += file->shmem ? (long)pages : 0;
}

static void swap_is_valid(struct vm *vm, struct tally *tally)
{
	unsigned long used = 0;

	for (unsigned long at = 0; vm->swap && at < vm->swap->nr_slots; at++) {
		const struct swap_slot *slot = &vm->swap->slots[at];

		used += slot->count || slot->page;
		tally->cached += slot->page != NULL;
		if (slot->count != tally->slots[at] ||
		    (slot->page && (!PageSwapCache(slot->page) || slot->page->private != at)))
			violation(vm, VM_RULE_RECOUNT_CACHE, slot->page, "swap_is_valid", "as many entries as counted",
				  "slot %lu: %u entries, count %u", at, tally->slots[at], slot->count);
	}
	if (vm->swap && used != vm->swap->nr_used)
		violation(vm, VM_RULE_RECOUNT_CACHE, NULL, "swap_is_valid", "the counter of slots", "%lu used, counter %lu",
			  used, vm->swap->nr_used);
}

static void counters_are_valid(struct vm *vm, const struct tally *tally)
{
	long anon = 0, mapped = 0, stat[NR_NODE_ITEMS] = {0};

	for (unsigned int nid = 0; nid < vm->nr_nodes; nid++)
		for (int item = 0; item < NR_NODE_ITEMS; item++)
			stat[item] += vm->nodes[nid].stat[item];
	for (unsigned long pfn = 0; pfn < vm->end_pfn; pfn++) {
		if (!tally->maps[pfn] || PageHuge(pfn_to_page(vm, pfn)))
			continue;
		if (PageAnon(pfn_to_page(vm, pfn)))
			anon += hpage_nr_pages(pfn_to_page(vm, pfn));
		else
			mapped++;
	}
	if (anon != stat[NR_ANON_MAPPED] || mapped != stat[NR_FILE_MAPPED])
		violation(vm, VM_RULE_RECOUNT_RMAP, NULL, "counters_are_valid", "nr_anon_pages and nr_mapped",
			  "%ld and %ld, counted as %ld and %ld", anon, mapped, stat[NR_ANON_MAPPED],
			  stat[NR_FILE_MAPPED]);
	if (tally->cached != stat[NR_FILE_PAGES] || tally->shmem != stat[NR_SHMEM] || tally->dirty != stat[NR_FILE_DIRTY])
		violation(vm, VM_RULE_RECOUNT_CACHE, NULL, "counters_are_valid", "nr_file_pages, nr_shmem, nr_dirty",
			  "%ld, %ld, %ld, counted as %ld, %ld, %ld", tally->cached, tally->shmem, tally->dirty,
			  stat[NR_FILE_PAGES], stat[NR_SHMEM], stat[NR_FILE_DIRTY]);
}

static void count_all(struct vm *vm, struct tally *tally)
{
	for (unsigned int id = 1; id < vm->nr_mms; id++)
		if (vm->mms[id])
			mm_is_valid(vm, vm->mms[id], tally);
	for (unsigned int id = 1; id < vm->nr_files; id++)
		if (vm->files[id])
			file_is_valid(vm, vm->files[id], tally);
	for (unsigned long pfn = 0; pfn < vm->end_pfn; pfn++)
		if (*pageblock_of(vm, pfn) & PB_READY)
			page_maps_are_valid(vm, pfn, tally->maps[pfn]);
	swap_is_valid(vm, tally);
	counters_are_valid(vm, tally);
}

void recount_maps(struct vm *vm)
{
	struct tally tally = {.cached = 0};

	if (!vm->nr_mms && !vm->nr_files)
		return;
	tally.maps = calloc(vm->end_pfn, sizeof(*tally.maps));
	tally.slots = calloc(vm->swap ? vm->swap->nr_slots + 1 : 1, sizeof(*tally.slots));
	/* What a violation leaves behind goes with the machine, which is dead then. */
	if (tally.maps && tally.slots)
		count_all(vm, &tally);
	free(tally.maps);
	free(tally.slots);
}
