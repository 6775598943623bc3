"""Exploring: rounds, failures that are run twice, and nondeterminism."""

from collections.abc import Callable, Iterator

import pytest
from schedules.kit import MACHINE, rule_of, scenario

from movable import VM, KernelAssertion, Page, SpinLock
from movable.sched import Replay, Scenario, explore, run


class _Key:
    """An object that is hashed by its address."""

    def __init__(self, page: Page) -> None:
        self.page = page


def _fails() -> None:
    raise ValueError("at last")


def _racy(vm: VM) -> Scenario:
    """Two CPUs that add one without a lock; the end is judged."""
    page, total = vm.alloc_page(), [0]
    assert page is not None

    def add() -> None:
        seen = total[0]
        page.get()
        total[0] = seen + 1

    def judge() -> None:
        assert total[0] == 2, f"{total[0]} of 2"

    return scenario(vm, add, add, finish=judge)


@pytest.mark.parametrize("bound", [None, 1])
def test_a_race_is_found_and_repeats(bound: int | None) -> None:
    """The failure comes with the schedule that repeats it on a new machine."""
    found = explore(lambda: _racy(VM(MACHINE)), range(500), bound=bound)
    assert found.failure is not None
    assert str(found.failure.error).startswith("1 of 2")
    again = run(_racy(VM(MACHINE)), Replay(found.failure.trace.schedule))
    assert str(again.error) == str(found.failure.error)
    assert again.trace.hash == found.failure.trace.hash
    assert found.switches > 0


def test_the_figures_count_what_was_run() -> None:
    """Schedules, steps and switches are those of the runs made."""
    made: list[Scenario] = []

    def make() -> Scenario:
        vm = VM(MACHINE)
        made.append(scenario(vm, vm.alloc_page, vm.alloc_page))
        return made[-1]

    found = explore(make, range(40))
    assert found.schedules == len(made) == 40
    assert found.steps >= 40 * 6
    assert 0 < found.switches < found.steps
    assert all(one.vm.closed for one in made)


def test_rounds_are_counted_off() -> None:
    """The search stops with its rounds, wherever they come from; none are none."""

    def rounds() -> Iterator[int]:
        yield from range(7)

    def make() -> Scenario:
        vm = VM(MACHINE)
        return scenario(vm, vm.alloc_page)

    assert explore(make, rounds()).schedules == 7
    assert explore(make, []).schedules == 0


def test_a_failing_schedule_is_run_twice() -> None:
    """One failure makes one more run, of the same schedule."""
    made: list[VM] = []

    def make() -> Scenario:
        made.append(VM(MACHINE))
        return scenario(made[-1], made[-1].alloc_page, _fails)

    found = explore(make, range(100))
    assert found.schedules == 1
    assert len(made) == 2
    assert found.failure is not None
    assert str(found.failure.error) == "at last"


def _counting() -> Callable[[], Scenario]:
    """Each scenario takes one step more than the one before."""
    calls = [0]

    def make() -> Scenario:
        vm = VM(MACHINE)
        calls[0] += 1
        page, times = vm.alloc_page(), calls[0]
        assert page is not None

        def body() -> None:
            for _ in range(times):
                page.get()

        return scenario(vm, body, _fails)

    return make


def _by_address() -> Callable[[], Scenario]:
    """Each scenario goes through a set whose order is that of addresses."""
    kept: list[object] = []

    def make() -> Scenario:
        vm = VM(MACHINE)
        keys = {_Key(page) for _ in range(40) if (page := vm.alloc_page()) is not None}
        kept.append(keys)

        def body() -> None:
            for key in keys:
                key.page.get()

        return scenario(vm, body, _fails)

    return make


@pytest.mark.parametrize("kind", [_counting, _by_address])
def test_a_run_that_does_not_repeat_is_reported(kind: Callable[[], Callable[[], Scenario]]) -> None:
    """A failing schedule whose second run differs is nondeterminism, with the failure as its cause."""
    found = explore(kind(), range(10))
    assert rule_of(found.failure) == "nondeterminism"
    assert found.failure is not None
    assert isinstance(found.failure.error, KernelAssertion)
    assert isinstance(found.failure.error.__cause__, ValueError)
    assert "steps" in str(found.failure.error)


def test_seeds_choose_what_is_tried() -> None:
    """One seed gives one search, step for step; others look elsewhere."""

    def order(seed: int) -> list[int]:
        seen: list[int] = []

        def make() -> Scenario:
            vm = VM(MACHINE)
            lock = SpinLock(vm, "l")

            def body() -> None:
                for _ in range(4):
                    with lock:
                        seen.append(vm.cpu)

            return scenario(vm, body, body, body)

        explore(make, range(30), seed=seed)
        return seen

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_an_interrupt_ends_the_search() -> None:
    """Ctrl-C in a body is no failure of the scenario: it comes out of explore()."""

    def make() -> Scenario:
        vm = VM(MACHINE)

        def interrupted() -> None:
            raise KeyboardInterrupt

        return scenario(vm, interrupted, vm.alloc_page)

    with pytest.raises(KeyboardInterrupt):
        explore(make, range(10))
