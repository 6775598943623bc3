"""What bad use of the allocator raises."""

import os

from movable import MovableError

__all__ = ["ZsError"]


class ZsError(MovableError, OSError):
    """Bad use of a pool, which has changed nothing. ``errno`` says of what kind.

    EINVAL: a handle that is stale or of another pool, or unmapping what is not mapped. EBUSY: the object, or
    this CPU's mapping area, is in use. ENODEV: the pool was destroyed.
    """

    def __init__(self, code: int, text: str) -> None:
        OSError.__init__(self, code, f"{text} ({os.strerror(code)})")

    def __str__(self) -> str:
        return str(self.strerror)
