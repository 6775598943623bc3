"""Clauses of isolation, migration and put-back."""

from movable.conformance.clauses.clause import DRIVERS, MIGRATION, Clause

__all__ = ["ISO", "MIG", "PUT"]

ISO = (
    Clause("ISO-1", "isolate_page leaves the page locked.", f"{MIGRATION} 6.8 (10)", ("isolate-unlocked",)),
    Clause(
        "ISO-2",
        "isolate_page takes and drops no reference.",
        f"{MIGRATION} 6.8 (10)",
        ("isolate-ref-changed",),
    ),
    Clause(
        "ISO-3",
        "isolate_page takes the page off every list of the driver before it answers True.",
        f"{MIGRATION} 6.8 (8)",
        ("isolate-left-on-list",),
    ),
    Clause("ISO-4", "An isolated page is handed out to nobody.", f"{MIGRATION} 6.8 (8)"),
    Clause(
        "ISO-5",
        "A page whose isolation was granted is still movable.",
        f"{DRIVERS} 6.3",
        ("isolate-lost-movable", "isolate-no-mapping"),
    ),
    Clause(
        "ISO-6",
        "isolate_page answers False with nothing changed.",
        f"{MIGRATION} 6.8 (9)",
        ("isolate-false-changed",),
    ),
    Clause(
        "ISO-7",
        "While a page is isolated its lru link is the VM's; the driver touches no list with it.",
        f"{MIGRATION} 6.8 (6)",
        ("lru-while-isolated", "list-corrupt"),
    ),
    Clause(
        "ISO-8",
        "isolate_page does not set PG_isolated, and a page is isolated once at a time.",
        f"{MIGRATION} 6.8 (4), 12 (31)",
        ("isolate-set-flag",),
    ),
)

MIG = (
    Clause(
        "MIG-1",
        "On success the old page was given up with __ClearPageMovable, once.",
        f"{MIGRATION} 6.8 (11), (13)",
        ("migrate-old-movable", "clear-not-movable"),
    ),
    Clause(
        "MIG-2",
        "On success the new page is marked movable with the mapping of the old one.",
        f"{MIGRATION} 6.8 (11), (12)",
        ("migrate-new-not-movable", "migrate-new-mapping"),
    ),
    Clause(
        "MIG-3",
        "On success the driver has taken one reference of its own on the new page.",
        f"{MIGRATION} 6.8 (11), (12)",
        ("migrate-new-ref",),
    ),
    Clause(
        "MIG-4",
        "On success the driver has dropped its one reference on the old page, and no other.",
        f"{MIGRATION} 6.8 (11)",
        ("migrate-old-ref",),
    ),
    Clause(
        "MIG-5",
        "migratepage keeps both pages locked throughout.",
        f"{MIGRATION} 6.8 (15)",
        ("migrate-unlocked",),
    ),
    Clause(
        "MIG-6",
        "With an error answer both pages are as migratepage found them.",
        f"{MIGRATION} 6.8 (14), {DRIVERS} 6.3",
        ("migrate-new-touched", "migrate-old-touched"),
    ),
    Clause(
        "MIG-7",
        "-EAGAIN means not now: the page stays isolated and is offered up to ten times, to fresh targets.",
        f"{MIGRATION} 6.8 (14), 12 (33), (36)",
    ),
    Clause(
        "MIG-8",
        "Another error ends the attempt: the driver takes the page back through one putback_page.",
        f"{MIGRATION} 6.8 (14), 12 (34)",
    ),
    Clause(
        "MIG-9",
        "-ENOMEM also ends the batch, and the pages not yet tried stay as they are.",
        f"{MIGRATION} 6.8 (14), 12 (35)",
    ),
    Clause(
        "MIG-10",
        "On success every reference of users leads to the new page.",
        f"{MIGRATION} 6.8 (11)",
    ),
    Clause(
        "MIG-11",
        "The old page leaves without marks of its owner: flags, private and type are reset.",
        f"{DRIVERS} 6.4",
        ("bad-page",),
    ),
    Clause(
        "MIG-12",
        "migratepage writes no PG_isolated, on either page.",
        f"{MIGRATION} 6.8 (4)",
        ("migrate-isolated-written", "migrate-not-isolated"),
    ),
    Clause(
        "MIG-13",
        "The new page rests like any other: movable, one reference, unlocked, not isolated, off the LRU.",
        f"{MIGRATION} 12 (37)",
    ),
    Clause(
        "MIG-14",
        "The three modes keep one contract; a mode may change the answer, never the duties behind it.",
        f"{MIGRATION} 6.8 (15)",
    ),
    Clause(
        "MIG-15",
        "In MIGRATE_ASYNC the driver does not sleep.",
        f"{MIGRATION} 6.8 (15)",
        severity="advisory",
        untested="one CPU shows no sleep; it takes schedules over several",
    ),
    Clause(
        "MIG-16",
        "Locks that the driver holds while it allocates are taken by try inside migratepage.",
        f"{DRIVERS} 6.1",
    ),
)

PUT = (
    Clause("PUT-1", "putback_page leaves the page locked.", f"{MIGRATION} 6.8 (16)", ("putback-unlocked",)),
    Clause(
        "PUT-2",
        "putback_page leaves PG_isolated set; the VM clears it.",
        f"{MIGRATION} 6.8 (16)",
        ("putback-isolated-written", "putback-not-isolated"),
    ),
    Clause(
        "PUT-3",
        "putback_page drops no reference and frees nothing at once.",
        f"{MIGRATION} 6.8 (16)",
        ("putback-ref-changed",),
    ),
    Clause(
        "PUT-4",
        "A page that was put back is in use again: found, isolated, moved, released.",
        f"{MIGRATION} 6.8 (16)",
        ("list-corrupt",),
    ),
    Clause(
        "PUT-5",
        "A page that was put back is still movable.",
        f"{DRIVERS} 6.3",
        ("putback-lost-movable", "putback-not-movable"),
    ),
    Clause(
        "PUT-6",
        "Room in a page that was put back is filled again.",
        f"{MIGRATION} 6.8 (16), {DRIVERS} 6.5 (2)",
    ),
)
