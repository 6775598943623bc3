/* SPDX-License-Identifier: MIT
 *
 * struct vm: one emulated machine, and the parts it is made of. No state lives outside it.
 */
#ifndef MOVABLE_VM_H
#define MOVABLE_VM_H

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <movable/driver.h>

#include "counters.h"
#include "list.h"
#include "rules.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* spec/compaction.md 1.1 */
#define MAX_ORDER 11
#define MAX_ORDER_NR_PAGES (1UL << (MAX_ORDER - 1))
#define pageblock_order 9
#define pageblock_nr_pages (1UL << pageblock_order)
#define PAGE_ALLOC_COSTLY_ORDER 3
#define COMPACT_CLUSTER_MAX 32
#define COMPACT_MAX_DEFER_SHIFT 6
#define PAGEVEC_SIZE 14

#define MAX_NUMNODES 64
#define MAX_NR_ZONES 4
#define MAX_CPUS 64
#define MAX_VIOLATIONS 64
#define MAX_NESTING 64
#define MAX_LISTS 65534

#define round_down(x, y) ((x) & ~((y) - 1UL))
#define round_up(x, y) round_down((x) + (y) - 1UL, y)

enum zone_type { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, ZONE_MOVABLE };

enum migratetype {
	MIGRATE_UNMOVABLE,
	MIGRATE_MOVABLE,
	MIGRATE_RECLAIMABLE,
	MIGRATE_PCPTYPES,
	MIGRATE_HIGHATOMIC = MIGRATE_PCPTYPES,
	MIGRATE_CMA,
	MIGRATE_ISOLATE,
	MIGRATE_TYPES
};

enum lru_list { LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE, LRU_UNEVICTABLE, NR_LRU_LISTS };

enum zone_watermarks { WMARK_MIN, WMARK_LOW, WMARK_HIGH, NR_WMARK };

/* page->ext: what the kernel would keep in page_ext, or nowhere. */
enum {
	PAGE_EXT_ALLOCATED = 1, /* head of an allocation of alloc_order */
	PAGE_EXT_POISONED = 2,	/* the frame holds the poison pattern */
	PAGE_EXT_TAIL = 4,	/* tail of a compound page */
	PAGE_EXT_OFFLINE = 8,	/* taken out by offline_pages(); PG_reserved meanwhile */
	PAGE_EXT_HUGETLB = 16,	/* head of a page of the hugetlb pool */
	PAGE_EXT_KSM = 64,	/* its mapping is a stable node (ksm.h) */
	PAGE_EXT_HUGETLB_ACTIVE = 32, /* such a page that is in use and not isolated */
};

/* One byte per pageblock. */
enum {
	PB_MIGRATETYPE = 0x07,
	PB_SKIP = 0x08,	 /* compaction need not look here */
	PB_VALID = 0x10, /* the block has struct pages */
	PB_READY = 0x20, /* all of them are initialised; else the block lies inside one boot-time buddy */
};

enum task_flags { PF_MEMALLOC = 0x800, PF_SWAPWRITE = 0x00800000 };

struct free_area {
	struct list_head free_list[MIGRATE_TYPES];
	unsigned long nr_free; /* heads on all lists together */
};

struct pglist_data;

struct zone {
	struct pglist_data *node;
	enum zone_type type;
	unsigned int id; /* index in vm->zones */
	unsigned long zone_start_pfn;
	unsigned long spanned_pages;
	unsigned long present_pages;
	unsigned long managed_pages;	/* what owners have left of boot_managed_pages */
	unsigned long boot_managed_pages; /* pages the buddy allocator has or has handed out */
	unsigned long nr_isolate_pageblock;
	bool contiguous;
	unsigned long watermark[NR_WMARK];
	unsigned long lowmem_reserve[MAX_NR_ZONES];
	unsigned long nr_reserved_highatomic;
	struct free_area free_area[MAX_ORDER];
	long stat[NR_ZONE_ITEMS];

	/* spec/compaction.md 3.4-3.6 */
	unsigned long compact_cached_migrate_pfn[2]; /* [0] async, [1] sync */
	unsigned long compact_cached_free_pfn;
	unsigned int compact_considered;
	unsigned int compact_defer_shift;
	int compact_order_failed;
	bool compact_blockskip_flush;
};

struct pglist_data {
	int node_id;
	struct zone *zones[MAX_NR_ZONES]; /* by type, NULL if the node has none */
	/* FALLBACK zonelist: nodes by distance, within a node the highest zone first. */
	struct zone *zonelist[MAX_NUMNODES * MAX_NR_ZONES + 1];
	struct list_head lru[NR_LRU_LISTS];
	long stat[NR_NODE_ITEMS];
	struct page *vdso_page; /* special.h; NULL until it is mapped */
};

struct pagevec {
	unsigned int nr;
	struct page *pages[PAGEVEC_SIZE];
};

/* A list through page->lru that Python code owns: a driver's, or the list handed to migrate_pages(). */
struct page_list {
	struct list_head head;
	unsigned long nr;
	unsigned int id;
	bool isolated; /* holds isolated pages, each counted in NR_ISOLATED_* */
};

struct violation {
	enum rule_id rule;
	unsigned long pfn; /* ~0UL: concerns no page */
	int cpu;
	char where[48];		     /* core function or callback */
	const void *mapping;	     /* whose callback it was, or NULL */
	char expected[96];
	char seen[96];
	void *exception; /* owned Python object: what a hook raised, or NULL */
};

/* One per call from Python into the core; a fatal violation unwinds to the innermost (violation.h). */
struct entry {
	jmp_buf escape;
	struct entry *prev;
	struct vm *prev_vm;
	unsigned int first_violation;
	int gil;
	bool has_gil;
	bool was_interrupted;
};

enum callback { CALLBACK_NONE, CALLBACK_ISOLATE, CALLBACK_MIGRATE, CALLBACK_PUTBACK };

/* Allocations that fail although there is memory (api_faults.c): the numbers first..last of those that count. */
struct alloc_faults {
	bool armed;
	unsigned int inside; /* which count: a bit for each enum callback that is running, innermost */
	unsigned long first, last, seen, failed;
};

struct vm {
	/* Memory */
	unsigned long end_pfn;
	struct page *memmap;	    /* by pfn */
	unsigned char *arena;	    /* frame contents, by pfn; belongs to Python */
	unsigned char *pageblocks;  /* PB_*, by pfn >> pageblock_order */
	uint16_t *pageblock_zone;   /* zone id of the block's pages, for blocks that are not ready */
	size_t memmap_bytes, objects_bytes;

	unsigned int nr_nodes, nr_zones, nr_cpus;
	int cpu_node[MAX_CPUS];
	struct pglist_data *nodes;
	struct zone *zones;
	struct pagevec lru_add_pvecs[MAX_CPUS];
	unsigned long events[NR_VM_EVENTS];

	/* Settings */
	unsigned int debug; /* 0 off, 1 contract checks, 2 and a recount after each call */
	bool poison;
	int extfrag_threshold;
	bool compact_unevictable_allowed;
	struct alloc_faults alloc_faults;

	/* The running CPU and its task */
	int cpu;
	unsigned int task_flags;
	enum callback callback; /* the innermost callback that is running, and its page */
	struct page *callback_page;
	const struct address_space *callback_mapping;
	enum migrate_mode callback_mode; /* migratepage's */
	struct sched *sched; /* several CPUs take turns (schedule.h), or NULL */

	/* Processes and files by id, and swap space; NULL where one has ended (task.h, filemap.h, swap.h) */
	struct mm **mms;
	unsigned int nr_mms;
	struct file **files;
	unsigned int nr_files;
	struct swap_info *swap;
	struct hstate *hstate; /* the hugetlb pool (hugetlb.h), or NULL */
	struct list_head stable_nodes; /* of merged pages (ksm.c) */
	uint64_t lock_serial;

	struct step_log *step_log; /* where the steps of migrations are noted (steps.h), or NULL */

	/* Page lists handed to Python, by id; slot 0 is never used. */
	struct page_list **lists;
	unsigned int nr_lists;

	/* Errors (violation.h) */
	struct entry *top;
	unsigned int depth;
	_Atomic(const void *) owner; /* the thread that is inside, NULL if none is */
	unsigned int nr_violations; /* recorded since the last report */
	unsigned int report_from;   /* the first one of the call that ended last */
	struct violation violations[MAX_VIOLATIONS];
	bool dead;
	struct violation fatal;
	void *interrupt; /* owned Python object: a KeyboardInterrupt or the like, to be raised at the boundary */
	void *raising; /* owned: the exception that the next violation files */

	/* Python (pybridge.h); all borrowed, kept alive by the Python objects around this struct */
	void **page_objects; /* by pfn */
	void *page_factory;
	void *mode_objects[3 + 16]; /* MigrateMode, IsolateMode */
	void *violation_class;
	void *wait_hook;
	void *oom_notifier;
};

/* The machine whose code runs on this thread: for native drivers, whose calls carry no machine. */
extern _Thread_local struct vm *current_vm;

static inline unsigned long page_to_pfn(const struct vm *vm, const struct page *page)
{
	return (unsigned long)(page - vm->memmap);
}

static inline struct page *pfn_to_page(const struct vm *vm, unsigned long pfn)
{
	return vm->memmap + pfn;
}

static inline unsigned char *page_address(const struct vm *vm, const struct page *page)
{
	return vm->arena + (page_to_pfn(vm, page) << PAGE_SHIFT);
}

static inline unsigned long zone_end_pfn(const struct zone *zone)
{
	return zone->zone_start_pfn + zone->spanned_pages;
}

static inline bool zone_spans_pfn(const struct zone *zone, unsigned long pfn)
{
	return pfn >= zone->zone_start_pfn && pfn < zone_end_pfn(zone);
}

static inline void count_vm_events(struct vm *vm, enum vm_event event, unsigned long n)
{
	vm->events[event] += n;
}

#endif
