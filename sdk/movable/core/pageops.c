/* SPDX-License-Identifier: MIT */
#include "pageops.h"

#include "page_alloc.h"
#include "swap.h"
#include "pybridge.h"

static void assert_locked(struct vm *vm, const struct page *page, const char *where)
{
	if (unlikely(vm->debug && !PageLocked(page)))
		violation(vm, VM_RULE_PAGE_NOT_LOCKED, page, where, "page locked", "unlocked");
}

bool PageMovable(struct vm *vm, const struct page *page)
{
	assert_locked(vm, page, "PageMovable");
	return page_is_movable(page);
}

void __SetPageMovable(struct vm *vm, struct page *page, struct address_space *mapping)
{
	assert_locked(vm, page, "__SetPageMovable");
	VM_BUG_ON_PAGE(vm, (unsigned long)mapping & PAGE_MAPPING_MOVABLE, page, VM_RULE_SET_MOVABLE_TAGGED,
		       "low bits 0", "low bits %lu", (unsigned long)mapping & PAGE_MAPPING_FLAGS);
	page->mapping = (struct address_space *)((unsigned long)mapping | PAGE_MAPPING_MOVABLE);
}

void __ClearPageMovable(struct vm *vm, struct page *page)
{
	assert_locked(vm, page, "__ClearPageMovable");
	VM_BUG_ON_PAGE(vm, !page_is_movable(page), page, VM_RULE_CLEAR_NOT_MOVABLE, "a movable page",
		       __PageMovable(page) ? "a page given up already" : "a page never marked movable");
	page->mapping = (struct address_space *)PAGE_MAPPING_MOVABLE;
}

struct address_space *page_mapping(const struct page *page)
{
	if (unlikely(page_flag(page, PG_swapcache)) && !page_flag(page, PG_slab))
		return &swapper_space;
	if (page_flag(page, PG_slab) || (unsigned long)page->mapping & PAGE_MAPPING_ANON)
		return NULL;
	return movable_mapping(page);
}

bool sched_trylock_page(struct vm *vm, struct page *page)
{
	sched_page_point(vm, EV_TRYLOCK_PAGE, page);
	if (!take_page_lock(vm, page)) {
		/* Whoever tries again and again must let the holder run. */
		sched_yield_step(vm, EV_YIELD, page_to_pfn(vm, page));
		return false;
	}
	sched_lock_taken(vm, LOCK_CLASS_PAGE, page_to_pfn(vm, page), LOCK_TRY);
	return true;
}

void sched_unlock_page(struct vm *vm, const struct page *page)
{
	unsigned long pfn = page_to_pfn(vm, page);

	sched_lock_released(vm, pfn, LOCK_CLASS_PAGE);
	sched_wake(vm, EV_WAIT_PAGE, pfn);
	sched_step(vm, EV_UNLOCK_PAGE, pfn);
}

static void sched_lock_page(struct vm *vm, struct page *page)
{
	unsigned long pfn = page_to_pfn(vm, page);

	sched_step(vm, EV_LOCK_PAGE, pfn);
	sched_lock_attempt(vm, LOCK_CLASS_PAGE, pfn, 0);
	while (!take_page_lock(vm, page) && page->lock_cpu != vm->cpu)
		sched_wait(vm, EV_WAIT_PAGE, pfn, false);
}

void lock_page(struct vm *vm, struct page *page)
{
	if (unlikely(vm->sched != NULL && page->lock_cpu != vm->cpu)) {
		sched_lock_page(vm, page);
		return;
	}
	if (take_page_lock(vm, page))
		return;
	/* A hook may let another CPU run; what it cannot free now, nobody ever will. */
	if (page->lock_cpu != vm->cpu && py_wait_on_page(vm, page) && take_page_lock(vm, page))
		return;
	violation(vm, VM_RULE_SELF_DEADLOCK, page, "lock_page", "a lock that will be released",
		  "held by CPU %d, waited for by CPU %d", page->lock_cpu, vm->cpu);
	vm_die(vm);
}

void wait_on_page_locked(struct vm *vm, struct page *page)
{
	unsigned long pfn = page_to_pfn(vm, page);

	might_sleep(vm, "wait_on_page_locked");
	while (PageLocked(page)) {
		if (vm->sched && page->lock_cpu != vm->cpu) {
			sched_wait(vm, EV_WAIT_PAGE, pfn, false);
			continue;
		}
		if (page->lock_cpu != vm->cpu && py_wait_on_page(vm, page) && !PageLocked(page))
			return;
		violation(vm, VM_RULE_SELF_DEADLOCK, page, "wait_on_page_locked", "a lock that will be released",
			  "held by CPU %d, waited for by CPU %d", page->lock_cpu, vm->cpu);
		vm_die(vm);
	}
}

void get_page(struct vm *vm, struct page *page)
{
	sched_page_point(vm, EV_GET_PAGE, page);
	/* A tail of a transparent huge page has only the references that were taken on it. */
	if (unlikely(page->_refcount <= 0 && !PageTransCompound(page)))
		violation(vm, VM_RULE_PAGE_REF_ZERO, page, "get_page", "refcount above 0", "%d", page->_refcount);
	page->_refcount++;
}

void put_page(struct vm *vm, struct page *page)
{
	sched_page_point(vm, EV_PUT_PAGE, page);
	if (unlikely(page->_refcount <= 0))
		violation(vm, VM_RULE_PAGE_REF_ZERO, page, "put_page", "refcount above 0", "%d", page->_refcount);
	if (--page->_refcount == 0 && likely(!(page->ext & PAGE_EXT_TAIL)))
		free_unref_page(vm, page);
}
