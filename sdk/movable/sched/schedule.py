"""What a schedule is, and its text: the steps at which a run leaves the default."""

import re
from collections.abc import Iterable
from string import ascii_lowercase
from typing import Self

from attrs import field, frozen

from movable.errors import ConfigError

__all__ = ["Schedule"]

_CHOICE = re.compile(r"(\d+)([a-z])")


def _choices(value: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple((step, cpu) for step, cpu in value)


@frozen
class Schedule:
    """Steps at which another CPU goes on than the default would choose: ``(step, cpu)`` in order of steps.

    The default stays on the running CPU as long as it can go on, then takes the next one in turn.
    """

    choices: tuple[tuple[int, int], ...] = field(default=(), converter=_choices)

    def __len__(self) -> int:
        return len(self.choices)

    def __str__(self) -> str:
        """``17b42a``: at step 17 CPU 1 goes on, at step 42 CPU 0; ``-`` for the default alone."""
        return "".join(f"{step}{ascii_lowercase[cpu]}" for step, cpu in self.choices) or "-"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str()`` wrote.

        Raises:
            ConfigError: the text is no schedule.
        """
        if text == "-":
            return cls()
        found = [(int(step), ascii_lowercase.index(cpu)) for step, cpu in _CHOICE.findall(text)]
        schedule = cls(found)
        if not found or str(schedule) != text or found != sorted(found):
            raise ConfigError(f"schedule: {text!r} is no list of steps and CPUs such as 17b42a")
        return schedule

    def without(self, positions: frozenset[int]) -> Self:
        """The schedule without the choices at these positions."""
        return type(self)(one for place, one in enumerate(self.choices) if place not in positions)

    def then(self, step: int, cpu: int) -> Self:
        """The schedule with one more choice, later than all of its own."""
        return type(self)((*self.choices, (step, cpu)))
