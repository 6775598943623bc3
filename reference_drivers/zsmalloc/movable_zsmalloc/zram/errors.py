"""What the device answers when something cannot be done."""

from movable_zsmalloc.errors import ErrnoError

__all__ = ["ZramError"]


class ZramError(ErrnoError):
    """A request or a control file refused, with the errno that user space sees."""
