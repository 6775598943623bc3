"""Where a driver is between two steps, and how often each rule ran there."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from attrs import frozen

__all__ = ["LOADED", "Row", "State", "Transition", "transitions"]


class State(StrEnum):
    """What the suite's own books say about the driver: what is stored, who is isolated, what is pinned."""

    EMPTY = "empty"
    STORED = "stored"
    PINNED = "pinned"
    ISOLATED = "isolated"
    BOTH = "pinned, isolated"
    UNLOADED = "unloaded"


LOADED = frozenset(State) - {State.UNLOADED}
"""The states of a driver that is loaded."""

_NEED_PIN = frozenset({State.PINNED, State.BOTH})


@frozen
class Row:
    """One row of the table: a rule, or a rule with one outcome, and the states in which it can run.

    ``needs`` is the capability without which it never runs.
    """

    name: str
    states: frozenset[State]
    needs: str | None = None


@frozen
class Transition:
    """One cell of the table: how often a rule ran in a state; ``possible`` is false if it cannot."""

    rule: str
    state: State
    count: int
    possible: bool


def transitions(
    rows: Iterable[Row], counts: Counter[tuple[str, State]], claimed: frozenset[str]
) -> tuple[Transition, ...]:
    """The whole table, row by row, for a driver that claims these capabilities."""
    return tuple(
        Transition(row.name, state, counts[row.name, state], _possible(row, state, claimed))
        for row in rows
        for state in State
    )


def _possible(row: Row, state: State, claimed: frozenset[str]) -> bool:
    if row.needs is not None and row.needs not in claimed:
        return False
    return state in row.states and (state not in _NEED_PIN or "pin" in claimed)
