"""Drivers and bodies that misbehave under a schedule: an outcome or a clear error, never a hang or a crash."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from migration.kit import Recorder
from schedules.kit import MACHINE, hunt, rule_of, scenario

from movable import VM, AddressSpace, MigrateMode, MovableError, Page, SpinLock, hookimpl
from movable.sched import PCT, Outcome, Random, RoundRobin, Scenario, run


class _Hostile(Recorder):
    """A driver that does something in migratepage first."""

    first: Callable[[], object]

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """As the original, with something in front."""
        self.first()
        return super().migratepage(mapping, newpage, oldpage, mode)


def _moving(vm: VM, first: Callable[[], object], **settings: int) -> Scenario:
    """Two CPUs that migrate pages of a driver which does ``first``."""
    driver = _Hostile(vm)
    driver.first = first
    pages = [driver.add() for _ in range(4)]
    lists = [vm.page_list("mover") for _ in range(2)]

    def mover(number: int) -> Callable[[], None]:
        def move() -> None:
            for page in pages[number::2]:
                lists[number].isolate(page)
            vm.migrate_pages(lists[number], lambda _page: vm.alloc_page())
            vm.putback_movable_pages(lists[number])

        return move

    return scenario(vm, mover(0), mover(1), **settings)


STRATEGIES = [RoundRobin(), Random(1), PCT(2)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_callbacks_that_raise(vm: VM, strategy: RoundRobin) -> None:
    """An exception of a callback is a broken contract that ends the run, with that exception as its cause."""

    def first() -> None:
        raise ZeroDivisionError("mine")

    outcome = run(_moving(vm, first), strategy)
    assert rule_of(outcome) == "hook-raised"
    assert outcome.error is not None
    assert isinstance(outcome.error.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_callbacks_that_swallow_everything(vm: VM, strategy: RoundRobin) -> None:
    """A driver that catches what ends its CPU does not go on for ever, nor hide the failure."""
    lock = SpinLock(vm, "l")
    entered: list[int] = []

    def first() -> None:
        entered.append(vm.cpu)
        for _ in range(300):
            try:
                with lock:
                    pass
            except BaseException:
                continue

    outcome = run(_moving(vm, first, limit=400), strategy)
    assert outcome.error is not None
    assert rule_of(outcome) in ("livelock", "schedule-stopped")


def test_callbacks_that_loop(vm: VM) -> None:
    """A loop that passes scheduling points is a livelock, told with where it is."""
    lock = SpinLock(vm, "l")

    def first() -> None:
        while True:
            with lock:
                pass

    outcome = run(_moving(vm, first, limit=2000), Random(1))
    assert rule_of(outcome) == "livelock"
    assert any("in first" in text for _, text in outcome.stacks)


def _refused(vm: VM, action: Callable[[], object]) -> list[str]:
    """What MovableErrors an action in migratepage gets, in a run that is otherwise fine."""
    refusals: list[str] = []

    def first() -> None:
        try:
            action()
        except MovableError as error:
            refusals.append(str(error))

    assert run(_moving(vm, first), RoundRobin()).error is None
    return refusals


def test_callbacks_that_run_schedules(vm: VM) -> None:
    """A run inside a callback of a run is refused; the outer one goes on."""
    refusals = _refused(vm, lambda: run(scenario(vm, vm.alloc_page)))
    assert len(refusals) == 4
    assert all("one at a time" in text for text in refusals)


def test_callbacks_that_close_the_machine(vm: VM) -> None:
    """A machine is not closed by its callbacks; it lives on."""
    assert len(_refused(vm, vm.close)) == 4
    assert not vm.closed


def test_bodies_that_close_the_machine(vm: VM) -> None:
    """A body outside callbacks cannot close the machine on which CPUs still run."""
    refusals: list[str] = []

    def closes() -> None:
        try:
            vm.close()
        except MovableError as error:
            refusals.append(str(error))

    assert run(scenario(vm, closes, vm.alloc_page), RoundRobin()).error is None
    assert "schedule" in refusals[0]
    assert not vm.closed
    vm.close()


def test_callbacks_that_change_the_cpu(vm: VM) -> None:
    """The CPU of a run is not a driver's to set."""

    def change() -> None:
        vm.cpu = 3

    refusals = _refused(vm, change)
    assert len(refusals) == 4
    assert "a schedule chooses" in refusals[0]


def test_bodies_that_use_threads(vm: VM) -> None:
    """Another thread is refused by the machine while CPUs run; the run goes on."""
    refusals: list[BaseException] = []

    def other() -> None:
        try:
            vm.alloc_page()
        except MovableError as error:
            refusals.append(error)

    def starts() -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    outcome = run(scenario(vm, starts, vm.alloc_page), RoundRobin())
    assert outcome.error is None
    assert len(refusals) == 1
    assert "thread" in str(refusals[0])


def test_a_run_in_a_thread_of_its_own() -> None:
    """A machine may be made and run by a thread that is not the first."""
    outcomes: list[Outcome] = []

    def works() -> None:
        vm = VM(MACHINE)
        outcomes.append(run(scenario(vm, vm.alloc_page, vm.alloc_page), RoundRobin()))

    thread = threading.Thread(target=works)
    thread.start()
    thread.join()
    assert outcomes[0].error is None


def test_two_machines_run_inside_each_other(vm: VM) -> None:
    """A body may run a schedule of another machine: each keeps its own CPUs and locks."""
    other, lock = VM(MACHINE), SpinLock(vm, "l")
    seen: list[tuple[int, int]] = []

    def inner() -> None:
        page = other.alloc_page()
        assert page is not None
        seen.append((vm.cpu, other.cpu))

    def outer() -> None:
        with lock:
            assert run(scenario(other, inner, inner), RoundRobin()).error is None
            assert lock.held

    assert run(scenario(vm, vm.alloc_page, outer, outer), RoundRobin()).error is None
    assert sorted(seen) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_failure_of_the_inner_machine_leaves_the_outer_one(vm: VM) -> None:
    """What breaks on an inner machine ends its run alone."""
    found: list[str | None] = []

    def outer() -> None:
        inner = VM(MACHINE)
        page = inner.alloc_page()
        assert page is not None
        found.append(rule_of(run(scenario(inner, page.unlock, inner.alloc_page))))

    assert run(scenario(vm, outer, vm.alloc_page), RoundRobin()).error is None
    assert found == ["unlock-not-locked"]
    assert vm.alloc_page() is not None


def test_the_judgement_that_breaks_a_rule(vm: VM) -> None:
    """A broken rule in ``finish`` fails the run, of no CPU."""
    page = vm.alloc_page()
    assert page is not None
    outcome = run(scenario(vm, vm.alloc_page, finish=page.unlock))
    assert rule_of(outcome) == "unlock-not-locked"
    assert outcome.cpu is None


def test_a_race_in_a_driver_is_found() -> None:
    """A driver whose books are kept without a lock across a call fails under some schedule."""

    def make() -> Scenario:
        vm = VM(MACHINE)
        page, books = vm.alloc_page(), [0]
        assert page is not None

        def first() -> None:
            seen = books[0]
            page.get()
            page.put()
            books[0] = seen + 1

        made = _moving(vm, first)

        def judge() -> None:
            assert books[0] == 4

        return Scenario(vm, made.cpus, judge)

    outcome = hunt(make)
    assert outcome is not None
    assert isinstance(outcome.error, AssertionError)
