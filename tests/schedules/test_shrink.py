"""Making failures small: few operations, few preemptions, the same cause."""

import pytest
from schedules.kit import MACHINE

from movable import VM, Page, SpinLock
from movable.sched import Dropped, Failure, Op, Outcome, Random, Replay, Scenario, run, shrink


class _Counter:
    """A counter that adds one without a lock; ``other`` is broken in a way of its own."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        page = vm.alloc_page()
        assert page is not None
        self.page: Page = page
        self.lock = SpinLock(vm, "noise")
        self.value = self.added = self.busy = 0

    def add(self) -> None:
        seen = self.value
        self.page.get()
        self.value = seen + 1
        self.added += 1

    def noise(self) -> None:
        for _ in range(3):
            with self.lock:
                pass

    def other(self) -> None:
        self.busy += 1
        self.page.get()
        busy, self.busy = self.busy, self.busy - 1
        if busy > 1:
            raise ZeroDivisionError

    def judge(self) -> None:
        assert self.value == self.added, f"{self.value} of {self.added}"


def _make(dropped: Dropped, *, with_other: bool = False) -> Scenario:
    counter = _Counter(VM(MACHINE))
    add, noise = Op("add", counter.add), Op("noise", counter.noise)
    other = Op("other", counter.other if with_other else counter.noise)
    cpus = [[noise, add, noise, other], [noise, noise, add, other], [noise, other, noise]]
    kept = [
        [op for number, op in enumerate(ops) if (cpu, number) not in dropped] for cpu, ops in enumerate(cpus)
    ]
    return Scenario(counter.vm, kept, counter.judge)


COUNTS = (4, 4, 3)
RELEVANT = {(0, 1), (1, 2)}


def _found(kind: type[Exception], *, with_other: bool = False) -> Failure:
    for seed in range(200):
        outcome = run(_make(frozenset(), with_other=with_other), Random(seed))
        if isinstance(outcome.error, kind):
            return Failure(frozenset(), outcome)
    pytest.fail("no schedule failed")


def _lost(outcome: Outcome) -> bool:
    return isinstance(outcome.error, AssertionError)


def test_what_random_found_becomes_small() -> None:
    """Of eleven operations the two that race are left, and of many preemptions one."""
    failure = _found(AssertionError)
    assert failure.outcome.trace.preemptions > 3
    small = shrink(_make, failure, _lost, COUNTS)
    every = {(cpu, number) for cpu, count in enumerate(COUNTS) for number in range(count)}
    assert every - small.dropped == RELEVANT
    assert small.outcome.trace.preemptions <= 2
    assert small.outcome.trace.nr_steps < failure.outcome.trace.nr_steps


def test_the_small_failure_repeats() -> None:
    """What shrinking returns fails again under its schedule, with the same trace."""
    small = shrink(_make, _found(AssertionError), _lost, COUNTS)
    again = run(_make(small.dropped), Replay(small.schedule))
    assert _lost(again)
    assert again.trace.hash == small.outcome.trace.hash


@pytest.mark.parametrize("kind", [AssertionError, ZeroDivisionError])
def test_the_cause_stays_the_same(kind: type[Exception]) -> None:
    """Where two mistakes are near each other, shrinking one does not end at the other."""

    def make(dropped: Dropped) -> Scenario:
        return _make(dropped, with_other=True)

    def same(outcome: Outcome) -> bool:
        return isinstance(outcome.error, kind)

    small = shrink(make, _found(kind, with_other=True), same, COUNTS)
    assert same(small.outcome)
    assert small.outcome.trace.preemptions <= 2
    kept = sum(COUNTS) - len(small.dropped)
    assert kept == 2


def test_the_number_of_runs_is_bounded() -> None:
    """Shrinking makes no more runs than it is given, and none at 0: the failure comes back as it was."""
    made = [0]

    def make(dropped: Dropped) -> Scenario:
        made[0] += 1
        return _make(dropped)

    failure = _found(AssertionError)
    assert shrink(make, failure, _lost, COUNTS, most_runs=0) is failure
    assert made[0] == 0
    shrink(make, failure, _lost, COUNTS, most_runs=17)
    assert 0 < made[0] <= 17


def test_a_failure_without_a_choice_stays() -> None:
    """What fails under the default schedule has nothing to lose but operations."""
    vm_ops = (2, 1)

    def make(dropped: Dropped) -> Scenario:
        vm = VM(MACHINE)

        def fails() -> None:
            raise ValueError

        cpus = [[Op("noise", vm.alloc_page), Op("fails", fails)], [Op("noise", vm.alloc_page)]]
        kept = [
            [op for number, op in enumerate(ops) if (cpu, number) not in dropped]
            for cpu, ops in enumerate(cpus)
        ]
        return Scenario(vm, kept)

    failure = Failure(frozenset(), run(make(frozenset())))
    small = shrink(make, failure, lambda one: isinstance(one.error, ValueError), vm_ops)
    assert small.dropped == {(0, 0), (1, 0)}
    assert len(small.schedule) == 0
