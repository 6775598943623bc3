/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "pybridge.h"
#include "recount.h"

struct vm *mv_create(const struct boot_config *config)
{
	return vm_create(config);
}

void mv_destroy(struct vm *vm)
{
	vm_destroy(vm);
}

void mv_configure(struct vm *vm, const struct mv_settings *settings)
{
	vm->debug = settings->debug;
	vm->poison = settings->poison;
	vm->extfrag_threshold = settings->extfrag_threshold;
	vm->compact_unevictable_allowed = settings->compact_unevictable_allowed;
}

void mv_set_python(struct vm *vm, const struct mv_python *python)
{
	vm->page_factory = python->page_factory;
	vm->violation_class = python->violation_class;
	memcpy(vm->mode_objects, python->modes, sizeof(vm->mode_objects));
}

void mv_set_wait_hook(struct vm *vm, void *hook)
{
	vm->wait_hook = hook;
}

void mv_set_oom_notifier(struct vm *vm, void *notifier)
{
	vm->oom_notifier = notifier;
}

int mv_nr_rules(void)
{
	return NR_VM_RULES;
}

void mv_rule(int index, struct mv_rule *rule)
{
	const struct rule_text *text = &vm_rules[index];

	*rule = (struct mv_rule){text->id, text->sentence, text->source, (int)text->kind};
}

bool mv_dead(struct vm *vm)
{
	return vm->dead;
}

unsigned int mv_depth(struct vm *vm)
{
	return vm->depth;
}

bool mv_was_busy(void)
{
	return vm_was_busy();
}

unsigned int mv_report_from(struct vm *vm)
{
	return vm->report_from;
}

unsigned int mv_nr_violations(struct vm *vm)
{
	return vm->nr_violations;
}

static void fill_report(const struct violation *v, struct mv_report *report)
{
	*report = (struct mv_report){
		.rule = (int)v->rule,
		.cpu = v->cpu,
		.pfn = (long)v->pfn,
		.where = v->where,
		.expected = v->expected,
		.seen = v->seen,
		.mapping = v->mapping ? ((const struct address_space *)v->mapping)->owner : NULL,
	};
}

bool mv_report(struct vm *vm, unsigned int index, struct mv_report *report)
{
	if (index >= vm->nr_violations)
		return false;
	fill_report(&vm->violations[index], report);
	return true;
}

void mv_fatal_report(struct vm *vm, struct mv_report *report)
{
	fill_report(&vm->fatal, report);
}

void mv_exceptions(struct vm *vm, void *list)
{
	py_list_exceptions(vm, list);
}

void mv_clear_errors(struct vm *vm)
{
	int gil = py_take_gil();

	py_drop_errors(vm);
	py_release_gil(gil);
}

long mv_raise(struct vm *vm, int rule, long pfn, const char *where, const char *expected, const char *seen)
{
	API_BEGIN(vm, false);
	violation(vm, (enum rule_id)rule, pfn < 0 ? NULL : pfn_to_page(vm, (unsigned long)pfn), where, expected, "%s",
		  seen);
	API_END(vm, 0);
}

long mv_recount(struct vm *vm)
{
	API_BEGIN(vm, false);
	vm_recount(vm);
	API_END(vm, 0);
}

int mv_cpu(struct vm *vm)
{
	return vm->cpu;
}

void mv_set_cpu(struct vm *vm, int cpu)
{
	vm->cpu = cpu;
}

unsigned int mv_task_flags(struct vm *vm)
{
	return vm->task_flags;
}

void mv_zone(struct vm *vm, int zone, struct mv_zone *info)
{
	const struct zone *z = &vm->zones[zone];

	info->nid = z->node->node_id;
	info->type = (int)z->type;
	info->start_pfn = z->zone_start_pfn;
	info->spanned = z->spanned_pages;
	info->present = z->present_pages;
	info->managed = z->managed_pages;
	info->free_pages = z->stat[NR_FREE_PAGES];
	info->nr_isolate_pageblock = z->nr_isolate_pageblock;
	info->zspages = z->stat[NR_ZSPAGES];
	info->contiguous = z->contiguous;
	memcpy(info->watermark, z->watermark, sizeof(info->watermark));
	for (int order = 0; order < MAX_ORDER; order++)
		info->nr_free[order] = z->free_area[order].nr_free;
}

long mv_free_count(struct vm *vm, int zone, unsigned int order, int type)
{
	long count = 0;

	if (!vm_begin_access(vm))
		return BROKEN;
	list_for_each_page(page, &vm->zones[zone].free_area[order].free_list[type])
		count++;
	vm_end_access(vm);
	return count;
}

#define X(name, text) text,
static const char *const counter_names[] = {ZONE_ITEMS(X) NODE_ITEMS(X) VM_EVENTS(X)};
#undef X

int mv_nr_counters(void)
{
	return NR_ZONE_ITEMS + NR_NODE_ITEMS + NR_VM_EVENTS;
}

int mv_first_event(void)
{
	return NR_ZONE_ITEMS + NR_NODE_ITEMS;
}

const char *mv_counter_name(int index)
{
	return counter_names[index];
}

void mv_counters(struct vm *vm, long *values)
{
	long *node_values = values + NR_ZONE_ITEMS;

	memset(values, 0, (NR_ZONE_ITEMS + NR_NODE_ITEMS) * sizeof(*values));
	for (unsigned int zone = 0; zone < vm->nr_zones; zone++)
		for (int item = 0; item < NR_ZONE_ITEMS; item++)
			values[item] += vm->zones[zone].stat[item];
	for (unsigned int nid = 0; nid < vm->nr_nodes; nid++)
		for (int item = 0; item < NR_NODE_ITEMS; item++)
			node_values[item] += vm->nodes[nid].stat[item];
	for (int event = 0; event < NR_VM_EVENTS; event++)
		values[mv_first_event() + event] = (long)vm->events[event];
}

int mv_nr_zone_counters(void)
{
	return NR_ZONE_ITEMS;
}

void mv_zone_counters(struct vm *vm, int zone, long *values)
{
	memcpy(values, vm->zones[zone].stat, NR_ZONE_ITEMS * sizeof(*values));
}

/* `n` may be negative: a driver takes back what it counted for something it undid. */
long mv_count_event(struct vm *vm, int index, long n)
{
	API_BEGIN(vm, false);
	count_vm_events(vm, (enum vm_event)(index - mv_first_event()), (unsigned long)n);
	API_END(vm, 0);
}

int mv_nr_zspages_item(void)
{
	return NR_ZSPAGES;
}

static long mod_zone_item(struct zone *zone, int item, long delta)
{
	if (zone->stat[item] + delta < 0)
		return -EINVAL;
	zone->stat[item] += delta;
	return 0;
}

/* -EINVAL if the page's zone would count fewer than none. */
long mv_mod_zone_page_state(struct vm *vm, unsigned long pfn, int item, long delta)
{
	API_BEGIN(vm, false);
	API_END(vm, mod_zone_item(page_zone(vm, pfn_to_page(vm, pfn)), item, delta));
}
