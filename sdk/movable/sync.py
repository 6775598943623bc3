"""Locks for drivers: a spinlock and a mutex that know which emulated CPU holds them.

The kernel's rules (spec/drivers.md 6.1): a lock is released by its holder, nobody waits for a lock that he
holds himself, and a try never waits. A broken rule is a violation of the machine the lock belongs to.

Every change of a lock passes through one function, `_Lock._change`, whichever method asked for it.
"""

from __future__ import annotations

from enum import StrEnum
from types import TracebackType
from typing import NoReturn, Protocol, Self, final

from movable.errors import RULES, KernelAssertion

__all__ = ["LockMachine", "Mutex", "SpinLock"]


class LockMachine(Protocol):
    """What a lock asks of the machine it belongs to; `movable.VM` is one."""

    @property
    def cpu(self) -> int:
        """The CPU that runs now."""

    def raise_violation(self, rule_id: str, *, expected: str, seen: str, where: str) -> NoReturn:
        """Record a broken rule and raise it."""


class _Step(StrEnum):
    ACQUIRE = "acquire"
    TRYLOCK = "trylock"
    RELEASE = "release"


class _Lock:
    """A lock with an owner. Nothing else runs between the test of the owner and its change."""

    __slots__ = ("_machine", "_name", "_owner")

    def __init__(self, machine: LockMachine | None, name: str) -> None:
        if not name:
            raise TypeError(f"name: a lock needs a name to be recognised by in reports, not {name!r}")
        self._machine = machine
        self._name = name
        self._owner: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises KernelAssertion (rule ``self-deadlock``) if it is taken: by this CPU, which would wait for
        itself, or by one that does not run and so cannot release it.
        """
        self._change(_Step.ACQUIRE)

    def trylock(self) -> bool:
        """Take the lock if it is free; False, at once, if it is not. The holder may ask too (False)."""
        return self._change(_Step.TRYLOCK)

    def release(self) -> None:
        """Give the lock up. KernelAssertion (rule ``lock-not-held``) unless this CPU holds it."""
        self._change(_Step.RELEASE)

    @property
    def name(self) -> str:
        """The name given at construction."""
        return self._name

    @property
    def owner(self) -> int | None:
        """The CPU that holds the lock, or None."""
        return self._owner

    @property
    def held(self) -> bool:
        """True if the CPU that runs now holds the lock."""
        return self._owner == (0 if self._machine is None else self._machine.cpu)

    def _change(self, step: _Step) -> bool:
        """Make one step if the rules allow it; False for a try that found the lock taken."""
        machine, owner = self._machine, self._owner
        cpu = 0 if machine is None else machine.cpu
        if step is _Step.RELEASE:
            if owner != cpu:
                self._violation("lock-not-held", f"released by its holder, not by CPU {cpu}")
            self._owner = None
            return True
        if owner is None:
            self._owner = cpu
            return True
        if step is _Step.ACQUIRE:
            self._violation("self-deadlock", f"free when CPU {cpu} waits for it")
        return False

    def _violation(self, rule_id: str, expected: str) -> NoReturn:
        where = str(self)
        seen = "free" if self._owner is None else f"held by CPU {self._owner}"
        if self._machine is not None:
            self._machine.raise_violation(rule_id, expected=expected, seen=seen, where=where)
        raise KernelAssertion(RULES[rule_id], pfn=None, cpu=0, expected=expected, seen=seen, where=where)

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

    def __str__(self) -> str:
        return f"{type(self).__name__} {self._name!r}"

    def __repr__(self) -> str:
        state = "free" if self._owner is None else f"held by CPU {self._owner}"
        return f"<{self} {state}>"


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
