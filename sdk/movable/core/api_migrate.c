/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <stdlib.h>

#include "lru.h"
#include "native.h"
#include "non_lru.h"
#include "page_alloc.h"
#include "page_list.h"
#include "pybridge.h"

struct address_space *mv_mapping_create(struct vm *vm, void *owner)
{
	struct py_mapping *mapping = calloc(1, sizeof(*mapping));

	(void)vm;
	if (!mapping)
		return NULL;
	mapping->as.a_ops = &py_mapping_ops;
	mapping->as.owner = owner;
	return &mapping->as;
}

struct address_space *mv_mapping_create_native(struct vm *vm, void *owner)
{
	struct address_space *mapping = mv_mapping_create(vm, owner);

	if (mapping && !native_driver_init(&movable_api))
		mapping->a_ops = &native_driver_ops;
	return mapping;
}

void mv_mapping_set_hooks(struct address_space *as, void *isolate, void *migrate, void *putback)
{
	struct py_mapping *mapping = (struct py_mapping *)as;

	mapping->isolate_page = isolate;
	mapping->migratepage = migrate;
	mapping->putback_page = putback;
}

/* Pages that carry the mapping; writes the first `room` pfns and returns how many there are. */
long mv_mapping_pages(struct vm *vm, struct address_space *mapping, unsigned long *pfns, unsigned long room)
{
	unsigned long count = 0;

	for (unsigned long block = 0; block <= pfn_to_block(vm->end_pfn - 1); block++) {
		unsigned long start = block << pageblock_order;

		/* A block that was never split has no used pages. */
		if (!(vm->pageblocks[block] & PB_READY))
			continue;
		for (unsigned long pfn = start; pfn < start + pageblock_nr_pages && pfn < vm->end_pfn; pfn++) {
			const struct page *page = pfn_to_page(vm, pfn);

			if (page->_refcount <= 0 || !__PageMovable(page) || movable_mapping(page) != mapping)
				continue;
			if (count < room)
				pfns[count] = pfn;
			count++;
		}
	}
	return (long)count;
}

/* From now on no page is movable through this mapping. Pages that still carry it are a violation. */
long mv_mapping_close(struct vm *vm, struct address_space *mapping)
{
	unsigned long first;
	long left;

	API_BEGIN(vm, false);
	left = mv_mapping_pages(vm, mapping, &first, 1);
	mapping->a_ops = NULL;
	if (left) {
		vm->callback_mapping = mapping;
		violation(vm, VM_RULE_TEARDOWN_PAGES_LEFT, pfn_to_page(vm, first), "close", "no page left",
			  "%ld still carry the mapping", left);
		vm->callback_mapping = NULL;
	}
	API_END(vm, left);
}

void mv_mapping_free(struct address_space *mapping)
{
	free(mapping);
}

struct page_list *mv_list_create(struct vm *vm)
{
	return page_list_create(vm);
}

void mv_list_destroy(struct vm *vm, struct page_list *list)
{
	page_list_destroy(vm, list);
}

long mv_list_add(struct vm *vm, struct page_list *list, unsigned long pfn, bool tail)
{
	API_BEGIN(vm, false);
	page_list_add(vm, list, pfn_to_page(vm, pfn), tail);
	API_END(vm, 0);
}

long mv_list_del(struct vm *vm, struct page_list *list, unsigned long pfn)
{
	API_BEGIN(vm, false);
	page_list_del(vm, list, pfn_to_page(vm, pfn));
	API_END(vm, 0);
}

long mv_list_isolate(struct vm *vm, struct page_list *list, unsigned long pfn, unsigned int mode)
{
	API_BEGIN(vm, true);
	API_END(vm, page_list_isolate(vm, list, pfn_to_page(vm, pfn), mode));
}

unsigned long mv_list_len(struct vm *vm, struct page_list *list)
{
	(void)vm;
	return list->nr;
}

/* Whether the list holds isolated pages: a migration list. */
bool mv_list_isolated(struct vm *vm, struct page_list *list)
{
	(void)vm;
	return list->nr && list->isolated;
}

bool mv_list_has(struct vm *vm, struct page_list *list, unsigned long pfn)
{
	return pfn_to_page(vm, pfn)->list_id == list->id;
}

static long next_on_list(const struct vm *vm, const struct page_list *list, long pfn)
{
	const struct list_head *position = &list->head;
	const struct page *next;

	if (pfn >= 0) {
		const struct page *page = pfn_to_page(vm, (unsigned long)pfn);

		if (page->list_id != list->id)
			return -EINVAL;
		position = &page->lru;
	}
	if (position->next == &list->head)
		return -1;
	/* While the list is being migrated, pages wait on lists of the VM's own. */
	next = list_page(position->next);
	return next >= vm->memmap && next < vm->memmap + vm->end_pfn ? (long)page_to_pfn(vm, next) : -EINVAL;
}

/* The page after `pfn` on the list, or the first for -1; -1 at the end, -EINVAL if `pfn` is not on it. */
long mv_list_next(struct vm *vm, struct page_list *list, long pfn)
{
	long next;

	if (!vm_begin_access(vm))
		return BROKEN;
	next = next_on_list(vm, list, pfn);
	vm_end_access(vm);
	return next;
}

long mv_isolate(struct vm *vm, unsigned long pfn, unsigned int mode)
{
	API_BEGIN(vm, true);
	API_END(vm, isolate_movable_page(vm, pfn_to_page(vm, pfn), mode));
}

long mv_putback(struct vm *vm, struct page_list *list)
{
	API_BEGIN(vm, true);
	putback_movable_pages(vm, &list->head);
	API_END(vm, 0);
}

/* A target allocator, with a place for each page's result (spec/migration.md 3.5). */
struct recording {
	new_page_t *get;
	free_page_t *put;
	unsigned long private;
	struct mv_outcome *outcomes;
	unsigned long nr, cursor;
};

/* Pages come round in list order, so the search starts where the last one ended. */
static struct mv_outcome *find_outcome(struct recording *recording, unsigned long pfn)
{
	for (unsigned long i = 0; i < recording->nr; i++) {
		unsigned long at = (recording->cursor + i) % recording->nr;

		if (recording->outcomes[at].pfn == pfn) {
			recording->cursor = at + 1;
			return &recording->outcomes[at];
		}
	}
	return NULL;
}

static struct page *recording_new_page(struct vm *vm, struct page *page, unsigned long private, int **result)
{
	struct recording *recording = (struct recording *)private;
	struct page *newpage = recording->get(vm, page, recording->private, result);
	struct mv_outcome *outcome = newpage ? find_outcome(recording, page_to_pfn(vm, page)) : NULL;

	if (outcome) {
		outcome->known = true;
		*result = &outcome->status;
	}
	return newpage;
}

static void recording_free_page(struct vm *vm, struct page *page, unsigned long private)
{
	struct recording *recording = (struct recording *)private;

	recording->put(vm, page, recording->private);
}

long mv_migrate(struct vm *vm, struct page_list *list, struct mv_target *target, int mode, int reason,
		struct mv_outcome *outcomes, unsigned long nr_outcomes, struct mv_migration *migration)
{
	struct py_target python = {target->get, target->put};
	struct recording recording = {
		.get = target->get ? py_new_page : new_page_node,
		.put = target->put ? py_free_page : NULL,
		.private = target->get ? (unsigned long)&python : (unsigned long)target->nid,
		.outcomes = outcomes,
		.nr = nr_outcomes,
	};
	struct migrate_counts counts;
	long ret;

	API_BEGIN(vm, true);
	ret = migrate_pages(vm, &list->head, recording_new_page, recording.put ? recording_free_page : NULL,
			    (unsigned long)&recording, (enum migrate_mode)mode, (enum migrate_reason)reason, &counts);
	migration->succeeded = counts.succeeded;
	migration->failed = counts.failed;
	API_END(vm, ret);
}

long mv_lru_add_drain_all(struct vm *vm)
{
	API_BEGIN(vm, false);
	lru_add_drain_all(vm);
	API_END(vm, 0);
}
