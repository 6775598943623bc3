/* SPDX-License-Identifier: MIT */
#include "pcp.h"

#include <stdlib.h>

static struct per_cpu_pages *pcp_of(const struct vm *vm, const struct zone *zone, int cpu)
{
	return &vm->pcp[zone->id * vm->nr_cpus + (unsigned int)cpu];
}

bool pcp_create(struct vm *vm, const struct pcp_rules *rules)
{
	unsigned int nr = vm->nr_zones * vm->nr_cpus;

	vm->pcp = calloc(nr, sizeof(*vm->pcp));
	if (!vm->pcp)
		return false;
	for (unsigned int i = 0; i < nr; i++)
		for (int type = 0; type < MIGRATE_PCPTYPES; type++)
			list_init(&vm->pcp[i].lists[type]);
	vm->pcp_rules = rules;
	return true;
}

void pcp_destroy(struct vm *vm)
{
	free(vm->pcp);
	vm->pcp = NULL;
}

static struct page *pcp_take(struct per_cpu_pages *pcp, struct list_head *item)
{
	struct page *page = list_page(item);

	list_del(item);
	pcp->count--;
	page->index = 0;
	page->ext &= (uint8_t)~PAGE_EXT_PCP;
	return page;
}

static void pcp_put(struct per_cpu_pages *pcp, struct page *page, int list, enum migratetype type, bool tail)
{
	page->index = (unsigned long)type;
	page->ext |= PAGE_EXT_PCP;
	page->alloc_order = 0;
	if (tail)
		list_add_tail(&page->lru, &pcp->lists[list]);
	else
		list_add(&page->lru, &pcp->lists[list]);
	pcp->count++;
}

/* Gives the page that has waited longest back to the buddy. A block that was isolated meanwhile gets it as its own. */
static void give_back(struct vm *vm, struct zone *zone, struct per_cpu_pages *pcp, int list)
{
	struct list_head *last = pcp->lists[list].prev;
	enum migratetype type = (enum migratetype)list_page(last)->index;
	struct page *page = pcp_take(pcp, last);

	if (zone->nr_isolate_pageblock)
		type = get_pageblock_migratetype(vm, page);
	__free_one_page(vm, page, zone, 0, type);
}

/* Round after round over the lists, the allowance growing with each list visited (2.8). */
static void give_back_in_turn(struct vm *vm, struct zone *zone, struct per_cpu_pages *pcp, int nr)
{
	static const int turn[MIGRATE_PCPTYPES] = {MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE};
	int allowance = 0;

	for (int at = 0; nr > 0; at = (at + 1) % MIGRATE_PCPTYPES) {
		const struct list_head *list = &pcp->lists[turn[at]];

		allowance++;
		if (list_empty(list))
			continue;
		if (allowance == MIGRATE_PCPTYPES)
			allowance = nr;
		for (; allowance > 0 && nr > 0 && !list_empty(list); allowance--, nr--)
			give_back(vm, zone, pcp, turn[at]);
	}
}

/* The greatest power of two that is not above x, less one. */
static unsigned long below_power_of_two(unsigned long x)
{
	return (1UL << (63 - __builtin_clzl(x))) - 1;
}

/* What both versions reckon the batch from: a part of the zone's pages, `most` at the most. */
static unsigned long zone_batchsize(const struct zone *zone, unsigned long most)
{
	unsigned long batch = zone->boot_managed_pages / 1024;

	batch = (batch > most ? most : batch) / 4;
	batch = batch ? batch : 1;
	return below_power_of_two(batch + batch / 2);
}

static unsigned long at_least_one(unsigned long x)
{
	return x ? x : 1;
}

/* Linux 4.9 */

static unsigned long batch_4_9(const struct zone *zone)
{
	return at_least_one(zone_batchsize(zone, 128));
}

static unsigned long high_4_9(const struct vm *vm, const struct zone *zone)
{
	(void)vm;
	return 6 * zone_batchsize(zone, 128);
}

static void shrink_4_9(struct vm *vm, struct zone *zone, struct per_cpu_pages *pcp, int type)
{
	unsigned long batch = batch_4_9(zone);

	(void)type;
	give_back_in_turn(vm, zone, pcp, batch > (unsigned long)pcp->count ? pcp->count : (int)batch);
}

const struct pcp_rules pcp_rules_4_9 = {.batch = batch_4_9, .high = high_4_9, .shrink = shrink_4_9};

/* Linux 6.1 */

static unsigned long batch_6_1(const struct zone *zone)
{
	return at_least_one(zone_batchsize(zone, 256));
}

static unsigned long high_6_1(const struct vm *vm, const struct zone *zone)
{
	unsigned long cpus = 0, high, least = 4 * batch_6_1(zone);

	for (unsigned int cpu = 0; cpu < vm->nr_cpus; cpu++)
		cpus += vm->cpu_node[cpu] == zone->node->node_id;
	high = zone->watermark[WMARK_LOW] / (cpus ? cpus : vm->nr_cpus);
	return high > least ? high : least;
}

/* Ever larger portions, from the list that the page went to while it lasts. */
static void shrink_6_1(struct vm *vm, struct zone *zone, struct per_cpu_pages *pcp, int type)
{
	unsigned long batch = batch_6_1(zone), most = high_6_1(vm, zone) - batch, nr = batch << pcp->free_factor;

	if (nr < most)
		pcp->free_factor++;
	else
		nr = most;
	for (; nr && pcp->count; nr--) {
		while (list_empty(&pcp->lists[type]))
			type = (type + 1) % MIGRATE_PCPTYPES;
		give_back(vm, zone, pcp, type);
	}
}

const struct pcp_rules pcp_rules_6_1 = {.batch = batch_6_1, .high = high_6_1, .shrink = shrink_6_1};

void pcp_free(struct vm *vm, struct zone *zone, struct page *page, enum migratetype type)
{
	struct per_cpu_pages *pcp = pcp_of(vm, zone, vm->cpu);
	int list = type < MIGRATE_PCPTYPES ? (int)type : MIGRATE_MOVABLE;

	if (is_migrate_isolate(type)) {
		__free_one_page(vm, page, zone, 0, type);
		return;
	}
	pcp_put(pcp, page, list, type, false);
	if ((unsigned long)pcp->count >= vm->pcp_rules->high(vm, zone))
		vm->pcp_rules->shrink(vm, zone, pcp, list);
}

static void refill(struct vm *vm, struct zone *zone, struct per_cpu_pages *pcp, enum migratetype wanted)
{
	for (unsigned long nr = vm->pcp_rules->batch(zone); nr; nr--) {
		enum migratetype type;
		struct page *page = __rmqueue(vm, zone, 0, wanted, &type);

		if (!page)
			return;
		mod_zone_freepage_state(zone, -1, type);
		pcp_put(pcp, page, (int)wanted, type, true);
	}
}

struct page *pcp_alloc(struct vm *vm, struct zone *zone, enum migratetype wanted)
{
	struct per_cpu_pages *pcp = pcp_of(vm, zone, vm->cpu);
	struct list_head *list = &pcp->lists[wanted];

	pcp->free_factor >>= 1;
	if (list_empty(list))
		refill(vm, zone, pcp, wanted);
	return list_empty(list) ? NULL : pcp_take(pcp, list->next);
}

static void drain(struct vm *vm, struct zone *zone, int cpu)
{
	struct per_cpu_pages *pcp = pcp_of(vm, zone, cpu);

	give_back_in_turn(vm, zone, pcp, pcp->count);
}

void drain_local_pages(struct vm *vm, struct zone *zone)
{
	if (vm->pcp)
		drain(vm, zone, vm->cpu);
}

void drain_all_pages(struct vm *vm)
{
	if (!vm->pcp)
		return;
	for (unsigned int id = 0; id < vm->nr_zones; id++)
		for (unsigned int cpu = 0; cpu < vm->nr_cpus; cpu++)
			drain(vm, &vm->zones[id], (int)cpu);
}

int pcp_count(const struct vm *vm, const struct zone *zone, int cpu)
{
	return vm->pcp ? pcp_of(vm, zone, cpu)->count : 0;
}
