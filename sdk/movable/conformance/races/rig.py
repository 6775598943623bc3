"""The rig of a race check: looks for a schedule that fails, makes it small, and tells how to repeat it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from attrs import evolve

from movable.conformance.deadline import Deadline
from movable.conformance.finding import cause_of
from movable.conformance.probe import Probe
from movable.conformance.races.arena import Arena
from movable.conformance.races.token import Token
from movable.conformance.settings import Settings
from movable.drivers import DriverSpec
from movable.errors import MovableError
from movable.sched import Dropped, Exploration, Failure, Op, Outcome, Replay, Scenario, explore, run, shrink
from movable.sched.lines import modules_of

__all__ = ["Races", "Replaying", "Script"]

Script = Callable[[Arena], Sequence[Sequence[Op]]]
"""Fills an arena and says what each CPU does."""

USUAL = 240
"""Schedules that a check tries at the usual budget."""


class Races:
    """What a race check works with. `explore` is all it needs."""

    def __init__(
        self,
        spec: DriverSpec,
        seed: str,
        *,
        settings: Settings,
        owns: Callable[[str], bool] = lambda _cause: False,
        clock: Deadline | None = None,
        debug: int = 1,
    ) -> None:
        self.spec = spec
        self.seed = seed
        self.check = seed.partition(" ")[0]
        self.settings = settings
        self.owns = owns
        self.clock = clock or Deadline()
        self.debug = debug
        self.probe = Probe(self.clock)
        self.asked: str | None = None
        self.advice: list[str] = []
        self.details: list[str] = []
        self.token = ""
        self.figures: dict[str, int | float] = {}
        self.arena: Arena | None = None

    def scenario(
        self,
        script: Script,
        dropped: Dropped = frozenset(),
        *,
        strict_async: bool = False,
        lines: bool = False,
    ) -> Scenario:
        """A new arena, filled, with the operations that are not dropped; ``lines``: points between lines too."""
        self.clock.check()
        arena = Arena(
            self.spec, self.seed, owns=self.owns, clock=self.clock, debug=self.debug, settings=self.settings
        )
        self.arena = arena
        cpus = [
            [op for number, op in enumerate(ops) if (cpu, number) not in dropped]
            for cpu, ops in enumerate(script(arena))
        ]
        modules = modules_of(arena.driver) if lines else ()
        return Scenario(arena.vm, cpus, arena.judge, lines=modules, strict_async=strict_async)

    def explore(self, script: Script, *, usual: int = USUAL, strict_async: bool = False) -> None:
        """Try schedules until one fails or the budget is spent; raises what the smallest failure raised.

        A third of the runs, all if the settings say so, have points between the lines of the driver's own code.
        No switch of CPUs in all runs means that nothing was concurrent: an error of the check.
        """
        for share, lines in self._parts(script):
            make = partial(self.scenario, script, strict_async=strict_async, lines=lines)
            rounds = self.settings.budget.share(share).rounds(usual)
            try:
                found = explore(make, rounds, seed=self.settings.seed + lines)
            except BaseException as error:
                self._note_schedule(error, lines)
                raise
            self._note(found)
            if found.failure is not None:
                self._fail(make, found.failure, lines)
        if self.figures["async_sleeps"]:
            self.advice.append(
                f"migratepage slept in MIGRATE_ASYNC, {self.figures['async_sleeps']} times in all schedules"
            )
        if not self.figures["switches"]:
            raise MovableError(f"{self.check} never switched between CPUs: nothing was concurrent")

    def _parts(self, script: Script) -> tuple[tuple[float, bool], ...]:
        """Which share of the runs goes without points between lines, and which with them."""
        self.scenario(script).vm.close()
        if self.arena is None or not modules_of(self.arena.driver):
            self.advice.append("no points between lines: the driver's source cannot be read")
            return ((1.0, False),)
        return ((1.0, True),) if self.settings.lines else ((2 / 3, False), (1 / 3, True))

    def _note(self, found: Exploration) -> None:
        for name in ("schedules", "steps", "switches", "async_sleeps"):
            self.figures[name] = self.figures.get(name, 0) + getattr(found, name)

    def _note_schedule(self, error: BaseException, lines: bool) -> None:
        """Of a run that was cut off: what it had done so far repeats it."""
        outcome = getattr(error, "outcome", None)
        if isinstance(outcome, Outcome):
            self.token = self._token(Failure(frozenset(), outcome), lines)
            self._tell_stacks(outcome)

    def _tell_stacks(self, outcome: Outcome) -> None:
        for cpu, stack in outcome.stacks:
            self.details += [f"cpu {cpu}   {line}" for line in stack.splitlines()[-3:]]

    def _token(self, failure: Failure, lines: bool) -> str:
        return str(Token("-", self.check, self.settings.seed, failure.dropped, failure.schedule, lines))

    def _fail(self, make: Callable[[Dropped], Scenario], outcome: Outcome, lines: bool) -> None:
        error = outcome.error
        assert error is not None
        failure = Failure(frozenset(), outcome)
        cause = _cause(error)
        if cause[0] != "nondeterminism":
            failure = self._shrunk(make, failure, cause)
        self.token = self._token(failure, lines)
        small = failure.outcome
        self.figures |= {"preemptions": small.trace.preemptions, "shrunk_steps": small.trace.nr_steps}
        self._tell_stacks(small)
        raise small.error or error

    def _shrunk(
        self, make: Callable[[Dropped], Scenario], failure: Failure, cause: tuple[str, str | None]
    ) -> Failure:
        counts = tuple(len(ops) for ops in make(frozenset()).cpus)
        return shrink(
            make,
            failure,
            lambda other: other.error is not None and _cause(other.error) == cause,
            counts,
        )

    def dispose(self, *, ask_driver: bool = True) -> None:
        """Take the last machine down."""
        if self.arena is not None:
            self.arena.dispose(ask_driver=ask_driver)


def _cause(error: BaseException) -> tuple[str, str | None]:
    """What a smaller failure must have in common with the one found: the rule or clause, and the place."""
    return cause_of(error), getattr(error, "where", None)


class Replaying(Races):
    """Runs the one schedule of a token; ``outcome`` is how that went."""

    def __init__(self, spec: DriverSpec, token: Token, **settings: Any) -> None:
        own = evolve(settings.pop("settings", Settings()), seed=token.seed)
        super().__init__(spec, f"{token.check} {token.seed}", settings=own, **settings)
        self.repeated = token
        self.cpus = 0
        self.outcome: Outcome | None = None

    def explore(self, script: Script, *, usual: int = USUAL, strict_async: bool = False) -> None:
        """Run the schedule once; raises what it raised."""
        token = self.repeated
        scenario = self.scenario(script, token.dropped, strict_async=strict_async, lines=token.lines)
        self.cpus = len(scenario.cpus)
        self.outcome = run(scenario, Replay(self.repeated.schedule))
        if self.outcome.error is not None:
            raise self.outcome.error
