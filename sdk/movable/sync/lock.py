"""Locks with one holder: the spinlock and the mutex."""

from types import TracebackType
from typing import Self, final

from movable.sync.waiting import LockMachine, Waitable

__all__ = ["Mutex", "SpinLock"]


class _Lock(Waitable):
    """A lock with an owner. Nothing else runs between the test of the owner and its change.

    `_take` and `_give` are the only places where the owner changes.
    """

    __slots__ = ("_owner",)

    def __init__(self, machine: LockMachine | None, name: str) -> None:
        super().__init__(machine, name)
        self._owner: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises KernelAssertion (rule ``self-deadlock``) if it is taken: by this CPU, which would wait for
        itself, or by one that does not run and so cannot release it.
        """
        while not self._take():
            self._wait(self._state())

    def trylock(self) -> bool:
        """Take the lock if it is free; False, at once, if it is not. The holder may ask too (False)."""
        return self._take()

    def release(self) -> None:
        """Give the lock up. KernelAssertion (rule ``lock-not-held``) unless this CPU holds it."""
        self._give()

    @property
    def owner(self) -> int | None:
        """The CPU that holds the lock, or None."""
        return self._owner

    @property
    def held(self) -> bool:
        """True if the CPU that runs now holds the lock."""
        return self._owner == self._cpu()

    def _take(self) -> bool:
        if self._owner is not None:
            return False
        machine = self._machine
        self._owner = 0 if machine is None else machine.cpu
        return True

    def _give(self) -> None:
        machine = self._machine
        if self._owner != (0 if machine is None else machine.cpu):
            self._not_held(self._state())
        self._owner = None

    def _state(self) -> str:
        return "free" if self._owner is None else f"held by CPU {self._owner}"

    def __enter__(self) -> Self:
        while not self._take():
            self._wait(self._state())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._give()

    def __repr__(self) -> str:
        return f"<{self} {self._state()}>"


@final
class SpinLock(_Lock):
    """A lock for short sections that do not sleep: ``with SpinLock(vm, "pages_lock"): ...``.

    Without a machine (``SpinLock(None, "name")``) it is a lock of CPU 0.
    """

    __slots__ = ()


@final
class Mutex(_Lock):
    """A lock whose holder may sleep, allocate and wait; the kernel's sleeping mutex.

    Without a machine it is a lock of CPU 0.
    """

    __slots__ = ()
