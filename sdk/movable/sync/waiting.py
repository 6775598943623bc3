"""What all locks share: a machine, a name, and what happens to a CPU that cannot go on."""

from typing import NoReturn, Protocol

from movable.errors import RULES, KernelAssertion

__all__ = ["CPU_MASK", "SPIN", "LockMachine", "Scheduling", "Waitable", "cpu_of", "who"]

SPIN = 1
"""Flag of a lock whose holder may not sleep."""

CPU_MASK = 0xFF
"""The bits of a context that are its CPU; above them is the serial number of an item of work, or 0."""


def cpu_of(context: int) -> int:
    """The CPU of a context."""
    return context & CPU_MASK


def who(context: int) -> str:
    """A context in words: ``CPU 1``, ``work on CPU 1``."""
    return f"{'work on ' if context > CPU_MASK else ''}CPU {context & CPU_MASK}"


class Scheduling(Protocol):
    """What a lock tells a schedule that runs on its machine (`movable.sched`); each call may switch CPUs.

    ``key`` names one lock or event, ``lock_class`` all locks of one name.
    """

    def register(self, waitable: "Waitable") -> tuple[int, int]:
        """A key and a lock class for something that is used for the first time in this schedule."""

    def lock(self, lock_class: int, key: int, flags: int) -> None:
        """A CPU is about to take a lock, and will wait for it."""

    def trylock(self, key: int) -> None:
        """A CPU is about to try a lock."""

    def taken(self, lock_class: int, key: int, flags: int) -> None:
        """A try has succeeded."""

    def busy(self, key: int) -> None:
        """A try has failed: let others run, one of them may hold the lock."""

    def unlock(self, lock_class: int, key: int) -> None:
        """A lock was released."""

    def wait(self, key: int, *, timed: bool = False) -> bool:
        """Stop until somebody wakes the key; False if time is up, or the run is over."""

    def wake(self, key: int) -> None:
        """Let all that wait for the key go on."""

    def enter_context(self, context: int) -> None:
        """An item of work begins on the running CPU, or has ended: this is who takes locks from here on."""

    def work_queued(self) -> None:
        """There is work for an idle CPU."""

    def might_sleep(self, where: str) -> None:
        """A CPU may sleep here: not with a spinlock held."""

    @property
    def has_worker(self) -> bool:
        """Whether a CPU of its own runs queued work."""


class LockMachine(Protocol):
    """What a lock asks of the machine it belongs to; `movable.VM` is one."""

    @property
    def cpu(self) -> int:
        """The CPU that runs now."""

    @property
    def context(self) -> int:
        """Who takes locks now: the CPU, or an item of work on it, which is somebody else."""

    @property
    def sched(self) -> Scheduling | None:
        """The schedule under which several CPUs take turns now, or None: one CPU runs alone."""

    def run_work(self) -> int:
        """Let queued work run, as an idle CPU does; how many items that were."""

    def demand_process_context(self, what: str) -> None:
        """Refuse inside a callback, where work must not run: MovableError names what was asked for."""

    def raise_violation(self, rule_id: str, *, expected: str, seen: str, where: str) -> NoReturn:
        """Record a broken rule and raise it."""


class Waitable:
    """Something with a name that a CPU may have to wait for. Without a machine it is CPU 0's."""

    __slots__ = ("_class", "_key", "_machine", "_name", "_sched")

    def __init__(self, machine: LockMachine | None, name: str) -> None:
        if not name:
            kind = type(self).__name__
            raise TypeError(f"name: a {kind} needs a name to be recognised by in reports, not {name!r}")
        self._machine = machine
        self._name = name
        self._sched: Scheduling | None = None
        self._key = self._class = 0

    @property
    def name(self) -> str:
        """The name given at construction."""
        return self._name

    def _context(self) -> int:
        return 0 if self._machine is None else self._machine.context

    def _schedule(self) -> Scheduling | None:
        """The schedule that runs, with this known to it by ``_key`` and ``_class``; None without one."""
        sched = None if self._machine is None else self._machine.sched
        if sched is not None and sched is not self._sched:
            self._key, self._class = sched.register(self)
            self._sched = sched
        return sched

    def _wait(self, seen: str, *, mine: bool = True, index: int = 0) -> None:
        """Where every CPU waits that cannot go on. Under a schedule others run until it can. One that runs
        alone, or waits for what is its own (``mine``), would wait for ever.
        """
        if not mine and (sched := self._schedule()) is not None:
            sched.wait(self._key + index)
            return
        self._stuck(seen)

    def _stuck(self, seen: str) -> NoReturn:
        """A wait that cannot end."""
        self._violation("self-deadlock", f"that the wait of {who(self._context())} can end", seen)

    def _not_held(self, seen: str) -> NoReturn:
        """The running CPU releases what it does not hold."""
        self._violation("lock-not-held", f"released by its holder, not by {who(self._context())}", seen)

    def _violation(self, rule_id: str, expected: str, seen: str) -> NoReturn:
        where = str(self)
        if self._machine is not None:
            self._machine.raise_violation(rule_id, expected=expected, seen=seen, where=where)
        raise KernelAssertion(RULES[rule_id], pfn=None, cpu=0, expected=expected, seen=seen, where=where)

    def __str__(self) -> str:
        return f"{type(self).__name__} {self._name!r}"
