"""A time limit on hostile code: raises inside whatever runs in the main thread."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from attrs import define

from movable.conformance.outcome import DeadlineExpired

__all__ = ["Deadline", "deadline"]

_REPEAT_S = 0.25


@define
class Deadline:
    """Whether the time ran out, also where the code under it caught the exception."""

    expired: bool = False

    def check(self) -> None:
        """Raise DeadlineExpired if the time ran out."""
        if self.expired:
            raise DeadlineExpired("the time of this check is over")


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """Raise DeadlineExpired in the block once ``seconds`` have passed, and again until the block ends.

    Works in the main thread; elsewhere, and where the platform has no interval timer, nothing is limited.
    A timer that was running before (a test runner's) is set up again with the time it has left.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield Deadline()
        return
    state = Deadline()

    def expire(_signum: int, frame: FrameType | None) -> None:
        first, state.expired = not state.expired, True
        if first and _in_finalizer(frame):
            return  # an exception would be lost there and reported as an error of the finalizer; the timer repeats
        raise DeadlineExpired(f"{seconds:g} s")

    handler = signal.signal(signal.SIGALRM, expire)
    start = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_S)
    try:
        yield state
    finally:
        _restore(handler, left, interval, start)


def _in_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _restore(handler: object, left: float, interval: float, start: float) -> None:
    """Stop our timer and continue the one that was there."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)  # type: ignore[arg-type]
    if left:
        signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 0.001), interval)
