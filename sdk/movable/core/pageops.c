/* SPDX-License-Identifier: MIT */
#include "pageops.h"

#include "page_alloc.h"
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
	if (page_flag(page, PG_slab) || (unsigned long)page->mapping & PAGE_MAPPING_ANON)
		return NULL;
	return movable_mapping(page);
}

void lock_page(struct vm *vm, struct page *page)
{
	if (trylock_page(vm, page))
		return;
	/* A hook may let another CPU run; what it cannot free now, nobody ever will. */
	if (page->lock_cpu != vm->cpu && py_wait_on_page(vm, page) && trylock_page(vm, page))
		return;
	violation(vm, VM_RULE_SELF_DEADLOCK, page, "lock_page", "a lock that will be released",
		  "held by CPU %d, waited for by CPU %d", page->lock_cpu, vm->cpu);
	vm_die(vm);
}

void get_page(struct vm *vm, struct page *page)
{
	if (unlikely(page->_refcount <= 0))
		violation(vm, VM_RULE_PAGE_REF_ZERO, page, "get_page", "refcount above 0", "%d", page->_refcount);
	page->_refcount++;
}

void put_page(struct vm *vm, struct page *page)
{
	if (unlikely(page->_refcount <= 0))
		violation(vm, VM_RULE_PAGE_REF_ZERO, page, "put_page", "refcount above 0", "%d", page->_refcount);
	if (--page->_refcount == 0)
		free_unref_page(vm, page);
}
