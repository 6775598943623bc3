"""Sleeping until something has happened."""

from collections.abc import Callable
from typing import final

from movable.errors import MovableError
from movable.sync.waiting import LockMachine, Scheduling, Waitable

__all__ = ["PATIENCE", "WaitQueue"]

PATIENCE = 10_000
"""Rounds of work after which work that always queues more is no reason to go on waiting."""


@final
class WaitQueue(Waitable):
    """Where a CPU sleeps until a condition holds (``wait_event``), and is woken to look again.

    On one CPU the sleeper lets the machine's queued work run, which may make the condition true. When there
    is no work left either, nobody could: the wait would never end. An exception of the work ends it too.
    Inside a callback no work runs: only a condition that holds already passes, any other is a MovableError.
    Under a schedule other CPUs run meanwhile, in callbacks too.
    """

    __slots__ = ("_wakeups",)

    def __init__(self, machine: LockMachine | None, name: str) -> None:
        super().__init__(machine, name)
        self._wakeups = 0

    def wait_event(self, condition: Callable[[], object]) -> None:
        """Sleep until ``condition()`` is true; it is looked at now and after each `wake_up`.

        KernelAssertion (rule ``self-deadlock``) if nothing that can run would end the wait, also because
        nobody called `wake_up` when the condition became true.
        """
        if not self._sleep(condition, timed=False):
            if condition():
                self._stuck("the condition true, but no wake_up() since it was looked at")
            self._stuck("the condition false, and nothing left that could run")

    def wait_event_timeout(self, condition: Callable[[], object]) -> bool:
        """Sleep until ``condition()`` is true, but not for ever: False if nothing that can run makes it so.

        Time does not pass in an emulated machine; it is up when nothing else can happen. The condition is
        looked at then too, woken or not.
        """
        return self._sleep(condition, timed=True) or bool(condition())

    def wake_up(self) -> None:
        """Have the sleepers look at their conditions again; call it after a change that may end a wait."""
        self._wakeups += 1
        sched = self._schedule()
        if sched is not None:
            sched.wake(self._key)

    def _sleep(self, condition: Callable[[], object], *, timed: bool) -> bool:
        """Let others run until the condition is seen true; False if they have nothing left to do."""
        if not callable(condition):
            raise MovableError(f"condition: must be callable without arguments, not {condition!r}")
        sched = self._schedule()
        if sched is not None:
            return self._sleep_scheduled(sched, condition, timed=timed)
        seen = -1
        for _ in range(PATIENCE):
            if seen != self._wakeups:
                seen = self._wakeups
                if condition():
                    return True
            if self._machine is None or not self._machine.run_work():
                return False
        return False

    def _sleep_scheduled(self, sched: Scheduling, condition: Callable[[], object], *, timed: bool) -> bool:
        sched.might_sleep(str(self))
        while True:
            seen = self._wakeups
            if condition():
                return True
            # Nothing runs between this comparison and the sleep: no wake_up is lost.
            if seen == self._wakeups and not sched.wait(self._key, timed=timed):
                return False

    def __repr__(self) -> str:
        return f"<{self}>"
