"""Spinlocks in single bits of words."""

from typing import final

from movable.sync.waiting import LockMachine, Waitable

__all__ = ["BitLock"]


@final
class BitLock(Waitable):
    """One bit of each word of a memory is that word's lock (the kernel's ``bit_spin_lock``).

    ``words`` is a writable view of 64-bit words (format ``Q``). The bit itself is the lock: one that
    somebody set by other means counts as taken. The other bits of the word are free for other uses.
    `_take` and `release` are the only places where a bit changes.
    """

    __slots__ = ("_mask", "_owners", "_words")

    def __init__(self, machine: LockMachine | None, name: str, words: memoryview, bit: int = 0) -> None:
        super().__init__(machine, name)
        if (words.format, words.ndim, words.readonly) != ("Q", 1, False):
            raise TypeError("words: must be a writable one-dimensional memoryview of format 'Q'")
        if not 0 <= bit < 64:
            raise ValueError(f"bit: must be 0 to 63, not {bit}")
        self._words = words
        self._mask = 1 << bit
        self._owners: dict[int, int] = {}

    def acquire(self, index: int) -> None:
        """Take the lock of a word. KernelAssertion (rule ``self-deadlock``) if it is taken."""
        if not self._take(index):
            self._cannot_wait(self._state(index))

    def trylock(self, index: int) -> bool:
        """Take the lock of a word if it is free; whether it was."""
        return self._take(index)

    def release(self, index: int) -> None:
        """Give the lock of a word up. KernelAssertion (rule ``lock-not-held``) unless this CPU holds it."""
        machine = self._machine
        word = self._words[index]
        if self._owners.get(index) != (0 if machine is None else machine.cpu) or not word & self._mask:
            self._not_held(self._state(index))
        del self._owners[index]
        self._words[index] = word & ~self._mask

    def locked(self, index: int) -> bool:
        """Whether the lock of a word is taken."""
        return bool(self._words[index] & self._mask)

    def owner(self, index: int) -> int | None:
        """The CPU that holds the lock of a word; None if it is free, or set by other means."""
        return self._owners.get(index) if self.locked(index) else None

    def _take(self, index: int) -> bool:
        word = self._words[index]
        if word & self._mask:
            return False
        machine = self._machine
        self._words[index] = word | self._mask
        self._owners[index] = 0 if machine is None else machine.cpu
        return True

    def _state(self, index: int) -> str:
        if not self.locked(index):
            return f"word {index} free"
        holder = self._owners.get(index)
        return f"word {index} held by {'somebody unknown' if holder is None else f'CPU {holder}'}"

    def __repr__(self) -> str:
        return f"<{self} {len(self._owners)} held>"
