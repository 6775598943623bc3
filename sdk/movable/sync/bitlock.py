"""Spinlocks in single bits of words."""

from typing import NoReturn, final

from movable.errors import MovableError
from movable.sync.waiting import SPIN, LockMachine, Waitable, cpu_of, who

__all__ = ["BitLock"]


@final
class BitLock(Waitable):
    """One bit of each word of a memory is that word's lock (the kernel's ``bit_spin_lock``).

    ``words`` is a writable view of 64-bit words (format ``Q``). The bit itself is the lock: one that
    somebody set by other means counts as taken, one that somebody cleared as free. The other bits of the
    word are free for other uses. An ``index`` without a word is a MovableError.

    `_take` and `release` are the only places where a bit changes.
    """

    __slots__ = ("_mask", "_owners", "_words")

    def __init__(self, machine: LockMachine | None, name: str, words: memoryview, bit: int = 0) -> None:
        super().__init__(machine, name)
        view: object = words
        if not isinstance(view, memoryview) or (view.format, view.ndim, view.readonly) != ("Q", 1, False):
            raise MovableError(
                f"words: must be a writable one-dimensional memoryview of format 'Q' (see cast()), not {view!r}"
            )
        if bit not in range(64):
            raise MovableError(f"bit: must be 0 to 63, not {bit!r}")
        self._words = words
        self._mask = 1 << bit
        self._owners: dict[int, int] = {}

    def acquire(self, index: int) -> None:
        """Take the lock of a word; under a schedule, wait for the CPU that holds it.

        KernelAssertion (rule ``self-deadlock``) if nobody that runs would release it.
        """
        machine = self._machine
        if machine is not None and machine.sched is not None and (sched := self._schedule()):
            sched.lock(self._class, self._key + index, SPIN)
        while not self._take(index):
            self._wait(self._state(index), mine=self._owners.get(index) == self._context(), index=index)

    def trylock(self, index: int) -> bool:
        """Take the lock of a word if it is free; whether it was."""
        machine = self._machine
        if machine is None or machine.sched is None or not (sched := self._schedule()):
            return self._take(index)
        sched.trylock(self._key + index)
        if self._take(index):
            sched.taken(self._class, self._key + index, SPIN)
            return True
        sched.busy(self._key + index)
        return False

    def _take(self, index: int) -> bool:
        words, machine = self._words, self._machine
        try:
            word = words[index]
            if word & self._mask:
                return not self._word(index)
            words[index if index >= 0 else len(words)] = word | self._mask
        except (IndexError, TypeError):
            self._no_word(index)
        self._owners[index] = 0 if machine is None else machine.context
        return True

    def release(self, index: int) -> None:
        """Give the lock of a word up. KernelAssertion (rule ``lock-not-held``) unless this CPU holds it."""
        words, machine = self._words, self._machine
        try:
            word, owner = words[index], self._owners.get(index)
        except (IndexError, TypeError):
            self._no_word(index)
        if owner != (0 if machine is None else machine.context) or not word & self._mask:
            self._not_held(self._state(index))
        del self._owners[index]
        words[index] = word ^ self._mask
        if machine is not None and machine.sched is not None and (sched := self._schedule()):
            sched.unlock(self._class, self._key + index)

    def locked(self, index: int) -> bool:
        """Whether the lock of a word is taken."""
        return bool(self._word(index) & self._mask)

    def owner(self, index: int) -> int | None:
        """The CPU that holds the lock of a word; None if it is free, or set by other means."""
        holder = self._owners.get(index) if self.locked(index) else None
        return None if holder is None else cpu_of(holder)

    def _word(self, index: int) -> int:
        if index not in range(len(self._words)):
            self._no_word(index)
        return self._words[index]

    def _no_word(self, index: object) -> NoReturn:
        raise MovableError(f"index: {self} has words 0 to {len(self._words) - 1}, not {index!r}")

    def _state(self, index: int) -> str:
        if not self.locked(index):
            return f"word {index} free"
        holder = self._owners.get(index)
        return f"word {index} held by {'somebody unknown' if holder is None else who(holder)}"

    def __repr__(self) -> str:
        return f"<{self} {sum(map(self.locked, self._owners))} held>"
