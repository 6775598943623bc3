"""The clauses of contract ``aops-4.8``: what a driver of movable pages owes the VM.

Each has one sentence, the section it is taken from, and the rules by which the core names a breach.
"""

from attrs import frozen

__all__ = ["CLAUSES", "Clause"]

_M = "spec/migration.md"
_D = "spec/drivers.md"


@frozen
class Clause:
    """One duty of a driver.

    ``severity`` is ``violation`` or ``advisory``; ``rules`` are ids in ``movable.errors.RULES``;
    ``untested`` says why no check of this version tests the clause.
    """

    id: str
    sentence: str
    source: str
    rules: tuple[str, ...] = ()
    severity: str = "violation"
    untested: str | None = None

    @property
    def family(self) -> str:
        """The part of the id before the dash."""
        return self.id.partition("-")[0]


_MARK = (
    Clause(
        "MARK-1", "A driver owns one address_space per machine, with all three callbacks.", f"{_M} 6.8 (1)"
    ),
    Clause(
        "MARK-2",
        "A page is marked movable under its page lock, with the driver's own mapping.",
        f"{_M} 6.8 (2), 6.2",
        ("set-movable-tagged", "page-not-locked"),
    ),
    Clause(
        "MARK-3",
        "A marked page that nobody works on is unlocked, off the LRU, and held once, by its driver.",
        f"{_M} 6.8 (5)",
        ("unlock-not-locked", "lock-not-held", "lru-add-on-lru", "lru-active-unevictable"),
    ),
    Clause("MARK-4", "PG_isolated is written by the VM only, in callbacks and outside.", f"{_M} 6.8 (4)"),
    Clause(
        "MARK-5",
        "Pages that can move are allocated with __GFP_MOVABLE, so that they gather in movable blocks.",
        f"{_D} 4.3",
        severity="advisory",
    ),
    Clause(
        "MARK-6",
        "The owner of a page is read with page_mapping under the page lock, never from the raw field.",
        f"{_M} 6.8 (3)",
        untested="a Page shows Python drivers no raw mapping field to misread",
    ),
    Clause(
        "MARK-7",
        "The pointer that marks a page has its two low bits clear.",
        f"{_M} 6.8 (1)",
        untested="AddressSpace allocates the pointer, aligned; a driver cannot choose another",
    ),
)

_CALL = (
    Clause(
        "CALL-1",
        "isolate_page answers True or False and nothing else, migratepage an int, putback_page nothing.",
        f"{_M} 6.1",
        ("hook-bad-type",),
    ),
    Clause(
        "CALL-2", "A callback answers by its return value and raises nothing.", f"{_M} 6.1", ("hook-raised",)
    ),
    Clause(
        "CALL-3",
        "migratepage answers 0 or a negative errno.",
        f"{_M} 6.8 (14)",
        ("hook-positive", "hook-unknown-errno"),
    ),
    Clause(
        "CALL-4",
        "What users ask of a driver (store, load, drop, close) fails by its answer, not by an exception.",
        f"{_M} 6.8",
    ),
)

_ISO = (
    Clause("ISO-1", "isolate_page leaves the page locked.", f"{_M} 6.8 (10)", ("isolate-unlocked",)),
    Clause(
        "ISO-2",
        "isolate_page takes and drops no reference.",
        f"{_M} 6.8 (10)",
        ("isolate-ref-changed",),
    ),
    Clause(
        "ISO-3",
        "isolate_page takes the page off every list of the driver before it answers True.",
        f"{_M} 6.8 (8)",
        ("isolate-left-on-list",),
    ),
    Clause("ISO-4", "An isolated page is handed out to nobody.", f"{_M} 6.8 (8)"),
    Clause(
        "ISO-5",
        "A page whose isolation was granted is still movable.",
        f"{_D} 6.3",
        ("isolate-lost-movable", "isolate-no-mapping"),
    ),
    Clause(
        "ISO-6",
        "isolate_page answers False with nothing changed.",
        f"{_M} 6.8 (9)",
        ("isolate-false-changed",),
    ),
    Clause(
        "ISO-7",
        "While a page is isolated its lru link is the VM's; the driver touches no list with it.",
        f"{_M} 6.8 (6)",
        ("lru-while-isolated", "list-corrupt"),
    ),
    Clause(
        "ISO-8",
        "isolate_page does not set PG_isolated, and a page is isolated once at a time.",
        f"{_M} 6.8 (4), 12 (31)",
        ("isolate-set-flag",),
    ),
)

_MIG = (
    Clause(
        "MIG-1",
        "On success the old page was given up with __ClearPageMovable, once.",
        f"{_M} 6.8 (11), (13)",
        ("migrate-old-movable", "clear-not-movable"),
    ),
    Clause(
        "MIG-2",
        "On success the new page is marked movable with the mapping of the old one.",
        f"{_M} 6.8 (11), (12)",
        ("migrate-new-not-movable", "migrate-new-mapping"),
    ),
    Clause(
        "MIG-3",
        "On success the driver has taken one reference of its own on the new page.",
        f"{_M} 6.8 (11), (12)",
        ("migrate-new-ref",),
    ),
    Clause(
        "MIG-4",
        "On success the driver has dropped its one reference on the old page, and no other.",
        f"{_M} 6.8 (11)",
        ("migrate-old-ref",),
    ),
    Clause(
        "MIG-5", "migratepage keeps both pages locked throughout.", f"{_M} 6.8 (15)", ("migrate-unlocked",)
    ),
    Clause(
        "MIG-6",
        "With an error answer both pages are as migratepage found them.",
        f"{_M} 6.8 (14), {_D} 6.3",
        ("migrate-new-touched", "migrate-old-touched"),
    ),
    Clause(
        "MIG-7",
        "-EAGAIN means not now: the page stays isolated and is offered up to ten times, to fresh targets.",
        f"{_M} 6.8 (14), 12 (33), (36)",
    ),
    Clause(
        "MIG-8",
        "Another error ends the attempt: the driver takes the page back through one putback_page.",
        f"{_M} 6.8 (14), 12 (34)",
    ),
    Clause(
        "MIG-9",
        "-ENOMEM also ends the batch, and the pages not yet tried stay as they are.",
        f"{_M} 6.8 (14), 12 (35)",
    ),
    Clause(
        "MIG-10",
        "On success every reference of users leads to the new page.",
        f"{_M} 6.8 (11)",
    ),
    Clause(
        "MIG-11",
        "The old page leaves without marks of its owner: flags, private and type are reset.",
        f"{_D} 6.4",
        ("bad-page",),
    ),
    Clause(
        "MIG-12",
        "migratepage writes no PG_isolated, on either page.",
        f"{_M} 6.8 (4)",
        ("migrate-isolated-written", "migrate-not-isolated"),
    ),
    Clause(
        "MIG-13",
        "The new page rests like any other: movable, one reference, unlocked, not isolated, off the LRU.",
        f"{_M} 12 (37)",
    ),
    Clause(
        "MIG-14",
        "The three modes keep one contract; a mode may change the answer, never the duties behind it.",
        f"{_M} 6.8 (15)",
    ),
    Clause(
        "MIG-15",
        "In MIGRATE_ASYNC the driver does not sleep.",
        f"{_M} 6.8 (15)",
        severity="advisory",
        untested="one CPU shows no sleep; it takes schedules over several",
    ),
    Clause(
        "MIG-16",
        "Locks that the driver holds while it allocates are taken by try inside migratepage.",
        f"{_D} 6.1",
    ),
)

_PUT = (
    Clause("PUT-1", "putback_page leaves the page locked.", f"{_M} 6.8 (16)", ("putback-unlocked",)),
    Clause(
        "PUT-2",
        "putback_page leaves PG_isolated set; the VM clears it.",
        f"{_M} 6.8 (16)",
        ("putback-isolated-written", "putback-not-isolated"),
    ),
    Clause(
        "PUT-3",
        "putback_page drops no reference and frees nothing at once.",
        f"{_M} 6.8 (16)",
        ("putback-ref-changed",),
    ),
    Clause(
        "PUT-4",
        "A page that was put back is in use again: found, isolated, moved, released.",
        f"{_M} 6.8 (16)",
        ("list-corrupt",),
    ),
    Clause(
        "PUT-5",
        "A page that was put back is still movable.",
        f"{_D} 6.3",
        ("putback-lost-movable", "putback-not-movable"),
    ),
    Clause("PUT-6", "Room in a page that was put back is filled again.", f"{_M} 6.8 (16), {_D} 6.5 (2)"),
)

_FREE = (
    Clause(
        "FREE-1",
        "A page is released by lock, __ClearPageMovable, unlock, and one reference dropped.",
        f"{_M} 6.8 (2)",
        ("page-not-locked", "clear-not-movable", "bad-page"),
    ),
    Clause(
        "FREE-2",
        "A page may be released while isolated, under its lock; the VM then calls nothing and frees it.",
        f"{_M} 6.8 (7), 12 (41), (43)",
        ("bad-page",),
    ),
    Clause(
        "FREE-3",
        "A release that must wait for an isolated page is granted once the page is back.",
        f"{_M} 6.8 (16)",
    ),
    Clause(
        "FREE-4",
        "Nobody writes to a page after giving it up.",
        f"{_M} 6.8 (2), (11)",
        ("poison-overwritten",),
    ),
    Clause(
        "FREE-5",
        "A reference is dropped once, and a page freed as it was allocated.",
        f"{_M} 6.8 (5), spec/compaction.md 2.2",
        ("page-ref-zero", "free-wrong-order"),
    ),
    Clause("FREE-6", "Isolating and moving pages costs no memory: what is dropped is returned.", f"{_D} 6.5"),
    Clause("FREE-7", "An object whose pages are at rest is dropped when its user asks.", "Workload"),
    Clause(
        "FREE-8",
        "A released page carries no marks of its owner: private, type and flags are reset, as in a move.",
        f"{_D} 6.4, {_M} 1.5",
    ),
)

_DATA = (
    Clause(
        "DATA-1",
        "What was stored is read back until it is dropped, wherever its page has moved.",
        f"{_M} 6.8 (11)",
    ),
    Clause(
        "DATA-2", "What was stored is read back after a move that did not happen.", f"{_M} 6.8 (14), (16)"
    ),
    Clause(
        "DATA-3",
        "What was stored can be read while its page is isolated.",
        f"{_D} 8 (40)",
        severity="advisory",
    ),
    Clause("DATA-4", "Compaction in every mode leaves what was stored as it is.", f"{_M} 6.8 (11), (15)"),
    Clause(
        "DATA-5",
        "An object over several pages stays whole, whichever of them move and whichever stay.",
        f"{_D} 2.4, 2.5",
    ),
)

_ACC = (
    Clause(
        "ACC-1",
        "The isolated counters are zero again when nothing is isolated.",
        f"{_M} 12 (46)",
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
        f"{_M} 3.2 (5)",
    ),
    Clause(
        "ACC-4",
        "Managed pages that a driver takes out of the count come back when it is unloaded.",
        f"{_D} 4.6",
    ),
    Clause(
        "ACC-5",
        "A zone's counter that a driver keeps stays within its pages, and is as before once it is unloaded.",
        f"{_D} 6.4, 1.9",
    ),
    Clause(
        "ACC-6",
        "What is counted for each zone moves along when a page changes zone.",
        f"{_D} 6.4, 6.5 (7)",
    ),
)

_LIVE = (
    Clause(
        "LIVE-1",
        "Every callback and every request returns.",
        f"{_M} 6.8",
        ("self-deadlock", "nesting-too-deep", "driver-bug"),
    ),
    Clause("LIVE-2", "Pages of an idle driver move when they are asked to in MIGRATE_SYNC.", f"{_D} 6.2"),
    Clause(
        "LIVE-3",
        "Every page of an idle driver that holds data moves, not only some.",
        f"{_D} 6.2",
        severity="advisory",
    ),
    Clause("LIVE-4", "A page can move again and again.", f"{_M} 6.7", ("list-corrupt",)),
    Clause(
        "LIVE-5",
        "Work that a driver leaves for later finds what it needs, whatever became of the page meanwhile.",
        f"{_D} 6.3, 6.5 (9)",
    ),
    Clause(
        "LIVE-6",
        "Callbacks work while the driver's own request waits for memory: no lock is in their way.",
        f"{_D} 6.1, {_M} 6.8",
        ("self-deadlock",),
    ),
)

_LIFE = (
    Clause(
        "LIFE-1",
        "At unload every page is released before the mapping goes, and all memory is returned.",
        f"{_D} 6.5 (8)",
        ("teardown-pages-left", "list-corrupt"),
    ),
    Clause("LIFE-2", "A driver can be loaded again after it was unloaded.", f"{_D} 6.5 (8)"),
    Clause("LIFE-3", "Two instances share nothing.", f"{_M} 6.8 (1)"),
    Clause(
        "LIFE-4",
        "An unload that meets isolated pages waits for them or releases them as FREE-2 says.",
        f"{_D} 6.5 (8), 1.13",
        untested="waiting takes a second CPU that ends the isolation",
    ),
)

_FAULT = (
    Clause(
        "FAULT-1",
        "A request that finds no memory answers so and leaves nothing behind, whichever allocation it was.",
        f"{_D} 6.1, 6.3, {_M} 6.8 (5)",
    ),
    Clause(
        "FAULT-2",
        "A callback that finds no memory refuses, or answers an error, with both pages as it found them.",
        f"{_M} 6.8 (9), (14), {_D} 6.2, 6.3",
    ),
    Clause(
        "FAULT-3",
        "A driver that finds no memory while it is loaded leaves no page and no mapping, and loads later.",
        f"{_D} 6.5 (8)",
    ),
    Clause(
        "FAULT-4",
        "Pages for which there is no target stay isolated and whole, and are put back or moved later.",
        f"{_M} 3.3, 3.4",
    ),
    Clause(
        "FAULT-5",
        "However many passes a page is answered -EAGAIN, while others move, it is whole and moves later.",
        f"{_M} 3.2, 4.4, 6.8 (14)",
    ),
    Clause(
        "FAULT-6",
        "A page whose move fails for good is in use again at once, whatever becomes of the rest of its batch.",
        f"{_M} 3.2, 3.4, 4.4, 6.8 (16)",
    ),
    Clause(
        "FAULT-7",
        "Pages are isolated one by one: any of them may stay in use while all others are isolated.",
        f"{_M} 6.3, 6.8 (8)",
    ),
    Clause(
        "FAULT-8",
        "When a migration ends early its isolated pages wait, and users go on beside them.",
        f"{_M} 3.3, 6.5, 6.8 (8)",
    ),
    Clause(
        "FAULT-9",
        "A page that another user has locked is waited for or passed by; it is not given up, lost or forgotten.",
        f"{_M} 4.2, {_D} 6.1, 6.5 (9)",
    ),
    Clause(
        "FAULT-10",
        "References of others are theirs: a page with one moves and is released as any, and they drop it.",
        f"{_M} 6.8 (5), (11)",
    ),
    Clause(
        "FAULT-11",
        "Compaction in which pages fail, are refused, locked or pinned leaves what was stored as it is.",
        f"{_M} 3.6, 6.8",
    ),
)

_CAP = (
    Clause("CAP-1", "What a driver claims, it can do; what it can do, it claims.", "Capabilities"),
    Clause(
        "CAP-2",
        "pages() names the marked pages that hold a handle's data, before and after a move.",
        "Workload",
    ),
    Clause("CAP-3", "A pinned object stays where it is, and moves again when unpinned.", "Workload"),
)

_RACE = (
    Clause("RACE-1", "What was stored is read back, whatever other CPUs do to its pages.", f"{_M} 6.6, 6.8"),
    Clause("RACE-2", "A pinned object stays where it is while other CPUs migrate.", f"{_D} 2.8"),
    Clause(
        "RACE-3",
        "When all CPUs are done each page rests with its driver or is free, and none is lost.",
        f"{_M} 6.8",
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
        f"{_D} 6.1",
        ("deadlock", "lock-order", "self-deadlock", "lock-not-held"),
    ),
    Clause("RACE-5", "Nobody sleeps while holding a spinlock.", f"{_D} 6.1", ("sleep-in-atomic",)),
    Clause("RACE-6", "Requests and callbacks end, whoever runs beside them.", f"{_D} 6.1", ("livelock",)),
    Clause(
        "RACE-7", "What a driver does depends on nothing but its calls.", f"{_D} 6.1", ("nondeterminism",)
    ),
    Clause(
        "RACE-8",
        "A driver that claims never to sleep in MIGRATE_ASYNC does not.",
        f"{_D} 6.2",
        ("sleep-in-async",),
    ),
    Clause(
        "RACE-9",
        "Callbacks and requests keep their contract while other CPUs run.",
        f"{_M} 6.8",
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

_PLACE = (
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

CLAUSES: tuple[Clause, ...] = (
    *_MARK,
    *_CALL,
    *_ISO,
    *_MIG,
    *_PUT,
    *_FREE,
    *_DATA,
    *_ACC,
    *_LIVE,
    *_LIFE,
    *_FAULT,
    *_CAP,
    *_RACE,
    *_PLACE,
)
