"""How much a run of the suite may do: the seed, the deadline of a check, and the budget of a search."""

import re
import time
from collections.abc import Iterator

from attrs import evolve, field, frozen, validators

from movable.errors import ConfigError

__all__ = ["QUICK", "Budget", "Settings", "parse_seconds"]

QUICK = 0.1
"""The effort of a quick run."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


@frozen
class Budget:
    """How long a check that searches (schedules, faults, places) may go on.

    ``effort`` scales the counts that checks name: the same effort and seed give the same run. ``seconds``, only if a
    time was asked for, replaces counts: a search goes on until they are over, and the run depends on the machine.
    """

    effort: float = field(default=1.0, validator=validators.gt(0))
    seconds: float | None = None

    def count(self, usual: int) -> int:
        """``usual`` rounds scaled by the effort, one at least."""
        return max(1, round(usual * self.effort))

    def rounds(self, usual: int) -> Iterator[int]:
        """Count from 0: ``count(usual)`` rounds, or as many as the seconds allow, one at least."""
        if self.seconds is None:
            yield from range(self.count(usual))
            return
        end = time.monotonic() + self.seconds
        number = 0
        while number == 0 or time.monotonic() < end:
            yield number
            number += 1


@frozen
class Settings:
    """What holds for every check of a run.

    ``limit`` is the deadline of one check in seconds, ``debug`` the machines' level (0 to 2); ``seed`` chooses sizes,
    contents and schedules. ``budget`` is the share of one check. ``lines`` puts scheduling points
    between the lines of the driver's own Python code.
    """

    seed: int = 0
    limit: float = 20.0
    debug: int = 1
    budget: Budget = Budget()
    lines: bool = False

    def shared(self, parts: int) -> "Settings":
        """The settings of one of ``parts`` checks that share the seconds, if there are any, evenly."""
        seconds = self.budget.seconds
        if seconds is None:
            return self
        return evolve(self, budget=evolve(self.budget, seconds=seconds / max(parts, 1)))


def parse_seconds(text: str) -> float:
    """Read a duration: ``500ms``, ``60s``, ``10m``, ``1h30m``.

    Raises:
        ConfigError: the text is no duration, or not more than zero.
    """
    parts = _PART.findall(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise ConfigError(f"budget: {text!r} is no duration; write 30s, 10m or 1h30m")
    return seconds
