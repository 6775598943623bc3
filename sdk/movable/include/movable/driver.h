/* SPDX-License-Identifier: MIT
 *
 * What a native driver of movable pages is written against: the three callbacks, and the calls it may make.
 *
 * A driver reaches the core through one table of functions, handed over when it is attached; the wrappers
 * below give each call its kernel name. Define MOVABLE_DRIVER before including this file, and define the
 * table's pointer once with MOVABLE_DRIVER_API. Nothing else of the core is visible to a driver.
 */
#ifndef MOVABLE_DRIVER_H
#define MOVABLE_DRIVER_H

#include "page.h"

#define MOVABLE_API_VERSION 1

typedef unsigned int gfp_t;
typedef unsigned int isolate_mode_t;

#define ISOLATE_CLEAN 0x1u
#define ISOLATE_UNMAPPED 0x2u
#define ISOLATE_ASYNC_MIGRATE 0x4u
#define ISOLATE_UNEVICTABLE 0x8u

enum migrate_mode { MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC };

#define MIGRATEPAGE_SUCCESS 0

/* spec/migration.md 6.1: when each is called and what it may answer. */
struct address_space_operations {
	bool (*isolate_page)(struct page *page, isolate_mode_t mode);
	int (*migratepage)(struct address_space *mapping, struct page *newpage, struct page *page,
			   enum migrate_mode mode);
	void (*putback_page)(struct page *page);
};

/* Lives as long as any page carries it. Its two low address bits are clear. */
struct address_space {
	const struct address_space_operations *a_ops;
	void *private_data; /* the driver's */
	void *owner;	    /* the emulator's */
};

#define MOVABLE_API_LIST(X)                                                                          \
	X(struct page *, alloc_pages, (gfp_t gfp, unsigned int order), (gfp, order))                 \
	X(void, __free_pages, (struct page * page, unsigned int order), (page, order))               \
	X(void, get_page, (struct page * page), (page))                                              \
	X(void, put_page, (struct page * page), (page))                                              \
	X(void, lock_page, (struct page * page), (page))                                             \
	X(bool, trylock_page, (struct page * page), (page))                                          \
	X(void, unlock_page, (struct page * page), (page))                                           \
	X(void, __SetPageMovable, (struct page * page, struct address_space * mapping), (page, mapping)) \
	X(void, __ClearPageMovable, (struct page * page), (page))                                    \
	X(struct address_space *, page_mapping, (struct page * page), (page))                        \
	X(void *, page_address, (struct page * page), (page))                                        \
	X(unsigned long, page_to_pfn, (struct page * page), (page))                                  \
	X(void, copy_highpage, (struct page * to, struct page * from), (to, from))

#define MOVABLE_API_MEMBER(ret, name, params, args) ret(*name) params;
struct movable_api {
	uint32_t version;
	uint32_t size;
	uint32_t sizeof_page;
	uint32_t reserved;
	MOVABLE_API_LIST(MOVABLE_API_MEMBER)
};
#undef MOVABLE_API_MEMBER

#ifdef MOVABLE_DRIVER
extern const struct movable_api *movable_api_ __attribute__((visibility("hidden")));
#define MOVABLE_DRIVER_API const struct movable_api *movable_api_

#define MOVABLE_API_WRAPPER(ret, name, params, args)                                                 \
	static inline __attribute__((unused)) ret name params                                        \
	{                                                                                            \
		return movable_api_->name args;                                                      \
	}
MOVABLE_API_LIST(MOVABLE_API_WRAPPER)
#undef MOVABLE_API_WRAPPER

/* True if the core that handed over `api` speaks this header's version. */
static inline bool movable_api_matches(const struct movable_api *api)
{
	return api->version == MOVABLE_API_VERSION && api->size >= sizeof(*api) &&
	       api->sizeof_page == sizeof(struct page);
}
#endif

#endif
