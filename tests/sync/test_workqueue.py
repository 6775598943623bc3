"""movable.sync.WorkQueue: work that is done later (spec/drivers.md 1.13)."""

import gc
from typing import Any

import pytest
from sync.callbacks import act_in_callback

from movable import VM, KernelAssertion, MovableError, WaitQueue, WorkQueue
from movable.sync import workqueue


class Worker:
    """Items that note their names."""

    def __init__(self, vm: VM) -> None:
        self.queue = WorkQueue(vm, "free work")
        self.done: list[str] = []

    def first(self) -> None:
        """An item."""
        self.done.append("first")

    def second(self) -> None:
        """Another item."""
        self.done.append("second")

    def again(self) -> None:
        """An item that queues itself."""
        self.done.append("again")
        self.queue.queue(self.again)

    def fail(self) -> None:
        """An item that raises."""
        raise LookupError("work")


@pytest.fixture
def worker(vm: VM) -> Worker:
    """A worker of the machine with nothing to do."""
    return Worker(vm)


def test_nothing_runs_by_itself(worker: Worker) -> None:
    """Queued work waits until somebody says that the CPU is idle."""
    assert worker.queue.queue(worker.first)
    assert worker.done == []
    assert worker.queue.pending == (worker.first,)


def test_work_runs_in_the_order_of_queuing(worker: Worker) -> None:
    """A run empties the queue, the oldest item first, and counts."""
    worker.queue.queue(worker.second)
    worker.queue.queue(worker.first)
    assert worker.queue.run() == 2
    assert worker.done == ["second", "first"]
    assert worker.queue.pending == ()
    assert worker.queue.run() == 0


def test_an_item_is_pending_once(worker: Worker) -> None:
    """Queuing an item that is pending changes nothing; equal callables are one item."""
    assert worker.queue.queue(worker.first) is True
    assert worker.queue.queue(worker.first) is False
    assert worker.queue.run() == 1
    assert worker.queue.queue(worker.first) is True


def test_a_run_leaves_what_it_queues(worker: Worker) -> None:
    """An item that queues itself runs once in each run."""
    worker.queue.queue(worker.again)
    assert (worker.queue.run(), worker.queue.run()) == (1, 1)
    assert worker.queue.pending == (worker.again,)


def test_cancelled_work_does_not_run(worker: Worker) -> None:
    """An item that was cancelled is gone; cancelling what is not pending answers False."""
    worker.queue.queue(worker.first)
    assert worker.queue.cancel(worker.first) is True
    assert worker.queue.cancel(worker.first) is False
    assert worker.queue.run() == 0


def test_an_item_may_cancel_a_later_one(worker: Worker) -> None:
    """What an item cancels does not run in the same run either."""
    worker.queue.queue(lambda: worker.queue.cancel(worker.first))
    worker.queue.queue(worker.first)
    assert worker.queue.run() == 1
    assert worker.done == []


def test_an_item_that_raises_is_over(worker: Worker) -> None:
    """The exception reaches the caller, the item is gone, and what follows stays pending."""
    worker.queue.queue(worker.fail)
    worker.queue.queue(worker.first)
    with pytest.raises(LookupError, match="work"):
        worker.queue.run()
    assert worker.queue.pending == (worker.first,)
    assert worker.queue.run() == 1


def test_flush_runs_what_work_queues(worker: Worker) -> None:
    """A flush goes on until nothing is pending."""
    worker.queue.queue(lambda: worker.queue.queue(worker.first))
    assert worker.queue.flush() == 2
    assert worker.done == ["first"]
    assert worker.queue.flush() == 0


def test_a_flush_of_endless_work_is_a_deadlock(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for work that queues itself for ever never ends, and is reported."""
    monkeypatch.setattr(workqueue, "PATIENCE", 50)
    worker.queue.queue(worker.again)
    with pytest.raises(KernelAssertion, match="WorkQueue 'free work'") as caught:
        worker.queue.flush()
    assert (caught.value.rule.id, len(worker.done)) == ("self-deadlock", 50)
    assert worker.queue.pending == (worker.again,)


@pytest.mark.parametrize("method", ["flush", "destroy"])
def test_an_item_cannot_wait_for_its_own_end(worker: Worker, method: str) -> None:
    """An item that flushes or destroys its own queue waits for itself."""
    worker.queue.queue(getattr(worker.queue, method))
    with pytest.raises(KernelAssertion) as caught:
        worker.queue.run()
    assert caught.value.rule.id == "self-deadlock"


def test_an_item_that_sleeps_is_not_started_again(vm: VM, worker: Worker) -> None:
    """While an item sleeps others run, but it does not, even if it was queued again."""
    wait = WaitQueue(vm, "wait")

    def sleeper() -> None:
        worker.done.append("sleeper")
        worker.queue.queue(sleeper)
        worker.queue.queue(worker.first)
        assert not wait.wait_event_timeout(lambda: False)

    worker.queue.queue(sleeper)
    assert worker.queue.run() == 1
    assert worker.done == ["sleeper", "first"]
    assert worker.queue.pending == (sleeper,)


def test_an_idle_machine_runs_all_its_queues(vm: VM, worker: Worker) -> None:
    """VM.run_work() runs the work of every queue of the machine, in the order of their creation."""
    other = WorkQueue(vm, "other")
    other.queue(worker.second)
    worker.queue.queue(worker.first)
    assert vm.run_work() == 2
    assert worker.done == ["first", "second"]
    assert vm.run_work() == 0


def test_machines_run_their_own_work_only(vm: VM, other_vm: VM, worker: Worker) -> None:
    """An idle machine leaves the work of another one alone."""
    worker.queue.queue(worker.first)
    assert other_vm.run_work() == 0
    assert vm.run_work() == 1


def test_a_machine_keeps_no_queue_alive(vm: VM) -> None:
    """A queue that nobody refers to any more is gone, with its work."""
    done: list[int] = []
    WorkQueue(vm, "dropped").queue(lambda: done.append(1))
    gc.collect()
    assert vm.run_work() == 0
    assert done == []


@pytest.mark.parametrize("method", ["run", "flush"])
def test_work_never_runs_in_a_callback(vm: VM, worker: Worker, method: str) -> None:
    """A callback can queue work, but not run it: a page is locked there (spec/drivers.md 0.3)."""
    act_in_callback(vm, lambda: worker.queue.queue(worker.first))
    assert worker.queue.pending == (worker.first,)
    for attempt in (getattr(worker.queue, method), vm.run_work):
        with pytest.raises(MovableError) as caught:
            act_in_callback(vm, attempt)
        assert "not inside a callback" in str(caught.value.__cause__)
    assert worker.done == []


def test_a_destroyed_queue_leaves_its_machine(vm: VM, worker: Worker) -> None:
    """A destroyed queue takes no work; destroying it again is harmless."""
    worker.queue.destroy()
    worker.queue.destroy()
    with pytest.raises(MovableError, match="'free work' was destroyed"):
        worker.queue.queue(worker.first)
    assert vm.run_work() == 0


def test_a_queue_with_work_is_not_destroyed(vm: VM, worker: Worker) -> None:
    """Pending work is not lost: destroy refuses and changes nothing."""
    worker.queue.queue(worker.first)
    with pytest.raises(MovableError, match="flush or cancel it first"):
        worker.queue.destroy()
    assert vm.run_work() == 1
    worker.queue.destroy()


def test_a_queue_may_be_destroyed_by_the_work_of_another(vm: VM, worker: Worker) -> None:
    """A queue that goes while the machine runs its work is passed over."""
    first = WorkQueue(vm, "first")
    second = WorkQueue(vm, "second")
    worker.queue.queue(second.destroy)
    worker.queue.queue(first.destroy)
    assert vm.run_work() == 2


@pytest.mark.parametrize("work", [None, "work", 3])
def test_work_is_callable(worker: Worker, work: Any) -> None:
    """What cannot be called is refused when it is queued, not when it runs."""
    with pytest.raises(MovableError, match="work: must be callable"):
        worker.queue.queue(work)


def test_work_on_a_closed_machine_is_refused(worker: Worker, vm: VM) -> None:
    """The work of a machine that was closed does not run any more."""
    worker.queue.queue(worker.first)
    vm.close()
    with pytest.raises(MovableError, match="closed"):
        worker.queue.run()
    assert worker.done == []


def test_a_queue_without_a_machine_runs_by_hand() -> None:
    """Without a machine there is no idle CPU: only run and flush run the work."""
    done: list[int] = []
    queue = WorkQueue(None, "loose")
    queue.queue(lambda: done.append(1))
    assert repr(queue) == "<WorkQueue 'loose', 1 pending>"
    assert queue.flush() == 1
    queue.destroy()
    with pytest.raises(TypeError, match="name"):
        WorkQueue(None, "")
