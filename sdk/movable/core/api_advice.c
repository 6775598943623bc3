/* SPDX-License-Identifier: MIT
 *
 * Pages of processes beyond plain ones: special mappings, advice, huge pages, KSM.
 */
#include "api.h"

#include <stdlib.h>

#include "hugetlb.h"
#include "ksm.h"
#include "madvise.h"
#include "special.h"
#include "vma.h"

unsigned int mv_nr_nodes(struct vm *vm)
{
	return vm->nr_nodes;
}

long mv_mmap_special(struct vm *vm, unsigned int id, int special, unsigned long address, int nid)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = do_mmap_special(vm, mm, (enum vma_special)special, address, nid);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_madvise(struct vm *vm, unsigned int id, unsigned long start, unsigned long length, int advice)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = do_madvise(vm, mm, start, length, advice);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_ksm_merge(struct vm *vm, const struct mv_place *places, unsigned int nr)
{
	struct ksm_place *held = malloc(nr * sizeof(*held));
	long answer;

	if (!held)
		return -ENOMEM;
	API_BEGIN(vm, true);
	for (unsigned int i = 0; i < nr; i++)
		held[i] = (struct ksm_place){get_mm(vm, places[i].mm), places[i].address};
	answer = ksm_merge(vm, held, nr);
	for (unsigned int i = 0; i < nr; i++)
		mmput(vm, held[i].mm);
	free(held);
	API_END(vm, answer);
}

long mv_swap_out(struct vm *vm, unsigned int id, unsigned long address)
{
	struct mm *mm;
	long answer;

	API_BEGIN(vm, true);
	mm = get_mm(vm, id);
	answer = swap_out(vm, mm, address);
	mmput(vm, mm);
	API_END(vm, answer);
}

long mv_hugetlb_set(struct vm *vm, int nid, unsigned long pages)
{
	long answer;

	API_BEGIN(vm, true);
	answer = hugetlb_set_pool(vm, nid, pages);
	API_END(vm, answer);
}

long mv_hugetlb_overcommit(struct vm *vm, unsigned long pages)
{
	struct hstate *h = hstate_of(vm);

	if (!h)
		return -ENOMEM;
	h->overcommit = pages;
	return 0;
}

void mv_hugetlb(struct vm *vm, int nid, struct mv_hugetlb *info)
{
	const struct hstate *h = vm->hstate;

	*info = (struct mv_hugetlb){0};
	if (!h)
		return;
	*info = (struct mv_hugetlb){
		.nr = nid < 0 ? h->nr : h->nodes[nid].nr,
		.free = nid < 0 ? h->free : h->nodes[nid].free,
		.surplus = nid < 0 ? h->surplus : h->nodes[nid].surplus,
		.reserved = h->reserved,
		.overcommit = h->overcommit,
	};
}
