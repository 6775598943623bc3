"""Looking for a schedule that fails: strategies in turn, each failing schedule run twice."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from random import Random as Generator

from attrs import frozen

from movable.errors import RULES, KernelAssertion
from movable.sched.run import Outcome, Scenario, run
from movable.sched.schedule import Choice, Schedule
from movable.sched.strategy import PCT, Random, Replay, RoundRobin, Strategy
from movable.sched.trace import Trace

__all__ = ["Exploration", "Preemptions", "explore", "portfolio"]


@frozen
class Exploration:
    """What a search did, and the failing run that ended it, if one did.

    ``switches`` counts changes between CPUs that had not ended, over all runs: without any, nothing was concurrent.
    ``exhausted`` is true if there is no schedule left within the bound; ``async_sleeps`` counts waits inside
    migratepage in MIGRATE_ASYNC.
    """

    schedules: int
    steps: int
    switches: int
    failure: Outcome | None = None
    exhausted: bool = False
    async_sleeps: int = 0


class Preemptions:
    """Every schedule with at most ``bound`` preemptions, fewer first (bounded-preemption search).

    A CPU that lets others run and goes on all the same costs as much as a preemption: one that waits by
    trying again would have schedules without end.

    Each run's trace, handed to `learn`, shows where the next ones can differ. Those of one depth come in an
    order that a seed chooses, so that a search which is cut short has looked everywhere a little.
    """

    def __init__(self, bound: int, seed: int) -> None:
        self.bound = bound
        self._generator = Generator(seed)
        self._levels: list[list[Schedule]] = [[Schedule()], *([] for _ in range(bound))]

    def next(self) -> Schedule | None:
        """A schedule that has not been run; None if there is none left."""
        for level in self._levels:
            if level:
                place = self._generator.randrange(len(level))
                level[place], level[-1] = level[-1], level[place]
                return level.pop()
        return None

    def learn(self, schedule: Schedule, trace: Trace) -> None:
        """Note the schedules that leave this one later than at its last choice."""
        steps = trace.steps
        last = max((step.number for step in steps if step.chosen != step.default), default=-1)
        used = sum(step.price(step.chosen) for step in steps[: last + 1])
        for step in steps[last + 1 :]:
            for cpu in range(step.runnable.bit_length()):
                cost = used + step.price(cpu)
                if step.runnable >> cpu & 1 and cpu != step.chosen and cost <= self.bound:
                    self._levels[cost].append(schedule.then(Choice(step.cpu, step.own, cpu)))

    @property
    def exhausted(self) -> bool:
        """Whether there is no schedule left."""
        return not any(self._levels)


def portfolio(seed: int, first: Trace) -> Iterator[Strategy]:
    """Strategies without end: turn and turn about, then PCT, random, and single preemptions inside callbacks.

    ``first`` is the run under the default schedule: it shows how long a run is and where its callbacks are.
    """
    yield RoundRobin()
    generator = Generator(seed)
    length, steps = first.nr_steps, first.steps
    inside = first.inside_callbacks() or [(step.cpu, step.own) for step in steps]
    cpus = 1 + max((step.cpu for step in steps), default=0)
    for number in count():
        own = generator.getrandbits(63)
        match number % 5:
            case 0:
                yield PCT(own, 2, length)
            case 1 | 3:
                yield Replay(Schedule([Choice(*generator.choice(inside), generator.randrange(cpus))]))
            case 2:
                yield Random(own, (4, 16, 64)[number // 5 % 3])
            case _:
                yield PCT(own, 3, length)


def explore(
    make: Callable[[], Scenario], rounds: Iterable[int], *, seed: int = 0, bound: int | None = None
) -> Exploration:
    """Run new scenarios under one strategy after the other until one fails or the rounds are over.

    ``rounds`` is counted off, one run each; with a ``bound`` the search goes systematically through the
    schedules of so many preemptions instead, and may end earlier. A schedule that failed is run once more: if
    that run was another one, the failure is a KernelAssertion with rule ``nondeterminism``.
    """
    schedules = steps = switches = sleeps = 0
    search = None if bound is None else Preemptions(bound, seed)
    strategies: Iterator[Strategy] | None = None
    for _ in rounds:
        strategy: Strategy
        if search is not None:
            schedule = search.next()
            if schedule is None:
                break
            strategy = Replay(schedule)
        else:
            strategy = Replay() if strategies is None else next(strategies)
        scenario = make()
        outcome = run(scenario, strategy)
        trace = outcome.trace
        schedules, steps, switches = schedules + 1, steps + trace.nr_steps, switches + trace.switches
        sleeps += trace.async_sleeps
        if outcome.error is not None:
            return Exploration(schedules, steps, switches, confirmed(make, outcome), async_sleeps=sleeps)
        if search is not None:
            search.learn(strategy.schedule, trace)
        elif strategies is None:
            strategies = portfolio(seed, trace)
        scenario.vm.close()
    exhausted = search is not None and search.exhausted
    return Exploration(schedules, steps, switches, exhausted=exhausted, async_sleeps=sleeps)


def confirmed(make: Callable[[], Scenario], outcome: Outcome) -> Outcome:
    """The outcome, if its schedule gives the same run again; else what that says about it."""
    again = run(make(), Replay(outcome.trace.schedule))
    if again.trace.hash == outcome.trace.hash:
        return outcome
    error = KernelAssertion(
        RULES["nondeterminism"],
        pfn=None,
        cpu=outcome.cpu or 0,
        expected=f"trace {outcome.trace.hash:#x} of {outcome.trace.nr_steps} steps",
        seen=f"{again.trace.hash:#x} of {again.trace.nr_steps} steps",
        where="schedule",
    )
    error.__cause__ = outcome.error
    return Outcome(outcome.trace, error, outcome.cpu, outcome.stacks)
