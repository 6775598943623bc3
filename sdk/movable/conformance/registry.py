"""The register of checks: id, clauses, level, capability needed, checks required, and the function itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

from attrs import field, fields, frozen

from movable.conformance.contract import CONTRACT, Contract
from movable.conformance.report import LEVELS
from movable.drivers import Capabilities
from movable.errors import ConfigError

__all__ = ["Check", "all_checks", "check", "checks_of", "select_checks", "select_levels"]

CheckFunction = Callable[[Any], None]
"""Takes the check's rig. Returns for a pass; raises CheckFailed, Violation or NothingToJudge."""


@frozen
class Check:
    """One test of a driver. ``clauses`` are the clauses it tests, the main one first.

    ``needs`` is the capability that a driver must claim (a field of ``Capabilities``);
    ``requires`` are the checks whose failure makes this one pointless. A ``preview`` check is reported and
    never counted, until the contract's next minor version. ``rig`` makes what the check works with, if that is
    not a plain ``Rig``; it takes the same arguments.
    """

    id: str
    title: str
    clauses: tuple[str, ...]
    run: CheckFunction = field(repr=False)
    level: str = "L1"
    needs: str | None = None
    requires: tuple[str, ...] = ()
    preview: bool = False
    rig: Callable[..., Any] | None = field(default=None, repr=False)

    def counts_in(self, contract: Contract) -> bool:
        """True if the check counts when this version is judged; otherwise it is reported as a preview."""
        return not self.preview and contract.lists(self.id)

    def owns(self, cause: str) -> bool:
        """True if this check is made for the cause: a rule of one of its clauses, or such a clause."""
        return cause in self.clauses or any(cause in CONTRACT.clause(name).rules for name in self.clauses)


CLAIMS = tuple(one.name for one in fields(Capabilities) if one.type is bool)
"""What a driver can claim or not: the capabilities that a check may need."""

_REGISTER: dict[str, Check] = {}


def check(
    check_id: str,
    title: str,
    *,
    clauses: tuple[str, ...],
    needs: str | None,
    level: str = "L1",
    requires: tuple[str, ...] = ("STORE",),
    preview: bool = False,
    rig: Callable[..., Any] | None = None,
) -> Callable[[CheckFunction], CheckFunction]:
    """Register the decorated function as a check; checks run in the order of registration.

    ``needs`` must be said: the capability that the check is for, or None if every driver owes it.

    Raises:
        ValueError: the id is taken, or a clause, the capability, the level or a required check is not there.
    """

    def register(function: CheckFunction) -> CheckFunction:
        if check_id in _REGISTER:
            raise ValueError(f"check id {check_id} is taken")
        known = {clause.id for clause in CONTRACT}
        missing = [name for name in clauses if name not in known]
        missing += [name for name in requires if name not in _REGISTER]
        if missing or not clauses:
            raise ValueError(f"check {check_id} names {missing or 'no clause'}")
        early = [name for name in requires if _REGISTER[name].preview]
        if early and not preview:
            raise ValueError(f"check {check_id} counts, so it cannot require the preview {', '.join(early)}")
        if needs is not None and needs not in CLAIMS:
            raise ValueError(f"check {check_id} needs {needs!r}; capabilities are {', '.join(CLAIMS)}")
        if level not in LEVELS:
            raise ValueError(f"check {check_id} has level {level!r}; levels are {', '.join(LEVELS)}")
        _REGISTER[check_id] = Check(
            check_id, title, clauses, function, level, needs, requires, preview=preview, rig=rig
        )
        return function

    return register


def all_checks() -> tuple[Check, ...]:
    """Return every check, required ones before those that require them."""
    import_module("movable.conformance.checks")

    return tuple(_REGISTER.values())


def checks_of(clause_id: str) -> tuple[Check, ...]:
    """Return the checks that test this clause."""
    return tuple(one for one in all_checks() if clause_id in one.clauses)


def select_checks(expression: str | None) -> frozenset[str]:
    """Return the ids that ``expression`` selects: all of them for None.

    The expression is a list separated by commas. Each item is an id, a glob (``MIG-*``) or a part of ids;
    an item that is exactly an id selects only that one. Upper and lower case are the same.

    Raises:
        ConfigError: an item selects nothing.
    """
    ids = [one.id for one in all_checks()]
    if expression is None:
        return frozenset(ids)
    chosen: set[str] = set()
    for item in (part.strip().upper() for part in expression.split(",")):
        found = _matching(item, ids)
        if not found:
            raise ConfigError(f"select: no check matches {item or expression!r}; {_suggestion(item, ids)}")
        chosen.update(found)
    return frozenset(chosen)


def select_levels(levels: str | Iterable[str] | None) -> frozenset[str]:
    """Return the ids of the checks of some levels (``"L1,L2"`` or a list): of all of them for None.

    Raises:
        ConfigError: there is no such level, or no level is named.
    """
    if levels is None:
        return frozenset(one.id for one in all_checks())
    asked = [part.strip().upper() for part in (levels.split(",") if isinstance(levels, str) else levels)]
    wrong = [level for level in asked if level not in LEVELS]
    if wrong or not asked:
        there = ", ".join(f"{level} ({name})" for level, name in LEVELS.items())
        raise ConfigError(f"level: {', '.join(wrong) or 'none'} is no level; there are {there}")
    return frozenset(one.id for one in all_checks() if one.level in asked)


def _suggestion(item: str, ids: list[str]) -> str:
    close = get_close_matches(item, ids, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    families = dict.fromkeys(one.partition("-")[0] for one in ids)
    return f"ids begin with {', '.join(families)}; `movable check NAME -v` prints them all"


def _matching(item: str, ids: list[str]) -> list[str]:
    if not item:
        return []
    if item in ids:
        return [item]
    if any(char in item for char in "*?["):
        return [one for one in ids if fnmatchcase(one, item)]
    return [one for one in ids if item in one]
