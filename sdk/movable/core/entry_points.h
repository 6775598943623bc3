/* SPDX-License-Identifier: MIT
 *
 * The entry points of the core: what Python sees. C includes this file, and build.py hands its text,
 * without the preprocessor's lines, to cffi.
 *
 * Pages are named by pfn. PyObject pointers are passed as void *, borrowed. Calls that return `long`
 * answer BROKEN if there is something to raise (machine.py).
 */
#ifndef MOVABLE_ENTRY_POINTS_H
#define MOVABLE_ENTRY_POINTS_H

#include "boot.h"

struct vm;
struct address_space;
struct page_list;

struct mv_settings {
	unsigned int debug;
	bool poison;
	int extfrag_threshold;
	bool compact_unevictable_allowed;
};

struct mv_python {
	void *page_factory;
	void *violation_class;
	void *modes[19];
};

struct vm *mv_create(const struct boot_config *config);
void mv_destroy(struct vm *vm);
void mv_configure(struct vm *vm, const struct mv_settings *settings);
void mv_set_python(struct vm *vm, const struct mv_python *python);
void mv_set_wait_hook(struct vm *vm, void *hook);
void mv_set_oom_notifier(struct vm *vm, void *notifier);

/* Errors: api_machine.c */
struct mv_rule {
	const char *id, *sentence, *source;
	int kind;
};

struct mv_report {
	int rule, cpu;
	long pfn;
	const char *where, *expected, *seen;
	void *mapping;
};

int mv_nr_rules(void);
void mv_rule(int index, struct mv_rule *rule);
bool mv_dead(struct vm *vm);
unsigned int mv_depth(struct vm *vm);
bool mv_was_busy(void);
unsigned int mv_report_from(struct vm *vm);
unsigned int mv_nr_violations(struct vm *vm);
bool mv_report(struct vm *vm, unsigned int index, struct mv_report *report);
void mv_fatal_report(struct vm *vm, struct mv_report *report);
void mv_exceptions(struct vm *vm, void *list);
void mv_clear_errors(struct vm *vm);
long mv_raise(struct vm *vm, int rule, long pfn, const char *where, const char *expected, const char *seen);
long mv_recount(struct vm *vm);

/* CPUs */
int mv_cpu(struct vm *vm);
void mv_set_cpu(struct vm *vm, int cpu);
unsigned int mv_task_flags(struct vm *vm);

/* Pages: api_page.c */
enum mv_field {
	MV_FLAGS,
	MV_REFCOUNT,
	MV_MAPCOUNT,
	MV_PRIVATE,
	MV_INDEX,
	MV_LOCK_CPU,
	MV_LIST,
	MV_ORDER,
	MV_NID,
	MV_ZONE,
	MV_MAPPING_BITS,
	MV_SET_FLAGS,
	MV_CLEAR_FLAGS,
};

long mv_prepare_page(struct vm *vm, unsigned long pfn);
long mv_read(struct vm *vm, unsigned long pfn, int field);
long mv_write(struct vm *vm, unsigned long pfn, int field, unsigned long value);
void *mv_page_owner(struct vm *vm, unsigned long pfn);
long mv_get_page(struct vm *vm, unsigned long pfn);
long mv_put_page(struct vm *vm, unsigned long pfn);
long mv_lock_page(struct vm *vm, unsigned long pfn);
long mv_trylock_page(struct vm *vm, unsigned long pfn);
long mv_unlock_page(struct vm *vm, unsigned long pfn);
long mv_page_movable(struct vm *vm, unsigned long pfn);
long mv_set_movable(struct vm *vm, unsigned long pfn, struct address_space *mapping);
long mv_clear_movable(struct vm *vm, unsigned long pfn);
long mv_copy_page(struct vm *vm, unsigned long to, unsigned long from);
long mv_discard(struct vm *vm, unsigned long pfn);
long mv_replace_page(struct vm *vm, struct address_space *mapping, unsigned long newpage, unsigned long oldpage);

/* Allocation */
long mv_alloc_pages(struct vm *vm, int nid, unsigned int gfp, unsigned int order);
long mv_free_pages(struct vm *vm, unsigned long pfn, unsigned int order);

/* Allocations made to fail: api_faults.c */
bool mv_fail_allocations(struct vm *vm, unsigned long first, unsigned long last, unsigned int inside);
void mv_stop_failing(struct vm *vm);
void mv_alloc_faults(struct vm *vm, unsigned long *seen, unsigned long *failed);

long mv_adjust_managed(struct vm *vm, unsigned long pfn, long delta);
long mv_pageblock_migratetype(struct vm *vm, unsigned long pfn);
long mv_set_pageblock_migratetype(struct vm *vm, unsigned long pfn, int type);
long mv_pageblock_skip(struct vm *vm, unsigned long pfn);

/* Mappings: api_migrate.c */
struct address_space *mv_mapping_create(struct vm *vm, void *owner);
struct address_space *mv_mapping_create_native(struct vm *vm, void *owner);
void mv_mapping_set_hooks(struct address_space *mapping, void *isolate, void *migrate, void *putback);
long mv_mapping_pages(struct vm *vm, struct address_space *mapping, unsigned long *pfns, unsigned long room);
long mv_mapping_close(struct vm *vm, struct address_space *mapping);
void mv_mapping_free(struct address_space *mapping);

/* Page lists */
struct page_list *mv_list_create(struct vm *vm);
void mv_list_destroy(struct vm *vm, struct page_list *list);
long mv_list_add(struct vm *vm, struct page_list *list, unsigned long pfn, bool tail);
long mv_list_del(struct vm *vm, struct page_list *list, unsigned long pfn);
long mv_list_isolate(struct vm *vm, struct page_list *list, unsigned long pfn, unsigned int mode);
unsigned long mv_list_len(struct vm *vm, struct page_list *list);
bool mv_list_has(struct vm *vm, struct page_list *list, unsigned long pfn);
bool mv_list_isolated(struct vm *vm, struct page_list *list);
long mv_list_next(struct vm *vm, struct page_list *list, long pfn);

/* Migration */
struct mv_target {
	void *get, *put; /* Python functions; get NULL: pages of node nid */
	int nid;
};

/* What became of one page of a migration list: its new node, or -errno. */
struct mv_outcome {
	unsigned long pfn;
	int status;
	bool known;
};

struct mv_migration {
	unsigned long succeeded, failed;
};

long mv_isolate(struct vm *vm, unsigned long pfn, unsigned int mode);
long mv_putback(struct vm *vm, struct page_list *list);
long mv_migrate(struct vm *vm, struct page_list *list, struct mv_target *target, int mode, int reason,
		struct mv_outcome *outcomes, unsigned long nr_outcomes, struct mv_migration *migration);
long mv_lru_add_drain_all(struct vm *vm);

/* Compaction */
struct mv_run {
	int zone, order, mode, result;
	unsigned int gfp, alloc_flags;
	int classzone_idx;
	bool ignore_skip_hint, ignore_block_suitable, direct_compaction, whole_zone;
	unsigned long migrate_pfn, free_pfn, migrate_scanned, free_scanned, isolated, migrated, failed;
};

struct mv_compact_state {
	unsigned long cached_migrate_pfn[2], cached_free_pfn;
	unsigned int considered, defer_shift;
	int order_failed;
	bool blockskip_flush;
};

long mv_compact_zone(struct vm *vm, struct mv_run *run);
long mv_compact_node(struct vm *vm, int nid, struct mv_run *runs);
long mv_try_to_compact_pages(struct vm *vm, int nid, unsigned int order, unsigned int gfp, int priority);
long mv_compaction_suitable(struct vm *vm, int zone, int order, unsigned int alloc_flags, int classzone_idx);
int mv_fragmentation_index(struct vm *vm, int zone, unsigned int order);
void mv_compact_state(struct vm *vm, int zone, struct mv_compact_state *state);
long mv_reset_isolation_suitable(struct vm *vm, int zone);

/* Contiguous ranges and memory offline: api_contig.c */
struct mv_range_result {
	unsigned long migrated, failed, passes;
	long busy; /* -1: none */
};

long mv_alloc_contig_range(struct vm *vm, unsigned long start, unsigned long end, int type,
			   struct mv_range_result *result);
long mv_free_contig_range(struct vm *vm, unsigned long start, unsigned long nr);
long mv_offline_pages(struct vm *vm, unsigned long start, unsigned long end, bool non_lru, unsigned long max_passes,
		      struct mv_range_result *result);
long mv_online_pages(struct vm *vm, unsigned long start, unsigned long end);
void mv_set_watermarks(struct vm *vm, int zone, const unsigned long *watermark, const unsigned long *lowmem_reserve);
long mv_start_isolate_page_range(struct vm *vm, unsigned long start, unsigned long end, int type, bool non_lru);
long mv_undo_isolate_page_range(struct vm *vm, unsigned long start, unsigned long end, int type);
long mv_test_pages_isolated(struct vm *vm, unsigned long start, unsigned long end);

/* Zones and counters: api_machine.c */
struct mv_zone {
	int nid, type;
	unsigned long start_pfn, spanned, present, managed, watermark[3], nr_free[11], nr_isolate_pageblock;
	long free_pages, zspages;
	bool contiguous;
};

void mv_zone(struct vm *vm, int zone, struct mv_zone *info);
long mv_free_count(struct vm *vm, int zone, unsigned int order, int type);
int mv_nr_counters(void);
int mv_first_event(void);
const char *mv_counter_name(int index);
void mv_counters(struct vm *vm, long *values);
long mv_count_event(struct vm *vm, int index, long n);
int mv_nr_zspages_item(void);

/* What a frame is used for; the pages of mapping i are MV_KIND_MAPPING + i. */
enum mv_kind {
	MV_KIND_HOLE,
	MV_KIND_FREE,
	MV_KIND_RESERVED,
	MV_KIND_LRU,
	MV_KIND_KERNEL,
	MV_KIND_MAPPING,
};

long mv_page_kinds(struct vm *vm, unsigned long start, unsigned long end, struct address_space **mappings, int nr,
		   unsigned char *kinds);
long mv_mod_zone_page_state(struct vm *vm, unsigned long pfn, int item, long delta);

/* LRU pages and reclaim: api_lru.c */
long mv_isolate_lru_page(struct vm *vm, unsigned long pfn);
long mv_putback_lru_page(struct vm *vm, unsigned long pfn);
long mv_lru_add_drain(struct vm *vm);
long mv_mark_page_accessed(struct vm *vm, unsigned long pfn);
long mv_lru_pages(struct vm *vm, int nid, int list, unsigned long *pfns, unsigned long room);
long mv_reclaim_node(struct vm *vm, int nid, unsigned long pages);
long mv_swapon(struct vm *vm, unsigned long slots);
void mv_swap_info(struct vm *vm, unsigned long *slots, unsigned long *used);

/* The steps of migrations */
struct mv_step_record {
	unsigned char step, cpu;
	unsigned long pfn, newpfn;
	int refs, mapcount, new_refs, new_mapcount;
	const char *function, *file;
	unsigned int line;
};

int mv_nr_steps(void);
void mv_step_text(int step, const char **name, const char **what);
long mv_step_log_begin(struct vm *vm, unsigned long room);
void mv_step_log_end(struct vm *vm);
unsigned long mv_step_log(struct vm *vm, struct mv_step_record *records, unsigned long room);

/* Processes, by id: api_process.c. Addresses in bytes. */
struct mv_mmap {
	unsigned long address, length, pgoff;
	unsigned int flags, file; /* file 0: anonymous */
	bool fixed;
};

/* Mode 0 (MPOL_DEFAULT): there is none. Without a mode flag `user` is empty. */
struct mv_policy {
	int mode;
	unsigned int flags; /* mode flags */
	bool local;
	unsigned long nodes; /* effective; the node of MPOL_PREFERRED */
	unsigned long user[16];
};

struct mv_vma {
	unsigned long start, end, pgoff;
	unsigned int flags, file;
	bool shmem; /* shared anonymous memory */
	void *owner; /* the file's */
	struct mv_policy policy; /* its own, or the file's for its first page */
	int special; /* enum vma_special */
};

enum mv_pte {
	MV_PTE_PRESENT = 1,
	MV_PTE_WRITE = 2,
	MV_PTE_YOUNG = 4,
	MV_PTE_DIRTY = 8,
	MV_PTE_PROTNONE = 0x10,
	MV_PTE_ZERO = 0x20,
	MV_PTE_SWAP = 0x40,
	MV_PTE_MIGRATION = 0x80,
	MV_PTE_HUGE = 0x100,
	MV_PTE_SPECIAL = 0x200,
};

/* An entry that is not 0; its pfn or swap slot above MV_PTE_SHIFT. */
struct mv_entry {
	unsigned long address, pte;
};

long mv_mm_create(struct vm *vm);
long mv_mm_exit(struct vm *vm, unsigned int mm);
long mv_mm_fork(struct vm *vm, unsigned int mm);
long mv_mmap(struct vm *vm, unsigned int mm, const struct mv_mmap *request);

/* The hugetlb pool; numbers of pages of 2 MiB, of one node or (nid -1) of all. */
struct mv_hugetlb {
	unsigned long nr, free, surplus, reserved, overcommit;
};

long mv_hugetlb_set(struct vm *vm, int nid, unsigned long pages);
long mv_hugetlb_overcommit(struct vm *vm, unsigned long pages);
void mv_hugetlb(struct vm *vm, int nid, struct mv_hugetlb *info);
unsigned int mv_nr_nodes(struct vm *vm);
long mv_mmap_special(struct vm *vm, unsigned int mm, int special, unsigned long address, int nid);
long mv_madvise(struct vm *vm, unsigned int mm, unsigned long start, unsigned long length, int advice);

/* A page of a process: where it lies. */
struct mv_place {
	unsigned int mm;
	unsigned long address;
};

long mv_ksm_merge(struct vm *vm, const struct mv_place *places, unsigned int nr);
long mv_swap_out(struct vm *vm, unsigned int mm, unsigned long address);
long mv_munmap(struct vm *vm, unsigned int mm, unsigned long start, unsigned long length);
long mv_mprotect(struct vm *vm, unsigned int mm, unsigned long start, unsigned long length, unsigned int access);
long mv_mlock(struct vm *vm, unsigned int mm, unsigned long start, unsigned long length, bool lock);
long mv_access(struct vm *vm, unsigned int mm, unsigned long address, void *buffer, unsigned long length, bool write,
	       unsigned long *done);
long mv_touch(struct vm *vm, unsigned int mm, unsigned long address, unsigned long length, bool write);
long mv_pin(struct vm *vm, unsigned int mm, unsigned long address, bool write);
long mv_read_pte(struct vm *vm, unsigned int mm, unsigned long address);
long mv_entries(struct vm *vm, unsigned int mm, unsigned long start, unsigned long end, struct mv_entry *entries,
		unsigned long room);
long mv_nr_vmas(struct vm *vm, unsigned int mm);
void mv_vma(struct vm *vm, unsigned int mm, unsigned int index, struct mv_vma *vma);
void mv_mm_counters(struct vm *vm, unsigned int mm, long *counters);
long mv_isolate_range(struct vm *vm, unsigned int mm, unsigned long start, unsigned long end, struct page_list *list);

/* Memory policies: api_policy.c. A request is mode, flags and user of a struct mv_policy. */
long mv_set_mempolicy(struct vm *vm, unsigned int mm, const struct mv_policy *request);
long mv_mbind(struct vm *vm, unsigned int mm, unsigned long start, unsigned long end,
	      const struct mv_policy *request, unsigned int flags);
void mv_policy_of_process(struct vm *vm, unsigned int mm, struct mv_policy *policy);
long mv_policy_of_address(struct vm *vm, unsigned int mm, unsigned long address, struct mv_policy *policy);
long mv_lookup_node(struct vm *vm, unsigned int mm, unsigned long address);
int mv_il_next(struct vm *vm, unsigned int mm);
unsigned long mv_mems_allowed(struct vm *vm, unsigned int mm);
long mv_rebind_process(struct vm *vm, unsigned int mm, unsigned long mems);
long mv_rebind_areas(struct vm *vm, unsigned int mm, unsigned long mems);
void mv_set_spread_page(struct vm *vm, unsigned int mm, bool spread);

/* NUMA calls: api_numa.c. Sets of nodes are a bit each; process 0 is none. */
struct mv_move_arrays {
	unsigned long count;
	const unsigned long *pages;
	const int *nodes; /* NULL with nr_nodes 0 */
	int *status;
	unsigned long nr_pages, nr_nodes, nr_status; /* so many entries can be accessed */
};

struct mv_numa_stats {
	unsigned long pages, anon, dirty, mapmax, swapcache, active, writeback;
	unsigned long node[64];
};

unsigned long mv_nodes_with_memory(struct vm *vm);
long mv_migrate_nodes(struct vm *vm, unsigned int mm, unsigned long from, unsigned int nr_from, unsigned long to,
		      bool move_all, unsigned long allowed);
long mv_query_pages(struct vm *vm, unsigned int mm, const struct mv_move_arrays *arrays);
long mv_move_pages(struct vm *vm, unsigned int mm, const struct mv_move_arrays *arrays, bool move_all,
		   unsigned long mems, unsigned int caller, unsigned long allowed);
long mv_numa_stats(struct vm *vm, unsigned int mm, unsigned long address, struct mv_vma *vma,
		   struct mv_numa_stats *stats);

/* Files, by id: api_file.c */
struct mv_file {
	void *owner;
	bool shmem, buffers, has_writepage, slow_device;
	int migrate_method; /* 0 by fallback, 1 migrate_page, 2 buffer_migrate_page */
	int writepage_error;
	unsigned long size;
};

long mv_file_create(struct vm *vm, const struct mv_file *settings);
long mv_file_close(struct vm *vm, unsigned int file);
void mv_file_configure(struct vm *vm, unsigned int file, const struct mv_file *settings);
long mv_file_read(struct vm *vm, unsigned int file, unsigned long offset, void *buffer, unsigned long length);
long mv_file_write(struct vm *vm, unsigned int file, unsigned long offset, const void *buffer, unsigned long length);
void mv_file_stored(struct vm *vm, unsigned int file, unsigned long offset, void *buffer, unsigned long length);
unsigned long mv_file_size(struct vm *vm, unsigned int file);
long mv_file_pages(struct vm *vm, unsigned int file, unsigned long *indices, unsigned long *pfns, unsigned long room);
long mv_file_sync(struct vm *vm, unsigned int file);
long mv_file_start_writeback(struct vm *vm, unsigned int file, unsigned long index);
long mv_file_end_writeback(struct vm *vm, unsigned int file);
long mv_file_truncate(struct vm *vm, unsigned int file, unsigned long size);
long mv_file_invalidate(struct vm *vm, unsigned int file);
long mv_file_lock_buffer(struct vm *vm, unsigned int file, unsigned long index, bool lock);

/* Emulated CPUs that take turns: api_schedule.c */
struct mv_step {
	unsigned char cpu, event, chosen, alternative;
	unsigned int runnable;
	unsigned long id;
};

struct mv_choice {
	unsigned int at, step, cpu;
};

struct mv_plan {
	int policy; /* 0 default, 1 round robin, 2 random, 3 PCT */
	unsigned long seed;
	unsigned int sharpness;		/* random: one step in that many may switch */
	unsigned int depth, length;	/* PCT: bugs of that depth, in a run of about so many steps */
	unsigned int limit;		/* most steps of the run */
	bool strict_async;
	const struct mv_choice *choices; /* borrowed, sorted: own steps of a CPU at which to leave the policy */
	unsigned int nr_choices;
};

struct mv_sched_result {
	unsigned int nr_steps, nr_switches, nr_preemptions, async_sleeps;
	unsigned long hash;
};

long mv_sched_begin(struct vm *vm, const struct mv_plan *plan, void *machine, void *attribute);
void mv_sched_add(struct vm *vm, int cpu, void *switch_to, void *number, bool daemon);
void mv_sched_rename(struct vm *vm, int cpu, void *number);
int mv_sched_first(struct vm *vm);
int mv_sched_next(struct vm *vm, int ended);
bool mv_sched_over(struct vm *vm);
int mv_sched_finish(struct vm *vm);
void mv_sched_stop(struct vm *vm);
long mv_sched_deadlock(struct vm *vm);
void mv_sched_result(struct vm *vm, struct mv_sched_result *result);
unsigned int mv_sched_steps(struct vm *vm, struct mv_step *steps, unsigned int room);
void mv_sched_end(struct vm *vm);
int mv_lock_class(struct vm *vm, const char *name);

/* What a CPU tells of itself; each is a scheduling point. `event` is an enum sched_event. */
long mv_sched_point(struct vm *vm, int event, unsigned long id);
long mv_sched_yield(struct vm *vm, unsigned long id);
long mv_sched_lock(struct vm *vm, unsigned int lock_class, unsigned long id, unsigned int flags);
long mv_sched_taken(struct vm *vm, unsigned int lock_class, unsigned long id, unsigned int flags);
long mv_sched_unlock(struct vm *vm, unsigned int lock_class, unsigned long id);
long mv_sched_wait(struct vm *vm, unsigned long id, bool timed);
long mv_sched_wake(struct vm *vm, unsigned long id);
long mv_sched_might_sleep(struct vm *vm, const char *where);

/* Measuring: api_bench.c */
void mv_bench_copy(struct vm *vm, const unsigned long *pairs, unsigned long nr);
unsigned long mv_bench_touch(struct vm *vm, unsigned long start, unsigned long end);
void mv_bench_prefault(struct vm *vm);
long mv_bench_populate(struct vm *vm, struct address_space *mapping, unsigned int keep_percent, unsigned long seed);

#endif
