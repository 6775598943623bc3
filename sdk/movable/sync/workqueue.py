"""Work that is done later, where sleeping is allowed."""

from collections.abc import Callable
from typing import Protocol, final

from movable.errors import MovableError
from movable.sync.waiting import LockMachine, Scheduling, Waitable
from movable.sync.waitqueue import PATIENCE

__all__ = ["WorkMachine", "WorkQueue"]

Work = Callable[[], object]


class WorkMachine(LockMachine, Protocol):
    """What a work queue asks of its machine; `movable.VM` is one."""

    def begin_work(self) -> int:
        """What runs from here on is a context of its own; returns the one that is interrupted."""

    def end_work(self, interrupted: int) -> None:
        """The context that was interrupted goes on."""

    def add_work_queue(self, queue: "WorkQueue") -> None:
        """Run the queue's work when the machine is idle, as long as somebody refers to the queue."""

    def remove_work_queue(self, queue: "WorkQueue") -> None:
        """Forget a queue that was destroyed."""


@final
class WorkQueue(Waitable):
    """Items of work, run in the order in which they were queued; an item is there once at most.

    Nothing runs by itself: work runs when the CPU has nothing else to do, which is when somebody calls
    `run`, `flush`, or the machine's ``run_work()``, and when a CPU waits in a `WaitQueue`. An item that
    raises is over; its exception goes to the caller, and what follows it stays pending. An item may queue
    itself again; it is never run a second time while it sleeps in a run.

    Under a schedule (`movable.sched`) an idle CPU runs work as it comes, and `flush` waits for it.

    Items are compared by ``==``, so a bound method of one object is one item. `_execute` is the only place
    where work runs.
    """

    def __init__(self, machine: WorkMachine | None, name: str) -> None:
        super().__init__(machine, name)
        self._work_machine = machine
        self._pending: list[Work] = []
        self._running: list[Work] = []
        self._destroyed = False
        self._done = 0
        if machine is not None:
            machine.add_work_queue(self)

    @property
    def pending(self) -> tuple[Work, ...]:
        """What waits to be run, next one first."""
        return tuple(self._pending)

    def queue(self, work: Work) -> bool:
        """Have ``work()`` done later; False if it is pending already. Allowed anywhere, callbacks too.

        MovableError if the queue was destroyed.
        """
        if not callable(work):
            raise MovableError(f"work: must be callable without arguments, not {work!r}")
        if self._destroyed:
            raise MovableError(f"{self} was destroyed: it takes no more work")
        if work in self._pending:
            return False
        self._pending.append(work)
        if (sched := self._schedule()) is not None:
            sched.work_queued()
        return True

    def cancel(self, work: Work) -> bool:
        """Take work out again; False if it is not pending."""
        if work not in self._pending:
            return False
        self._pending.remove(work)
        return True

    def run(self) -> int:
        """Run what is pending now, not what that queues; how many items that were.

        MovableError inside a callback of the machine: the page lock is held there.
        """
        self._demand_process_context("running work")
        count = 0
        for work in tuple(self._pending):
            if work in self._pending and work not in self._running:
                self._pending.remove(work)
                self._execute(work)
                count += 1
        return count

    def flush(self) -> int:
        """Run until nothing is pending; how many items that were. MovableError inside a callback.

        KernelAssertion (rule ``self-deadlock``) if that would never end: an item of this queue asks for it,
        or work queues itself for ever (it stays pending).
        """
        sched = self._schedule()
        if sched is not None and sched.has_worker:
            return self._await_worker(sched)
        self._demand_process_context("flushing work")
        self._wait_for_running()
        count = rounds = 0
        while self._pending:
            count += self.run()
            rounds += 1
            if rounds >= PATIENCE:
                self._stuck("work that queues itself for ever")
        return count

    def _await_worker(self, sched: Scheduling) -> int:
        """Under a schedule work has a CPU of its own: wait until it has done all."""
        sched.might_sleep(str(self))
        before = self._done
        while self._pending or self._running:
            sched.wait(self._key)
        return self._done - before

    def destroy(self) -> None:
        """Take the queue from its machine; harmless when done before.

        MovableError, with nothing changed, if work is pending: flush or cancel it first.
        """
        if self._destroyed:
            return
        sched = self._schedule()
        if sched is None or not sched.has_worker:
            self._wait_for_running()
        while self._running and sched is not None:
            sched.wait(self._key)
        if self._pending:
            raise MovableError(f"{self} has work pending: flush or cancel it first")
        if self._work_machine is not None:
            self._work_machine.remove_work_queue(self)
        self._destroyed = True

    def _execute(self, work: Work) -> None:
        machine = self._work_machine
        interrupted = 0 if machine is None else machine.begin_work()
        self._running.append(work)
        try:
            work()
        finally:
            if machine is not None:
                machine.end_work(interrupted)
            self._running.remove(work)
            self._done += 1
            if (sched := self._schedule()) is not None:
                sched.wake(self._key)

    def _wait_for_running(self) -> None:
        if self._running:
            self._stuck("an item of the queue that waits for its own end")

    def _demand_process_context(self, what: str) -> None:
        if self._machine is not None:
            self._machine.demand_process_context(what)

    def __repr__(self) -> str:
        return f"<{self}, {len(self._pending)} pending>"
