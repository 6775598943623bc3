/* SPDX-License-Identifier: MIT
 *
 * The counters of /proc/vmstat that this machine keeps: X(name, text). spec/compaction.md 9.1.
 *
 * Zone items, then node items, are gauges; events only grow. The texts are the kernel's, in its order.
 */
#ifndef MOVABLE_COUNTERS_H
#define MOVABLE_COUNTERS_H

#define ZONE_ITEMS(X)                                                                                        \
	X(NR_FREE_PAGES, "nr_free_pages")                                                                    \
	X(NR_MLOCK, "nr_mlock")                                                                              \
	X(NR_ZSPAGES, "nr_zspages")                                                                          \
	X(NUMA_HIT, "numa_hit")                                                                              \
	X(NUMA_MISS, "numa_miss")                                                                            \
	X(NUMA_FOREIGN, "numa_foreign")                                                                      \
	X(NUMA_LOCAL, "numa_local")                                                                          \
	X(NUMA_OTHER, "numa_other")                                                                          \
	X(NR_FREE_CMA_PAGES, "nr_free_cma")

#define NODE_ITEMS(X)                                                                                        \
	X(NR_INACTIVE_ANON, "nr_inactive_anon")                                                              \
	X(NR_ACTIVE_ANON, "nr_active_anon")                                                                  \
	X(NR_INACTIVE_FILE, "nr_inactive_file")                                                              \
	X(NR_ACTIVE_FILE, "nr_active_file")                                                                  \
	X(NR_UNEVICTABLE, "nr_unevictable")                                                                  \
	X(NR_ISOLATED_ANON, "nr_isolated_anon")                                                              \
	X(NR_ISOLATED_FILE, "nr_isolated_file")                                                              \
	X(NR_ANON_MAPPED, "nr_anon_pages")                                                                   \
	X(NR_FILE_MAPPED, "nr_mapped")                                                                       \
	X(NR_FILE_PAGES, "nr_file_pages")                                                                    \
	X(NR_FILE_DIRTY, "nr_dirty")                                                                         \
	X(NR_WRITEBACK, "nr_writeback")                                                                      \
	X(NR_SHMEM, "nr_shmem")                                                                              \
	X(NR_ANON_THPS, "nr_anon_transparent_hugepages")

#define VM_EVENTS(X)                                                                                         \
	X(PSWPIN, "pswpin")                                                                                  \
	X(PSWPOUT, "pswpout")                                                                                \
	X(PGALLOC_DMA, "pgalloc_dma")                                                                        \
	X(PGALLOC_DMA32, "pgalloc_dma32")                                                                    \
	X(PGALLOC_NORMAL, "pgalloc_normal")                                                                  \
	X(PGALLOC_MOVABLE, "pgalloc_movable")                                                                \
	X(PGFREE, "pgfree")                                                                                  \
	X(PGACTIVATE, "pgactivate")                                                                          \
	X(PGDEACTIVATE, "pgdeactivate")                                                                      \
	X(PGFAULT, "pgfault")                                                                                \
	X(PGMAJFAULT, "pgmajfault")                                                                          \
	X(PGREFILL, "pgrefill")                                                                              \
	X(PGSTEAL_DIRECT, "pgsteal_direct")                                                                  \
	X(PGSCAN_DIRECT, "pgscan_direct")                                                                    \
	X(PGMIGRATE_SUCCESS, "pgmigrate_success")                                                            \
	X(PGMIGRATE_FAIL, "pgmigrate_fail")                                                                  \
	X(COMPACTMIGRATE_SCANNED, "compact_migrate_scanned")                                                 \
	X(COMPACTFREE_SCANNED, "compact_free_scanned")                                                       \
	X(COMPACTISOLATED, "compact_isolated")                                                               \
	X(COMPACTSTALL, "compact_stall")                                                                     \
	X(COMPACTFAIL, "compact_fail")                                                                       \
	X(COMPACTSUCCESS, "compact_success")                                                                 \
	X(HTLB_BUDDY_PGALLOC, "htlb_buddy_alloc_success")                                                    \
	X(HTLB_BUDDY_PGALLOC_FAIL, "htlb_buddy_alloc_fail")                                                  \
	X(UNEVICTABLE_PGCULLED, "unevictable_pgs_culled")                                                    \
	X(UNEVICTABLE_PGRESCUED, "unevictable_pgs_rescued")                                                  \
	X(UNEVICTABLE_PGMLOCKED, "unevictable_pgs_mlocked")                                                  \
	X(UNEVICTABLE_PGMUNLOCKED, "unevictable_pgs_munlocked")                                              \
	X(UNEVICTABLE_PGCLEARED, "unevictable_pgs_cleared")                                                  \
	X(UNEVICTABLE_PGSTRANDED, "unevictable_pgs_stranded")                                                \
	X(THP_FAULT_ALLOC, "thp_fault_alloc")                                                                \
	X(THP_FAULT_FALLBACK, "thp_fault_fallback")                                                          \
	X(THP_SPLIT_PAGE, "thp_split_page")                                                                  \
	X(THP_SPLIT_PAGE_FAILED, "thp_split_page_failed")                                                    \
	X(THP_SPLIT_PMD, "thp_split_pmd")                                                                    \
	X(BALLOON_INFLATE, "balloon_inflate")                                                                \
	X(BALLOON_DEFLATE, "balloon_deflate")                                                                \
	X(BALLOON_MIGRATE, "balloon_migrate")

#define X(name, text) name,
enum zone_item { ZONE_ITEMS(X) NR_ZONE_ITEMS };
enum node_item { NODE_ITEMS(X) NR_NODE_ITEMS };
enum vm_event { VM_EVENTS(X) NR_VM_EVENTS };
#undef X

#endif
