"""A spinning lock with many readers or one writer."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import final

from movable.sync.waiting import SPIN, LockMachine, Waitable, cpu_of, who

__all__ = ["RWLock"]


class _Section:
    """One side of the lock, as a block. `contextlib.contextmanager` would cost more than the lock."""

    __slots__ = ("_enter", "_leave")

    def __init__(self, enter: Callable[[], None], leave: Callable[[], None]) -> None:
        self._enter = enter
        self._leave = leave

    def __enter__(self) -> None:
        self._enter()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()


@final
class RWLock(Waitable):
    """Many readers or one writer (the kernel's ``rwlock_t``). A reader may read once more; a writer not.

    `_read`, `_write` and the releases are the only places where the holders change.
    """

    __slots__ = ("_readers", "_writer")

    def __init__(self, machine: LockMachine | None, name: str) -> None:
        super().__init__(machine, name)
        self._readers: list[int] = []
        self._writer: int | None = None

    @property
    def readers(self) -> tuple[int, ...]:
        """The CPUs that read, once for each time they took the lock."""
        return tuple(map(cpu_of, self._readers))

    @property
    def writer(self) -> int | None:
        """The CPU that writes, or None."""
        return None if self._writer is None else cpu_of(self._writer)

    @property
    def held_for_read(self) -> bool:
        """True if what runs now reads."""
        return self._context() in self._readers

    @property
    def held_for_write(self) -> bool:
        """True if what runs now writes."""
        return self._writer == self._context()

    def read_acquire(self) -> None:
        """Take the lock for reading; under a schedule, wait for a writer on another CPU.

        KernelAssertion (rule ``self-deadlock``) if a writer has it that will never release it.
        """
        self._announce()
        while not self._read():
            self._wait(self._state(), mine=self.held_for_write)

    def read_trylock(self) -> bool:
        """Take the lock for reading unless a writer has it; whether that was so."""
        return self._try(self._read)

    def read_release(self) -> None:
        """Stop reading. KernelAssertion (rule ``lock-not-held``) if this CPU does not read."""
        try:
            self._readers.remove(self._context())
        except ValueError:
            self._not_held(self._state())
        self._released()

    def write_acquire(self) -> None:
        """Take the lock for writing; under a schedule, wait for those who have it on other CPUs.

        KernelAssertion (rule ``self-deadlock``) if one has it that will never release it.
        """
        self._announce()
        while not self._write():
            self._wait(self._state(), mine=self.held_for_write or self.held_for_read)

    def write_trylock(self) -> bool:
        """Take the lock for writing if nobody has it; whether that was so."""
        return self._try(self._write)

    def write_release(self) -> None:
        """Stop writing. KernelAssertion (rule ``lock-not-held``) if this CPU does not write."""
        if self._writer is None or self._writer != self._context():
            self._not_held(self._state())
        self._writer = None
        self._released()

    def reading(self) -> AbstractContextManager[None]:
        """Read for the time of the block: ``with lock.reading(): ...``."""
        return _Section(self.read_acquire, self.read_release)

    def writing(self) -> AbstractContextManager[None]:
        """Write for the time of the block: ``with lock.writing(): ...``."""
        return _Section(self.write_acquire, self.write_release)

    def _announce(self) -> None:
        machine = self._machine
        if machine is not None and machine.sched is not None and (sched := self._schedule()):
            sched.lock(self._class, self._key, SPIN)

    def _try(self, take: Callable[[], bool]) -> bool:
        sched = self._schedule()
        if sched is None:
            return take()
        sched.trylock(self._key)
        taken = take()
        if taken:
            sched.taken(self._class, self._key, SPIN)
        else:
            sched.busy(self._key)
        return taken

    def _released(self) -> None:
        machine = self._machine
        if machine is not None and machine.sched is not None and (sched := self._schedule()):
            sched.unlock(self._class, self._key)

    def _read(self) -> bool:
        if self._writer is not None:
            return False
        self._readers.append(self._context())
        return True

    def _write(self) -> bool:
        if self._writer is not None or self._readers:
            return False
        self._writer = self._context()
        return True

    def _state(self) -> str:
        if self._writer is not None:
            return f"written by {who(self._writer)}"
        return f"read by {', '.join(map(who, self._readers))}" if self._readers else "free"

    def __repr__(self) -> str:
        return f"<{self} {self._state()}>"
