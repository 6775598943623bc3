"""The contract as data: numbered clauses, in versions."""

from collections.abc import Iterator
from typing import Literal

from attrs import field, frozen

from movable.conformance.clauses import CLAUSES, Clause
from movable.conformance.history import FROZEN
from movable.errors import ConfigError

__all__ = [
    "CONTRACT",
    "CONTRACTS",
    "FAMILIES",
    "Clause",
    "Contract",
    "Severity",
    "find_contract",
]

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

    def lists(self, check_id: str) -> bool:
        """True if the check counts in this version; the newest version lists all that are no previews."""
        return self.version not in FROZEN or check_id in FROZEN[self.version].checks

    def clauses_of_rule(self, rule_id: str) -> tuple[Clause, ...]:
        """Return the clauses whose breach the core names with this rule, most telling first."""
        return tuple(clause for clause in self.clauses if rule_id in clause.rules)


CONTRACT = Contract("aops-4.8", "1.1", CLAUSES)
"""The newest version."""

_OLD = tuple(
    Contract("aops-4.8", version, tuple(clause for clause in CLAUSES if clause.id in frozen_ids.clauses))
    for version, frozen_ids in FROZEN.items()
)

CONTRACTS = {contract.label: contract for contract in (*_OLD, CONTRACT)}
"""Every version that a driver can be judged by, by label, the newest last."""


def find_contract(name: str | None = None) -> Contract:
    """Return the contract called ``aops-4.8`` (its newest version) or ``aops-4.8/1.0``; the newest for None.

    Raises:
        ConfigError: there is none of this name; the message names those that there are.
    """
    if name is None or name == CONTRACT.name:
        return CONTRACT
    if name not in CONTRACTS:
        known = ", ".join(CONTRACTS)
        raise ConfigError(
            f"contract: {name!r} is not known; there are {known} ({CONTRACT.name} is the newest)"
        )
    return CONTRACTS[name]


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
    "FAULT": "what goes wrong around the driver",
    "CAP": "what a driver says about itself",
    "RACE": "several CPUs at once",
    "PLACE": "zones, nodes, edges, ranges, memory that goes",
    "LRU": "beside pages of processes and files",
    "NUMA": "nodes with memory and without",
}
