"""Work that is done later, where sleeping is allowed."""

from collections.abc import Callable
from typing import Protocol, final

__all__ = ["WorkMachine", "WorkQueue"]

Work = Callable[[], object]

_ROUNDS = 1000


class WorkMachine(Protocol):
    """What a work queue asks of its machine; `movable.VM` is one."""

    def add_work_queue(self, queue: "WorkQueue") -> None:
        """Run the queue's work when the machine is idle."""

    def remove_work_queue(self, queue: "WorkQueue") -> None:
        """Forget a queue that was destroyed."""

    def demand_process_context(self, what: str) -> None:
        """Refuse inside a callback, where work must not run: MovableError names what was asked for."""


@final
class WorkQueue:
    """Items of work, run in the order in which they were queued; an item is there once at most.

    Nothing runs by itself: work runs when the CPU has nothing else to do, which is when somebody calls
    `run`, `flush`, or the machine's ``run_work()``, and when a CPU waits in a `WaitQueue`. An item that
    raises is over; its exception goes to the caller, and what follows it stays pending.
    """

    def __init__(self, machine: WorkMachine | None, name: str) -> None:
        if not name:
            raise TypeError(f"name: a work queue needs a name to be recognised by, not {name!r}")
        self.name = name
        self._machine = machine
        self._pending: list[Work] = []
        self._destroyed = False
        if machine is not None:
            machine.add_work_queue(self)

    @property
    def pending(self) -> tuple[Work, ...]:
        """What waits to be run, next one first."""
        return tuple(self._pending)

    def queue(self, work: Work) -> bool:
        """Have ``work()`` done later; False if it is pending already."""
        if not callable(work):
            raise TypeError(f"work: must be callable without arguments, not {work!r}")
        if self._destroyed:
            raise RuntimeError(f"{self!r} was destroyed: it takes no more work")
        if work in self._pending:
            return False
        self._pending.append(work)
        return True

    def cancel(self, work: Work) -> bool:
        """Take work out again; False if it is not pending."""
        if work not in self._pending:
            return False
        self._pending.remove(work)
        return True

    def run(self) -> int:
        """Run what is pending now, not what that queues; how many items that were."""
        if self._machine is not None:
            self._machine.demand_process_context("running work")
        count = 0
        for _ in range(len(self._pending)):
            if not self._pending:
                break  # an item has cancelled another one
            self._pending.pop(0)()
            count += 1
        return count

    def flush(self) -> int:
        """Run until nothing is pending; how many items that were.

        RuntimeError for work that queues itself again and again; it stays pending.
        """
        count = 0
        for _ in range(_ROUNDS):
            if not self._pending:
                return count
            count += self.run()
        raise RuntimeError(f"{self!r}: work queues itself for ever; cancel it")

    def destroy(self) -> None:
        """Take the queue from its machine. RuntimeError if work is pending: flush or cancel it first."""
        if self._pending:
            raise RuntimeError(f"{self!r} has work pending: flush or cancel it first")
        if self._machine is not None and not self._destroyed:
            self._machine.remove_work_queue(self)
        self._destroyed = True

    def __repr__(self) -> str:
        return f"<WorkQueue {self.name!r}, {len(self._pending)} pending>"
