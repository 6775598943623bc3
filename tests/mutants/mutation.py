"""How a wrong driver says what is wrong with it."""

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import frozen

__all__ = ["Mutation", "all_mutants", "wrong"]

_Driver = TypeVar("_Driver", bound=type)


@frozen
class Mutation:
    """The mistake of ``driver``: the check made for it, the clause broken, the core's rule if there is one.

    ``advisory`` is true where the check passes with advice.
    """

    driver: Callable[..., Any]
    check: str
    clause: str
    rule: str | None = None
    advisory: bool = False

    @property
    def name(self) -> str:
        """The driver's class name."""
        return str(getattr(self.driver, "__name__", self.driver))


_ALL: list[Mutation] = []


def wrong(
    check: str, clause: str, rule: str | None = None, *, advisory: bool = False
) -> Callable[[_Driver], _Driver]:
    """Class decorator: enter the driver in the list of wrong ones."""

    def enter(driver: _Driver) -> _Driver:
        _ALL.append(Mutation(driver, check, clause, rule, advisory))
        return driver

    return enter


def all_mutants() -> tuple[Mutation, ...]:
    """Every wrong driver of this folder."""
    from mutants import claiming, isolating, living, marking, migrating, putting, releasing, spanning  # noqa: F401

    return tuple(_ALL)
