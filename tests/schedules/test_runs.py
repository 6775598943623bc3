"""Runs: what a CPU is, when it is switched, how a run ends."""

import os
import subprocess
import sys
from itertools import pairwise

import pytest
from schedules.kit import MACHINE, rule_of, scenario

from movable import GFP, VM, DeadVM, KernelAssertion, MovableError, SpinLock
from movable.sched import PCT, Event, Op, Random, Replay, RoundRobin, Scenario, Trace, run


def test_each_cpu_has_its_number(vm: VM) -> None:
    """While a body runs, the machine says which CPU runs it; afterwards CPU 0 is back."""
    seen: list[tuple[str, int]] = []
    lock = SpinLock(vm, "a")

    def body(name: str) -> None:
        for _ in range(3):
            with lock:
                seen.append((name, vm.cpu))

    outcome = run(scenario(vm, lambda: body("a"), lambda: body("b")), RoundRobin())
    assert outcome.error is None
    assert set(seen) == {("a", 0), ("b", 1)}
    assert vm.cpu == 0


def test_the_default_runs_one_cpu_after_the_other(vm: VM) -> None:
    """Without a strategy a CPU runs to its end: no preemption, and one switch for each end."""
    order: list[int] = []

    def body(number: int) -> None:
        page = vm.alloc_page()
        assert page is not None
        order.append(number)
        page.put()
        order.append(number)

    outcome = run(scenario(vm, lambda: body(0), lambda: body(1), lambda: body(2)))
    assert order == [0, 0, 1, 1, 2, 2]
    assert outcome.trace.preemptions == 0


def test_round_robin_changes_at_every_step(vm: VM) -> None:
    """Turn and turn about: no CPU has two steps in a row while others can run."""

    def body() -> None:
        for _ in range(5):
            page = vm.alloc_page()
            assert page is not None
            page.put()

    steps = run(scenario(vm, body, body), RoundRobin()).trace.steps
    both = [step.cpu for step in steps if step.runnable & 3 == 3 and step.event is not Event.START]
    assert len(both) > 10
    assert all(one != other for one, other in pairwise(both))


def test_what_a_core_does_is_seen(vm: VM) -> None:
    """Allocation, references, page locks, copies and frees are steps with the page they concern."""
    seen: list[int] = []

    def body() -> None:
        one, two = vm.alloc_page(), vm.alloc_pages(1)
        assert one is not None
        assert two is not None
        seen.append(one.pfn)
        one.get()
        one.lock()
        one.unlock()
        assert one.trylock()
        one.unlock()
        two.copy_from(one)
        one.put()
        one.put()
        vm.free_pages(two, 1)

    trace = run(scenario(vm, body)).trace
    events = [step.event for step in trace.steps]
    for event in (
        Event.ALLOC,
        Event.GET_PAGE,
        Event.LOCK_PAGE,
        Event.UNLOCK_PAGE,
        Event.TRYLOCK_PAGE,
        Event.COPY,
        Event.PUT_PAGE,
        Event.FREE,
    ):
        assert event in events, event.name
    assert {step.id for step in trace.steps if step.event is Event.LOCK_PAGE} == set(seen)
    assert any(trace.text(step) == f"lock_page {seen[0]:#x}" for step in trace.steps)


def test_a_strategy_with_one_seed_gives_one_run(vm: VM) -> None:
    """The same seed gives the same trace on a new machine, another seed another one."""

    def once(strategy: Random | PCT) -> int:
        with VM(MACHINE) as fresh:
            lock = SpinLock(fresh, "l")

            def body() -> None:
                for _ in range(8):
                    with lock:
                        page = fresh.alloc_page(GFP.ATOMIC)
                        assert page is not None
                    page.put()

            return run(scenario(fresh, body, body, body), strategy).trace.hash

    assert once(Random(5)) == once(Random(5)) != once(Random(6))
    assert once(PCT(5)) == once(PCT(5))


_HASH = """
from movable import VM, SpinLock
from movable.sched import Random
from schedules.kit import MACHINE, scenario
from movable.sched import run
vm = VM(MACHINE)
locks = {name: SpinLock(vm, name) for name in ("a", "b", "c")}
def body():
    for name in locks:
        with locks[name]:
            pass
        page = vm.alloc_page()
        page.put()
print(run(scenario(vm, body, body, body), Random(3)).trace.hash)
"""


def test_other_processes_give_the_same_trace() -> None:
    """The trace of a seed is the same in every process, whatever PYTHONHASHSEED is."""
    hashes = {
        subprocess.run(
            [sys.executable, "-c", _HASH],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(hashes) == 1
    assert hashes.pop().strip().isdigit()


def test_the_schedule_of_a_run_repeats_it(vm: VM) -> None:
    """Whatever strategy made a run, its schedule gives the same trace again."""
    for strategy in (Random(2), PCT(2), RoundRobin(), Replay()):
        traces: list[Trace] = []
        for again in range(2):
            with VM(MACHINE) as fresh:
                lock = SpinLock(fresh, "l")

                def body(fresh: VM = fresh, lock: SpinLock = lock) -> None:
                    for _ in range(4):
                        with lock:
                            pass
                        page = fresh.alloc_page()
                        assert page is not None
                        page.put()

                chosen = Replay(traces[0].schedule) if again else strategy
                traces.append(run(scenario(fresh, body, body, body), chosen).trace)
        assert traces[0].hash == traces[1].hash


def test_an_exception_ends_the_run(vm: VM) -> None:
    """What a body raises is the outcome's error, with the CPU and where the others were."""
    lock = SpinLock(vm, "held")

    def holds() -> None:
        with lock:
            vm.alloc_page(GFP.ATOMIC)
            raise ValueError("mine")

    def waits() -> None:
        with lock:
            pass

    outcome = run(scenario(vm, waits, holds, waits), Replay())
    assert isinstance(outcome.error, ValueError)
    assert outcome.cpu == 1
    assert "raise ValueError" in dict(outcome.stacks)[1]


def test_cpus_that_wait_are_ended(vm: VM) -> None:
    """After a failure every suspended CPU leaves what it was in: its finally blocks run, its locks tell no more."""
    left: list[str] = []
    first, second = SpinLock(vm, "first"), SpinLock(vm, "second")

    def suspended() -> None:
        try:
            with first, second:
                left.append("got through")
        finally:
            left.append("finally")

    def fails() -> None:
        second.acquire()
        for _ in range(9):
            vm.alloc_page(GFP.ATOMIC)
        raise ValueError

    outcome = run(scenario(vm, fails, suspended), RoundRobin())
    assert isinstance(outcome.error, ValueError)
    assert left == ["finally"]
    with pytest.raises(DeadVM, match="schedule-stopped"):
        vm.alloc_page()


def test_a_body_that_swallows_everything_ends_too(vm: VM) -> None:
    """A CPU that catches what ends it, again and again, is still ended."""
    lock = SpinLock(vm, "l")

    def stubborn() -> None:
        while True:
            try:
                with lock:
                    pass
            except Exception:
                continue

    def fails() -> None:
        with lock:
            raise ValueError

    outcome = run(scenario(vm, fails, stubborn, limit=500), RoundRobin())
    assert outcome.error is not None


def test_the_judgement_fails_a_run(vm: VM) -> None:
    """What ``finish`` raises is the failure, of no CPU."""

    def finish() -> None:
        raise AssertionError("books are wrong")

    outcome = run(scenario(vm, vm.alloc_page, finish=finish))
    assert str(outcome.error) == "books are wrong"
    assert outcome.cpu is None


def test_keyboard_interrupt_is_no_outcome(vm: VM) -> None:
    """An interrupt is raised, after the other CPUs were ended, and carries the run so far."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        run(scenario(vm, vm.alloc_page, interrupted))
    assert caught.value.outcome.trace.nr_steps > 0  # type: ignore[attr-defined]


def test_a_broken_rule_ends_the_run_at_once(vm: VM) -> None:
    """Under a schedule the first breach of any rule stops all CPUs."""
    page = vm.alloc_page()
    assert page is not None
    after: list[str] = []

    def breaks() -> None:
        page.unlock()
        after.append("breaks")

    def other() -> None:
        vm.alloc_page()
        after.append("other")

    outcome = run(scenario(vm, breaks, other))
    assert rule_of(outcome) == "unlock-not-locked"
    assert after == []


def test_steps_have_a_bound(vm: VM) -> None:
    """A run that does not end within its limit is a livelock, and says where every CPU was."""
    lock = SpinLock(vm, "busy")

    def spins() -> None:
        while True:
            if lock.trylock():
                lock.release()

    outcome = run(scenario(vm, spins, spins, limit=300), RoundRobin())
    assert rule_of(outcome) == "livelock"
    stacks = dict(outcome.stacks)
    assert "in spins" in stacks[0]
    assert "in spins" in stacks[1]


@pytest.mark.parametrize("count", [0, 5])
def test_cpus_must_be_there(vm: VM, count: int) -> None:
    """A scenario needs a CPU, and no more than the machine has."""
    with pytest.raises(MovableError, match="cpus: the machine has 4"):
        run(Scenario(vm, [[Op("op", vm.alloc_page)]] * count))


def test_schedules_do_not_nest(vm: VM) -> None:
    """A run inside a run of the same machine is refused, and the outer one goes on."""
    refused: list[str] = []

    def nested() -> None:
        try:
            run(scenario(vm, vm.alloc_page))
        except MovableError as error:
            refused.append(str(error))

    assert run(scenario(vm, nested)).error is None
    assert "one at a time" in refused[0]


def test_a_machine_runs_many_schedules(vm: VM) -> None:
    """After a run that did not fail the machine is as usable as before, for runs too."""

    def body() -> None:
        page = vm.alloc_page()
        assert page is not None
        page.put()

    before = vm.zones[0].free_pages
    for seed in range(5):
        assert run(scenario(vm, body, body), Random(seed)).error is None
    assert vm.zones[0].free_pages == before
    vm.recount()


def test_two_machines_do_not_meet(vm: VM) -> None:
    """A body may use another machine, which has no schedule: there it is alone."""
    other = VM(MACHINE)
    lock = SpinLock(other, "elsewhere")

    def body() -> None:
        with lock:
            page = other.alloc_page()
            assert page is not None
            page.put()

    assert run(scenario(vm, body, body), RoundRobin()).error is None
    assert other.sched is None


def test_a_violation_of_another_machine_is_an_error(vm: VM) -> None:
    """What breaks on another machine is raised in the body like anything else."""
    other = VM(MACHINE)
    page = other.alloc_page()
    assert page is not None
    outcome = run(scenario(vm, page.unlock))
    assert isinstance(outcome.error, KernelAssertion)
