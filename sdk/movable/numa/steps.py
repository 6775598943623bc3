"""The steps of a scenario: each is a table with ``do = "NAME"`` and the fields of one of these classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import frozen, resolve_types

from movable.config.model import Pages
from movable.errors import ConfigError
from movable.flags import MpolMF
from movable.machine import PAGE_SIZE
from movable.numa.policy import PolicyText

if TYPE_CHECKING:
    from movable.numa.world import World

__all__ = ["STEP_KINDS", "Step"]

Moving = Literal["none", "move", "move_all"]

_FLAGS = {"none": MpolMF(0), "move": MpolMF.MOVE, "move_all": MpolMF.MOVE_ALL}


@frozen
class Step:
    """What happens next. ``run`` does it; SystemCallError, ConfigError or MovableError if that cannot be."""

    do: ClassVar[str]

    def run(self, world: World) -> None:
        """Do it."""
        raise NotImplementedError


@frozen
class Run(Step):
    """All processes make their accesses, round after round."""

    do: ClassVar[str] = "run"
    rounds: int = 1

    def run(self, world: World) -> None:
        """Do it."""
        if self.rounds < 1:
            raise ConfigError(f"rounds: must be 1 or more, not {self.rounds}")
        for _ in range(self.rounds):
            world.round()


@frozen
class Cpu(Step):
    """The scheduler puts a process on another CPU; its memory stays."""

    do: ClassVar[str] = "cpu"
    process: str
    cpu: int

    def run(self, world: World) -> None:
        """Do it."""
        world.task(self.process).wanted_cpu = world.check_cpu(self.cpu)


@frozen
class Touch(Step):
    """A process writes to pages of an area, or reads them."""

    do: ClassVar[str] = "touch"
    process: str
    area: str
    first: Pages = 0
    pages: Pages = 0
    write: bool = True

    def run(self, world: World) -> None:
        """Do it."""
        task = world.enter(self.process)
        area = task.area(self.area)
        count = self.pages or area.pages - self.first
        for page in area.check(self.first, count):
            world.access(task, area, page, write=self.write)


@frozen
class Fork(Step):
    """A process has a child, which makes the same accesses from then on."""

    do: ClassVar[str] = "fork"
    process: str
    name: str

    def run(self, world: World) -> None:
        """Do it."""
        world.fork(self.process, self.name)


@frozen
class Exit(Step):
    """A process ends."""

    do: ClassVar[str] = "exit"
    process: str

    def run(self, world: World) -> None:
        """Do it."""
        world.exit(self.process)


@frozen
class Policy(Step):
    """A process calls set_mempolicy."""

    do: ClassVar[str] = "set_mempolicy"
    process: str
    policy: str

    def run(self, world: World) -> None:
        """Do it."""
        task = world.enter(self.process)
        PolicyText.parse(self.policy, "policy").apply(task.process)


@frozen
class Mbind(Step):
    """A process calls mbind for an area."""

    do: ClassVar[str] = "mbind"
    process: str
    area: str
    policy: str
    move: Moving = "none"
    strict: bool = False

    def run(self, world: World) -> None:
        """Do it."""
        task = world.enter(self.process)
        area = task.area(self.area)
        flags = int(_FLAGS[self.move]) | MpolMF.STRICT * self.strict
        policy = PolicyText.parse(self.policy, "policy")
        policy.bind(task.process, area.address, area.pages * PAGE_SIZE, flags)


@frozen
class MigratePages(Step):
    """Somebody with all capabilities calls migrate_pages for a process."""

    do: ClassVar[str] = "migrate_pages"
    process: str
    old: str
    new: str

    def run(self, world: World) -> None:
        """Do it."""
        world.migrate_pages(self.process, self.old, self.new)


@frozen
class MovePages(Step):
    """A process calls move_pages for its own pages; what each became does not matter."""

    do: ClassVar[str] = "move_pages"
    process: str
    area: str
    node: int
    first: Pages = 0
    pages: Pages = 0
    move: Literal["move", "move_all"] = "move"

    def run(self, world: World) -> None:
        """Do it."""
        task = world.enter(self.process)
        area = task.area(self.area)
        count = self.pages or area.pages - self.first
        addresses = [area.address + page * PAGE_SIZE for page in area.check(self.first, count)]
        task.process.move_pages(0, addresses, [self.node] * count, int(_FLAGS[self.move]))


@frozen
class WriteCpuset(Step):
    """Somebody writes to a file of a cpuset."""

    do: ClassVar[str] = "cpuset"
    path: str
    file: str
    text: str

    def run(self, world: World) -> None:
        """Do it."""
        world.cpuset(self.path).write(self.file, self.text)


@frozen
class Attach(Step):
    """A process is put into another cpuset."""

    do: ClassVar[str] = "attach"
    process: str
    path: str

    def run(self, world: World) -> None:
        """Do it."""
        world.cpuset(self.path).attach(world.task(self.process).process)


@frozen
class Pin(Step):
    """Pages of an area are pinned, as by direct I/O: they cannot move until the scenario ends."""

    do: ClassVar[str] = "pin"
    process: str
    area: str
    first: Pages = 0
    pages: Pages = 1

    def run(self, world: World) -> None:
        """Do it."""
        task = world.enter(self.process)
        area = task.area(self.area)
        for page in area.check(self.first, self.pages):
            world.pins.append(task.process.pin(area.address + page * PAGE_SIZE))


@frozen
class Reclaim(Step):
    """Memory becomes short on a node: so many pages are reclaimed."""

    do: ClassVar[str] = "reclaim"
    node: int
    pages: Pages

    def run(self, world: World) -> None:
        """Do it."""
        if not 0 <= self.node < len(world.vm.nodes):
            raise ConfigError(f"node: must be 0 to {len(world.vm.nodes) - 1}, not {self.node}")
        world.vm.reclaim(self.pages, self.node)


def _kinds() -> dict[str, type[Step]]:
    kinds = (
        Run,
        Cpu,
        Touch,
        Fork,
        Exit,
        Policy,
        Mbind,
        MigratePages,
        MovePages,
        WriteCpuset,
        Attach,
        Pin,
        Reclaim,
    )
    for kind in kinds:
        resolve_types(kind)
    return {kind.do: kind for kind in kinds}


STEP_KINDS: dict[str, type[Step]] = _kinds()
"""The steps by the name that ``do`` gives them."""
