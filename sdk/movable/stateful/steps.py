"""Steps: Hypothesis rules that run under a deadline, are written down, counted, and judged when they are over."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from movable.conformance.deadline import Deadline, deadline
from movable.conformance.finding import Finding, expired, finding_of
from movable.conformance.outcome import DeadlineExpired
from movable.conformance.registry import CLAIMS, Check
from movable.conformance.target import Target
from movable.stateful.program import Line, Program
from movable.stateful.states import Row, State
from movable.stateful.world import World

__all__ = ["END", "Broken", "Record", "SteppedMachine", "claims_of", "step"]

_T = TypeVar("_T")
_DISPOSE_S = 2.0
_IMPATIENT_S = 1.0
_JUDGE = Check("STATEFUL", "any program of steps", ("DATA-1",), run=lambda _rig: None)


class Broken(AssertionError):
    """A step broke the contract; ``finding`` says how, ``program`` is what was done, this step included."""

    def __init__(self, finding: Finding, program: Program) -> None:
        super().__init__(f"{finding.text('the program, which is Python')}\n{program.text()}")
        self.finding = finding
        self.program = program


class Record:
    """What the runs of one machine class did: steps by row and state, and the last failure."""

    def __init__(self) -> None:
        self.programs = 0
        self.counts: Counter[tuple[str, State]] = Counter()
        self.broken: Broken | None = None
        self.impatient = False

    @property
    def steps(self) -> int:
        """Steps carried out."""
        return sum(self.counts.values())


class SteppedMachine(RuleBasedStateMachine):
    """A state machine over one driver: its world, its program, and how a step runs.

    ``limit`` are the seconds that one step may take, in the main thread.
    """

    target: ClassVar[Target]
    expression: ClassVar[str]
    seed: ClassVar[int] = 0
    debug: ClassVar[int] = 1
    limit: ClassVar[float] = 5.0
    record: ClassVar[Record]
    rows: ClassVar[tuple[Row, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self._outer = sys.exception()
        options = {name: getattr(self, name) for name in ("seed", "debug")}
        defaults = {"seed": SteppedMachine.seed, "debug": SteppedMachine.debug}
        said = {name: value for name, value in options.items() if value != defaults[name]}
        self.program = Program(self.expression, said)
        self.world: World | None = None
        self.line = Line("", {})
        self.row = ""
        self.finding: Finding | None = None
        self.record.programs += 1
        self._judged(self._load)

    def _load(self, clock: Deadline) -> None:
        self.world = World.load(self.target.spec, self.seed, self.debug, clock)

    @property
    def here(self) -> World:
        """The world of a driver that has been loaded."""
        assert self.world is not None
        return self.world

    def note(self, text: str) -> None:
        """Say in the program what came of the step."""
        self.line.notes.append(text)

    def pick(self, name: str, things: Sequence[_T], index: int) -> _T:
        """One of several things, counted round; the program shows the place it really has."""
        place = index % len(things)
        self.line.arguments[name] = place
        return things[place]

    def may(self, name: str) -> bool:
        """Whether a step can run now: the state, what the driver claims, and the step's own condition."""
        row, when = _STEPS[name]
        if self.here.state not in row.states or not _claimed(row, self.target):
            return False
        return when is None or bool(when(self.here))

    def perform(self, name: str, row: Row, function: Callable[[], object], given: dict[str, object]) -> None:
        """Carry out one step and demand what must hold after it."""
        self.line, self.row = self.program.begin(name, given), row.name
        before, self.here.clause = self.here.state, "DATA-1"

        def run(clock: Deadline) -> None:
            self.here.rig.clock = self.here.rig.probe.clock = clock
            try:
                function()
            finally:
                self.record.counts[self.row, before] += 1
            self.here.demand()

        self._judged(run)

    def _judged(self, run: Callable[[Deadline], None]) -> None:
        """Run something of the driver's; whatever it raises becomes a finding."""
        limit = min(self.limit, _IMPATIENT_S) if self.record.impatient else self.limit
        late = Deadline()
        try:
            with deadline(limit) as late:
                run(late)
        except KeyboardInterrupt:
            raise
        except DeadlineExpired as error:
            caught: BaseException = error
        except BaseException as error:  # a driver may raise anything, SystemExit too
            caught = error
        else:
            return
        self._fail(caught, limit, late.expired)

    def _fail(self, error: BaseException, limit: float, late: bool) -> None:
        running = None if self.world is None else self._running(self.world)
        if late:
            # Shrinking repeats the wait many times: once is enough to know that it is for ever.
            self.record.impatient = True
            self.finding = expired(limit, running)
        else:
            self.finding = finding_of(error, _JUDGE, running)
        self.record.broken = Broken(self.finding, self.program)
        raise self.record.broken from error

    @staticmethod
    def _running(world: World) -> str | None:
        return world.rig.probe.interrupted or world.rig.asked

    def teardown(self) -> None:
        """End the program: unless it broke, the driver comes to rest, moves, empties and unloads."""
        super().teardown()
        try:
            if self.finding is None and sys.exception() is self._outer:
                self.perform(END, _END, self.rest, {})
        finally:
            self._dispose()

    def rest(self) -> None:
        """What a judged end does; the machine with the rules says what."""

    def _dispose(self) -> None:
        if self.world is not None:
            with suppress(DeadlineExpired), deadline(_DISPOSE_S):
                self.world.dispose(ask_driver=self.finding is None)


_STEPS: dict[str, tuple[Row, Callable[[World], object] | None]] = {}
END = "teardown"
"""The step that ends a program."""

_END = Row(END, frozenset(State))


def claims_of(target: Target) -> frozenset[str]:
    """The capabilities that the driver claims."""
    return frozenset(name for name in CLAIMS if getattr(target.spec.capabilities, name))


def _claimed(row: Row, target: Target) -> bool:
    return row.needs is None or row.needs in claims_of(target)


def step(
    *rows: Row, when: Callable[[World], object] | None = None, **arguments: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Any]:
    """Make a method a step: it runs in the states of its rows, if the driver claims what they need.

    A step with several rows sets ``self.row`` to the one that it took. ``when`` is one more condition.
    """

    def decorate(method: Callable[..., None]) -> Any:
        name = method.__name__
        _STEPS[name] = rows[0], when

        @wraps(method)
        def run(self: SteppedMachine, **given: Any) -> None:
            ordered = {argument: given[argument] for argument in arguments}
            self.perform(name, rows[0], lambda: method(self, **given), ordered)

        make: Any = rule(**arguments)  # type: ignore[call-overload]
        return make(precondition(lambda self: self.may(name))(run))

    return decorate
