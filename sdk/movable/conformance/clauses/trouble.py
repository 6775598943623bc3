"""Clauses of faults, several CPUs at once, and where pages end up."""

from movable.conformance.clauses.clause import DRIVERS, MIGRATION, Clause

__all__ = ["FAULT", "PLACE", "RACE"]

FAULT = (
    Clause(
        "FAULT-1",
        "A request that finds no memory answers so and leaves nothing behind, whichever allocation it was.",
        f"{DRIVERS} 6.1, 6.3, {MIGRATION} 6.8 (5)",
    ),
    Clause(
        "FAULT-2",
        "A callback that finds no memory refuses, or answers an error, with both pages as it found them.",
        f"{MIGRATION} 6.8 (9), (14), {DRIVERS} 6.2, 6.3",
    ),
    Clause(
        "FAULT-3",
        "A driver that finds no memory while it is loaded leaves no page and no mapping, and loads later.",
        f"{DRIVERS} 6.5 (8)",
    ),
    Clause(
        "FAULT-4",
        "Pages for which there is no target stay isolated and whole, and are put back or moved later.",
        f"{MIGRATION} 3.3, 3.4",
    ),
    Clause(
        "FAULT-5",
        "However many passes a page is answered -EAGAIN, while others move, it is whole and moves later.",
        f"{MIGRATION} 3.2, 4.4, 6.8 (14)",
    ),
    Clause(
        "FAULT-6",
        "A page whose move fails for good is in use again at once, whatever becomes of the rest of its batch.",
        f"{MIGRATION} 3.2, 3.4, 4.4, 6.8 (16)",
    ),
    Clause(
        "FAULT-7",
        "Pages are isolated one by one: any of them may stay in use while all others are isolated.",
        f"{MIGRATION} 6.3, 6.8 (8)",
    ),
    Clause(
        "FAULT-8",
        "When a migration ends early its isolated pages wait, and users go on beside them.",
        f"{MIGRATION} 3.3, 6.5, 6.8 (8)",
    ),
    Clause(
        "FAULT-9",
        "A page that another user has locked is waited for or passed by; it is not given up, lost or forgotten.",
        f"{MIGRATION} 4.2, {DRIVERS} 6.1, 6.5 (9)",
    ),
    Clause(
        "FAULT-10",
        "References of others are theirs: a page with one moves and is released as any, and they drop it.",
        f"{MIGRATION} 6.8 (5), (11)",
    ),
    Clause(
        "FAULT-11",
        "Compaction in which pages fail, are refused, locked or pinned leaves what was stored as it is.",
        f"{MIGRATION} 3.6, 6.8",
    ),
)

RACE = (
    Clause(
        "RACE-1",
        "What was stored is read back, whatever other CPUs do to its pages.",
        f"{MIGRATION} 6.6, 6.8",
    ),
    Clause("RACE-2", "A pinned object stays where it is while other CPUs migrate.", f"{DRIVERS} 2.8"),
    Clause(
        "RACE-3",
        "When all CPUs are done each page rests with its driver or is free, and none is lost.",
        f"{MIGRATION} 6.8",
        (
            "page-ref-zero",
            "bad-page",
            "list-corrupt",
            "poison-overwritten",
            "clear-not-movable",
            "page-not-locked",
            "unlock-not-locked",
            "free-wrong-order",
            "teardown-pages-left",
            "putback-not-movable",
            "recount-isolated",
            "recount-page",
            "recount-list",
        ),
    ),
    Clause(
        "RACE-4",
        "Locks are taken in one order everywhere, and every wait ends.",
        f"{DRIVERS} 6.1",
        ("deadlock", "lock-order", "self-deadlock", "lock-not-held"),
    ),
    Clause("RACE-5", "Nobody sleeps while holding a spinlock.", f"{DRIVERS} 6.1", ("sleep-in-atomic",)),
    Clause(
        "RACE-6", "Requests and callbacks end, whoever runs beside them.", f"{DRIVERS} 6.1", ("livelock",)
    ),
    Clause(
        "RACE-7",
        "What a driver does depends on nothing but its calls.",
        f"{DRIVERS} 6.1",
        ("nondeterminism",),
    ),
    Clause(
        "RACE-8",
        "A driver that claims never to sleep in MIGRATE_ASYNC does not.",
        f"{DRIVERS} 6.2",
        ("sleep-in-async",),
    ),
    Clause(
        "RACE-9",
        "Callbacks and requests keep their contract while other CPUs run.",
        f"{MIGRATION} 6.8",
        (
            "driver-bug",
            "hook-raised",
            "hook-bad-type",
            "hook-positive",
            "hook-unknown-errno",
            "isolate-unlocked",
            "isolate-ref-changed",
            "isolate-set-flag",
            "isolate-lost-movable",
            "isolate-left-on-list",
            "isolate-false-changed",
            "migrate-unlocked",
            "migrate-isolated-written",
            "migrate-new-not-movable",
            "migrate-new-mapping",
            "migrate-new-ref",
            "migrate-old-movable",
            "migrate-old-ref",
            "migrate-new-touched",
            "migrate-old-touched",
            "putback-unlocked",
            "putback-isolated-written",
            "putback-ref-changed",
            "putback-lost-movable",
            "lru-while-isolated",
        ),
    ),
)

PLACE = (
    Clause(
        "PLACE-1",
        "A page moves to whatever frame the VM hands out, of any zone.",
        "spec/migration.md 3.1, spec/compaction.md 2.11",
    ),
    Clause(
        "PLACE-2",
        "A page moves to a frame of any node, and from there on.",
        "spec/migration.md 3.1, 3.6",
        ("list-corrupt",),
    ),
    Clause(
        "PLACE-3",
        "New pages come from the node of the CPU that stores, and from other nodes when that one is full.",
        "spec/compaction.md 2.11",
        severity="advisory",
    ),
    Clause(
        "PLACE-4",
        "A frame number has as many bits as the machine's memory asks for.",
        "spec/compaction.md 1.2",
    ),
    Clause(
        "PLACE-5",
        "Frames beside holes and at the edges of pageblocks and zones are frames like any other.",
        "spec/compaction.md 1.2, 1.3",
    ),
    Clause(
        "PLACE-6",
        "A contiguous range can be had where an idle driver has pages: they move, and nothing else is in the way.",
        "spec/compaction.md 8.2",
    ),
    Clause(
        "PLACE-7",
        "A contiguous range that could not be had for a pinned page can be had once it is not pinned.",
        "spec/compaction.md 8.2",
    ),
    Clause(
        "PLACE-8",
        "Memory under an idle driver's pages goes offline: hundreds may be isolated at once, and all move.",
        "spec/compaction.md 8.3",
    ),
    Clause(
        "PLACE-9",
        "After memory could not go offline, all pages that were isolated for it are in use again.",
        "spec/compaction.md 8.3",
        ("list-corrupt",),
    ),
)
