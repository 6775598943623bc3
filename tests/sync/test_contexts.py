"""Who holds a lock: a CPU, or an item of work on it, which is somebody else (spec/drivers.md 6.1)."""

from array import array
from collections.abc import Callable

import pytest
from schedules.kit import MACHINE, rule_of, scenario

from movable import VM, BitLock, KernelAssertion, MovableError, Mutex, RWLock, SpinLock, WaitQueue, WorkQueue
from movable.sched import PCT, RoundRobin, run

Pair = tuple[Callable[[], object], Callable[[], object]]


def _mutex(vm: VM) -> Pair:
    lock = Mutex(vm, "l")
    return lock.acquire, lock.release


def _spin(vm: VM) -> Pair:
    lock = SpinLock(vm, "l")
    return lock.acquire, lock.release


def _read(vm: VM) -> Pair:
    lock = RWLock(vm, "l")
    return lock.read_acquire, lock.read_release


def _write(vm: VM) -> Pair:
    lock = RWLock(vm, "l")
    return lock.write_acquire, lock.write_release


def _bit(vm: VM) -> Pair:
    lock = BitLock(vm, "l", memoryview(array("Q", [0])))
    return lambda: lock.acquire(0), lambda: lock.release(0)


KINDS = [_mutex, _spin, _read, _write, _bit]


@pytest.mark.parametrize("kind", KINDS)
def test_work_does_not_release_what_the_sleeper_holds(vm: VM, kind: Callable[[VM], Pair]) -> None:
    """Work that runs while a CPU sleeps with a lock held is not the holder of that lock."""
    take, give = kind(vm)
    work, queue = WorkQueue(vm, "work"), WaitQueue(vm, "queue")
    work.queue(give)
    take()
    with pytest.raises(KernelAssertion, match=r"not by work on CPU 0.*CPU 0") as caught:
        queue.wait_event(lambda: False)
    assert caught.value.rule.id == "lock-not-held"


@pytest.mark.parametrize("kind", KINDS)
def test_a_cpu_does_not_release_what_work_took(vm: VM, kind: Callable[[VM], Pair]) -> None:
    """A lock that an item of work left taken is not its CPU's to release."""
    take, give = kind(vm)
    work = WorkQueue(vm, "work")
    work.queue(take)
    vm.run_work()
    with pytest.raises(KernelAssertion, match="by work on CPU 0") as caught:
        give()
    assert caught.value.rule.id == "lock-not-held"


def test_two_items_are_two_holders(vm: VM) -> None:
    """Each run of an item is a context of its own, also of the same item."""
    lock, work = Mutex(vm, "l"), WorkQueue(vm, "work")
    steps = iter([lock.acquire, lock.release])

    def item() -> None:
        next(steps)()

    work.queue(item)
    work.run()
    work.queue(item)
    with pytest.raises(KernelAssertion, match="lock-not-held"):
        work.run()


def test_work_waits_for_the_sleepers_lock_for_ever(vm: VM) -> None:
    """On one CPU, work that takes what the sleeper holds can never get it (rule self-deadlock)."""
    lock, work, queue = Mutex(vm, "l"), WorkQueue(vm, "work"), WaitQueue(vm, "queue")
    work.queue(lock.acquire)
    lock.acquire()
    with pytest.raises(KernelAssertion, match="wait of work on CPU 0 can end, seen held by CPU 0") as caught:
        queue.wait_event(lambda: False)
    assert caught.value.rule.id == "self-deadlock"


def test_work_sees_that_it_does_not_hold_the_lock(vm: VM) -> None:
    """``held`` is about who asks, ``owner`` about the CPU; both are right again after the work."""
    lock, shared, work = Mutex(vm, "l"), RWLock(vm, "rw"), WorkQueue(vm, "work")
    seen: list[object] = []
    work.queue(lambda: seen.append((lock.held, lock.owner, shared.held_for_read, shared.readers)))
    with lock, shared.reading():
        vm.run_work()
        assert (lock.held, lock.owner, shared.held_for_read) == (True, 0, True)
    assert seen == [(False, 0, False, (0,))]


def test_work_inside_work_returns_to_the_outer_item(vm: VM) -> None:
    """An item that sleeps lets another one run; what it held before it holds afterwards."""
    lock, work, queue = Mutex(vm, "l"), WorkQueue(vm, "work"), WaitQueue(vm, "queue")
    order: list[bool] = []

    def inner() -> None:
        order.append(lock.held)
        queue.wake_up()

    def outer() -> None:
        with lock:
            work.queue(inner)
            queue.wait_event(lambda: order)
            order.append(lock.held)

    work.queue(outer)
    vm.run_work()
    assert order == [False, True]
    assert lock.owner is None


def test_work_that_raises_gives_the_context_back(vm: VM) -> None:
    """After an exception of work the CPU still holds what it held."""
    lock, work = Mutex(vm, "l"), WorkQueue(vm, "work")

    def fails() -> None:
        raise ValueError

    work.queue(fails)
    with lock, pytest.raises(ValueError):  # noqa: PT011
        vm.run_work()
    assert lock.owner is None
    assert vm.context == 0


def test_work_may_move_to_another_cpu(vm: VM) -> None:
    """A CPU that work has set stays set, as that of the caller."""
    work = WorkQueue(vm, "work")

    def item() -> None:
        vm.cpu = 1

    work.queue(item)
    vm.run_work()
    assert (vm.cpu, vm.context) == (1, 1)


def test_work_may_close_the_machine() -> None:
    """Work that closes its machine ends quietly; what comes after is told that the machine is closed."""
    vm = VM("tiny")
    work = WorkQueue(vm, "work")
    work.queue(vm.close)
    work.run()
    with pytest.raises(MovableError, match="closed"):
        _ = vm.context


@pytest.mark.parametrize("strategy", [RoundRobin(), PCT(0), PCT(1), PCT(2)])
def test_contexts_follow_the_cpus_of_a_schedule(strategy: RoundRobin | PCT) -> None:
    """An item that is preempted while it holds a lock still holds it when it goes on."""
    vm = VM(MACHINE)
    lock, work, page = Mutex(vm, "l"), WorkQueue(vm, "work"), vm.alloc_page()
    assert page is not None
    held: list[tuple[bool, bool]] = []

    def item() -> None:
        with lock:
            page.get()
            page.put()
            held.append((lock.held, vm.context > 0xFF))

    def user() -> None:
        work.queue(item)
        for _ in range(3):
            with lock:
                page.get()
                page.put()
                held.append((lock.held, vm.context <= 0xFF))

    assert run(scenario(vm, user, user), strategy).error is None
    assert len(held) >= 7
    assert set(held) == {(True, True)}
    assert vm.context == 0


def test_flush_on_ones_own_cpu_is_somebody_else_too() -> None:
    """Where no CPU is idle, flush runs work on the CPU that asks; that one's locks are not the work's."""
    vm = VM(MACHINE)
    lock, work = Mutex(vm, "l"), WorkQueue(vm, "work")

    def user() -> None:
        with lock:
            work.queue(lock.release)
            work.flush()

    outcome = run(scenario(vm, user, vm.alloc_page, vm.alloc_page, vm.alloc_page))
    assert rule_of(outcome) == "lock-not-held"


def test_a_schedule_chooses_the_cpu() -> None:
    """Setting the CPU is refused while a schedule runs, and allowed again afterwards."""
    vm = VM(MACHINE)

    def moves() -> None:
        vm.cpu = 2

    outcome = run(scenario(vm, moves, vm.alloc_page))
    assert isinstance(outcome.error, MovableError)
    assert "a schedule chooses who runs" in str(outcome.error)
    fresh = VM(MACHINE)
    assert run(scenario(fresh, fresh.alloc_page)).error is None
    fresh.cpu = 2
    assert fresh.cpu == 2
