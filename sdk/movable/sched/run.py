"""One run of several emulated CPUs under a strategy."""

import sys
from collections import ChainMap
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

from attrs import field, frozen, validators
from greenlet import GreenletExit, getcurrent, greenlet

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.machine import BROKEN, address_of
from movable.sched.lines import LINE_KEYS, line_points
from movable.sched.schedule import MAX_CPUS
from movable.sched.stacks import of_exception, of_frame
from movable.sched.strategy import PCT, Random, Replay, Strategy
from movable.sched.trace import Event, Trace
from movable.sync.waiting import Waitable, cpu_of
from movable.vm import VM

__all__ = ["Op", "Outcome", "Run", "Scenario", "run"]

LIMIT = 20_000
"""Steps after which a run that has not ended is a livelock."""

MOST = 10_000_000
"""The longest run there can be: all its steps are kept."""

_PATIENCE = 100
_WORK_KEY = 1
PAUSE_KEY = 2
"""What a CPU is busy with that only lets others run."""

# Looked up once: an attribute of lib costs as much as the call.
_point, _lock, _taken, _unlock = (
    lib.mv_sched_point,
    lib.mv_sched_lock,
    lib.mv_sched_taken,
    lib.mv_sched_unlock,
)
_wait, _wake, _yield = lib.mv_sched_wait, lib.mv_sched_wake, lib.mv_sched_yield


@frozen
class Op:
    """One operation of a CPU: a label for reports, and what it does."""

    label: str
    function: Callable[[], object]


@frozen
class Scenario:
    """A machine, what each of its CPUs does, and how the end is judged.

    ``cpus`` has a list of operations for each CPU, from 0 on. If the machine has one CPU more, that one runs
    queued work. ``finish`` is called when all have ended; what it raises is the run's failure.
    """

    vm: VM
    cpus: Sequence[Sequence[Op]]
    finish: Callable[[], object] = lambda: None
    lines: tuple[str, ...] = ()
    strict_async: bool = False
    limit: int = field(default=LIMIT, validator=[validators.ge(1), validators.le(MOST)])


@frozen
class Outcome:
    """How a run ended: what happened, and what failed it, if anything.

    ``cpu`` is the CPU that failed, None if the judgement at the end did. ``stacks`` has for each CPU where it
    was at the failure.
    """

    trace: Trace
    error: BaseException | None = None
    cpu: int | None = None
    stacks: tuple[tuple[int, str], ...] = field(default=(), repr=False)


def run(scenario: Scenario, strategy: Strategy | None = None) -> Outcome:
    """Run a scenario once. Without a strategy: the default schedule.

    Raises:
        MovableError: the machine has too few CPUs, or a schedule runs on it already.
        BaseException: a CPU ended with one that is no Exception, such as KeyboardInterrupt. Its ``outcome`` attribute
            is the run so far.
    """
    outcome = Run(scenario, strategy or Replay()).execute()
    if outcome.error is not None and not isinstance(outcome.error, Exception):
        outcome.error.outcome = outcome  # type: ignore[attr-defined]
        raise outcome.error
    return outcome


class Run:
    """The schedule that a machine's locks talk to while a scenario runs (`movable.sync.Scheduling`).

    Each CPU is a greenlet; the core chooses who runs and switches between them. This object only starts
    them, and is back in charge when one has ended.
    """

    def __init__(self, scenario: Scenario, strategy: Strategy) -> None:
        self.scenario = scenario
        self.vm = scenario.vm
        self.strategy = strategy
        self.c: Any = self.vm.machine.c
        self.names: dict[int, str] = {_WORK_KEY: "queued work", PAUSE_KEY: "a pause"}
        self.error: BaseException | None = None
        self.failed: int | None = None
        self.has_worker = self.vm.config.cpus > len(scenario.cpus)
        self._serial = 0
        self._greenlets: list[greenlet] = []
        self._kept: list[Any] = []
        self._contexts = list(range(self.vm.config.cpus))
        if not 0 < len(scenario.cpus) <= self.vm.config.cpus:
            raise MovableError(
                f"cpus: the machine has {self.vm.config.cpus}, the scenario needs {len(scenario.cpus)}"
            )
        if len(scenario.cpus) + self.has_worker > MAX_CPUS:
            raise MovableError(f"cpus: a schedule has {MAX_CPUS} at most, the one for queued work included")

    # What locks say. A CPU may be switched away from in each of these.

    def register(self, waitable: Waitable) -> tuple[int, int]:
        """A key and a class for a lock; keys are given in order of first use, the same in every process."""
        self._serial += 1
        key = self._serial << 32
        self.names[key] = waitable.name
        return key, lib.mv_lock_class(self.c, waitable.name.encode())

    def lock(self, lock_class: int, key: int, flags: int) -> None:
        """A CPU is about to take a lock."""
        if _lock(self.c, lock_class, key, flags) == BROKEN:
            self._broken()

    def trylock(self, key: int) -> None:
        """A CPU is about to try a lock."""
        if _point(self.c, Event.TRYLOCK, key) == BROKEN:
            self._broken()

    def taken(self, lock_class: int, key: int, flags: int) -> None:
        """A try has succeeded."""
        if _taken(self.c, lock_class, key, flags) == BROKEN:
            self._broken()

    def busy(self, key: int) -> None:
        """A try has failed."""
        if _yield(self.c, key) == BROKEN:
            self._broken()

    def unlock(self, lock_class: int, key: int) -> None:
        """A lock was released. Quiet on a dead machine: the exception that is on its way says more."""
        if _unlock(self.c, lock_class, key) == BROKEN and not lib.mv_dead(self.c):
            self._broken()

    def wait(self, key: int, *, timed: bool = False) -> bool:
        """Stop until the key is woken; False if time is up or the run over."""
        answer = _wait(self.c, key, timed)
        if answer == BROKEN:
            self._broken()
        return bool(answer)

    def wake(self, key: int) -> None:
        """Let those that wait for the key go on."""
        if _wake(self.c, key) == BROKEN:
            self._broken()

    def enter_context(self, context: int) -> None:
        """The running CPU takes its locks as ``context`` until it says otherwise, whoever runs in between."""
        self._contexts[cpu_of(context)] = context
        lib.mv_sched_rename(self.c, cpu_of(context), address_of(context))

    def work_queued(self) -> None:
        """Wake the CPU that runs work."""
        self.wake(_WORK_KEY)

    def might_sleep(self, where: str) -> None:
        """A CPU may sleep here."""
        if lib.mv_sched_might_sleep(self.c, where.encode()) == BROKEN:
            self._broken()

    def point(self, event: Event, key: int) -> None:
        """Any other place where a CPU may be switched away from."""
        if _point(self.c, event, key) == BROKEN:
            self._broken()

    def _broken(self) -> NoReturn:
        self.vm.machine.fail()

    # The run

    def execute(self) -> Outcome:
        """Run all CPUs to their ends, or to the first failure; then judge."""
        with line_points(self.scenario.lines, self._line):
            return self._execute()

    def _line(self, key: int) -> None:
        """Before a line of the driver: a point, if a CPU of this run is at it."""
        if self.vm.sched is self:
            self.point(Event.LINE, key)

    def _execute(self) -> Outcome:
        self._begin()
        try:
            self._loop()
            stacks = self._stacks() if self.error is not None else ()
            self._drain()
            trace = self._trace()
        finally:
            self.vm.sched = None
            lib.mv_sched_end(self.c)
            self.vm.machine.context = 0
            lib.mv_set_cpu(self.c, 0)
        if self.error is None:
            self._judge()
        return Outcome(trace, self.error, self.failed, stacks)

    def _begin(self) -> None:
        plan, strategy = ffi.new("struct mv_plan *"), self.strategy
        choices = [(one.at, one.step, one.cpu) for one in sorted(strategy.schedule.choices)]
        buffer = ffi.new("struct mv_choice[]", choices)
        plan.policy, plan.limit, plan.strict_async = (
            strategy.policy,
            self.scenario.limit,
            self.scenario.strict_async,
        )
        plan.choices, plan.nr_choices = buffer, len(choices)
        if isinstance(strategy, Random | PCT):
            plan.seed = strategy.seed & 0xFFFF_FFFF_FFFF_FFFF
        if isinstance(strategy, Random):
            plan.sharpness = strategy.sharpness
        if isinstance(strategy, PCT):
            plan.depth, plan.length = strategy.depth, strategy.length
        name, machine = sys.intern("context"), self.vm.machine
        answer = lib.mv_sched_begin(self.c, plan, address_of(machine), address_of(name))
        if answer != 0:
            raise MovableError("a schedule runs on this VM already, or a call is under way; one at a time")
        self._kept += [plan, buffer, name]
        for cpu in range(len(self.scenario.cpus)):
            self._add(cpu, self._operations, daemon=False)
        if self.has_worker:
            self._add(len(self.scenario.cpus), self._work, daemon=True)
        self.vm.sched = self

    def _add(self, cpu: int, body: Callable[[int], None], *, daemon: bool) -> None:
        one = greenlet(lambda: self._guarded(cpu, body), parent=getcurrent())
        switch = one.switch
        self._greenlets.append(one)
        self._kept.append(switch)
        lib.mv_sched_add(self.c, cpu, address_of(switch), address_of(self._contexts[cpu]), daemon)

    def _guarded(self, cpu: int, body: Callable[[int], None]) -> None:
        """A CPU's whole life. Nothing is raised into the greenlet that waits for it."""
        try:
            body(cpu)
        except GreenletExit:
            pass
        except BaseException as error:
            if self.error is None:
                self.error, self.failed = error, cpu

    def _operations(self, cpu: int) -> None:
        for number, op in enumerate(self.scenario.cpus[cpu]):
            self.point(Event.OP, number)
            op.function()

    def _work(self, _cpu: int) -> None:
        """The CPU that has nothing else to do runs queued work."""
        while not lib.mv_sched_over(self.c):
            if not self.vm.run_work():
                self.wait(_WORK_KEY)

    def _loop(self) -> None:
        cpu = lib.mv_sched_first(self.c)
        while cpu >= 0:
            self._enter(cpu)
            if self.error is not None:
                return
            cpu = lib.mv_sched_next(self.c, self.vm.cpu)
        if cpu == -2:
            self._deadlock()
            return
        while (cpu := lib.mv_sched_finish(self.c)) >= 0 and self.error is None:
            self._enter(cpu)
            lib.mv_sched_next(self.c, cpu)

    def _enter(self, cpu: int) -> None:
        """Go on with a CPU; back here when some CPU has ended."""
        self._set_cpu(cpu)
        self._greenlets[cpu].switch()

    def _set_cpu(self, cpu: int) -> None:
        self.vm.machine.context = self._contexts[cpu]
        lib.mv_set_cpu(self.c, cpu)

    def _deadlock(self) -> None:
        try:
            if lib.mv_sched_deadlock(self.c) == BROKEN:
                self._broken()
        except MovableError as error:
            self.error = error

    def _drain(self) -> None:
        """End CPUs that are still suspended: GreenletExit passes through whatever they are in.

        It is no Exception, so that a driver which catches those does not go on; the machine is dead besides.
        """
        if all(one.dead for one in self._greenlets):
            return
        lib.mv_sched_stop(self.c)
        for cpu, one in enumerate(self._greenlets):
            self._set_cpu(cpu)
            for _ in range(_PATIENCE):
                if one.dead or not one:
                    break
                one.throw(GreenletExit)

    def _judge(self) -> None:
        try:
            self.scenario.finish()
        except BaseException as error:
            self.error = error

    def _stacks(self) -> tuple[tuple[int, str], ...]:
        """Where each CPU that had begun and not ended was; the one that failed by its exception."""
        stacks = []
        for cpu, one in enumerate(self._greenlets):
            frame: FrameType | None = one.gr_frame
            if cpu == self.failed and self.error is not None:
                stacks.append((cpu, of_exception(self.error)))
            elif frame is not None and not one.dead:
                stacks.append((cpu, of_frame(frame)))
        return tuple((cpu, text) for cpu, text in stacks if text)

    def _trace(self) -> Trace:
        result = ffi.new("struct mv_sched_result *")
        lib.mv_sched_result(self.c, result)
        recorded = ffi.new("struct mv_step[]", result.nr_steps)
        lib.mv_sched_steps(self.c, recorded, result.nr_steps)
        ops = self.scenario.cpus
        return Trace(
            nr_steps=result.nr_steps,
            switches=result.nr_switches,
            preemptions=result.nr_preemptions,
            async_sleeps=result.async_sleeps,
            hash=result.hash,
            record=recorded,
            names=ChainMap(self.names, LINE_KEYS),
            describe_op=lambda cpu, number: ops[cpu][number].label,
        )
