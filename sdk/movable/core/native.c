/* SPDX-License-Identifier: MIT */
#include "native.h"

#include "page_alloc.h"

static struct page *api_alloc_pages(gfp_t gfp, unsigned int order)
{
	return alloc_pages_node(current_vm, 0, gfp, order);
}

static void api___free_pages(struct page *page, unsigned int order)
{
	__free_pages(current_vm, page, order);
}

static void api_get_page(struct page *page)
{
	get_page(current_vm, page);
}

static void api_put_page(struct page *page)
{
	put_page(current_vm, page);
}

static void api_lock_page(struct page *page)
{
	lock_page(current_vm, page);
}

static bool api_trylock_page(struct page *page)
{
	return trylock_page(current_vm, page);
}

static void api_unlock_page(struct page *page)
{
	unlock_page(current_vm, page);
}

static void api___SetPageMovable(struct page *page, struct address_space *mapping)
{
	__SetPageMovable(current_vm, page, mapping);
}

static void api___ClearPageMovable(struct page *page)
{
	__ClearPageMovable(current_vm, page);
}

static struct address_space *api_page_mapping(struct page *page)
{
	return page_mapping(page);
}

static void *api_page_address(struct page *page)
{
	return page_address(current_vm, page);
}

static unsigned long api_page_to_pfn(struct page *page)
{
	return page_to_pfn(current_vm, page);
}

static void api_copy_highpage(struct page *to, struct page *from)
{
	copy_highpage(current_vm, to, from);
}

#define X(ret, name, params, args) .name = api_##name,
const struct movable_api movable_api = {
	.version = MOVABLE_API_VERSION,
	.size = sizeof(struct movable_api),
	.sizeof_page = sizeof(struct page),
	MOVABLE_API_LIST(X)
};
#undef X
