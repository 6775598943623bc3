"""Clauses of what pages are at rest, and what callbacks and requests answer."""

from movable.conformance.clauses.clause import DRIVERS, MIGRATION, Clause

__all__ = ["CALL", "MARK"]

MARK = (
    Clause(
        "MARK-1",
        "A driver owns one address_space per machine, with all three callbacks.",
        f"{MIGRATION} 6.8 (1)",
    ),
    Clause(
        "MARK-2",
        "A page is marked movable under its page lock, with the driver's own mapping.",
        f"{MIGRATION} 6.8 (2), 6.2",
        ("set-movable-tagged", "page-not-locked"),
    ),
    Clause(
        "MARK-3",
        "A marked page that nobody works on is unlocked, off the LRU, and held once, by its driver.",
        f"{MIGRATION} 6.8 (5)",
        ("unlock-not-locked", "lock-not-held", "lru-add-on-lru", "lru-active-unevictable"),
    ),
    Clause(
        "MARK-4", "PG_isolated is written by the VM only, in callbacks and outside.", f"{MIGRATION} 6.8 (4)"
    ),
    Clause(
        "MARK-5",
        "Pages that can move are allocated with __GFP_MOVABLE, so that they gather in movable blocks.",
        f"{DRIVERS} 4.3",
        severity="advisory",
    ),
    Clause(
        "MARK-6",
        "The owner of a page is read with page_mapping under the page lock, never from the raw field.",
        f"{MIGRATION} 6.8 (3)",
        untested="a Page shows Python drivers no raw mapping field to misread",
    ),
    Clause(
        "MARK-7",
        "The pointer that marks a page has its two low bits clear.",
        f"{MIGRATION} 6.8 (1)",
        untested="AddressSpace allocates the pointer, aligned; a driver cannot choose another",
    ),
)

CALL = (
    Clause(
        "CALL-1",
        "isolate_page answers True or False and nothing else, migratepage an int, putback_page nothing.",
        f"{MIGRATION} 6.1",
        ("hook-bad-type",),
    ),
    Clause(
        "CALL-2",
        "A callback answers by its return value and raises nothing.",
        f"{MIGRATION} 6.1",
        ("hook-raised",),
    ),
    Clause(
        "CALL-3",
        "migratepage answers 0 or a negative errno.",
        f"{MIGRATION} 6.8 (14)",
        ("hook-positive", "hook-unknown-errno"),
    ),
    Clause(
        "CALL-4",
        "What users ask of a driver (store, load, drop, close) fails by its answer, not by an exception.",
        f"{MIGRATION} 6.8",
    ),
)
