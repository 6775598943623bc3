"""The likely mistake behind a broken rule or clause, in the words of a driver's code."""

from collections.abc import Mapping

__all__ = ["hint_for"]

_RULES: Mapping[str, str] = {
    "page-not-locked": "take page.lock() before set_movable() or clear_movable(), and unlock() after it",
    "unlock-not-locked": (
        "unlock() without lock(): inside a callback the lock is the VM's, never unlock it there"
    ),
    "lock-not-held": "a lock is released that was not taken, or was taken by another CPU",
    "self-deadlock": (
        "a lock is taken twice: inside callbacks the page is locked already, so do not lock() it there"
    ),
    "deadlock": "two CPUs take two locks in different orders, or a wait has no wake_up() on every path that ends it",
    "livelock": "a loop tries again and again what only another CPU's progress can make possible; wait instead",
    "lock-order": "take these two locks in one order everywhere, or only trylock() the second one",
    "sleep-in-atomic": "allocate, lock pages and wait before taking the spinlock, or use GFP.ATOMIC",
    "sleep-in-async": "answer -EAGAIN in MIGRATE_ASYNC where the driver would wait, or do not claim never_sleeps_async",
    "nondeterminism": "no time, random numbers, id() or sets of objects without __hash__ in a driver",
    "schedule-stopped": "another CPU failed first: look at what that one did",
    "nesting-too-deep": "a callback allocates or migrates and so ends up in a callback again",
    "driver-bug": "the driver's own check failed: its books are wrong before the call that found it",
    "set-movable-tagged": "pass the AddressSpace itself to set_movable()",
    "clear-not-movable": "clear_movable() is called twice for one page, or for one that was never marked",
    "page-ref-zero": "put() was called once too often, or a page object is used after its page was given up",
    "free-wrong-order": "free pages with the order they were allocated with",
    "list-corrupt": "a page is added to a list while it is on one, or removed from a list it is not on: "
    "look at putback_page and at what follows migratepage",
    "bad-page": (
        "reset the page before its last reference goes: unlock, clear flags and page type, take it off lists"
    ),
    "poison-overwritten": "something still writes through a page or memoryview that was given up",
    "hook-raised": (
        "let the callback answer -EAGAIN or False instead of raising; the exception is the driver's own"
    ),
    "hook-bad-type": (
        "a path through the callback has no return, or returns something other than the contract's type"
    ),
    "hook-positive": "errors are negative: return -errno.EAGAIN, not errno.EAGAIN",
    "hook-unknown-errno": "answer one of the negative errno numbers",
    "isolate-unlocked": "isolate_page must not unlock: the VM locked the page and unlocks it",
    "isolate-ref-changed": "isolate_page must not get() or put(): the isolation reference is the VM's",
    "isolate-set-flag": "do not set PageFlag.RECLAIM (PG_isolated): the VM does, after True",
    "isolate-lost-movable": "do not clear_movable() in isolate_page",
    "isolate-left-on-list": "remove the page from the driver's list before isolate_page returns True",
    "isolate-false-changed": "decide first, change afterwards: return False before touching the page",
    "isolate-no-mapping": "mark pages with the driver's AddressSpace",
    "migrate-unlocked": "migratepage must not unlock either page",
    "migrate-isolated-written": "do not clear PageFlag.RECLAIM (PG_isolated): the VM does, after 0",
    "migrate-not-isolated": "do not clear PageFlag.RECLAIM (PG_isolated) of a page that is being moved",
    "migrate-new-not-movable": "call newpage.set_movable(mapping) before returning 0 (replace_page() does)",
    "migrate-new-mapping": "mark the new page with the mapping passed to migratepage",
    "migrate-new-ref": "call newpage.get() before returning 0 (replace_page() does)",
    "migrate-old-movable": "call oldpage.clear_movable() before returning 0 (replace_page() does)",
    "migrate-old-ref": "call oldpage.put() exactly once before returning 0 (replace_page() does)",
    "migrate-new-touched": "decide before you touch newpage: with an error the VM frees it as it was",
    "migrate-old-touched": "undo everything on oldpage before answering an error",
    "putback-unlocked": "putback_page must not unlock: the VM does",
    "putback-isolated-written": (
        "do not clear PageFlag.RECLAIM (PG_isolated) in putback_page: the VM does, after it"
    ),
    "putback-ref-changed": "do not put() in putback_page; free later if the page is not wanted any more",
    "putback-lost-movable": "do not clear_movable() in putback_page; release the page later",
    "putback-not-movable": "the page was given up and marked in between; give it up once, under its lock",
    "putback-not-isolated": "do not clear PageFlag.RECLAIM (PG_isolated) of an isolated page anywhere",
    "lru-add-on-lru": "pages of a driver do not belong on the LRU; write none of the VM's flags",
    "lru-active-unevictable": "write none of the LRU's flags on a driver's page",
    "lru-while-isolated": "check page.isolated under the page lock before touching a list with the page",
    "teardown-pages-left": (
        "close() must release every page (lock, clear_movable, unlock, put) before mapping.close()"
    ),
}

_CLAUSES: Mapping[str, str] = {
    "RACE-1": "data is written or read where it was, while another CPU moves it: hold the lock that migratepage takes",
    "RACE-2": "migratepage must look at pins under the lock under which they are taken",
    "RACE-9": "two CPUs work on the same tables: look at which lock protects what is named above, in every path to it",
    "RACE-3": "look at what is decided under one lock and done under another, or under none",
    "MARK-1": "create AddressSpace(vm, self, name) in __init__ and keep it as self.mapping",
    "MARK-2": "call page.set_movable(self.mapping) under page.lock() for the pages that hold objects",
    "MARK-3": "every lock() has an unlock() on every path, and the driver holds one reference per page",
    "MARK-4": "never write PageFlag.RECLAIM: on a movable page it is PG_isolated",
    "CALL-1": (
        "a path through the callback has no return, or returns something other than the contract's type"
    ),
    "CALL-2": "catch the exception inside the callback and answer -EAGAIN or False",
    "CALL-4": "requests answer None or False when they cannot be served; look at the exception's place",
    "ISO-2": "isolate_page must not get() or put(): the isolation reference is the VM's",
    "ISO-4": "take the page off the list of pages with room in isolate_page",
    "ISO-7": "check page.isolated before touching a list with the page",
    "MIG-3": "take one reference on newpage, not more",
    "MIG-7": "a page that is offered again must find the driver as it was before the first offer",
    "MIG-8": "putback_page must work for a page that migratepage never saw",
    "MIG-9": "pages that were not tried are still isolated: do not touch them when another one fails",
    "MIG-10": "point every record of the old page at the new one before returning 0",
    "MIG-11": "reset private, page type and flags of oldpage before its reference is dropped",
    "MIG-13": (
        "the driver keeps one reference on newpage and writes none of the VM's flags (do not copy "
        "flags wholesale)"
    ),
    "MIG-14": "a branch on mode skips part of the work",
    "MIG-16": "a lock that is held over an allocation: take it by trylock() in migratepage, answer -EAGAIN",
    "PUT-3": "the isolation reference is the VM's; do not get() or put() in putback_page",
    "PUT-4": "putback_page must put the page where isolate_page took it from",
    "PUT-6": "putback_page must list the page by the room it has, as a drop does",
    "FREE-1": "before put(): page.lock(), page.clear_movable(), page.unlock()",
    "FREE-2": "a page released while isolated is given up like any other, without touching a list",
    "FREE-3": (
        "remember what could not be dropped, or let users ask again: after the put-back the page is idle"
    ),
    "FREE-6": "a page is forgotten on the way: look for references and records that a move leaves behind",
    "FREE-7": "drop() takes a page at rest for isolated: ask page.isolated under the page lock",
    "FREE-8": "reset private, page type and flags before put(), in drop() and close() as in migratepage",
    "DATA-1": "copy the contents (newpage.copy_from(oldpage)) and point every record at the new page",
    "DATA-2": "a failed move changed the driver's records",
    "DATA-4": (
        "compare with the checks of single moves: a page moved often, or at an unusual moment, loses data"
    ),
    "DATA-5": "each page of an object may move alone: redirect the object's link to that page, and no other",
    "ACC-1": "the driver isolates pages itself and does not put them back",
    "ACC-3": "migration events are counted by the VM; the driver counts its own only",
    "ACC-4": "adjust_managed_page_count() calls must add up to zero at unload",
    "ACC-5": "every +1 of a zone counter needs its -1 on every way out: move, put-back, drop, close()",
    "ACC-6": "compare newpage.zone_id with oldpage.zone_id in migratepage and move the count along",
    "LIVE-1": "a loop waits for something that cannot happen while the caller waits",
    "LIVE-2": "the driver takes its own page lock, pin or reference for a user's and always answers not now",
    "LIVE-4": "the new page is not where isolate_page looks for it",
    "LIVE-5": "deferred work must look up what it was left: the page may have moved, or be isolated",
    "LIVE-6": "allocate before you take the lock, or take it by trylock() in the callbacks",
    "LIFE-1": "close() must know every page, also those that moved or were put back",
    "LIFE-2": "unload leaves state behind, in the machine or in the module",
    "LIFE-3": "state lives in the class or the module instead of the instance",
    "FAULT-1": "give back what was allocated and recorded before the allocation that failed",
    "FAULT-2": "allocate first, change records and pages afterwards; undo on every way out with an error",
    "FAULT-3": "in __init__ give everything back, the mapping too, before the exception leaves it",
    "FAULT-4": "putback_page must work after other pages of the same batch have moved",
    "FAULT-5": "pages of a batch move in any order: look up each one's record, never the next in line",
    "FAULT-6": "putback_page works on the page it is given, whatever other pages are isolated then",
    "FAULT-7": "mark every isolated page by itself; how many are isolated does not tell which",
    "FAULT-8": "requests come while some pages of a batch have moved and others are still isolated",
    "FAULT-9": "a trylock() that fails needs a way on: wait, take another page, or leave it to queued work",
    "FAULT-10": "drop the driver's own reference, once; do not count, await or drop those of others",
    "FAULT-11": "compare with the other checks of faults: one of them at many pages, in any order",
    "CAP-1": "change the driver, or what DriverSpec.capabilities says about it",
    "CAP-2": "pages() must look up the driver's present records",
    "PLACE-1": "take any newpage: ask for its zone where one is counted, and refuse none",
    "PLACE-2": "what is kept for each node must be looked up anew with newpage.nid",
    "PLACE-3": "alloc_page() without node= looks on the CPU's own node first, then elsewhere",
    "PLACE-4": "keep Page objects, or whole frame numbers: shifted or masked ones lose bits",
    "PLACE-5": "arithmetic on frame numbers that ends one too early, or takes a neighbour for granted",
    "PLACE-6": "give up the old page at once, and allocate pages that cannot move without GFP.MOVABLE",
    "PLACE-7": "a page that did not move today may move tomorrow: keep no list of hopeless ones",
    "PLACE-8": "no table with room for so many isolated pages: memory offline isolates 256 at once",
    "PLACE-9": "putback_page is called for each page that was isolated, however many there are",
    "LRU-1": "a frame beside the driver's page, or one that is not marked, is somebody else's: look at page.mapping",
    "LRU-2": "keep the driver's own marks in page.private or a table, not in flags that the VM goes by",
    "LRU-3": "nr_isolated and other counters of the machine count everybody's pages, not only the driver's",
    "NUMA-1": "a node's managed pages can be 0, and it can have no page of the driver's: do not divide by either",
    "NUMA-2": "ask each newpage for its nid; the target of the page before says nothing about it",
    "CAP-3": "count pins per object; refuse in isolate_page or answer -EAGAIN while the count is not zero",
}


def hint_for(rule: str | None, clause: str) -> str | None:
    """The likely mistake: by the rule if there is one, else by the clause; None if there is no telling."""
    return (_RULES.get(rule) if rule else None) or _CLAUSES.get(clause)
