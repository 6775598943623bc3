"""Files: contents in a page cache, over a store that costs no frames."""

import enum
from typing import Any

from movable._core import ffi, lib
from movable.errors import MovableError, SystemCallError
from movable.machine import PAGE_SIZE, Machine, address_of
from movable.page import Page

__all__ = ["File", "MigrateMethod"]


class MigrateMethod(enum.IntEnum):
    """How a file's pages are moved: its mapping's ``migratepage``. spec/migration.md 5.

    NONE is a filesystem without the operation: its dirty pages must be written out first.
    """

    NONE = 0
    MIGRATE_PAGE = 1
    BUFFER_MIGRATE_PAGE = 2


class File:
    """A file, made by `VM.file`. Its contents are real: bytes in page frames, and in a store behind them.

    ``writepage``, ``writepage_error`` and ``slow_device`` may be changed at any time: whether there is a
    writepage operation, the negative errno it answers, and whether writeback lasts until somebody waits for it
    or `end_writeback` is called. After `close` the file lives on while processes map it.
    """

    def __init__(
        self,
        machine: Machine,
        name: str,
        size: int,
        *,
        tmpfs: bool,
        migratepage: MigrateMethod,
        writepage: bool,
        writepage_error: int,
        slow_device: bool,
    ) -> None:
        if size < 0:
            raise MovableError(f"size: must be 0 or more bytes, not {size}")
        self._machine = machine
        self._name = name
        self._settings: Any = ffi.new("struct mv_file *")
        settings = self._settings
        settings.owner = address_of(self)
        settings.shmem, settings.size = tmpfs, size
        settings.migrate_method = MigrateMethod(migratepage)
        settings.buffers = migratepage == MigrateMethod.BUFFER_MIGRATE_PAGE
        settings.has_writepage, settings.slow_device = writepage, slow_device
        settings.writepage_error = _check_errno(writepage_error)
        answer = machine.check(lib.mv_file_create(machine.c, settings))
        if answer < 0:
            raise MemoryError("no memory for a file")
        self._id: int | None = answer
        machine.owners[id(self)] = self

    def __repr__(self) -> str:
        return f"<File {self._name!r}{', closed' if self._id is None else ''}>"

    @property
    def name(self) -> str:
        """For people."""
        return self._name

    @property
    def closed(self) -> bool:
        """Whether close() has been called."""
        return self._id is None

    @property
    def inode(self) -> int:
        """The inode number: part of the index by which shared memory is interleaved. spec/migration.md 9.4."""
        return self.number()

    def number(self) -> int:
        """The core's number of the file. MovableError if it is closed."""
        if self._id is None:
            raise MovableError(f"file {self._name!r} is closed")
        return self._id

    def number_on(self, machine: Machine) -> int:
        """The same, for a call on a machine. MovableError if the file is another one's."""
        if machine is not self._machine:
            raise MovableError(f"file: {self._name!r} is of another VM")
        return self.number()

    def close(self) -> None:
        """Give the file up. What it holds goes when no process maps it any more."""
        number, self._id = self.number(), None
        self._machine.check(lib.mv_file_close(self._machine.c, number))

    # Contents

    @property
    def size(self) -> int:
        """Bytes."""
        size: int = lib.mv_file_size(self._machine.c, self.number())
        return size

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of a range, fewer at the end of the file. SystemCallError ENOMEM."""
        _check_range(offset, length)
        buffer = ffi.new("unsigned char[]", length)
        answer = self._machine.check(lib.mv_file_read(self._machine.c, self.number(), offset, buffer, length))
        return bytes(ffi.buffer(buffer, self._answer("read", answer)))

    def write(self, offset: int, data: bytes) -> int:
        """Write bytes through the cache; how many. The file grows as needed. SystemCallError ENOMEM."""
        _check_range(offset, len(data))
        answer = self._machine.check(
            lib.mv_file_write(self._machine.c, self.number(), offset, ffi.from_buffer(data), len(data))
        )
        return self._answer("write", answer)

    def stored(self, offset: int, length: int) -> bytes:
        """What lies in the store, whatever the cache holds."""
        _check_range(offset, length)
        buffer = ffi.new("unsigned char[]", length)
        lib.mv_file_stored(self._machine.c, self.number(), offset, buffer, length)
        return bytes(ffi.buffer(buffer))

    def truncate(self, size: int) -> None:
        """Cut or lengthen the file. Pages beyond its end leave the cache and all page tables."""
        if size < 0:
            raise MovableError(f"size: must be 0 or more bytes, not {size}")
        self._machine.check(lib.mv_file_truncate(self._machine.c, self.number(), size))

    # The cache

    def pages(self) -> dict[int, Page]:
        """The cached pages by index."""
        count = self._machine.check(lib.mv_file_pages(self._machine.c, self.number(), ffi.NULL, ffi.NULL, 0))
        indices, pfns = ffi.new("unsigned long[]", count), ffi.new("unsigned long[]", count)
        lib.mv_file_pages(self._machine.c, self.number(), indices, pfns, count)
        return {int(index): self._machine.page(int(pfn)) for index, pfn in zip(indices, pfns, strict=True)}

    def page(self, index: int) -> Page | None:
        """The cached page of an index, or None."""
        return self.pages().get(index)

    def sync(self) -> None:
        """Write all dirty pages. SystemCallError with what writepage answered."""
        self._answer("sync", self._machine.check(lib.mv_file_sync(self._machine.c, self.number())))

    def invalidate(self) -> int:
        """Drop clean pages that nobody uses from the cache; how many."""
        return self._machine.check(lib.mv_file_invalidate(self._machine.c, self.number()))

    def start_writeback(self, index: int) -> None:
        """Put a cached page under writeback, as if the device were just writing it."""
        answer = lib.mv_file_start_writeback(self._machine.c, self.number(), index)
        self._answer("start_writeback", self._machine.check(answer))

    def end_writeback(self) -> int:
        """End all writeback of the file's pages; of how many."""
        return self._machine.check(lib.mv_file_end_writeback(self._machine.c, self.number()))

    def lock_buffer(self, index: int) -> None:
        """Take the buffer of a cached page, as a filesystem does that is using it."""
        self._lock_buffer(index, lock=True)

    def unlock_buffer(self, index: int) -> None:
        """Let the buffer go."""
        self._lock_buffer(index, lock=False)

    def _lock_buffer(self, index: int, *, lock: bool) -> None:
        answer = lib.mv_file_lock_buffer(self._machine.c, self.number(), index, lock)
        self._answer("lock_buffer", self._machine.check(answer))

    def _answer(self, call: str, answer: int) -> int:
        if answer < 0:
            raise SystemCallError(-answer, f"{call} of file {self._name!r} failed")
        return answer

    # How pages are written

    @property
    def writepage(self) -> bool:
        """Whether there is a writepage operation."""
        return bool(self._settings.has_writepage)

    @writepage.setter
    def writepage(self, value: bool) -> None:
        self._settings.has_writepage = value
        self._configure()

    @property
    def writepage_error(self) -> int:
        """What writepage answers: 0, or a negative errno without having written."""
        return int(self._settings.writepage_error)

    @writepage_error.setter
    def writepage_error(self, value: int) -> None:
        self._settings.writepage_error = _check_errno(value)
        self._configure()

    @property
    def slow_device(self) -> bool:
        """Whether writeback lasts until somebody waits for it."""
        return bool(self._settings.slow_device)

    @slow_device.setter
    def slow_device(self, value: bool) -> None:
        self._settings.slow_device = value
        self._configure()

    def _configure(self) -> None:
        lib.mv_file_configure(self._machine.c, self.number(), self._settings)


def _check_errno(value: int) -> int:
    if not -4095 <= value <= 0:
        raise MovableError(f"writepage_error: must be 0 or a negative errno, not {value}")
    return value


def _check_range(offset: int, length: int) -> None:
    if offset < 0 or length < 0 or offset + length > 1 << 45:
        raise MovableError(f"offset, length: no range of a file: {offset}, {length}")


def page_aligned(offset: int, argument: str) -> int:
    """The page number of a byte offset; MovableError if it is not at a page's start."""
    if offset < 0 or offset % PAGE_SIZE:
        raise MovableError(f"{argument}: must be a multiple of {PAGE_SIZE}, not {offset}")
    return offset // PAGE_SIZE
