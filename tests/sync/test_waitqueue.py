"""movable.sync.WaitQueue: sleeping until a condition holds."""

from typing import Any

import pytest
from sync.callbacks import act_in_callback

from movable import VM, KernelAssertion, MovableError, WaitQueue, WorkQueue
from movable.sync import waitqueue


@pytest.fixture
def queue(vm: VM) -> WaitQueue:
    """A wait queue of the machine."""
    return WaitQueue(vm, "drained")


@pytest.fixture
def worker(vm: VM) -> WorkQueue:
    """A work queue of the same machine."""
    return WorkQueue(vm, "worker")


def test_a_true_condition_passes_at_once(queue: WaitQueue, worker: WorkQueue) -> None:
    """Who has nothing to wait for does not sleep: no work runs."""
    worker.queue(list)
    queue.wait_event(lambda: True)
    assert worker.pending == (list,)


def test_work_ends_a_wait(queue: WaitQueue, worker: WorkQueue) -> None:
    """A sleeper lets work run until one item makes its condition true and wakes it."""
    seen: list[int] = []

    def count() -> None:
        seen.append(len(seen))
        queue.wake_up()
        worker.queue(count)

    worker.queue(count)
    queue.wait_event(lambda: len(seen) == 3)
    assert seen == [0, 1, 2]


def test_a_wait_that_nobody_ends_is_a_deadlock(queue: WaitQueue) -> None:
    """With no work left a sleeper would sleep for ever."""
    with pytest.raises(KernelAssertion, match="WaitQueue 'drained'") as caught:
        queue.wait_event(lambda: False)
    assert caught.value.rule.id == "self-deadlock"
    assert caught.value.seen == "the condition false, and nothing left that could run"


def test_a_forgotten_wake_up_is_a_deadlock(queue: WaitQueue, worker: WorkQueue) -> None:
    """A sleeper whose condition became true without a wake-up sleeps on."""
    done: list[int] = []
    worker.queue(lambda: done.append(1))
    with pytest.raises(KernelAssertion) as caught:
        queue.wait_event(lambda: done)
    assert caught.value.rule.id == "self-deadlock"
    assert "no wake_up()" in caught.value.seen


def test_an_early_wake_up_is_no_end(queue: WaitQueue, worker: WorkQueue) -> None:
    """A wake-up before the condition is true makes the sleeper look and sleep on."""
    looks: list[bool] = []
    done: list[int] = []

    def end() -> None:
        done.append(1)
        queue.wake_up()

    worker.queue(queue.wake_up)
    worker.queue(lambda: worker.queue(end))

    def condition() -> bool:
        looks.append(bool(done))
        return bool(done)

    queue.wait_event(condition)
    assert looks == [False, False, True]


def test_a_wait_with_a_timeout_gives_up(vm: VM, queue: WaitQueue) -> None:
    """When nothing is left to run, the time of a wait with a timeout is up, and the machine goes on."""
    assert queue.wait_event_timeout(lambda: False) is False
    assert vm.alloc_page() is not None


def test_a_timeout_looks_once_more(queue: WaitQueue, worker: WorkQueue) -> None:
    """At the end of its time a wait finds a condition that became true without a wake-up."""
    done: list[int] = []
    worker.queue(lambda: done.append(1))
    assert queue.wait_event_timeout(lambda: done) is True


def test_work_without_end_does_not_hang_a_wait(
    queue: WaitQueue, worker: WorkQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that always queues itself is no reason to wait for ever."""
    monkeypatch.setattr(waitqueue, "PATIENCE", 50)

    def again() -> None:
        worker.queue(again)

    worker.queue(again)
    assert queue.wait_event_timeout(lambda: False) is False


def test_work_that_raises_ends_the_wait(queue: WaitQueue, worker: WorkQueue) -> None:
    """An exception of the work reaches the sleeper who let it run."""

    def fail() -> None:
        raise LookupError

    worker.queue(fail)
    with pytest.raises(LookupError):
        queue.wait_event(lambda: False)


def test_a_condition_that_raises_ends_the_wait(vm: VM, queue: WaitQueue) -> None:
    """An exception of the condition reaches the caller; the machine lives."""

    def condition() -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        queue.wait_event(condition)
    assert vm.alloc_page() is not None


def test_work_of_another_machine_does_not_run(queue: WaitQueue, other_vm: VM) -> None:
    """A sleeper lets the work of its own machine run only."""
    elsewhere = WorkQueue(other_vm, "elsewhere")
    elsewhere.queue(queue.wake_up)
    assert not queue.wait_event_timeout(lambda: not elsewhere.pending)


def test_a_wait_in_a_callback_is_refused(vm: VM, queue: WaitQueue) -> None:
    """Where no work can run, only a condition that holds already passes."""
    act_in_callback(vm, lambda: queue.wait_event(lambda: True))
    with pytest.raises(MovableError) as caught:
        act_in_callback(vm, lambda: queue.wait_event(lambda: False))
    assert "not inside a callback" in str(caught.value.__cause__)


@pytest.mark.parametrize("condition", [None, True, "done"])
def test_a_condition_is_callable(queue: WaitQueue, condition: Any) -> None:
    """What cannot be called is refused."""
    with pytest.raises(MovableError, match="condition: must be callable"):
        queue.wait_event(condition)


def test_a_queue_without_a_machine() -> None:
    """Without a machine there is no work, so a wait passes at once or never."""
    queue = WaitQueue(None, "loose")
    queue.wait_event(lambda: True)
    with pytest.raises(KernelAssertion):
        queue.wait_event(lambda: False)
    with pytest.raises(TypeError, match="name"):
        WaitQueue(None, "")
    assert repr(queue) == "<WaitQueue 'loose'>"
