"""What all locks share: a machine, a name, and what happens to a CPU that cannot go on."""

from typing import NoReturn, Protocol

from movable.errors import RULES, KernelAssertion

__all__ = ["LockMachine", "Waitable"]


class LockMachine(Protocol):
    """What a lock asks of the machine it belongs to; `movable.VM` is one."""

    @property
    def cpu(self) -> int:
        """The CPU that runs now."""

    def run_work(self) -> int:
        """Let queued work run, as an idle CPU does; how many items that were."""

    def demand_process_context(self, what: str) -> None:
        """Refuse inside a callback, where work must not run: MovableError names what was asked for."""

    def raise_violation(self, rule_id: str, *, expected: str, seen: str, where: str) -> NoReturn:
        """Record a broken rule and raise it."""


class Waitable:
    """Something with a name that a CPU may have to wait for. Without a machine it is CPU 0's."""

    __slots__ = ("_machine", "_name")

    def __init__(self, machine: LockMachine | None, name: str) -> None:
        if not name:
            kind = type(self).__name__
            raise TypeError(f"name: a {kind} needs a name to be recognised by in reports, not {name!r}")
        self._machine = machine
        self._name = name

    @property
    def name(self) -> str:
        """The name given at construction."""
        return self._name

    def _cpu(self) -> int:
        return 0 if self._machine is None else self._machine.cpu

    def _wait(self, seen: str) -> NoReturn:
        """Where every CPU waits that cannot go on. One that runs alone would wait for itself, or for one that
        does not run.
        """
        self._violation("self-deadlock", f"that the wait of CPU {self._cpu()} can end", seen)

    def _not_held(self, seen: str) -> NoReturn:
        """The running CPU releases what it does not hold."""
        self._violation("lock-not-held", f"released by its holder, not by CPU {self._cpu()}", seen)

    def _violation(self, rule_id: str, expected: str, seen: str) -> NoReturn:
        where = str(self)
        if self._machine is not None:
            self._machine.raise_violation(rule_id, expected=expected, seen=seen, where=where)
        raise KernelAssertion(RULES[rule_id], pfn=None, cpu=0, expected=expected, seen=seen, where=where)

    def __str__(self) -> str:
        return f"{type(self).__name__} {self._name!r}"
