/* SPDX-License-Identifier: MIT
 *
 * Every rule whose breach the core can see: X(name, id, kind, sentence, source).
 *
 * kind: ASSERTION and RECOUNT are fatal (the kernel would have stopped, or its structures are wrong);
 * REPORT and CONTRACT are recorded and the machine goes on. Python reads this table; ids are never reused.
 */
#ifndef MOVABLE_RULES_H
#define MOVABLE_RULES_H

enum rule_kind { RULE_ASSERTION, RULE_RECOUNT, RULE_REPORT, RULE_CONTRACT };

#define VM_RULES(X)                                                                                            \
	/* Kernel assertions */                                                                                \
	X(PAGE_NOT_LOCKED, "page-not-locked", ASSERTION, "The caller must hold the page lock.",                \
	  "spec/migration.md 6.9")                                                                             \
	X(UNLOCK_NOT_LOCKED, "unlock-not-locked", ASSERTION, "Only a locked page can be unlocked.",            \
	  "spec/migration.md 2.4")                                                                             \
	X(SELF_DEADLOCK, "self-deadlock", ASSERTION,                                                           \
	  "A CPU may not wait for a lock that it holds itself, or that no CPU can release.",                   \
	  "spec/migration.md 2.4")                                                                             \
	X(DEADLOCK, "deadlock", ASSERTION, "Some CPU can always go on.", "spec/drivers.md 6.1")                  \
	X(LIVELOCK, "livelock", ASSERTION, "CPUs that run come to an end.", "spec/drivers.md 6.1")                \
	X(LOCK_ORDER, "lock-order", ASSERTION, "Locks are taken in one order everywhere.", "spec/drivers.md 6.1") \
	X(SLEEP_IN_ATOMIC, "sleep-in-atomic", ASSERTION, "Nobody sleeps while he holds a spinlock.",             \
	  "spec/drivers.md 6.1")                                                                             \
	X(SLEEP_IN_ASYNC, "sleep-in-async", ASSERTION,                                                         \
	  "A driver that claims never to sleep in MIGRATE_ASYNC does not.", "spec/drivers.md 6.2")             \
	X(NONDETERMINISM, "nondeterminism", ASSERTION, "The same schedule gives the same run.",                \
	  "spec/drivers.md 6.1")                                                                             \
	X(STOPPED, "schedule-stopped", ASSERTION, "After one CPU has failed the others do no more work.",     \
	  "spec/drivers.md 6.1")                                                                             \
	X(LOCK_NOT_HELD, "lock-not-held", ASSERTION, "Only the holder of a lock can release it.",              \
	  "spec/drivers.md 6.1")                                                                               \
	X(PAGE_REF_ZERO, "page-ref-zero", ASSERTION, "References are taken and dropped on pages in use only.", \
	  "spec/migration.md 2")                                                                               \
	X(SET_MOVABLE_TAGGED, "set-movable-tagged", ASSERTION,                                                 \
	  "A mapping handed to __SetPageMovable carries no tag bits.", "spec/migration.md 6.2")                \
	X(CLEAR_NOT_MOVABLE, "clear-not-movable", ASSERTION,                                                   \
	  "__ClearPageMovable is for pages that are movable; it is not called twice.", "spec/migration.md 6.2") \
	X(PUTBACK_NOT_MOVABLE, "putback-not-movable", ASSERTION,                                               \
	  "putback_movable_page is for pages that are still movable.", "spec/migration.md 6.4")                \
	X(PUTBACK_NOT_ISOLATED, "putback-not-isolated", ASSERTION, "Only an isolated page is put back.",       \
	  "spec/migration.md 6.9")                                                                             \
	X(MIGRATE_NOT_ISOLATED, "migrate-not-isolated", ASSERTION,                                             \
	  "A movable page that is moved is isolated, before and after the driver's callback.",                 \
	  "spec/migration.md 6.9")                                                                             \
	X(ISOLATE_NO_MAPPING, "isolate-no-mapping", ASSERTION, "A movable page under its lock has a mapping.", \
	  "spec/migration.md 6.9")                                                                             \
	X(LRU_ADD_ON_LRU, "lru-add-on-lru", ASSERTION, "A page is added to the LRU only once.",                \
	  "spec/migration.md 6.9")                                                                             \
	X(LRU_ACTIVE_UNEVICTABLE, "lru-active-unevictable", ASSERTION,                                         \
	  "A page is never active and unevictable at once.", "spec/migration.md 6.9")                          \
	X(FREE_WRONG_ORDER, "free-wrong-order", ASSERTION,                                                     \
	  "Memory is freed by the head page and order it was allocated with.", "spec/compaction.md 2.2")       \
	X(LIST_CORRUPT, "list-corrupt", ASSERTION,                                                             \
	  "A page is linked into at most one list, and removed only from the list it is on.",                  \
	  "spec/migration.md 1.1")                                                                             \
	X(DRIVER_BUG, "driver-bug", ASSERTION, "What a driver asserts about itself holds (BUG_ON).",              \
	  "spec/native-api.md 6.3")                                                                            \
	X(NESTING, "nesting-too-deep", ASSERTION, "Callbacks do not call back into the machine without end.",  \
	  "spec/drivers.md 6.1")                                                                               \
	X(MIGRATE_WRITEBACK, "migrate-writeback", ASSERTION, "No page under writeback is moved.",               \
	  "spec/migration.md 6.9")                                                                             \
	X(MIGRATION_ENTRY_UNLOCKED, "migration-entry-unlocked", ASSERTION,                                      \
	  "Migration entries are made and resolved while the page is locked.", "spec/migration.md 6.9")         \
	/* Full recounts */                                                                                    \
	X(RECOUNT_FREE_LIST, "recount-free-list", RECOUNT,                                                     \
	  "Every free list holds free buddies of its order and zone, as many as nr_free says.",                \
	  "spec/compaction.md 2.1")                                                                            \
	X(RECOUNT_UNMERGED, "recount-unmerged", RECOUNT, "Two free buddies of one order have merged.",         \
	  "spec/compaction.md 2.2")                                                                            \
	X(RECOUNT_FREE_PAGES, "recount-free-pages", RECOUNT, "The free page counters equal a recount.",        \
	  "spec/compaction.md 2.1")                                                                            \
	X(RECOUNT_MANAGED, "recount-managed", RECOUNT, "Free pages and used pages add up to managed pages.",   \
	  "spec/compaction.md 1.2")                                                                            \
	X(RECOUNT_PAGE, "recount-page", RECOUNT, "A page's reference count, type and flags fit together.",     \
	  "spec/migration.md 1")                                                                               \
	X(RECOUNT_LRU, "recount-lru", RECOUNT, "The LRU lists hold the pages marked PG_lru.",                  \
	  "spec/migration.md 7.1")                                                                             \
	X(RECOUNT_LIST, "recount-list", RECOUNT, "A page list holds as many pages as it counts.",              \
	  "spec/migration.md 1.1")                                                                             \
	X(RECOUNT_ISOLATED, "recount-isolated", RECOUNT,                                                       \
	  "The isolated counters equal the pages on callers' lists.", "spec/migration.md 10")                  \
	X(RECOUNT_RMAP, "recount-rmap", RECOUNT, "A page is mapped as often as page tables say.",               \
	  "spec/migration.md 1.1")                                                                             \
	X(RECOUNT_CACHE, "recount-cache", RECOUNT, "The page caches hold the pages that say so.",              \
	  "spec/migration.md 2.1")                                                                             \
	X(RECOUNT_MM, "recount-mm", RECOUNT, "A process holds as many pages as it counts.",                    \
	  "spec/migration.md 2.5")                                                                             \
	/* Bug reports of the page allocator */                                                                \
	X(BAD_PAGE, "bad-page", REPORT, "A page is freed unlocked, unmapped, off every list and without owner's marks.", \
	  "spec/migration.md 1.5")                                                                             \
	X(POISON_OVERWRITTEN, "poison-overwritten", REPORT, "Nobody writes to a free page.",                   \
	  "spec/migration.md 6.8 (2)")                                                                         \
	/* The drivers' contract */                                                                            \
	X(HOOK_RAISED, "hook-raised", CONTRACT, "A callback answers by its return value; it raises nothing.",  \
	  "spec/migration.md 6.1")                                                                             \
	X(HOOK_BAD_TYPE, "hook-bad-type", CONTRACT,                                                            \
	  "isolate_page returns a bool, migratepage an int, putback_page nothing.", "spec/migration.md 6.1")   \
	X(HOOK_POSITIVE, "hook-positive", CONTRACT, "migratepage returns 0 or a negative errno.",              \
	  "spec/migration.md 6.1")                                                                             \
	X(HOOK_UNKNOWN_ERRNO, "hook-unknown-errno", CONTRACT, "A negative answer of migratepage is an errno.",  \
	  "spec/migration.md 6.1")                                                                             \
	X(ISOLATE_UNLOCKED, "isolate-unlocked", CONTRACT, "isolate_page leaves the page locked.",              \
	  "spec/migration.md 6.8 (10)")                                                                        \
	X(ISOLATE_REF_CHANGED, "isolate-ref-changed", CONTRACT, "isolate_page drops no reference.",            \
	  "spec/migration.md 6.8 (10)")                                                                        \
	X(ISOLATE_SET_FLAG, "isolate-set-flag", CONTRACT, "Only the VM writes PG_isolated.",                   \
	  "spec/migration.md 6.8 (4)")                                                                         \
	X(ISOLATE_LOST_MOVABLE, "isolate-lost-movable", CONTRACT,                                              \
	  "A page whose isolation was granted is still movable.", "spec/drivers.md 6.3")                       \
	X(ISOLATE_LEFT_ON_LIST, "isolate-left-on-list", CONTRACT,                                              \
	  "isolate_page takes the page off the driver's lists before it returns true.",                        \
	  "spec/migration.md 6.8 (8)")                                                                         \
	X(ISOLATE_FALSE_CHANGED, "isolate-false-changed", CONTRACT,                                            \
	  "isolate_page returns false with nothing changed.", "spec/migration.md 6.8 (9)")                     \
	X(MIGRATE_UNLOCKED, "migrate-unlocked", CONTRACT, "migratepage keeps both pages locked.",              \
	  "spec/migration.md 6.8 (15)")                                                                        \
	X(MIGRATE_ISOLATED_WRITTEN, "migrate-isolated-written", CONTRACT,                                      \
	  "migratepage leaves PG_isolated of the old page as it is.", "spec/migration.md 6.8 (4)")             \
	X(MIGRATE_NEW_NOT_MOVABLE, "migrate-new-not-movable", CONTRACT,                                        \
	  "After success the new page is marked movable.", "spec/migration.md 6.8 (12)")                       \
	X(MIGRATE_NEW_MAPPING, "migrate-new-mapping", CONTRACT,                                                \
	  "After success the new page carries the old page's mapping.", "spec/migration.md 6.8 (11)")          \
	X(MIGRATE_NEW_REF, "migrate-new-ref", CONTRACT,                                                        \
	  "After success the driver holds a reference of its own on the new page.", "spec/migration.md 6.8 (12)") \
	X(MIGRATE_OLD_MOVABLE, "migrate-old-movable", CONTRACT,                                                \
	  "After success the old page was given up with __ClearPageMovable.", "spec/migration.md 6.8 (13)")    \
	X(MIGRATE_OLD_REF, "migrate-old-ref", CONTRACT,                                                        \
	  "After success the driver has dropped its one reference on the old page.", "spec/migration.md 6.8 (11)") \
	X(MIGRATE_NEW_TOUCHED, "migrate-new-touched", CONTRACT,                                                \
	  "After an error the new page is as migratepage found it.", "spec/drivers.md 6.3")                    \
	X(MIGRATE_OLD_TOUCHED, "migrate-old-touched", CONTRACT,                                                \
	  "After an error the old page is as migratepage found it, or wholly given up.", "spec/drivers.md 6.3") \
	X(PUTBACK_UNLOCKED, "putback-unlocked", CONTRACT, "putback_page leaves the page locked.",              \
	  "spec/migration.md 6.8 (16)")                                                                        \
	X(PUTBACK_ISOLATED_WRITTEN, "putback-isolated-written", CONTRACT,                                      \
	  "putback_page does not clear PG_isolated.", "spec/migration.md 6.8 (16)")                            \
	X(PUTBACK_REF_CHANGED, "putback-ref-changed", CONTRACT,                                                \
	  "putback_page does not drop the VM's reference or free the page.", "spec/migration.md 6.8 (16)")     \
	X(PUTBACK_LOST_MOVABLE, "putback-lost-movable", CONTRACT,                                              \
	  "A page that was put back is movable again.", "spec/drivers.md 6.3")                                 \
	X(LRU_WHILE_ISOLATED, "lru-while-isolated", CONTRACT,                                                  \
	  "While a page is isolated its lru link belongs to the VM.", "spec/migration.md 6.8 (6)")             \
	X(TEARDOWN_PAGES_LEFT, "teardown-pages-left", CONTRACT,                                                \
	  "A driver releases every page before its mapping goes.", "spec/drivers.md 6.5 (8)")

enum rule_id {
#define X(name, id, kind, sentence, source) VM_RULE_##name,
	VM_RULES(X)
#undef X
		NR_VM_RULES
};

#endif
