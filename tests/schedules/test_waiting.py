"""Wait queues and deferred work under schedules."""

import pytest
from schedules.kit import MACHINE, hunt, rule_of, scenario

from movable import VM, SpinLock, WaitQueue, WorkQueue
from movable.sched import PCT, Random, RoundRobin, Scenario, run


@pytest.mark.parametrize("seed", range(6))
def test_a_sleeper_is_woken(vm: VM, seed: int) -> None:
    """A CPU that waits for a condition goes on once another one has made it true and called wake_up."""
    queue, done, order = WaitQueue(vm, "queue"), [False], []

    def sleeper() -> None:
        queue.wait_event(lambda: done[0])
        order.append("woken")

    def waker() -> None:
        page = vm.alloc_page()
        assert page is not None
        order.append("waking")
        done[0] = True
        queue.wake_up()

    assert run(scenario(vm, sleeper, waker), Random(seed)).error is None
    assert order[-1] == "woken" or order == ["waking", "woken"]
    assert set(order) == {"woken", "waking"}


def test_a_lost_wake_up_is_a_deadlock() -> None:
    """A change without wake_up leaves the sleeper asleep in some schedule (spec/bugs.md B02)."""

    def make() -> Scenario:
        vm = VM(MACHINE)
        queue, done = WaitQueue(vm, "drained"), [False]

        def change() -> None:
            page = vm.alloc_page()
            assert page is not None
            done[0] = True

        return scenario(vm, lambda: queue.wait_event(lambda: done[0]), change)

    assert rule_of(hunt(make)) == "deadlock"


def test_a_wake_up_while_the_condition_is_looked_at_counts() -> None:
    """A wake_up that comes between looking and sleeping is not lost, whatever the condition does meanwhile."""

    def make() -> Scenario:
        vm = VM(MACHINE)
        queue, lock, done = WaitQueue(vm, "queue"), SpinLock(vm, "books"), [False]

        def look() -> bool:
            with lock:
                return done[0]

        def change() -> None:
            with lock:
                done[0] = True
            queue.wake_up()

        return scenario(vm, lambda: queue.wait_event(look), change, change)

    assert hunt(make, 400) is None


def test_time_passes_when_nobody_can_go_on(vm: VM) -> None:
    """A wait with an end returns False when all others are done or wait; before that it waits."""
    queue = WaitQueue(vm, "queue")
    order: list[object] = []

    def waits() -> None:
        order.append(queue.wait_event_timeout(lambda: False))

    def works() -> None:
        for _ in range(3):
            page = vm.alloc_page()
            assert page is not None
            page.put()
        order.append("worked")

    assert run(scenario(vm, waits, works)).error is None
    assert order == ["worked", False]


def test_a_timed_wait_looks_once_more(vm: VM) -> None:
    """A condition that became true without wake_up is seen when time is up."""
    queue, done, seen = WaitQueue(vm, "queue"), [False], []

    def waits() -> None:
        seen.append(queue.wait_event_timeout(lambda: done[0]))

    def change() -> None:
        vm.alloc_page()
        done[0] = True

    assert run(scenario(vm, waits, change)).error is None
    assert seen == [True]


@pytest.mark.parametrize("seed", range(6))
def test_work_runs_on_a_cpu_of_its_own(vm: VM, seed: int) -> None:
    """Queued work runs on the CPU after the bodies', at the latest before the run ends."""
    work, cpus = WorkQueue(vm, "work"), []

    def body() -> None:
        work.queue(lambda: cpus.append(vm.cpu))
        vm.alloc_page()

    assert run(scenario(vm, body, body), PCT(seed)).error is None
    assert cpus == [2, 2]


def test_flush_waits_for_the_worker(vm: VM) -> None:
    """flush returns when everything queued so far is done, and runs none of it itself."""
    work, order = WorkQueue(vm, "work"), []

    def item() -> None:
        page = vm.alloc_page()
        assert page is not None
        page.put()
        order.append(("item", vm.cpu))

    def body() -> None:
        work.queue(item)
        work.flush()
        order.append(("flushed", vm.cpu))

    for strategy in (RoundRobin(), PCT(1), Random(2)):
        order.clear()
        assert run(scenario(vm, body), strategy).error is None
        assert order == [("item", 1), ("flushed", 0)]


def test_without_a_spare_cpu_flush_works_itself(vm: VM) -> None:
    """Where every CPU has a body, flush runs the work on the CPU that asks."""
    work, cpus = WorkQueue(vm, "work"), []

    def body() -> None:
        work.queue(lambda: cpus.append(vm.cpu))
        work.flush()

    assert run(scenario(vm, body, vm.alloc_page, vm.alloc_page, vm.alloc_page)).error is None
    assert cpus == [0]


def test_work_that_fails_fails_the_run(vm: VM) -> None:
    """An exception of queued work is the failure of the CPU that runs it."""
    work = WorkQueue(vm, "work")

    def item() -> None:
        raise ValueError("in work")

    outcome = run(scenario(vm, lambda: work.queue(item)))
    assert str(outcome.error) == "in work"
    assert outcome.cpu == 1


def test_waiting_inside_work_is_allowed(vm: VM) -> None:
    """Work may sleep until a user's CPU wakes it."""
    work, queue, done, order = WorkQueue(vm, "work"), WaitQueue(vm, "queue"), [False], []

    def item() -> None:
        queue.wait_event(lambda: done[0])
        order.append("item")

    def body() -> None:
        work.queue(item)
        vm.alloc_page()
        done[0] = True
        queue.wake_up()

    for strategy in (RoundRobin(), PCT(3)):
        done[0] = False
        assert run(scenario(vm, body), strategy).error is None
    assert order == ["item", "item"]
