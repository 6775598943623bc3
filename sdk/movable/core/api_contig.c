/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "contig.h"
#include "hotplug.h"
#include "page_alloc.h"
#include "page_isolation.h"

static void fill_result(struct mv_range_result *to, const struct range_result *from)
{
	*to = (struct mv_range_result){
		.migrated = from->migrated,
		.failed = from->failed,
		.reclaimed = from->reclaimed,
		.passes = from->passes,
		.busy = (long)from->busy,
	};
}

long mv_alloc_contig_range(struct vm *vm, unsigned long start, unsigned long end, int type,
			   struct mv_range_result *result)
{
	struct range_result did;
	long ret;

	API_BEGIN(vm, true);
	ret = alloc_contig_range(vm, start, end, (enum migratetype)type, &did);
	fill_result(result, &did);
	/* Whoever gets an exception does not learn of the pages. */
	if (!ret && entry_failed(vm, &entry_)) {
		free_contig_range(vm, start, end - start);
		ret = -EINTR;
	}
	API_END(vm, ret);
}

long mv_free_contig_range(struct vm *vm, unsigned long start, unsigned long nr)
{
	unsigned long in_use;

	API_BEGIN(vm, false);
	in_use = free_contig_range(vm, start, nr);
	API_END(vm, (long)in_use);
}

long mv_offline_pages(struct vm *vm, unsigned long start, unsigned long end, bool non_lru, unsigned long max_passes,
		      struct mv_range_result *result)
{
	struct range_result did;
	long ret;

	API_BEGIN(vm, true);
	ret = offline_pages(vm, start, end, non_lru, max_passes, &did);
	fill_result(result, &did);
	/* Whoever gets an exception does not learn that the memory is gone. */
	if (!ret && entry_failed(vm, &entry_))
		ret = online_pages(vm, start, end) ? -EINVAL : -EINTR;
	API_END(vm, ret);
}

long mv_online_pages(struct vm *vm, unsigned long start, unsigned long end)
{
	API_BEGIN(vm, false);
	API_END(vm, online_pages(vm, start, end));
}

void mv_set_watermarks(struct vm *vm, int zone, const unsigned long *watermark, const unsigned long *lowmem_reserve)
{
	memcpy(vm->zones[zone].watermark, watermark, sizeof(vm->zones[zone].watermark));
	memcpy(vm->zones[zone].lowmem_reserve, lowmem_reserve, sizeof(vm->zones[zone].lowmem_reserve));
}

long mv_start_isolate_page_range(struct vm *vm, unsigned long start, unsigned long end, int type, bool non_lru)
{
	unsigned long busy;

	API_BEGIN(vm, false);
	API_END(vm, start_isolate_page_range(vm, start, end, (enum migratetype)type, non_lru, &busy));
}

long mv_undo_isolate_page_range(struct vm *vm, unsigned long start, unsigned long end, int type)
{
	API_BEGIN(vm, false);
	undo_isolate_page_range(vm, start, end, (enum migratetype)type);
	API_END(vm, 0);
}

long mv_test_pages_isolated(struct vm *vm, unsigned long start, unsigned long end)
{
	unsigned long busy;

	API_BEGIN(vm, false);
	API_END(vm, test_pages_isolated(vm, start, end, &busy));
}
