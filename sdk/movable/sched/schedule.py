"""What a schedule is, and its text: the steps at which a run leaves the default."""

import re
from collections.abc import Iterable
from string import ascii_lowercase
from typing import Self

from attrs import field, frozen

from movable.errors import ConfigError

__all__ = ["MAX_CPUS", "Choice", "Schedule"]

MAX_CPUS = len(ascii_lowercase)
"""CPUs of a schedule: each has a letter in its text."""

_CHOICE = re.compile(r"([a-z])(\d{1,9})([a-z])")


@frozen(order=True)
class Choice:
    """At its own step number ``step`` CPU ``at`` has to let CPU ``cpu`` go on.

    Steps are a CPU's own, so that a choice keeps its meaning where others before it are left out.
    """

    at: int
    step: int
    cpu: int

    def __str__(self) -> str:
        """``a17b``: CPU 0, step 17, CPU 1."""
        return f"{ascii_lowercase[self.at]}{self.step}{ascii_lowercase[self.cpu]}"


def _choices(value: Iterable[Choice]) -> tuple[Choice, ...]:
    return tuple(value)


@frozen
class Schedule:
    """Steps at which another CPU goes on than the default would choose, in the order in which they come.

    The default stays on the running CPU as long as it can go on, then takes the next one in turn.
    """

    choices: tuple[Choice, ...] = field(default=(), converter=_choices)

    def __len__(self) -> int:
        return len(self.choices)

    def __str__(self) -> str:
        """``a17bb4a``: at step 17 of CPU 0 CPU 1 goes on, at its step 4 CPU 0; ``-`` for the default alone."""
        return "".join(map(str, self.choices)) or "-"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str()`` wrote.

        Raises:
            ConfigError: the text is no schedule.
        """
        if text == "-":
            return cls()
        schedule = cls(
            Choice(ascii_lowercase.index(at), int(step), ascii_lowercase.index(cpu))
            for at, step, cpu in _CHOICE.findall(text)
        )
        if not schedule.choices or str(schedule) != text:
            raise ConfigError(f"schedule: {text!r} is no list of CPUs and steps such as a17bb4a")
        return schedule

    def without(self, positions: frozenset[int]) -> Self:
        """The schedule without the choices at these positions."""
        return type(self)(one for place, one in enumerate(self.choices) if place not in positions)

    def then(self, choice: Choice) -> Self:
        """The schedule with one more choice, which comes after all of its own."""
        return type(self)((*self.choices, choice))
