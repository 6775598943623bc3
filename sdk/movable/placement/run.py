"""A scenario twice: as it goes by itself, and with the placement daemon beside it."""

from collections.abc import Callable, Mapping

from attrs import frozen

from movable.errors import ConfigError
from movable.numa import Accesses, Launch, Scenario, World
from movable.placement.daemon import Interval, PlacementDaemon
from movable.placement.mover import Outcome
from movable.placement.profiler import Profiler
from movable.placement.settings import PlacementSettings
from movable.vm import VM

__all__ = ["PlacementRun", "ProcessPlacement", "Story", "place"]

_LAST_PART = 4


@frozen
class ProcessPlacement:
    """A process at the end of a run: its pages on each node, and all its accesses."""

    pid: int
    name: str
    cpu: int
    pages: tuple[int, ...]
    accesses: Accesses


@frozen
class Story:
    """One run of a scenario: the accesses of each round, and the processes that were there at its end."""

    rounds: tuple[Accesses, ...]
    processes: tuple[ProcessPlacement, ...]
    distances: tuple[tuple[int, ...], ...]

    @property
    def total(self) -> Accesses:
        """All accesses."""
        return sum(self.rounds, Accesses())

    @property
    def last(self) -> Accesses:
        """The accesses of the last quarter of the rounds."""
        return sum(self.rounds[-max(len(self.rounds) // _LAST_PART, 1) :], Accesses())

    @property
    def latencies(self) -> tuple[float, ...]:
        """The mean cost of an access in each round, in local accesses."""
        return tuple(each.latency(self.distances) for each in self.rounds)

    def latency(self, accesses: Accesses) -> float:
        """The mean cost of accesses of this story."""
        return accesses.latency(self.distances)


@frozen
class PlacementRun:
    """What the daemon changed: the story without and with it, what it did, and how often it gave a page up and why."""

    scenario: Scenario
    settings: PlacementSettings
    without: Story
    placed: Story
    intervals: tuple[Interval, ...]
    given_up: Mapping[Outcome, int]

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """All moves that were tried, by what became of them."""
        return {
            outcome: count
            for outcome in Outcome
            if (count := sum(each.outcomes.get(outcome, 0) for each in self.intervals))
        }


def place(
    scenario: Scenario,
    profiler: Callable[[VM], Profiler],
    settings: PlacementSettings = PlacementSettings(),
    launch: Launch = Launch(),
    *,
    seed: int = 0,
) -> PlacementRun:
    """Run a scenario by itself, and again with the daemon, which ticks after every round.

    ``profiler`` makes the daemon's profiler. Accesses are the same in both runs. At the end the contents of every page
    are read back: MovableError if any were lost. ConfigError if the scenario has no rounds.
    """
    with World(scenario, launch, seed=seed) as world:
        without = _tell(world)
    if not without.rounds:
        raise ConfigError('steps: the scenario has no rounds, so nothing is accessed; add a step do = "run"')
    with World(scenario, launch, seed=seed) as world, profiler(world.vm) as eyes:
        daemon = PlacementDaemon(world.vm, eyes, settings)
        world.after_round.append(daemon.tick)
        placed = _tell(world)
        return PlacementRun(
            scenario, settings, without, placed, tuple(daemon.intervals), dict(daemon.given_up)
        )


def _tell(world: World) -> Story:
    world.run()
    world.check_contents()
    totals: dict[int, Accesses] = {}
    for each in world.rounds:
        for pid, accesses in each.accesses.items():
            totals[pid] = totals.get(pid, Accesses()) + accesses
    processes = tuple(
        ProcessPlacement(
            task.process.pid,
            task.name,
            world.cpu(task),
            world.pages_by_node(task),
            totals.get(task.process.pid, Accesses()),
        )
        for task in world.tasks.values()
    )
    rounds = tuple(each.total for each in world.rounds)
    return Story(rounds, processes, world.vm.config.distance_table)
