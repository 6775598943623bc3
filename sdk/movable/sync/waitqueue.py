"""Sleeping until something has happened."""

from collections.abc import Callable
from typing import final

from movable.sync.waiting import Waitable

__all__ = ["WaitQueue"]

_PATIENCE = 1000
"""Rounds of work after which work that always queues more is no reason to go on waiting."""


@final
class WaitQueue(Waitable):
    """Where a CPU sleeps until a condition holds (``wait_event``), and is woken to look again.

    On one CPU the sleeper lets the machine's queued work run, which may make the condition true. When there
    is no work left either, nobody could: the wait would never end.
    """

    __slots__ = ()

    def wait_event(self, condition: Callable[[], object]) -> None:
        """Sleep until ``condition()`` is true.

        KernelAssertion (rule ``self-deadlock``) if nothing that can run would make it true.
        """
        if not self.wait_event_timeout(condition):
            self._cannot_wait("nothing left that could run")

    def wait_event_timeout(self, condition: Callable[[], object]) -> bool:
        """Sleep until ``condition()`` is true, but not for ever: False if nothing that can run makes it so.

        Time does not pass in an emulated machine; it is up when nothing else can happen.
        """
        for _ in range(_PATIENCE):
            if condition():
                return True
            if self._machine is None or not self._machine.run_work():
                break
        return bool(condition())

    def wake_up(self) -> None:
        """Have sleepers look at their condition again; to be called after every change that could end a wait.

        While one CPU runs at a time a sleeper looks again by itself whenever it gets the CPU back.
        """

    def __repr__(self) -> str:
        return f"<{self}>"
