"""The class by which a driver's tests take over the whole suite; pytest is asked to do so by the plugin."""

from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["DriverConformance"]


class DriverConformance:
    """One pytest test for every check, in two lines::

        class TestMine(DriverConformance):
            driver = MyDriver

    ``driver`` is what ``movable.check`` takes: a driver class, a ``DriverSpec``, the name of an installed driver or
    ``module:attribute``. ``select``, ``levels``, ``budget``, ``contract`` and ``seed`` mean what they mean there;
    options of the command line go before the last four.
    """

    driver: ClassVar[Any]
    select: ClassVar[str | None] = None
    levels: ClassVar[str | None] = None
    budget: ClassVar[str | None] = None
    contract: ClassVar[str | None] = None
    seed: ClassVar[int] = 0

    def test_check(self, movable_check: Callable[[], None]) -> None:
        """The driver keeps what the check demands."""
        movable_check()
