"""The class by which a driver's tests take over the stateful test."""

from typing import Any, ClassVar

from movable.stateful.run import run_stateful

__all__ = ["DriverPrograms"]


class DriverPrograms:
    """One pytest test that runs random programs over a driver, in two lines::

        class TestMinePrograms(DriverPrograms):
            driver = MyDriver

    ``driver`` is what ``movable.check`` takes; ``examples``, ``steps`` and ``seed`` are those of `run_stateful`.
    """

    driver: ClassVar[Any]
    examples: ClassVar[int] = 100
    steps: ClassVar[int] = 30
    seed: ClassVar[int] = 0

    def test_programs(self) -> None:
        """No program of steps makes the driver break the contract."""
        report = run_stateful(self.driver, examples=self.examples, steps=self.steps, seed=self.seed)
        assert report.passed, f"\n{report.message}\n\n{report.program}"
