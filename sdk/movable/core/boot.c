/* SPDX-License-Identifier: MIT */
#include "boot.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "buddy.h"
#include "filemap.h"
#include "ksm.h"
#include "scanner.h"
#include "schedule.h"
#include "steps.h"
#include "swap.h"

/* Zeroed memory that costs nothing until it is touched. */
static void *reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	/* Huge pages would make a machine that is hardly touched large. */
	(void)madvise(memory, bytes, MADV_NOHUGEPAGE);
	return memory;
}

static bool allocate_tables(struct vm *vm, const struct boot_config *config)
{
	unsigned long blocks = pfn_to_block(config->end_pfn + pageblock_nr_pages - 1);

	vm->memmap_bytes = blocks * pageblock_nr_pages * sizeof(struct page);
	vm->objects_bytes = config->end_pfn * sizeof(void *);
	vm->memmap = reserve(vm->memmap_bytes);
	vm->page_objects = reserve(vm->objects_bytes);
	vm->pageblocks = calloc(blocks, sizeof(*vm->pageblocks));
	vm->pageblock_zone = calloc(blocks, sizeof(*vm->pageblock_zone));
	vm->nodes = calloc(config->nr_nodes, sizeof(*vm->nodes));
	vm->zones = calloc(config->nr_zones, sizeof(*vm->zones));
	vm->lists = calloc(1, sizeof(*vm->lists));
	vm->nr_lists = 1;
	return vm->memmap && vm->page_objects && vm->pageblocks && vm->pageblock_zone && vm->nodes && vm->zones &&
	       vm->lists;
}

static void init_nodes(struct vm *vm)
{
	for (unsigned int nid = 0; nid < vm->nr_nodes; nid++) {
		vm->nodes[nid].node_id = (int)nid;
		for (int list = 0; list < NR_LRU_LISTS; list++)
			list_init(&vm->nodes[nid].lru[list]);
	}
}

static void init_zone(struct vm *vm, unsigned int id, const struct boot_zone *from)
{
	struct zone *zone = &vm->zones[id];

	zone->id = id;
	zone->node = &vm->nodes[from->nid];
	zone->type = (enum zone_type)from->type;
	zone->zone_start_pfn = from->start_pfn;
	zone->spanned_pages = zone->present_pages = zone->managed_pages = from->spanned;
	memcpy(zone->watermark, from->watermark, sizeof(zone->watermark));
	memcpy(zone->lowmem_reserve, from->lowmem_reserve, sizeof(zone->lowmem_reserve));
	zone->node->zones[zone->type] = zone;
	for (unsigned int order = 0; order < MAX_ORDER; order++)
		for (int type = 0; type < MIGRATE_TYPES; type++)
			list_init(&zone->free_area[order].free_list[type]);
	reset_cached_positions(zone);
}

/* FALLBACK zonelists: node order, within a node the highest zone first (spec/compaction.md 2.11). */
static void build_zonelists(struct vm *vm, const int *node_order)
{
	for (unsigned int nid = 0; nid < vm->nr_nodes; nid++) {
		struct zone **next = vm->nodes[nid].zonelist;

		for (unsigned int i = 0; i < vm->nr_nodes; i++) {
			struct pglist_data *node = &vm->nodes[node_order[nid * vm->nr_nodes + i]];

			for (int type = MAX_NR_ZONES - 1; type >= 0; type--)
				if (node->zones[type] && node->zones[type]->managed_pages)
					*next++ = node->zones[type];
		}
	}
}

/* A block that lies in one zone and has neither hole nor reserved page is initialised on first use. */
static bool block_is_plain(const struct boot_config *config, const struct zone *zone, unsigned long start)
{
	unsigned long end = start + pageblock_nr_pages;

	if (start < zone->zone_start_pfn || end > zone_end_pfn(zone))
		return false;
	for (unsigned int i = 0; i < config->nr_ranges; i++)
		if (config->ranges[i].start < end && start < config->ranges[i].start + config->ranges[i].pages)
			return false;
	return true;
}

/* Blocks without any memory have no struct pages. */
static bool block_is_hole(const struct boot_config *config, unsigned long start)
{
	for (unsigned int i = 0; i < config->nr_ranges; i++) {
		const struct boot_range *range = &config->ranges[i];

		if (range->hole && range->start <= start && start + pageblock_nr_pages <= range->start + range->pages)
			return true;
	}
	return false;
}

static void reserve_page(struct page *page)
{
	set_page_flag(page, PG_reserved);
	page->_refcount = 1;
}

static void release_to_zone(struct page *page, const struct zone *zone)
{
	page->flags = 0;
	page->_refcount = 0;
	set_page_zone(page, zone);
}

/* Marks the zone's blocks valid and movable; initialises the struct pages of those that are not plain. */
static void init_memmap(struct vm *vm, const struct boot_config *config, struct zone *zone)
{
	unsigned long start = round_down(zone->zone_start_pfn, pageblock_nr_pages);

	for (; start < zone_end_pfn(zone); start += pageblock_nr_pages) {
		unsigned char *block = pageblock_of(vm, start);

		if (block_is_hole(config, start))
			continue;
		if (!(*block & PB_VALID))
			vm->pageblock_zone[pfn_to_block(start)] = (uint16_t)zone->id;
		*block |= PB_VALID | MIGRATE_MOVABLE;
		if (block_is_plain(config, zone, start))
			continue;
		memmap_make_ready(vm, start, pageblock_nr_pages);
		/* A block may be shared: each zone claims its own pages, the rest stays reserved. */
		for (unsigned long pfn = start; pfn < start + pageblock_nr_pages; pfn++) {
			struct page *page = pfn_to_page(vm, pfn);

			if (zone_spans_pfn(zone, pfn))
				release_to_zone(page, zone);
			else if (page_zone(vm, page) == zone)
				reserve_page(page);
		}
	}
}

static void init_reserved(struct vm *vm, struct zone *zone, const struct boot_range *range)
{
	unsigned long end = range->start + range->pages, pfn = range->start;

	zone->managed_pages -= range->pages;
	if (range->hole)
		zone->present_pages -= range->pages;
	for (; pfn < end; pfn++)
		if (pfn_valid(vm, pfn))
			reserve_page(pfn_to_page(vm, pfn));
}

/* Links [start, end) as free buddies, ascending, each as large as alignment allows. */
static void free_boot_range(struct vm *vm, struct zone *zone, unsigned long start, unsigned long end)
{
	while (start < end) {
		unsigned int order = start ? (unsigned int)__builtin_ctzl(start) : MAX_ORDER - 1;

		if (order > MAX_ORDER - 1)
			order = MAX_ORDER - 1;
		while (start + (1UL << order) > end)
			order--;
		__free_one_page(vm, pfn_to_page(vm, start), zone, order, MIGRATE_MOVABLE);
		start += 1UL << order;
	}
}

static void free_zone_memory(struct vm *vm, const struct boot_config *config, struct zone *zone)
{
	unsigned long start = zone->zone_start_pfn;

	for (unsigned int i = 0; i < config->nr_ranges; i++) {
		const struct boot_range *range = &config->ranges[i];

		if (range->zone != zone->id)
			continue;
		free_boot_range(vm, zone, start, range->start);
		start = range->start + range->pages;
	}
	free_boot_range(vm, zone, start, zone_end_pfn(zone));
	zone->boot_managed_pages = zone->managed_pages;
	zone->contiguous = zone_is_contiguous(vm, zone);
}

struct vm *vm_create(const struct boot_config *config)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	list_init(&vm->stable_nodes);
	vm->end_pfn = config->end_pfn;
	vm->arena = config->arena;
	vm->nr_nodes = config->nr_nodes;
	vm->nr_zones = config->nr_zones;
	vm->nr_cpus = config->nr_cpus;
	memcpy(vm->cpu_node, config->cpu_node, config->nr_cpus * sizeof(*vm->cpu_node));
	if (!allocate_tables(vm, config)) {
		vm_destroy(vm);
		errno = ENOMEM;
		return NULL;
	}
	init_nodes(vm);
	for (unsigned int i = 0; i < config->nr_zones; i++)
		init_zone(vm, i, &config->zones[i]);
	for (unsigned int i = 0; i < config->nr_zones; i++)
		init_memmap(vm, config, &vm->zones[i]);
	for (unsigned int i = 0; i < config->nr_ranges; i++)
		init_reserved(vm, &vm->zones[config->ranges[i].zone], &config->ranges[i]);
	for (unsigned int i = 0; i < config->nr_zones; i++)
		free_zone_memory(vm, config, &vm->zones[i]);
	build_zonelists(vm, config->node_order);
	return vm;
}

void vm_destroy(struct vm *vm)
{
	sched_end(vm);
	step_log_end(vm);
	mm_destroy_all(vm);
	ksm_destroy_all(vm);
	files_destroy_all(vm);
	swap_destroy(vm);
	if (vm->memmap)
		munmap(vm->memmap, vm->memmap_bytes);
	if (vm->page_objects)
		munmap(vm->page_objects, vm->objects_bytes);
	for (unsigned int id = 1; id < vm->nr_lists; id++)
		free(vm->lists[id]);
	free(vm->lists);
	free(vm->hstate);
	free(vm->pageblocks);
	free(vm->pageblock_zone);
	free(vm->nodes);
	free(vm->zones);
	free(vm);
}
