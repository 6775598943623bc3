"""What bad use of the allocator raises."""

import os

from movable import MovableError

__all__ = ["ErrnoError", "ZsError"]


class ErrnoError(MovableError, OSError):
    """An answer of the kernel: ``errno`` is the number, the text says what it is about."""

    def __init__(self, code: int, text: str) -> None:
        OSError.__init__(self, code, f"{text} ({os.strerror(code)})")

    def __str__(self) -> str:
        return str(self.strerror)


class ZsError(ErrnoError):
    """Bad use of a pool, which has changed nothing.

    EINVAL: a handle that is stale or of another pool, a mode that is none, or unmapping what is not mapped.
    EBUSY: the object, or this CPU's mapping area, is in use. ENODEV: the pool was destroyed.
    """
