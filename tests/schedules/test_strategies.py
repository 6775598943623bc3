"""Strategies: who goes on, how often, and what each promises to find."""

from functools import cache

import pytest
from schedules.kit import CPUS, MACHINE, scenario

from movable import VM, MovableError, SpinLock
from movable.config import MachineConfig, NodeConfig, ZoneConfig
from movable.sched import (
    PCT,
    Event,
    Op,
    Preemptions,
    Random,
    Replay,
    RoundRobin,
    Scenario,
    explore,
    run,
)

LENGTH = 20
SEEDS = range(2000)


def exactly(cpus: int) -> MachineConfig:
    """A machine of so many CPUs: none is idle when all have something to do."""
    return MachineConfig(
        "exactly", (NodeConfig((ZoneConfig("Normal", 0x1000, 1024),), tuple(range(cpus))),), cpus=cpus
    )


def _rate(vm: VM, depth: int, stage: str) -> float:
    """How often PCT lets CPU 1 look at CPU 0 in this stage of its work."""
    page, now = vm.alloc_page(), [""]
    seen: list[str] = []
    assert page is not None

    def works() -> None:
        page.get()
        now[0] = "middle"
        page.put()
        now[0] = "end"

    found = 0
    for seed in SEEDS:
        now[0] = "start"
        seen.clear()
        outcome = run(scenario(vm, works, lambda: seen.append(now[0])), PCT(seed, depth, LENGTH))
        assert outcome.error is None
        found += seen == [stage]
    return found / len(SEEDS)


def test_pct_keeps_its_promise(vm: VM) -> None:
    """A mistake that needs two ordered events is found in at least 1/(n * k) of the runs of depth 2."""
    cpus = 3  # two bodies, one idle
    rate = _rate(vm, 2, "middle")
    assert 1 / (cpus * LENGTH) <= rate <= 2 / LENGTH


def test_pct_of_depth_one_changes_nothing_midway(vm: VM) -> None:
    """With depth 1 the CPUs run one after the other in a random order: what needs a preemption is never found."""
    assert _rate(vm, 1, "middle") == 0


def test_pct_of_depth_one_orders_cpus_evenly(vm: VM) -> None:
    """Half of the orders of two CPUs have the second one first."""
    assert 0.4 <= _rate(vm, 1, "start") <= 0.6
    assert 0.4 <= _rate(vm, 1, "end") <= 0.6


def _points(vm: VM, number: int) -> Op:
    page = vm.alloc_page()
    assert page is not None

    def body() -> None:
        for _ in range(number):
            page.get()

    return Op("points", body)


@pytest.mark.parametrize("sharpness", [1, 2, 8, 64])
def test_random_switches_as_often_as_it_says(sharpness: int) -> None:
    """At one step in ``sharpness`` any of three CPUs goes on: two thirds of those are switches."""
    vm = VM(exactly(3))
    both = changed = 0
    for seed in range(10):
        trace = run(Scenario(vm, [[_points(vm, 100)] for _ in range(3)]), Random(seed, sharpness)).trace
        free = [step for step in trace.steps if step.runnable == 0b111 and step.event is Event.GET_PAGE]
        both += len(free)
        changed += sum(step.chosen != step.cpu for step in free)
    assert both > 1000
    assert 0.75 * 2 / 3 / sharpness <= changed / both <= 1.25 * 2 / 3 / sharpness


def test_round_robin_goes_round(vm: VM) -> None:
    """Three CPUs that can all go on come one after the other, in the order of their numbers."""
    steps = run(Scenario(vm, [[_points(vm, 5)] for _ in range(3)]), RoundRobin()).trace.steps
    free = [step for step in steps if step.runnable & 7 == 7 and step.event is Event.GET_PAGE]
    assert len(free) > 8
    assert all(step.chosen == (step.cpu + 1) % CPUS or step.chosen == 0 for step in free)


@pytest.mark.parametrize("field", ["sharpness", "length", "depth"])
@pytest.mark.parametrize("value", [0, -1, 2**40])
def test_numbers_have_bounds(field: str, value: int) -> None:
    """A strategy of impossible numbers is refused when it is made, with the name of the field."""
    with pytest.raises(ValueError, match=field):
        (Random if field == "sharpness" else PCT)(**{field: value})


@pytest.mark.parametrize("limit", [0, -5, 2**32, 10**12])
def test_limits_have_bounds(vm: VM, limit: int) -> None:
    """A run without room for a step, or with room for more than memory has, is refused."""
    with pytest.raises(ValueError, match="limit"):
        Scenario(vm, [], limit=limit)


def test_a_large_limit_costs_nothing(vm: VM) -> None:
    """The largest limit is as good as any for a short run."""
    assert run(scenario(vm, vm.alloc_page, limit=10_000_000)).trace.nr_steps < 20


def test_a_schedule_has_26_cpus_at_most() -> None:
    """More CPUs than letters are refused, the idle one counted; 26 are fine."""
    vm = VM(exactly(40))
    op = Op("op", vm.alloc_page)
    with pytest.raises(MovableError, match="26 at most"):
        run(Scenario(vm, [[op]] * 26))
    assert run(Scenario(vm, [[op]] * 25), Random(1)).error is None
    vm = VM(exactly(26))
    outcome = run(Scenario(vm, [[Op("op", vm.alloc_page)]] * 26), RoundRobin())
    assert outcome.error is None
    assert "z" in str(outcome.trace.schedule)


@cache
def orders(now: int, left: tuple[int, ...], ended: frozenset[int], preemptions: int) -> int:
    """How many runs there are from here on: CPU ``now`` goes on to its next point, or to its end."""
    others = [cpu for cpu in range(len(left)) if cpu != now and cpu not in ended]
    if not left[now]:
        return sum(orders(cpu, left, ended | {now}, preemptions) for cpu in others) or 1
    left = tuple(points - (cpu == now) for cpu, points in enumerate(left))
    stays = orders(now, left, ended, preemptions)
    return stays + sum(orders(cpu, left, ended, preemptions - 1) for cpu in others if preemptions)


def _search(cpus: int, points: int, bound: int) -> tuple[list[int], int, bool]:
    vm = VM(exactly(cpus))
    ops = [[_points(vm, points)] for _ in range(cpus)]
    search, hashes, most = Preemptions(bound, 3), [], 0
    while (schedule := search.next()) is not None:
        trace = run(Scenario(vm, ops), Replay(schedule)).trace
        assert trace.schedule == schedule
        hashes.append(trace.hash)
        most = max(most, trace.preemptions)
        search.learn(schedule, trace)
    return hashes, most, search.exhausted


@pytest.mark.parametrize(
    ("cpus", "points", "bound"),
    [(2, 3, 0), (2, 3, 1), (2, 3, 2), (2, 4, 3), (2, 2, 9), (3, 1, 0), (3, 1, 2), (3, 2, 2)],
)
def test_bounded_search_goes_everywhere_once(cpus: int, points: int, bound: int) -> None:
    """Preemptions visits as many schedules as there are by counting, no two of them the same, then says so."""
    expected = sum(orders(first, (points + 1,) * cpus, frozenset(), bound) for first in range(cpus))
    hashes, most, exhausted = _search(cpus, points, bound)
    assert len(hashes) == expected
    assert len(set(hashes)) == expected
    assert most <= bound
    assert exhausted


def test_fewer_preemptions_come_first() -> None:
    """All schedules of one preemption come before the first one of two."""
    vm = VM(exactly(2))
    ops = [[_points(vm, 2)] for _ in range(2)]
    search, numbers = Preemptions(2, 0), []
    while (schedule := search.next()) is not None:
        trace = run(Scenario(vm, ops), Replay(schedule)).trace
        numbers.append(trace.preemptions)
        search.learn(schedule, trace)
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1, 2}


def test_explore_says_when_nothing_is_left() -> None:
    """A bounded exploration ends by itself and reports it; one that is cut short does not."""

    def make() -> Scenario:
        vm = VM(exactly(2))
        return Scenario(vm, [[_points(vm, 2)], [_points(vm, 2)]])

    expected = sum(orders(first, (3, 3), frozenset(), 1) for first in (0, 1))
    whole = explore(make, range(1000), bound=1)
    assert (whole.schedules, whole.exhausted, whole.failure) == (expected, True, None)
    assert explore(make, range(expected), bound=1).exhausted
    assert not explore(make, range(expected - 1), bound=1).exhausted
    assert not explore(make, range(10)).exhausted


def test_bounded_search_is_fair_to_those_who_try_again() -> None:
    """CPUs that wait by trying again do not make the search endless, nor a livelock of their own waiting."""

    def make() -> Scenario:
        vm = VM(MACHINE)
        lock = SpinLock(vm, "l")

        def body() -> None:
            while not lock.trylock():
                pass
            lock.release()

        return scenario(vm, body, body, limit=500)

    found = explore(make, range(5000), bound=2)
    assert found.failure is None
    assert found.exhausted
    assert found.schedules > 20
