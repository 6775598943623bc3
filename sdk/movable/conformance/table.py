"""The table of the contract: every clause with the checks that test it and the wrong drivers that break it."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from attrs import asdict, field, frozen

from movable.conformance.contract import CONTRACT, FAMILIES, Clause, Contract
from movable.conformance.registry import Check, checks_of
from movable.errors import ConfigError

__all__ = ["SCHEMA", "ClauseRow", "clause_rows", "contract_markdown", "table_to_dict"]

SCHEMA = "movable.contract/1"

Mutants = Mapping[str, Sequence[str]]
"""Wrong drivers by the clause that they break, or by the check that was made for them."""


@frozen
class ClauseRow:
    """One clause, and what holds it: ``checks`` count, ``previews`` are only reported, ``mutants`` break it.

    ``untested`` is the reason of a clause without checks.
    """

    id: str
    family: str
    sentence: str
    source: str
    severity: str
    untested: str | None = None
    checks: tuple[str, ...] = field(factory=tuple)
    previews: tuple[str, ...] = field(factory=tuple)
    mutants: tuple[str, ...] = field(factory=tuple)

    @property
    def tests(self) -> str:
        """The checks as text; the reason if there are none."""
        named = [*self.checks, *(f"{name} (preview)" for name in self.previews)]
        return ", ".join(named) or f"none: {self.untested}"


def clause_rows(
    contract: Contract = CONTRACT, select: Iterable[str] = (), mutants: Mutants | None = None
) -> tuple[ClauseRow, ...]:
    """The rows of a contract, in its order.

    Args:
        contract: the version.
        select: families (``MIG``), ids (``MIG-1``), globs (``MIG-1*``) or ids of checks; every clause if empty.
        mutants: wrong drivers, if they are known.

    Raises:
        ConfigError: an item of ``select`` matches nothing; the message suggests what was meant.
    """
    rows = [_row(clause, contract, mutants or {}) for clause in contract]
    items = [item.upper() for item in select]
    for item in items:
        if not any(_matches(row, item) for row in rows):
            raise ConfigError(f"contract: no clause matches {item!r}; {_suggestion(item, rows)}")
    return tuple(row for row in rows if not items or any(_matches(row, item) for item in items))


def table_to_dict(rows: Iterable[ClauseRow], contract: Contract = CONTRACT) -> dict[str, Any]:
    """The table as plain data, schema ``movable.contract/1``."""
    return {
        "schema": SCHEMA,
        "contract": contract.label,
        "families": dict(FAMILIES),
        "clauses": [asdict(row) for row in rows],
    }


def contract_markdown(
    rows: Sequence[ClauseRow] | None = None, contract: Contract = CONTRACT, *, heading: str = "##"
) -> str:
    """The table as Markdown, a section for each family; all rows by default. Wrong drivers only where known."""
    every = clause_rows(contract) if rows is None else rows
    title = f"Contract `{contract.name}`, version {contract.version}: {len(contract.clauses)} clauses."
    lines = [f"{title} *Advisory* clauses are reported and never fail a driver."]
    known = any(row.mutants for row in every)
    columns = ["clause", "sentence", "source", "checks", *["wrong drivers"] * known]
    for family in dict.fromkeys(row.family for row in every):
        lines += ["", f"{heading} {family}: {FAMILIES[family]}", "", f"| {' | '.join(columns)} |"]
        lines.append("|---" * len(columns) + "|")
        lines += [_line(row, known=known) for row in every if row.family == family]
    return "\n".join(lines) + "\n"


def _row(clause: Clause, contract: Contract, mutants: Mutants) -> ClauseRow:
    checks = checks_of(clause.id)
    own = [one for one in checks if one.clauses[0] == clause.id]
    return ClauseRow(
        clause.id,
        clause.family,
        clause.sentence,
        clause.source,
        clause.severity,
        clause.untested,
        tuple(one.id for one in checks if one.counts_in(contract)),
        tuple(one.id for one in checks if not one.counts_in(contract)),
        tuple(dict.fromkeys([*mutants.get(clause.id, ()), *_of_checks(own, mutants)])),
    )


def _of_checks(checks: Iterable[Check], mutants: Mutants) -> list[str]:
    return [name for check in checks for name in mutants.get(check.id, ())]


def _line(row: ClauseRow, *, known: bool) -> str:
    sentence = row.sentence if row.severity == "violation" else f"*Advisory.* {row.sentence}"
    checks = [f"`{name}`" for name in row.checks] + [f"`{name}` (preview)" for name in row.previews]
    cells = [row.id, sentence, row.source, ", ".join(checks) or row.tests]
    return f"| {' | '.join([*cells, *[', '.join(row.mutants)] * known])} |"


def _matches(row: ClauseRow, item: str) -> bool:
    return item in (row.id, row.family, *row.checks, *row.previews) or fnmatchcase(row.id, item)


def _suggestion(item: str, rows: Sequence[ClauseRow]) -> str:
    names = [row.id for row in rows] + [name for row in rows for name in row.checks]
    close = list(dict.fromkeys(get_close_matches(item, names, n=3)))
    return f"did you mean {' or '.join(close)}?" if close else f"families are {', '.join(FAMILIES)}"
