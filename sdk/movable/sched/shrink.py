"""Making a failure small: fewer operations, then fewer switches, as long as it fails for the same cause."""

from collections.abc import Callable
from random import Random as Generator

from attrs import define, frozen

from movable.sched.run import Outcome, Scenario, run
from movable.sched.schedule import Schedule
from movable.sched.strategy import PCT, Replay, Strategy

__all__ = ["Dropped", "Failure", "shrink"]

Dropped = frozenset[tuple[int, int]]
"""Operations that are left out: CPU, and place in its list."""

_TRIES = 24
"""Schedules that are tried for a scenario with one operation less."""

_OTHERS = 300
"""Rarely preempting schedules that are tried for a failure that took more than a few preemptions."""

_FEW = 2
"""Preemptions that a person follows with ease."""


@frozen
class Failure:
    """A failing run of a scenario of which some operations were left out."""

    dropped: Dropped
    outcome: Outcome

    @property
    def schedule(self) -> Schedule:
        """The schedule that repeats it."""
        return self.outcome.trace.schedule


@define
class _Shrinker:
    make: Callable[[Dropped], Scenario]
    same: Callable[[Outcome], bool]
    best: Failure
    runs_left: int

    def fails(self, dropped: Dropped, strategy: Strategy) -> Failure | None:
        """The failure that this run ends in, if it is the one looked for."""
        if self.runs_left <= 0:
            return None
        self.runs_left -= 1
        scenario = self.make(dropped)
        outcome = run(scenario, strategy)
        if outcome.error is not None and self.same(outcome):
            return Failure(dropped, outcome)
        if outcome.error is None:
            scenario.vm.close()
        return None

    def drop_operations(self, counts: tuple[int, ...]) -> None:
        """Leave out whole CPUs, then single operations from the last one on."""
        groups = [frozenset((cpu, number) for number in range(count)) for cpu, count in enumerate(counts)]
        singles = [frozenset([one]) for group in groups for one in sorted(group, reverse=True)]
        for group in [*groups, *singles]:
            dropped = self.best.dropped | group
            if dropped == self.best.dropped or len(dropped) == sum(counts):
                continue
            found = self._search(dropped)
            if found is not None:
                self.best = found

    def _search(self, dropped: Dropped) -> Failure | None:
        found = self.fails(dropped, Replay(self.best.schedule)) or self.fails(dropped, Replay())
        generator = Generator(len(dropped))
        for number in range(_TRIES):
            if found is not None:
                return found
            length = self.best.outcome.trace.nr_steps
            found = self.fails(dropped, PCT(generator.getrandbits(63), 2 + number % 2, length))
        return found

    def drop_choices(self) -> None:
        """Leave out choices of the schedule: halves, quarters, single ones, until none can go."""
        size = max(len(self.best.schedule) // 2, 1)
        while size:
            place = 0
            while place < len(self.best.schedule):
                shorter = self.best.schedule.without(frozenset(range(place, place + size)))
                found = self.fails(self.best.dropped, Replay(shorter))
                if found is not None and self._smaller(found):
                    self.best = found
                else:
                    place += size
            size //= 2

    def other_schedules(self) -> None:
        """Look for the same failure under strategies that preempt rarely."""
        generator = Generator(0)
        for number in range(_OTHERS):
            if self.best.outcome.trace.preemptions <= _FEW:
                return
            length = self.best.outcome.trace.nr_steps
            found = self.fails(self.best.dropped, PCT(generator.getrandbits(63), 2 + number % 2, length))
            if found is not None and self._smaller(found):
                self.best = found

    def _smaller(self, other: Failure) -> bool:
        return _size(other) < _size(self.best)


def _size(failure: Failure) -> tuple[int, int, int]:
    trace = failure.outcome.trace
    return trace.preemptions, len(failure.schedule), trace.nr_steps


def shrink(
    make: Callable[[Dropped], Scenario],
    failure: Failure,
    same: Callable[[Outcome], bool],
    counts: tuple[int, ...],
    *,
    most_runs: int = 500,
) -> Failure:
    """Return a failure of the same cause with fewer operations and preemptions, if there is one.

    Args:
        make: the scenario without some of its operations.
        failure: what was found.
        same: whether an outcome fails for the cause that is looked for.
        counts: how many operations each CPU has.
        most_runs: how many runs the work may take.
    """
    shrinker = _Shrinker(make, same, failure, most_runs)
    shrinker.drop_operations(counts)
    shrinker.drop_choices()
    if shrinker.best.outcome.trace.preemptions > _FEW:
        shrinker.other_schedules()
        shrinker.drop_choices()
    return shrinker.best
