/* SPDX-License-Identifier: MIT */
#include "contig.h"

#include "lru.h"
#include "page_alloc.h"
#include "page_isolation.h"
#include "pcp.h"
#include "scanner.h"
#include "vmscan.h"

#define MAX_CALLS_PER_BATCH 5

/* The running task's policy: near its CPU, anywhere else if need be. */
static struct page *alloc_migrate_target(struct vm *vm, struct page *page, unsigned long private, int **result)
{
	(void)page;
	(void)private;
	(void)result;
	return alloc_pages_node(vm, vm->cpu_node[vm->cpu], GFP_USER | __GFP_MOVABLE, 0);
}

/* Frees or moves what the batch still holds. */
static int migrate_batch(struct vm *vm, struct compact_control *cc, struct range_result *result)
{
	struct migrate_counts counts;
	int ret;

	result->reclaimed += reclaim_clean_pages_from_list(vm, &cc->migratepages);
	ret = migrate_pages(vm, &cc->migratepages, alloc_migrate_target, NULL, 0, cc->mode, MR_CMA, &counts);
	result->migrated += counts.succeeded;
	result->failed += counts.failed;
	result->passes++;
	return ret;
}

/* Step 2: a negative code, with everything put back, or 0 although pages may be left. */
static int __alloc_contig_migrate_range(struct vm *vm, struct compact_control *cc, unsigned long start,
					unsigned long end, struct range_result *result)
{
	unsigned long pfn = start;
	int ret = 0, tries = 0;

	lru_add_drain_all(vm);
	while (pfn < end || !list_empty(&cc->migratepages)) {
		if (vm->interrupt) {
			ret = -EINTR;
			break;
		}
		if (list_empty(&cc->migratepages)) {
			cc->nr_migratepages = 0;
			pfn = isolate_migratepages_range(vm, cc, pfn, end);
			if (!pfn) {
				ret = -EINTR;
				break;
			}
			tries = 0;
		} else if (++tries == MAX_CALLS_PER_BATCH) {
			ret = ret < 0 ? ret : -EBUSY;
			break;
		}
		ret = migrate_batch(vm, cc, result);
	}
	if (ret >= 0)
		return 0;
	putback_isolated(vm, cc);
	return ret;
}

/* The head of the free block that holds start, or start itself if none does. */
static unsigned long find_outer_start(const struct vm *vm, unsigned long start)
{
	for (unsigned int order = 0; order < MAX_ORDER; order++) {
		unsigned long pfn = round_down(start, 1UL << order);
		const struct page *page = pfn_to_page(vm, pfn);

		if (PageBuddy(page))
			return pfn + (1UL << page_order(page)) > start ? pfn : start;
	}
	return start;
}

/* Steps 4 and 5, in ISOLATE blocks. */
static int take_range(struct vm *vm, unsigned long start, unsigned long end, struct range_result *result)
{
	unsigned long outer_start = find_outer_start(vm, start), outer_end;

	if (test_pages_isolated(vm, outer_start, end, &result->busy))
		return -EBUSY;
	result->busy = ~0UL;
	outer_end = isolate_freepages_range(vm, outer_start, end);
	free_contig_range(vm, outer_start, start - outer_start);
	free_contig_range(vm, end, outer_end - end);
	return 0;
}

int alloc_contig_range(struct vm *vm, unsigned long start, unsigned long end, enum migratetype type,
		       struct range_result *result)
{
	unsigned long first = round_down(start, MAX_ORDER_NR_PAGES), last = round_up(end, MAX_ORDER_NR_PAGES);
	struct compact_control cc = {
		.zone = page_zone(vm, pfn_to_page(vm, start)),
		.mode = MIGRATE_SYNC,
		.order = -1,
		.ignore_skip_hint = true,
		.no_set_skip_hint = true,
	};
	int ret;

	*result = (struct range_result){.busy = ~0UL};
	list_init(&cc.migratepages);
	might_sleep(vm, "alloc_contig_range");
	ret = start_isolate_page_range(vm, first, last, type, false, &result->busy);
	if (ret)
		return ret;
	/* What could not be moved may be free by now: whether it is, the test decides. */
	ret = __alloc_contig_migrate_range(vm, &cc, start, end, result);
	if (!ret || ret == -EBUSY) {
		lru_add_drain_all(vm);
		drain_all_pages(vm);
		ret = take_range(vm, start, end, result);
	}
	undo_isolate_page_range(vm, first, last, type);
	return ret;
}

unsigned long free_contig_range(struct vm *vm, unsigned long start, unsigned long nr)
{
	unsigned long in_use = 0;

	for (unsigned long pfn = start; pfn < start + nr; pfn++) {
		in_use += pfn_to_page(vm, pfn)->_refcount != 1;
		__free_pages(vm, pfn_to_page(vm, pfn), 0);
	}
	return in_use;
}
