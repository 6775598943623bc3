"""How a wrong driver says what is wrong with it, and a correct one that nothing is."""

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import frozen

from movable.conformance.contract import CONTRACT, FAMILIES
from movable.drivers import DriverSpec

__all__ = ["CorrectDriver", "Mutation", "correct", "declared_in", "wrong"]

_Driver = TypeVar("_Driver", bound=DriverSpec | Callable[..., Any])


@frozen
class Mutation:
    """The mistake of ``driver``: the check made for it, the clause broken, the core's rule if there is one.

    ``clause`` None leaves open which clause of the check it is: a race shows in several ways. ``advisory``
    is true where the check passes with advice. ``bug`` is the entry of a catalogue of bugs that the mistake
    is made after, ``kind`` its class there. ``race`` mistakes show under some schedules only.
    """

    driver: DriverSpec | Callable[..., Any]
    check: str
    clause: str | None = None
    rule: str | None = None
    advisory: bool = False
    bug: str | None = None
    kind: str | None = None
    race: bool = False

    @property
    def name(self) -> str:
        """The driver's class name, or the name of its spec."""
        return driver_name(self.driver)

    @property
    def group(self) -> str:
        """The row of the kill matrix: the class of the bug, else the family of the clause."""
        if self.kind is not None:
            return self.kind
        family = (self.clause or self.check).partition("-")[0]
        return FAMILIES.get(family, family)


@frozen
class CorrectDriver:
    """A driver without a mistake, as far as its author knows: no check may fail it.

    One that is right on ``one_cpu`` only, having no locks, is not given to the checks of races.
    """

    driver: DriverSpec | Callable[..., Any]
    one_cpu: bool = False

    @property
    def name(self) -> str:
        """The driver's class name, or the name of its spec."""
        return driver_name(self.driver)


# By module and name, so that a module that is loaded again replaces what it declared before.
_DECLARED: dict[tuple[str, str], Mutation | CorrectDriver] = {}


def wrong(
    check: str,
    clause: str | None = None,
    rule: str | None = None,
    *,
    advisory: bool = False,
    bug: str | None = None,
    kind: str | None = None,
    race: bool = False,
) -> Callable[[_Driver], _Driver]:
    """Decorator of a driver class, or a function around a DriverSpec: it has one mistake.

    Args:
        check: id of the check made for the mistake.
        clause: id of the clause that it breaks; only a race may leave it out.
        rule: the core's rule that names the breach, if one does.
        advisory: the check passes, and gives advice.
        bug: entry of a catalogue of bugs, where the mistake was made before.
        kind: class of the bug there; the kill matrix has a row for it.
        race: the mistake shows under some schedules of several CPUs only.

    Raises:
        ValueError: the contract has no such clause, or there is none and the mistake is no race.
    """
    if clause is None and not race:
        raise ValueError(f"clause: say which clause the driver breaks (check {check})")
    if clause is not None and clause not in {one.id for one in CONTRACT}:
        raise ValueError(f"clause: the contract has no {clause}")

    def enter(driver: _Driver) -> _Driver:
        _declare(driver, Mutation(driver, check, clause, rule, advisory, bug, kind, race))
        return driver

    return enter


def correct(*, one_cpu: bool = False) -> Callable[[_Driver], _Driver]:
    """Decorator of a driver class, or a function around a DriverSpec: no check may fail it.

    With ``one_cpu`` no check but those of races (level L3): the driver takes no locks.
    """

    def enter(driver: _Driver) -> _Driver:
        _declare(driver, CorrectDriver(driver, one_cpu))
        return driver

    return enter


def declared_in(modules: set[str]) -> tuple[tuple[Mutation, ...], tuple[CorrectDriver, ...]]:
    """The wrong and the correct drivers that these modules declare, in the order of their definition."""
    found = [one for (module, _), one in _DECLARED.items() if module in modules]
    return (
        tuple(one for one in found if isinstance(one, Mutation)),
        tuple(one for one in found if isinstance(one, CorrectDriver)),
    )


def driver_name(driver: DriverSpec | Callable[..., Any]) -> str:
    """How a driver is called in reports."""
    return driver.name if isinstance(driver, DriverSpec) else str(getattr(driver, "__name__", driver))


def _declare(driver: DriverSpec | Callable[..., Any], entry: Mutation | CorrectDriver) -> None:
    home = driver.factory if isinstance(driver, DriverSpec) else driver
    _DECLARED[str(getattr(home, "__module__", "")), driver_name(driver)] = entry
