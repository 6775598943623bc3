"""The running processes of a scenario, and what their memory should hold."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from attrs import define, field

from movable.errors import ConfigError
from movable.process import Process

if TYPE_CHECKING:
    from movable.numa.scenario import AreaSpec, ProcessSpec

__all__ = ["AreaState", "Task"]

_HOT_PART = 10


@define(eq=False)
class AreaState:
    """An area of a running process, and what its pages should hold: the number that was last written to each.

    ``backing`` is what the file or the shared memory behind it should hold, ``written`` the process's own copies.
    """

    spec: AreaSpec
    address: int
    backing: dict[int, int]
    written: dict[int, int] = field(factory=dict)
    cursor: int = -1

    @property
    def pages(self) -> int:
        """Its length."""
        return self.spec.pages

    def check(self, first: int, count: int) -> range:
        """Pages of the area; ConfigError if it has no such pages."""
        if first < 0 or count < 1 or first + count > self.pages:
            raise ConfigError(f"first, pages: area {self.spec.name!r} has pages 0 to {self.pages - 1}")
        return range(first, first + count)

    def write(self, page: int, stamp: int) -> None:
        """Note what a page should hold from now on."""
        if self.spec.shared:
            self.backing[self.spec.offset + page] = stamp
        else:
            self.written[page] = stamp

    def expected(self, page: int) -> int:
        """What a page should hold; 0 if nothing was written."""
        return self.written.get(page, self.backing.get(self.spec.offset + page, 0))

    def forked(self) -> AreaState:
        """The same area of a child."""
        return AreaState(self.spec, self.address, self.backing, dict(self.written), self.cursor)

    def choose(self, rng: random.Random) -> int:
        """The page of the next access."""
        if self.spec.pattern == "scan":
            self.cursor = (self.cursor + 1) % self.pages
            return self.cursor
        hot = self.spec.pattern == "hot" and rng.randrange(10)
        return rng.randrange(-(-self.pages // _HOT_PART) if hot else self.pages)


@define(eq=False)
class Task:
    """A running process of a scenario."""

    name: str
    spec: ProcessSpec
    process: Process
    areas: dict[str, AreaState]
    wanted_cpu: int | None

    def area(self, name: str) -> AreaState:
        """An area by name; ConfigError lists those there are."""
        if name not in self.areas:
            raise ConfigError(
                f"area: process {self.name!r} has no area {name!r}; it has {', '.join(self.areas)}"
            )
        return self.areas[name]
