"""Which clause covers which statement of the specification: all of spec/migration.md 6 and spec/drivers.md 6."""

from movable.conformance.coverage.drivers import DRIVERS
from movable.conformance.coverage.item import Item
from movable.conformance.coverage.migration import MIGRATION

__all__ = ["COVERAGE", "SECTIONS", "Item", "coverage_markdown"]

COVERAGE: tuple[Item, ...] = (*MIGRATION, *DRIVERS)
"""Every statement, in the order of the specification."""

SECTIONS = {
    "migration.md 6.1": 6,
    "migration.md 6.2": 3,
    "migration.md 6.3": 15,
    "migration.md 6.4": 4,
    "migration.md 6.5": 4,
    "migration.md 6.6": 8,
    "migration.md 6.7": 14,
    "migration.md 6.8": 17,
    "migration.md 6.9": 13,
    "drivers.md 6.1": 10,
    "drivers.md 6.2": 7,
    "drivers.md 6.3": 6,
    "drivers.md 6.4": 9,
    "drivers.md 6.5": 11,
}
"""How many numbered items, table rows and paragraphs each section has."""


def coverage_markdown() -> str:
    """Render the list as a Markdown page: per section one table of statement and clauses, or the reason."""
    covered = sum(bool(item.clauses) for item in COVERAGE)
    lines = [
        f"{covered} of {len(COVERAGE)} statements are covered by clauses; the others say why they are not."
    ]
    for name in SECTIONS:
        lines += ["", f"## {name}", "", "| item | statement | clauses |", "|---|---|---|"]
        lines += [_row(item) for item in COVERAGE if item.section == name]
    return "\n".join(lines) + "\n"


def _row(item: Item) -> str:
    how = ", ".join(item.clauses) if item.clauses else f"not testable: {item.reason}"
    return f"| {item.number} | {item.sentence} | {how} |"
