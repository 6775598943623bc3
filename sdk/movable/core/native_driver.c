/* SPDX-License-Identifier: MIT
 *
 * A driver in C that keeps whole pages and moves them by copying: the least a driver can do, and what
 * the benchmark compares with a plain copy. It sees the public header only, as any native driver.
 */
#define MOVABLE_DRIVER
#include <movable/driver.h>

#include <errno.h>

MOVABLE_DRIVER_API;

extern const struct address_space_operations native_driver_ops;
int native_driver_init(const struct movable_api *api);

static bool native_isolate_page(struct page *page, isolate_mode_t mode)
{
	(void)page;
	(void)mode;
	return true;
}

static int native_migratepage(struct address_space *mapping, struct page *newpage, struct page *page,
			      enum migrate_mode mode)
{
	(void)mode;
	copy_highpage(newpage, page);
	newpage->private = page->private;
	get_page(newpage);
	__SetPageMovable(newpage, mapping);
	__ClearPageMovable(page);
	page->private = 0;
	put_page(page);
	return MIGRATEPAGE_SUCCESS;
}

static void native_putback_page(struct page *page)
{
	(void)page;
}

const struct address_space_operations native_driver_ops = {
	.isolate_page = native_isolate_page,
	.migratepage = native_migratepage,
	.putback_page = native_putback_page,
};

int native_driver_init(const struct movable_api *api)
{
	if (!movable_api_matches(api))
		return -EINVAL;
	movable_api_ = api;
	return 0;
}
