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

    @classmethod
    def of(cls, asked: "Budget | str | None") -> "Budget":
        """Read what a caller asked for: nothing, ``quick``, a duration (``60s``, ``10m``), or a Budget itself.

        Raises:
            ConfigError: the text is no duration.
        """
        if isinstance(asked, Budget):
            return asked
        if asked is None or asked == "default":
            return cls()
        return cls(QUICK) if asked == "quick" else cls(seconds=parse_seconds(asked))

    def __str__(self) -> str:
        """As a caller asks for it, and as reports tell it."""
        if self.seconds is not None:
            return f"{self.seconds:g}s"
        return {1.0: "default", QUICK: "quick"}.get(self.effort, f"effort {self.effort:g}")

    @property
    def full(self) -> bool:
        """Whether a search goes as far as usual, or by the clock: what it does not find is not there."""
        return self.seconds is not None or self.effort >= 1

    def share(self, part: float) -> "Budget":
        """A part of the budget, 0 to 1."""
        seconds = None if self.seconds is None else self.seconds * part
        return evolve(self, effort=self.effort * part, seconds=seconds)

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

    def with_seconds(self, seconds: float) -> "Settings":
        """The settings of one check whose search may take ``seconds``; its deadline moves along."""
        return evolve(self, budget=evolve(self.budget, seconds=seconds), limit=self.limit + seconds)

    @property
    def options(self) -> dict[str, object]:
        """What differs from a plain run, by the names of ``movable.check``: needed to repeat it."""
        asked: dict[str, object] = {"seed": self.seed} if self.seed else {}
        if self.lines:
            asked["lines"] = True
        return asked if self.budget == Budget() else {**asked, "budget": str(self.budget)}


def parse_seconds(text: str) -> float:
    """Read a duration: ``500ms``, ``60s``, ``10m``, ``1h30m``.

    Raises:
        ConfigError: the text is no duration, or not more than zero.
    """
    parts = _PART.findall(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise ConfigError(f"budget: {text!r} is no duration; write quick, 30s, 10m or 1h30m")
    return seconds
