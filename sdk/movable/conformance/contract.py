"""The contract as data: numbered clauses, and the table that shows which check tests which clause."""

from collections.abc import Iterator
from typing import Literal

from attrs import field, frozen

from movable.conformance.clauses import CLAUSES, Clause

__all__ = ["CONTRACT", "Clause", "Contract", "Severity", "contract_markdown"]

Severity = Literal["violation", "advisory"]


@frozen
class Contract:
    """A named, versioned list of clauses; clause ids are never reused, in this version or a later one."""

    name: str
    version: str
    clauses: tuple[Clause, ...] = field(repr=False)

    @property
    def label(self) -> str:
        """Name and version as reports carry them, for example ``aops-4.8/1.0``."""
        return f"{self.name}/{self.version}"

    def __iter__(self) -> Iterator[Clause]:
        return iter(self.clauses)

    def clause(self, clause_id: str) -> Clause:
        """Return the clause with this id.

        Raises:
            KeyError: no clause has this id.
        """
        for clause in self.clauses:
            if clause.id == clause_id:
                return clause
        raise KeyError(clause_id)

    def clauses_of_rule(self, rule_id: str) -> tuple[Clause, ...]:
        """Return the clauses whose breach the core names with this rule, most telling first."""
        return tuple(clause for clause in self.clauses if rule_id in clause.rules)


CONTRACT = Contract("aops-4.8", "1.0", CLAUSES)


def contract_markdown() -> str:
    """Render the contract as a Markdown page: per family one table of clause, source, severity and checks."""
    from movable.conformance.registry import checks_of

    title = f"Contract `{CONTRACT.name}`, version {CONTRACT.version}: {len(CONTRACT.clauses)} clauses."
    lines = [f"{title} *Advisory* clauses are reported and never fail a driver."]
    family = ""
    for clause in CONTRACT:
        if clause.family != family:
            family = clause.family
            lines += ["", f"## {family}: {FAMILIES[family]}", "", "| clause | sentence | source | checks |"]
            lines.append("|---|---|---|---|")
        tests = ", ".join(f"`{check.id}`" for check in checks_of(clause.id)) or f"none: {clause.untested}"
        sentence = clause.sentence if clause.severity == "violation" else f"*Advisory.* {clause.sentence}"
        lines.append(f"| {clause.id} | {sentence} | {clause.source} | {tests} |")
    return "\n".join(lines) + "\n"


FAMILIES = {
    "MARK": "mapping, marking, ownership at rest",
    "CALL": "what callbacks and requests answer",
    "ISO": "isolate_page and the isolated page",
    "MIG": "migratepage",
    "PUT": "putback_page",
    "FREE": "releasing pages",
    "DATA": "what users stored",
    "ACC": "counters",
    "LIVE": "progress",
    "LIFE": "load and unload",
    "CAP": "what a driver says about itself",
    "RACE": "several CPUs at once",
}
