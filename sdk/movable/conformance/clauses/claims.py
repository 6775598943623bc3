"""Clauses of what a driver says about itself."""

from movable.conformance.clauses.clause import Clause

__all__ = ["CAP"]

CAP = (
    Clause("CAP-1", "What a driver claims, it can do; what it can do, it claims.", "Capabilities"),
    Clause(
        "CAP-2",
        "pages() names the marked pages that hold a handle's data, before and after a move.",
        "Workload",
    ),
    Clause("CAP-3", "A pinned object stays where it is, and moves again when unpinned.", "Workload"),
)
