"""What bad use of the allocator raises."""

import errno
import os
from operator import index
from typing import Self

from movable import MovableError

__all__ = ["ErrnoError", "ZsError", "integer"]


class ErrnoError(MovableError, OSError):
    """An answer of the kernel: ``errno`` is the number, the text says what it is about."""

    def __init__(self, code: int, text: str) -> None:
        OSError.__init__(self, code, f"{text} ({os.strerror(code)})")
        self._text = text

    def __reduce__(self) -> tuple[type[Self], tuple[int | None, str]]:
        """Copies and pickles are made as the error was."""
        return type(self), (self.errno, self._text)

    def __str__(self) -> str:
        return str(self.strerror)


class ZsError(ErrnoError):
    """Bad use of a pool, which has changed nothing.

    EINVAL: a handle that is stale or of another pool, a mode that is none, or unmapping what is not mapped.
    EBUSY: the object, or this CPU's mapping area, is in use. ENODEV: the pool was destroyed.
    """


def integer(value: object, argument: str, error: type[ErrnoError]) -> int:
    """The value as an integer; the error, EINVAL, names the argument if it is none."""
    try:
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        raise error(errno.EINVAL, f"{argument}: must be an integer, not {value!r}") from None
