"""The text that repeats a race: which driver, check and seed, what was left out, and the schedule."""

import re
from typing import Self

from attrs import frozen

from movable.errors import ConfigError
from movable.sched import Dropped, Schedule

__all__ = ["Token"]

_VERSION = "r1"
_SEED = re.compile(r"(-?\d+)(L?)")
_OPERATION = re.compile(r"(\d+)\.(\d+)")


@frozen
class Token:
    """A schedule with everything that is needed to run it again.

    ``driver`` is how a command line names the driver, ``-`` if it cannot. ``lines`` says that there are
    scheduling points between the driver's lines too.
    """

    driver: str
    check: str
    seed: int
    dropped: Dropped
    schedule: Schedule
    lines: bool = False

    def __str__(self) -> str:
        """``r1/zsmalloc/RACE-DROP/0/1.2+1.3/a17bb4a``; an ``L`` behind the seed means line points."""
        dropped = "+".join(f"{cpu}.{number}" for cpu, number in sorted(self.dropped)) or "-"
        seed = f"{self.seed}{'L' if self.lines else ''}"
        return "/".join((_VERSION, self.driver, self.check, seed, dropped, str(self.schedule)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str()`` wrote.

        Raises:
            ConfigError: the text is no token, or one of another version.
        """
        parts = text.strip().split("/")
        if len(parts) != 6 or parts[0] != _VERSION:
            raise ConfigError(
                f"token: {text!r} is none; one looks like {_VERSION}/DRIVER/RACE-DROP/0/-/a17bb4a"
            )
        _, driver, check, seed, dropped, schedule = parts
        seeded = _SEED.fullmatch(seed)
        if seeded is None:
            raise ConfigError(f"token: {seed!r} is no seed; write a number, or a number and L")
        return cls(
            driver, check, int(seeded[1]), _operations(dropped), Schedule.parse(schedule), bool(seeded[2])
        )


def _operations(text: str) -> Dropped:
    if text == "-":
        return frozenset()
    found = [_OPERATION.fullmatch(part) for part in text.split("+")]
    if None in found:
        raise ConfigError(f"token: {text!r} does not list operations such as 1.2+1.3")
    return frozenset((int(one[1]), int(one[2])) for one in found if one is not None)
