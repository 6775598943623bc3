"""A device as a file: what a program sees that opens /dev/zramN."""

import errno
import io
from typing import TYPE_CHECKING

from movable import PAGE_SIZE
from movable_zsmalloc.errors import integer
from movable_zsmalloc.zram.device import ZramDevice
from movable_zsmalloc.zram.errors import ZramError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["ZramFile"]


class ZramFile(io.RawIOBase):
    """An open device; while it is open the device cannot be reset.

    Any range can be read and written: parts of pages are read first, as the page cache does. With ``direct``
    (O_DIRECT) everything must be whole pages, and anything else is EINVAL. Writing at the end is ENOSPC; a write
    that reaches over the end is cut short there.
    """

    def __init__(self, device: ZramDevice, *, direct: bool = False) -> None:
        super().__init__()
        if device.pool is None:
            super().close()
            raise ZramError(errno.EIO, f"{device.name} is not set up: write its disksize first")
        self.device = device
        self.direct = direct
        self._position = 0
        device.openers += 1

    def readable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next byte is read or written."""
        self._demand_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place on the device, from its start, the present place or its end."""
        self._demand_open()
        offset = integer(offset, "offset", ZramError)
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.device.disksize}
        if whence not in bases:
            raise ValueError(f"whence: must be 0, 1 or 2, not {whence}")
        target = bases[whence] + offset
        if not 0 <= target <= self.device.disksize:
            raise ZramError(errno.EINVAL, f"offset: {target} is not on {self.device.name}")
        self._position = target
        return target

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read as much as fits, to the end of the device at most."""
        self._demand_open()
        view = memoryview(buffer).cast("B")
        length = min(len(view), self.device.disksize - self._position)
        self._demand_alignment(length)
        for page, start, end, done in self._pieces(length):
            view[done : done + end - start] = self.device.read_page(page)[start:end]
        self._position += length
        return length

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write as much as there is room for; how many bytes that were."""
        self._demand_open()
        view = memoryview(data).cast("B")
        length = min(len(view), self.device.disksize - self._position)
        if len(view) and not length:
            raise ZramError(errno.ENOSPC, f"the end of {self.device.name} is reached")
        self._demand_alignment(length)
        for page, start, end, done in self._pieces(length):
            piece = bytes(view[done : done + end - start])
            if len(piece) < PAGE_SIZE:
                old = self.device.read_page(page)
                piece = old[:start] + piece + old[end:]
            self.device.write_page(page, piece)
        self._position += length
        return length

    def discard(self, offset: int, length: int) -> None:
        """Forget a range (the BLKDISCARD ioctl). EINVAL unless it is whole pages on the device."""
        self._demand_open()
        offset, length = integer(offset, "offset", ZramError), integer(length, "length", ZramError)
        if (
            offset % PAGE_SIZE
            or length % PAGE_SIZE
            or not 0 <= offset <= offset + length <= self.device.disksize
        ):
            raise ZramError(
                errno.EINVAL, f"offset, length: {offset}, {length} are not whole pages of {self.device.name}"
            )
        self.device.discard(offset // PAGE_SIZE, length // PAGE_SIZE)

    def close(self) -> None:
        """Close the device; it can be reset when the last one has closed it."""
        if not self.closed:
            self.device.openers -= 1
        super().close()

    def _pieces(self, length: int) -> list[tuple[int, int, int, int]]:
        """The range from the present place on, page by page: page, first byte, end byte, bytes before it."""
        pieces = []
        done = 0
        while done < length:
            page, start = divmod(self._position + done, PAGE_SIZE)
            end = min(PAGE_SIZE, start + length - done)
            pieces.append((page, start, end, done))
            done += end - start
        return pieces

    def _demand_alignment(self, length: int) -> None:
        if self.direct and (self._position % PAGE_SIZE or length % PAGE_SIZE):
            raise ZramError(
                errno.EINVAL,
                f"direct I/O takes whole pages, not {length} bytes at {self._position}",
            )

    def _demand_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
