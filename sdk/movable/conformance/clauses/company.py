"""Clauses about what is around a driver's pages: those of processes and files, and nodes."""

from movable.conformance.clauses.clause import MIGRATION, Clause

__all__ = ["LRU", "NUMA"]

LRU = (
    Clause(
        "LRU-1",
        "Pages of processes and files that lie beside a driver's are not its own: it changes nothing in them.",
        f"{MIGRATION} 1.3, 7",
    ),
    Clause(
        "LRU-2",
        "A driver's page carries no flag by which the VM counts, sorts or writes out LRU pages.",
        f"{MIGRATION} 1.2, 4.1 (6), 4.3, 6.5",
    ),
    Clause(
        "LRU-3",
        "Pages of processes and files share lists with a driver's: what becomes of them is no reason to fail.",
        f"{MIGRATION} 3.2, 6.5",
    ),
    Clause(
        "LRU-4",
        "Where memory is full of file caches a request makes room: it is allocated so that they can be reclaimed.",
        "spec/compaction.md 2.12, 2.13",
        severity="advisory",
    ),
)

NUMA = (
    Clause(
        "NUMA-1",
        "A node may lose all its memory: its CPUs' requests are served elsewhere, and books kept by node go on.",
        "spec/compaction.md 8.3, 2.11",
    ),
    Clause(
        "NUMA-2",
        "The targets of one batch may lie on several nodes, and each page goes to its own.",
        f"{MIGRATION} 3.1, 3.6",
        ("list-corrupt",),
    ),
)
