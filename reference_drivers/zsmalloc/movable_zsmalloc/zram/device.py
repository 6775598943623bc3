"""The block device: pages in, pages out, compressed in between (spec/drivers.md 3)."""

import errno
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING

from movable import GFP, PAGE_SIZE, VM, BitLock, MovableError
from movable_zsmalloc.errors import integer
from movable_zsmalloc.pool import ZS_GFP, MapMode, ZsPool
from movable_zsmalloc.zram.compressors import DEFAULT_ALGORITHM, Compressor, compressor
from movable_zsmalloc.zram.errors import ZramError
from movable_zsmalloc.zram.rules import LINUX_4_9, ZramRules
from movable_zsmalloc.zram.stats import ZramStats

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from movable_zsmalloc.zram.file import ZramFile

__all__ = ["ZramDevice"]

_FLAG_SHIFT = 24
_LENGTH_MASK = (1 << _FLAG_SHIFT) - 1
_ZRAM_ZERO = 1 << _FLAG_SHIFT
_ZRAM_ACCESS_BIT = _FLAG_SHIFT + 1

_GFP_FAST = GFP.KSWAPD_RECLAIM | GFP.NOWARN | GFP.HIGHMEM | GFP.MOVABLE


class ZramDevice:
    """A RAM disk whose pages are kept compressed in a zsmalloc pool, as in Linux 4.9.

    It is set up by `init` and emptied by `reset`. ``make_compressor`` gives the compressor of a name;
    ``rules`` are those of 4.9 unless a replay asks for others.

    Requests raise ZramError with the errno that a user of the block device sees; a refused write leaves the
    page as it was.
    """

    def __init__(
        self,
        vm: VM,
        number: int = 0,
        *,
        algorithm: str = DEFAULT_ALGORITHM,
        rules: ZramRules = LINUX_4_9,
        make_compressor: Callable[[str], Compressor] = compressor,
    ) -> None:
        self.vm = vm
        self.name = f"zram{number}"
        self.number = number
        self.rules = rules
        self.openers = 0
        self.limit_pages = 0
        self.stats = ZramStats()
        self.pool: ZsPool | None = None
        self._make_compressor = make_compressor
        self.compressor = make_compressor(algorithm)
        self._set_table(0)

    def __repr__(self) -> str:
        return f"<ZramDevice {self.name}, {self.pages} pages>"

    def _set_table(self, pages: int) -> None:
        handles, values = (array("Q", [0]) * pages for _ in range(2))
        self._handles = handles
        self._values = memoryview(values)
        self._access = BitLock(self.vm, f"{self.name} slot", self._values, _ZRAM_ACCESS_BIT)

    # -- life --------------------------------------------------------------------------------------

    @property
    def pages(self) -> int:
        """The device's size in pages; 0 before `init`."""
        return len(self._handles)

    @property
    def disksize(self) -> int:
        """The device's size in bytes."""
        return self.pages * PAGE_SIZE

    def init(self, disksize: int) -> None:
        """Set the device up with this many bytes, rounded up to a page.

        ZramError: EINVAL for what is no number of bytes or less than one, EBUSY if it is set up already, ENOMEM
        if its table is too large.
        spec/drivers.md 3.7
        """
        disksize = integer(disksize, "disksize", ZramError)
        if disksize <= 0:
            raise ZramError(errno.EINVAL, f"disksize: must be 1 byte or more, not {disksize}")
        self.demand_uninitialised("disksize")
        try:
            self._set_table(-(-disksize // PAGE_SIZE))
        except (MemoryError, OverflowError) as error:
            raise ZramError(errno.ENOMEM, f"disksize: no room for a table of {disksize} bytes") from error
        self.pool = ZsPool(self.vm, self.name)

    def reset(self) -> None:
        """Free everything and be as new, the algorithm apart.

        ZramError EBUSY, with nothing changed, while the device is open, the VM keeps pages of it isolated, or
        inside a callback.
        """
        if self.openers:
            raise ZramError(errno.EBUSY, f"{self.name} is open; close it, then reset it")
        if self.pool is None:
            self.limit_pages = 0
            return
        try:
            self.pool.demand_closable()
        except MovableError as error:
            raise ZramError(errno.EBUSY, f"{self.name} cannot be reset now: {error}") from error
        self.limit_pages = 0
        for index in range(self.pages):
            self._free_slot(index)
        self.pool.close()
        self.pool = None
        self._set_table(0)
        self.stats = ZramStats()

    def set_algorithm(self, name: str) -> None:
        """Choose the compressor, before `init`. ZramError: EINVAL for one that is not to be had, or EBUSY."""
        try:
            chosen = self._make_compressor(name)
        except MovableError as error:
            raise ZramError(errno.EINVAL, str(error)) from error
        self.demand_uninitialised("comp_algorithm")
        self.compressor = chosen

    def demand_uninitialised(self, what: str) -> None:
        """ZramError EBUSY if the device is set up: ``what`` cannot change then."""
        if self.pool is not None:
            raise ZramError(errno.EBUSY, f"{what}: {self.name} is set up; reset it first")

    @staticmethod
    def queue_limits() -> dict[str, int]:
        """What the block layer is told of the device, in bytes, under the names of its queue's files."""
        return dict.fromkeys(("logical_block_size", "physical", "discard_granularity"), PAGE_SIZE)

    @property
    def mem_used_total(self) -> int:
        """Bytes of the pool's pages."""
        return 0 if self.pool is None else self.pool.zs_get_total_pages() * PAGE_SIZE

    def open(self, *, direct: bool = False) -> "ZramFile":
        """The device as a file; see `ZramFile`."""
        from movable_zsmalloc.zram.file import ZramFile

        return ZramFile(self, direct=direct)

    # -- requests ----------------------------------------------------------------------------------

    def write_page(self, index: int, data: "ReadableBuffer") -> None:
        """Store a page; ZramError EIO, with the driver's own error as its cause, if that fails.

        spec/drivers.md 3.2, 3.3
        """
        index = self._demand_page(index)
        answer = self._store(index, self._demand_data(data))
        if answer:
            cause = ZramError(-answer, f"page {index} of {self.name} was not stored")
            raise ZramError(errno.EIO, f"writing page {index} of {self.name} failed") from cause

    def read_page(self, index: int) -> bytes:
        """The page's contents, zeros if nothing was written. spec/drivers.md 3.4."""
        index = self._demand_page(index)
        self.stats.num_reads += 1
        data = self._read(index)
        if data is None:
            self.stats.failed_reads += 1
            raise ZramError(errno.EIO, f"reading page {index} of {self.name} failed")
        return data

    def rw_page(self, index: int, data: "ReadableBuffer") -> int:
        """Store a page as the swap code does, in one step: 0 or a negative errno. spec/drivers.md 3.6.

        -EINVAL for a page that is not on the device, and for what is no page.
        """
        try:
            index, data = self._demand_page(index), self._demand_data(data)
        except ZramError:
            return -errno.EINVAL
        return self._store(index, data)

    def _store(self, index: int, data: bytes) -> int:
        self.stats.num_writes += 1
        answer = self._write(index, data)
        if answer:
            self.stats.failed_writes += 1
        self._idle()
        return answer

    def discard(self, first: int, count: int) -> None:
        """Forget pages; each counts as freed, whether it held anything or not. spec/drivers.md 3.5."""
        first, count = integer(first, "first", ZramError), integer(count, "count", ZramError)
        if count < 0 or not 0 <= first <= self.pages - count:
            self._invalid(f"pages {first} to {first + count} are not all on {self.name}")
        for index in range(first, first + count):
            self._free_slot(index)
        self.stats.notify_free += count
        self._idle()

    def swap_slot_free_notify(self, index: int) -> None:
        """The swap code gives a page up. spec/drivers.md 3.5."""
        self.discard(index, 1)

    def compact(self) -> None:
        """Have the pool move its objects together. ZramError EINVAL before `init`."""
        if self.pool is None:
            raise ZramError(errno.EINVAL, f"compact: {self.name} is not set up; write disksize first")
        self.pool.zs_compact()
        self._idle()

    def stored_length(self, index: int) -> int:
        """Bytes that a page takes in its object; 0 for one without."""
        index = self._demand_page(index)
        return self._values[index] & _LENGTH_MASK

    def _idle(self) -> None:
        """A request is done: deferred work gets the CPU, unless that is in the middle of a callback."""
        if not self.vm.in_callback:
            self.vm.run_work()

    def _demand_page(self, index: int) -> int:
        if index.__class__ is not int:
            index = integer(index, "index", ZramError)
        if self.pool is None:
            self._invalid(f"{self.name} is not set up: write its disksize first")
        if not 0 <= index < self.pages:
            self._invalid(f"index: {self.name} has pages 0 to {self.pages - 1}, not {index}")
        return index

    def _demand_data(self, data: "ReadableBuffer") -> bytes:
        try:
            page = data if isinstance(data, bytes) else bytes(memoryview(data))
        except TypeError:
            raise ZramError(errno.EINVAL, f"data: must be bytes, not {type(data).__name__}") from None
        if len(page) != PAGE_SIZE:
            self._invalid(f"data: a page has {PAGE_SIZE} bytes, not {len(page)}")
        return page

    def _invalid(self, text: str) -> None:
        self.stats.invalid_io += 1
        raise ZramError(errno.EIO, text)

    # -- one page ----------------------------------------------------------------------------------

    def _write(self, index: int, data: bytes) -> int:
        element = self.rules.element(data)
        if element is not None:
            self._install_filled(index, element)
            return 0
        pool = self.pool
        assert pool is not None
        try:
            packed = self._compress(data)
        except Exception:  # each library has exceptions of its own
            return -errno.EIO
        length = len(packed)
        handle = pool.zs_malloc(length, _GFP_FAST)
        if not handle:
            self.stats.writestall += 1
            handle = pool.zs_malloc(length, ZS_GFP)
            if not handle:
                return -errno.ENOMEM
        used = pool.zs_get_total_pages()
        self.stats.max_used_pages = max(self.stats.max_used_pages, used)
        if self.limit_pages and used > self.limit_pages:
            pool.zs_free(handle)
            return -errno.ENOMEM
        with pool.mapped(handle, MapMode.WO) as view:
            view[:length] = packed
        self._install(index, handle, length)
        return 0

    def _compress(self, data: bytes) -> bytes:
        packed = bytes(self.compressor.compress(data))
        return data if len(packed) >= self.rules.huge_from else packed

    def _install(self, index: int, handle: int, length: int) -> None:
        self._access.acquire(index)
        try:
            self._release_contents(index)
            self._handles[index] = handle
            self._values[index] |= length
        finally:
            self._access.release(index)
        self.stats.compr_data_size += length
        self.stats.pages_stored += 1
        self.stats.huge_pages += length == PAGE_SIZE

    def _install_filled(self, index: int, element: int) -> None:
        self._access.acquire(index)
        try:
            self._release_contents(index)
            self._handles[index] = element
            self._values[index] |= _ZRAM_ZERO
        finally:
            self._access.release(index)
        self.stats.filled_pages += 1
        self.stats.pages_stored += self.rules.filled_stored

    def _free_slot(self, index: int) -> None:
        self._access.acquire(index)
        try:
            self._release_contents(index)
        finally:
            self._access.release(index)

    def _release_contents(self, index: int) -> None:
        """Slot lock held. spec/drivers.md 3.5."""
        value, handle = self._values[index], self._handles[index]
        if value & _ZRAM_ZERO:
            self.stats.filled_pages -= 1
            self.stats.pages_stored -= self.rules.filled_stored
        elif handle:
            assert self.pool is not None
            length = value & _LENGTH_MASK
            self.pool.zs_free(handle)
            self.stats.compr_data_size -= length
            self.stats.pages_stored -= 1
            self.stats.huge_pages -= length == PAGE_SIZE
        self._handles[index] = 0
        self._values[index] = 1 << _ZRAM_ACCESS_BIT

    def _read(self, index: int) -> bytes | None:
        self._access.acquire(index)
        try:
            value, handle = self._values[index], self._handles[index]
            if value & _ZRAM_ZERO or not handle:
                return handle.to_bytes(8, "little") * (PAGE_SIZE // 8)
            return self._read_object(handle, value & _LENGTH_MASK)
        finally:
            self._access.release(index)

    def _read_object(self, handle: int, length: int) -> bytes | None:
        assert self.pool is not None
        with self.pool.mapped(handle, MapMode.RO) as view:
            try:
                data = bytes(view) if length == PAGE_SIZE else self.compressor.decompress(view[:length])
            except Exception:  # each library has exceptions of its own for damaged data
                return None
            return data if len(data) == PAGE_SIZE else None
