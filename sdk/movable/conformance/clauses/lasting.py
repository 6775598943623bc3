"""Clauses of releasing pages, what users stored, counters, progress, load and unload."""

from movable.conformance.clauses.clause import DRIVERS, MIGRATION, Clause

__all__ = ["ACC", "DATA", "FREE", "LIFE", "LIVE"]

FREE = (
    Clause(
        "FREE-1",
        "A page is released by lock, __ClearPageMovable, unlock, and one reference dropped.",
        f"{MIGRATION} 6.8 (2)",
        ("page-not-locked", "clear-not-movable", "bad-page"),
    ),
    Clause(
        "FREE-2",
        "A page may be released while isolated, under its lock; the VM then calls nothing and frees it.",
        f"{MIGRATION} 6.8 (7), 12 (41), (43)",
        ("bad-page",),
    ),
    Clause(
        "FREE-3",
        "A release that must wait for an isolated page is granted once the page is back.",
        f"{MIGRATION} 6.8 (16)",
    ),
    Clause(
        "FREE-4",
        "Nobody writes to a page after giving it up.",
        f"{MIGRATION} 6.8 (2), (11)",
        ("poison-overwritten",),
    ),
    Clause(
        "FREE-5",
        "A reference is dropped once, and a page freed as it was allocated.",
        f"{MIGRATION} 6.8 (5), spec/compaction.md 2.2",
        ("page-ref-zero", "free-wrong-order"),
    ),
    Clause(
        "FREE-6", "Isolating and moving pages costs no memory: what is dropped is returned.", f"{DRIVERS} 6.5"
    ),
    Clause("FREE-7", "An object whose pages are at rest is dropped when its user asks.", "Workload"),
    Clause(
        "FREE-8",
        "A released page carries no marks of its owner: private, type and flags are reset, as in a move.",
        f"{DRIVERS} 6.4, {MIGRATION} 1.5",
    ),
)

DATA = (
    Clause(
        "DATA-1",
        "What was stored is read back until it is dropped, wherever its page has moved.",
        f"{MIGRATION} 6.8 (11)",
    ),
    Clause(
        "DATA-2",
        "What was stored is read back after a move that did not happen.",
        f"{MIGRATION} 6.8 (14), (16)",
    ),
    Clause(
        "DATA-3",
        "What was stored can be read while its page is isolated.",
        f"{DRIVERS} 8 (40)",
        severity="advisory",
    ),
    Clause(
        "DATA-4", "Compaction in every mode leaves what was stored as it is.", f"{MIGRATION} 6.8 (11), (15)"
    ),
    Clause(
        "DATA-5",
        "An object over several pages stays whole, whichever of them move and whichever stay.",
        f"{DRIVERS} 2.4, 2.5",
    ),
)

ACC = (
    Clause(
        "ACC-1",
        "The isolated counters are zero again when nothing is isolated.",
        f"{MIGRATION} 12 (46)",
        ("recount-isolated",),
    ),
    Clause(
        "ACC-2",
        "Free and used pages add up to managed pages, at all times.",
        "spec/compaction.md 1.2",
        (
            "recount-managed",
            "recount-free-pages",
            "recount-page",
            "recount-free-list",
            "recount-unmerged",
            "recount-lru",
            "recount-list",
        ),
    ),
    Clause(
        "ACC-3",
        "The migration counters grow by what the VM moved and failed to move, and by nothing else.",
        f"{MIGRATION} 3.2 (5)",
    ),
    Clause(
        "ACC-4",
        "Managed pages that a driver takes out of the count come back when it is unloaded.",
        f"{DRIVERS} 4.6",
    ),
    Clause(
        "ACC-5",
        "A zone's counter that a driver keeps stays within its pages, and is as before once it is unloaded.",
        f"{DRIVERS} 6.4, 1.9",
    ),
    Clause(
        "ACC-6",
        "What is counted for each zone moves along when a page changes zone.",
        f"{DRIVERS} 6.4, 6.5 (7)",
    ),
)

LIVE = (
    Clause(
        "LIVE-1",
        "Every callback and every request returns.",
        f"{MIGRATION} 6.8",
        ("self-deadlock", "nesting-too-deep", "driver-bug"),
    ),
    Clause(
        "LIVE-2", "Pages of an idle driver move when they are asked to in MIGRATE_SYNC.", f"{DRIVERS} 6.2"
    ),
    Clause(
        "LIVE-3",
        "Every page of an idle driver that holds data moves, not only some.",
        f"{DRIVERS} 6.2",
        severity="advisory",
    ),
    Clause("LIVE-4", "A page can move again and again.", f"{MIGRATION} 6.7", ("list-corrupt",)),
    Clause(
        "LIVE-5",
        "Work that a driver leaves for later finds what it needs, whatever became of the page meanwhile.",
        f"{DRIVERS} 6.3, 6.5 (9)",
    ),
    Clause(
        "LIVE-6",
        "Callbacks work while the driver's own request waits for memory: no lock is in their way.",
        f"{DRIVERS} 6.1, {MIGRATION} 6.8",
        ("self-deadlock",),
    ),
)

LIFE = (
    Clause(
        "LIFE-1",
        "At unload every page is released before the mapping goes, and all memory is returned.",
        f"{DRIVERS} 6.5 (8)",
        ("teardown-pages-left", "list-corrupt"),
    ),
    Clause("LIFE-2", "A driver can be loaded again after it was unloaded.", f"{DRIVERS} 6.5 (8)"),
    Clause("LIFE-3", "Two instances share nothing.", f"{MIGRATION} 6.8 (1)"),
    Clause(
        "LIFE-4",
        "An unload that meets isolated pages waits for them or releases them as FREE-2 says.",
        f"{DRIVERS} 6.5 (8), 1.13",
        untested="waiting takes a second CPU that ends the isolation",
    ),
)
