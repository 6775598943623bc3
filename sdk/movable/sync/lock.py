"""Locks with one holder: the spinlock and the mutex."""

from types import TracebackType
from typing import Self, final

from movable.sync.waiting import SPIN, LockMachine, Waitable, cpu_of, who

__all__ = ["Mutex", "SpinLock"]


class _Lock(Waitable):
    """A lock with an owner. Nothing else runs between the test of the owner and its change.

    `_take` and `release` are the only places where the owner changes.
    """

    __slots__ = ("_owner",)

    _FLAGS = 0

    def __init__(self, machine: LockMachine | None, name: str) -> None:
        super().__init__(machine, name)
        self._owner: int | None = None

    def acquire(self) -> None:
        """Take the lock; under a schedule, wait for the CPU that holds it.

        Raises KernelAssertion (rule ``self-deadlock``) if this CPU has it, or one that does not run and so
        cannot release it.
        """
        machine = self._machine
        if machine is not None and machine.sched is not None and (sched := self._schedule()):
            sched.lock(self._class, self._key, self._FLAGS)
        while not self._take():
            self._wait(self._state(), mine=self.held)

    def trylock(self) -> bool:
        """Take the lock if it is free; False, at once, if it is not. The holder may ask too (False)."""
        machine = self._machine
        if machine is None or machine.sched is None or not (sched := self._schedule()):
            return self._take()
        sched.trylock(self._key)
        if self._take():
            sched.taken(self._class, self._key, self._FLAGS)
            return True
        sched.busy(self._key)
        return False

    def release(self) -> None:
        """Give the lock up. KernelAssertion (rule ``lock-not-held``) unless this CPU holds it."""
        machine = self._machine
        if self._owner != (0 if machine is None else machine.context):
            self._not_held(self._state())
        self._owner = None
        if machine is not None and machine.sched is not None and (sched := self._schedule()):
            sched.unlock(self._class, self._key)

    @property
    def owner(self) -> int | None:
        """The CPU that holds the lock, or None."""
        return None if self._owner is None else cpu_of(self._owner)

    @property
    def held(self) -> bool:
        """True if what runs now holds the lock: this CPU, or the item of work on it."""
        return self._owner == self._context()

    def _take(self) -> bool:
        if self._owner is not None:
            return False
        machine = self._machine
        self._owner = 0 if machine is None else machine.context
        return True

    def _state(self) -> str:
        return "free" if self._owner is None else f"held by {who(self._owner)}"

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{self} {self._state()}>"


@final
class SpinLock(_Lock):
    """A lock for short sections that do not sleep: ``with SpinLock(vm, "pages_lock"): ...``.

    Without a machine (``SpinLock(None, "name")``) it is a lock of CPU 0.
    """

    __slots__ = ()

    _FLAGS = SPIN


@final
class Mutex(_Lock):
    """A lock whose holder may sleep, allocate and wait; the kernel's sleeping mutex.

    Without a machine it is a lock of CPU 0.
    """

    __slots__ = ()
