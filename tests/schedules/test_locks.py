"""Locks under schedules: exclusion, deadlocks, order, and sleeping where that is forbidden (spec/drivers.md 6.1)."""

from array import array
from collections.abc import Callable

import pytest
from schedules.kit import MACHINE, hunt, rule_of, scenario

from movable import GFP, VM, BitLock, Mutex, RWLock, SpinLock, WaitQueue, WorkQueue
from movable.sched import Random, Replay, RoundRobin, Scenario, run

Pair = tuple[Callable[[], object], Callable[[], object]]


def _spin(vm: VM) -> Pair:
    lock = SpinLock(vm, "l")
    return lock.acquire, lock.release


def _mutex(vm: VM) -> Pair:
    lock = Mutex(vm, "l")
    return lock.acquire, lock.release


def _write(vm: VM) -> Pair:
    lock = RWLock(vm, "l")
    return lock.write_acquire, lock.write_release


def _bit(vm: VM) -> Pair:
    lock = BitLock(vm, "l", memoryview(array("Q", [0] * 4)))
    return lambda: lock.acquire(2), lambda: lock.release(2)


def _page(vm: VM) -> Pair:
    page = vm.alloc_page()
    assert page is not None
    return page.lock, page.unlock


KINDS = [_spin, _mutex, _write, _bit, _page]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_one_holder_at_a_time(vm: VM, kind: Callable[[VM], Pair], seed: int) -> None:
    """Between taking and releasing a lock no other CPU is there, however they take turns."""
    take, give = kind(vm)
    page = vm.alloc_page()
    assert page is not None
    inside: list[int] = []
    most: list[int] = []

    def body() -> None:
        for _ in range(6):
            take()
            inside.append(vm.cpu)
            most.append(len(inside))
            page.get()  # a point at which others may run
            page.put()
            inside.remove(vm.cpu)
            give()

    outcome = run(scenario(vm, body, body, body), Random(seed))
    assert outcome.error is None
    assert max(most) == 1
    assert len(most) == 18
    assert outcome.trace.switches > 2


def test_without_the_lock_they_meet(vm: VM) -> None:
    """The same bodies without a lock are inside together: the test above can fail."""
    page = vm.alloc_page()
    assert page is not None
    inside: list[int] = []
    most: list[int] = []

    def body() -> None:
        inside.append(vm.cpu)
        page.get()
        most.append(len(inside))
        page.put()
        inside.remove(vm.cpu)

    assert run(scenario(vm, body, body), RoundRobin()).error is None
    assert max(most) == 2


@pytest.mark.parametrize("seed", range(6))
def test_readers_share_writers_do_not(vm: VM, seed: int) -> None:
    """Readers are inside together in some schedule, never with a writer."""
    lock, page = RWLock(vm, "rw"), vm.alloc_page()
    assert page is not None
    readers: list[int] = []
    writers: list[int] = []
    wrong: list[str] = []

    def read() -> None:
        for _ in range(4):
            with lock.reading():
                readers.append(vm.cpu)
                page.get()
                if writers:
                    wrong.append("a writer beside a reader")
                page.put()
                readers.remove(vm.cpu)

    def write() -> None:
        for _ in range(4):
            with lock.writing():
                writers.append(vm.cpu)
                page.get()
                if readers or len(writers) > 1:
                    wrong.append("somebody beside a writer")
                page.put()
                writers.remove(vm.cpu)

    assert run(scenario(vm, read, read, write), Random(seed)).error is None
    assert not wrong


def test_a_try_does_not_wait(vm: VM) -> None:
    """A try of a lock that another CPU holds answers False, and lets others run."""
    lock, page = SpinLock(vm, "l"), vm.alloc_page()
    assert page is not None
    answers: list[bool] = []

    def holds() -> None:
        with lock:
            for _ in range(9):
                page.get()
                page.put()

    def tries() -> None:
        while not (taken := lock.trylock()):
            answers.append(taken)
        lock.release()

    for seed in range(10):
        assert run(scenario(vm, holds, tries), Random(seed)).error is None
    assert answers
    assert not any(answers)


def _crossed(first: Callable[[VM], Pair], second: Callable[[VM], Pair]) -> Callable[[], Scenario]:
    """Two CPUs that take two locks in different orders, the second one by trying in the order check's way."""

    def make() -> Scenario:
        vm = VM(MACHINE)
        (take_a, give_a), (take_b, give_b) = first(vm), second(vm)

        def ab() -> None:
            take_a()
            take_b()
            give_b()
            give_a()

        def ba() -> None:
            take_b()
            take_a()
            give_a()
            give_b()

        return scenario(vm, ab, ba)

    return make


def _named(name: str) -> Callable[[VM], Pair]:
    def make(vm: VM) -> Pair:
        lock = Mutex(vm, name)
        return lock.acquire, lock.release

    return make


def test_crossed_orders_are_found_without_a_deadlock() -> None:
    """Taking two locks in both orders is a breach in a run that went well: another one could deadlock."""
    outcome = run(_crossed(_named("a"), _named("b"))())
    assert rule_of(outcome) == "lock-order"
    assert "a is taken under b" in str(outcome.error)


def test_the_page_lock_has_its_place_in_the_order() -> None:
    """Page locks and a driver's locks share one order."""
    outcome = run(_crossed(_page, _named("driver"))())
    assert rule_of(outcome) == "lock-order"
    assert "page lock" in str(outcome.error)


def test_one_order_is_no_breach(vm: VM) -> None:
    """The same two locks in the same order on both CPUs are fine under every schedule."""

    def make() -> Scenario:
        fresh = VM(MACHINE)
        a, b = SpinLock(fresh, "a"), SpinLock(fresh, "b")

        def body() -> None:
            for _ in range(3):
                with a, b:
                    pass

        return scenario(fresh, body, body)

    assert hunt(make) is None


def test_tries_keep_no_order(vm: VM) -> None:
    """A try against the order is allowed: it never waits."""
    a, b = SpinLock(vm, "a"), SpinLock(vm, "b")

    def ab() -> None:
        with a, b:
            pass

    def ba() -> None:
        with b:
            if a.trylock():
                a.release()

    assert run(scenario(vm, ab, ba)).error is None


def test_an_order_over_three_locks(vm: VM) -> None:
    """A circle of three orders is one too: a before b, b before c, c before a."""
    locks = {name: SpinLock(vm, name) for name in "abc"}

    def nest(outer: str, inner: str) -> Callable[[], None]:
        def body() -> None:
            with locks[outer], locks[inner]:
                pass

        return body

    outcome = run(scenario(vm, nest("a", "b"), nest("b", "c"), nest("c", "a")))
    assert rule_of(outcome) == "lock-order"


def test_locks_of_one_name_are_one_class(vm: VM) -> None:
    """Two locks of one class taken inside each other are no breach of order."""
    first, second = SpinLock(vm, "zspage"), SpinLock(vm, "zspage")

    def body() -> None:
        with first, second:
            pass

    assert run(scenario(vm, body, body)).error is None


def test_a_deadlock_is_told_with_all_stacks() -> None:
    """CPUs that wait for each other for ever are a deadlock; the stacks of all of them are there."""

    def make() -> Scenario:
        vm = VM(MACHINE)
        first, second = SpinLock(vm, "pair"), SpinLock(vm, "pair")

        def one() -> None:
            with first, second:
                pass

        def two() -> None:
            with second, first:
                pass

        return scenario(vm, one, two)

    outcome = hunt(make)
    assert rule_of(outcome) == "deadlock"
    assert outcome is not None
    assert {0, 1} <= {cpu for cpu, _ in outcome.stacks}
    assert any("in one" in text for _, text in outcome.stacks)
    assert any("in two" in text for _, text in outcome.stacks)


@pytest.mark.parametrize("kind", KINDS)
def test_waiting_for_oneself(vm: VM, kind: Callable[[VM], Pair]) -> None:
    """A CPU that takes what it holds waits for ever, and is told so at once (rule self-deadlock)."""
    take, _ = kind(vm)

    def body() -> None:
        take()
        take()

    assert rule_of(run(scenario(vm, body, vm.alloc_page))) == "self-deadlock"


def test_releasing_what_another_cpu_holds(vm: VM) -> None:
    """A lock is released by the CPU that took it, by no other (rule lock-not-held)."""
    lock = SpinLock(vm, "l")
    outcome = run(scenario(vm, lock.acquire, lock.release))
    assert rule_of(outcome) == "lock-not-held"


def _sleepers(vm: VM) -> dict[str, Callable[[], object]]:
    page = vm.alloc_page()
    assert page is not None
    queue, work = WaitQueue(vm, "queue"), WorkQueue(vm, "work")
    return {
        "mutex": Mutex(vm, "m").acquire,
        "page lock": page.lock,
        "allocation": lambda: vm.alloc_page(GFP.KERNEL),
        "wait": lambda: queue.wait_event(lambda: True),
        "flush": work.flush,
    }


@pytest.mark.parametrize("what", ["mutex", "page lock", "allocation", "wait", "flush"])
@pytest.mark.parametrize("held", [_spin, _write, _bit])
def test_no_sleep_under_a_spinning_lock(vm: VM, what: str, held: Callable[[VM], Pair]) -> None:
    """What may sleep is a breach under a spinlock, rwlock or bit lock, also where it would not have slept."""
    take, _ = held(vm)
    sleeps = _sleepers(vm)[what]

    def body() -> None:
        take()
        sleeps()

    outcome = run(scenario(vm, body))
    assert rule_of(outcome) == "sleep-in-atomic"
    assert "l held" in str(outcome.error)


@pytest.mark.parametrize("what", ["mutex", "page lock", "allocation", "wait", "flush"])
def test_sleep_under_a_mutex_is_fine(vm: VM, what: str) -> None:
    """A mutex' holder may sleep in each of these ways."""
    lock, sleeps = Mutex(vm, "outer"), _sleepers(vm)[what]

    def body() -> None:
        with lock:
            sleeps()

    assert run(scenario(vm, body)).error is None


def test_atomic_allocation_under_a_spinlock(vm: VM) -> None:
    """An allocation that cannot reclaim does not sleep."""
    lock = SpinLock(vm, "l")

    def body() -> None:
        with lock:
            assert vm.alloc_page(GFP.ATOMIC) is not None

    assert run(scenario(vm, body)).error is None


def test_after_a_release_sleeping_is_allowed_again(vm: VM) -> None:
    """Releases in any order end the atomic section when the last spinlock is gone."""
    a, b = SpinLock(vm, "a"), SpinLock(vm, "b")

    def body() -> None:
        a.acquire()
        b.acquire()
        a.release()
        b.release()
        vm.alloc_page(GFP.KERNEL)

    assert run(scenario(vm, body), Replay()).error is None
