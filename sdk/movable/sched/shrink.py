"""Making a failure small: fewer operations, then fewer switches, as long as it fails for the same cause."""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random as Generator

from attrs import define, evolve, frozen

from movable.sched.run import Outcome, Scenario, run
from movable.sched.schedule import Choice, Schedule
from movable.sched.strategy import PCT, Replay, Strategy
from movable.sched.trace import Event

__all__ = ["Dropped", "Failure", "shrink"]

Dropped = frozenset[tuple[int, int]]
"""Operations that are left out: CPU, and place in its list."""

_TRIES = 24
"""Schedules that are tried for a scenario with one operation less."""

_OTHERS = 200
"""Rarely preempting schedules that are tried for a failure that took more than a few preemptions."""

_MANY = 20
"""Preemptions that are too many to leave out one by one: a schedule with fewer is looked for first."""

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
        """Leave out whole CPUs, then single operations from the last one on, until none can go."""
        groups = [frozenset((cpu, number) for number in range(count)) for cpu, count in enumerate(counts)]
        todo = [*groups, *(frozenset([one]) for group in groups for one in sorted(group, reverse=True))]
        needed: list[Dropped] = []
        while todo:
            group = todo.pop(0)
            dropped = self.best.dropped | group
            if dropped == self.best.dropped or len(dropped) == sum(counts):
                continue
            found = self._search(dropped)
            if found is None:
                needed.append(group)
            else:
                # What was needed in the longer run may not be in the shorter one.
                self.best, todo, needed = found, todo + needed, []

    def _search(self, dropped: Dropped) -> Failure | None:
        moved = _moved(self.best, dropped)
        found = self.fails(dropped, Replay(moved)) or self.fails(dropped, Replay())
        if found is None and moved != self.best.schedule:
            found = self.fails(dropped, Replay(self.best.schedule))
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


def _moved(failure: Failure, dropped: Dropped) -> Schedule:
    """The schedule of a failure without the steps of operations that are to be left out as well.

    A choice inside such an operation moves to where it began.
    """
    gone = [span for op, span in _spans(failure).items() if op in dropped]
    choices: dict[tuple[int, int], Choice] = {}
    for one in failure.schedule.choices:
        lost = sum(min(len(steps), max(one.step - steps.start, 0)) for cpu, steps in gone if cpu == one.at)
        choices.setdefault((one.at, one.step - lost), evolve(one, step=one.step - lost))
    return Schedule(choices.values())


def _spans(failure: Failure) -> dict[tuple[int, int], tuple[int, range]]:
    """For each operation that was begun: its CPU, and which of that CPU's own steps were its."""
    numbers: dict[int, Iterator[int]] = {}
    begun: dict[int, tuple[int, int]] = {}
    spans: dict[tuple[int, int], tuple[int, range]] = {}
    for step in failure.outcome.trace.steps:
        if step.event is Event.OP:
            left = numbers.setdefault(step.cpu, _kept(step.cpu, failure.dropped))
            begun[step.cpu] = next(left), step.own
        if step.cpu in begun:
            number, start = begun[step.cpu]
            spans[step.cpu, number] = step.cpu, range(start, step.own + 1)
    return spans


def _kept(cpu: int, dropped: Dropped) -> Iterator[int]:
    """The places of a CPU's operations that were not left out."""
    return (number for number in count() if (cpu, number) not in dropped)


def _size(failure: Failure) -> tuple[int, int, int]:
    trace = failure.outcome.trace
    return trace.preemptions, len(failure.schedule), trace.nr_steps


def shrink(
    make: Callable[[Dropped], Scenario],
    failure: Failure,
    same: Callable[[Outcome], bool],
    counts: tuple[int, ...],
    *,
    most_runs: int = 800,
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
    if failure.outcome.trace.preemptions > _MANY:
        shrinker.other_schedules()
    shrinker.drop_operations(counts)
    shrinker.drop_choices()
    if shrinker.best.outcome.trace.preemptions > _FEW:
        shrinker.other_schedules()
        shrinker.drop_choices()
    return shrinker.best
