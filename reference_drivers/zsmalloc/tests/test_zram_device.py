"""What a device stores, refuses and counts (spec/drivers.md 3.2-3.6; section 8 "zram", 52-62)."""

import errno
import random
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from zram_kit import ZEROS, page_of, stat, told_compressor, told_device, word_page

from movable import PAGE_SIZE, VM, Page, PageList, hookimpl
from movable_zsmalloc import ZramDevice, ZramError, ZramSysfs
from movable_zsmalloc.zram import LINUX_6_1, Compressor

Isolate = Callable[[Iterable[Page]], PageList]


def refusal(call: object, *arguments: object) -> ZramError:
    """The error that a call ends with."""
    assert callable(call)
    with pytest.raises(ZramError) as caught:
        call(*arguments)
    return caught.value


def test_only_zero_pages_are_kept_without_memory(vm: VM) -> None:
    """A zero page takes no pool memory; a page of one repeated word is an object (spec/drivers.md 8, 52)."""
    device = told_device(vm)
    device.write_page(0, ZEROS)
    assert (device.mem_used_total, device.stats.filled_pages) == (0, 1)
    device.write_page(1, word_page(1))
    assert (device.mem_used_total, device.stats.filled_pages) == (3 * PAGE_SIZE, 1)
    assert device.stored_length(1) == 40
    assert device.read_page(1) == word_page(1)


def test_later_versions_keep_any_repeated_word_without_memory(vm: VM) -> None:
    """By the later rules a page of one repeated word takes no memory, and reads back (spec/drivers.md 8, 52)."""
    device = told_device(vm, rules=LINUX_6_1)
    device.write_page(0, word_page(7))
    assert (device.mem_used_total, stat(device)) == (0, "4096 0 0 0 0 1 0")
    assert device.read_page(0) == word_page(7)
    almost = word_page(7)[:-1] + b"\x01"
    device.write_page(0, almost)
    assert device.stats.filled_pages == 0
    assert device.mem_used_total > 0


def test_filled_pages_do_not_count_as_stored(vm: VM) -> None:
    """orig_data_size leaves zero pages out in 4.9, and counts them later (spec/drivers.md 8, 53)."""
    device = told_device(vm)
    device.write_page(0, ZEROS)
    later = ZramDevice(vm, 1, rules=LINUX_6_1, make_compressor=told_compressor)
    later.init(PAGE_SIZE)
    later.write_page(0, ZEROS)
    assert (stat(device, "orig_data_size"), stat(later, "orig_data_size")) == ("0", "4096")


@pytest.mark.parametrize(("length", "stored"), [(3072, 3072), (3073, 4096), (3100, 4096), (3256, 4096)])
def test_the_huge_limit_of_4_9(vm: VM, length: int, stored: int) -> None:
    """More than 3072 compressed bytes are stored as 4096 (spec/drivers.md 8, 54; 3.3)."""
    device = told_device(vm)
    device.write_page(0, page_of(length))
    assert device.stored_length(0) == stored
    assert device.read_page(0) == page_of(length)


@pytest.mark.parametrize(("length", "stored"), [(3100, 3100), (3256, 3256), (3257, 4096)])
def test_the_huge_limit_of_later_versions(vm: VM, length: int, stored: int) -> None:
    """From 3257 compressed bytes on a page is stored as 4096 (spec/drivers.md 8, 54; 3.3)."""
    device = told_device(vm, rules=LINUX_6_1)
    device.write_page(0, page_of(length))
    assert device.stored_length(0) == stored
    assert device.read_page(0) == page_of(length)


def test_a_huge_page_counts_4096_bytes(vm: VM) -> None:
    """An incompressible page adds 4096 to compr_data_size and 1 to the huge pages (spec/drivers.md 8, 55)."""
    device = told_device(vm)
    device.write_page(0, page_of(100))
    device.write_page(1, page_of(4096))
    assert (device.stats.compr_data_size, device.stats.huge_pages) == (4196, 1)
    device.write_page(1, page_of(100, 1))
    assert (device.stats.compr_data_size, device.stats.huge_pages) == (200, 0)


def test_the_limit_keeps_the_old_data(vm: VM) -> None:
    """A refused overwrite is EIO to the writer, counts, overruns the peak, and keeps the slot (8, 56)."""
    device = told_device(vm)
    ZramSysfs(device).write("mem_limit", "4096")
    device.write_page(0, page_of(4096, 1))
    error = refusal(device.write_page, 0, page_of(4096, 2))
    assert error.errno == errno.EIO
    assert isinstance(error.__cause__, ZramError)
    assert error.__cause__.errno == errno.ENOMEM
    assert device.read_page(0) == page_of(4096, 1)
    assert stat(device, "failed_writes") == "1"
    assert int(stat(device, "mem_used_max")) > int(stat(device, "mem_limit"))
    assert device.mem_used_total == 4096


def test_a_zero_page_passes_the_limit(vm: VM) -> None:
    """A zero page needs no memory, so it is stored at the limit and gives memory back (spec/drivers.md 3.3)."""
    device = told_device(vm)
    ZramSysfs(device).write("mem_limit", "4096")
    device.write_page(0, page_of(4096))
    device.write_page(1, ZEROS)
    device.write_page(0, ZEROS)
    assert (device.mem_used_total, device.stats.filled_pages) == (0, 2)


def test_overwriting_a_huge_page_peaks_at_two(vm: VM) -> None:
    """The new page is allocated before the old one is freed (spec/drivers.md 8, 57)."""
    device = told_device(vm)
    device.write_page(0, page_of(4096, 1))
    assert stat(device, "mem_used_max") == "4096"
    device.write_page(0, page_of(4096, 2))
    assert (stat(device, "mem_used_max"), stat(device, "mem_used_total")) == ("8192", "4096")


def test_discarding_counts_every_page(vm: VM) -> None:
    """Discarding n pages adds n to notify_free, whether they held anything or not (spec/drivers.md 8, 61)."""
    device = told_device(vm)
    device.write_page(0, page_of(100))
    device.write_page(1, ZEROS)
    device.discard(0, 10)
    assert stat(device, "notify_free") == "10"
    device.swap_slot_free_notify(3)
    assert stat(device, "notify_free") == "11"
    device.discard(0, 0)
    assert stat(device, "notify_free") == "11"
    assert stat(device) == "0 0 0 0 8192 0 0"


def test_what_was_never_written_is_zero(vm: VM) -> None:
    """Reading a slot that was never written, or was discarded, gives zeros (spec/drivers.md 8, 62)."""
    device = told_device(vm)
    assert device.read_page(5) == ZEROS
    device.write_page(5, page_of(100))
    device.discard(5, 1)
    assert device.read_page(5) == ZEROS
    assert stat(device, "num_reads") == "2"


@pytest.mark.parametrize("index", [-1, 1024, 1 << 40])
def test_requests_that_are_not_on_the_device(vm: VM, index: int) -> None:
    """Every request out of range fails, raises invalid_io by one and changes nothing else (spec/drivers.md 3.2)."""
    device = told_device(vm)
    data = page_of(100)
    assert refusal(device.write_page, index, data).errno == errno.EIO
    assert refusal(device.read_page, index).errno == errno.EIO
    assert refusal(device.discard, index, 1).errno == errno.EIO
    assert device.rw_page(index, data) == -errno.EINVAL
    assert stat(device, "io_stat") == "0 0 4 0"
    assert (stat(device, "num_writes"), stat(device, "num_reads")) == ("0", "0")
    assert "zram0 has pages 0 to 1023" in str(refusal(device.read_page, index))


@pytest.mark.parametrize(("first", "count"), [(0, 1025), (1023, 2), (0, -1), (1024, 1)])
def test_a_discard_that_is_not_all_on_the_device_frees_nothing(vm: VM, first: int, count: int) -> None:
    """A discard beyond the end is refused as a whole (spec/drivers.md 3.2)."""
    device = told_device(vm)
    device.write_page(1023, page_of(100))
    assert refusal(device.discard, first, count).errno == errno.EIO
    assert device.read_page(1023) == page_of(100)
    assert stat(device, "io_stat") == "0 0 1 0"


@pytest.mark.parametrize("length", [0, 1, 4095, 4097, 8192])
def test_a_write_has_a_page(vm: VM, length: int) -> None:
    """Requests whose size is no page fail and count as invalid (spec/drivers.md 3.2)."""
    device = told_device(vm)
    assert refusal(device.write_page, 0, b"x" * length).errno == errno.EIO
    assert device.rw_page(0, b"x" * length) == -errno.EINVAL
    assert stat(device, "io_stat") == "0 0 2 0"
    assert device.read_page(0) == ZEROS


def test_a_device_that_is_not_set_up_takes_no_request(vm: VM) -> None:
    """Before disksize is written every request is EIO, and says what to do (spec/drivers.md 3.7)."""
    device = ZramDevice(vm)
    for error in (refusal(device.read_page, 0), refusal(device.write_page, 0, ZEROS)):
        assert error.errno == errno.EIO
        assert "write its disksize first" in str(error)
    assert device.rw_page(0, ZEROS) == -errno.EINVAL
    assert refusal(device.compact).errno == errno.EINVAL


def test_a_compressor_that_fails_is_an_error_of_the_write(vm: VM) -> None:
    """A page that cannot be compressed is EIO to the writer and leaves the slot as it was (spec/drivers.md 3.2)."""

    def fail(data: bytes) -> bytes:
        raise RuntimeError("no")

    device = told_device(vm)
    device.write_page(0, page_of(100))
    device.compressor = Compressor("broken", fail, told_compressor("").decompress)
    assert refusal(device.write_page, 0, page_of(200)).errno == errno.EIO
    assert stat(device, "io_stat") == "0 1 0 0"
    assert device.read_page(0) == page_of(100)


@pytest.mark.parametrize("garbage", [b"", b"short", None])
def test_damaged_data_is_an_error_of_the_read(vm: VM, garbage: bytes | None) -> None:
    """What does not decompress to a page is EIO and counts in failed_reads; the lock is given up (3.3, 3.4)."""

    def damaged(packed: bytes) -> bytes:
        if garbage is None:
            raise ValueError("damaged")
        return garbage

    device = told_device(vm)
    device.write_page(0, page_of(100))
    whole = device.compressor
    device.compressor = Compressor("damaged", whole.compress, damaged)
    assert refusal(device.read_page, 0).errno == errno.EIO
    device.compressor = whole
    assert device.read_page(0) == page_of(100)
    assert (stat(device, "io_stat"), stat(device, "num_reads")) == ("1 0 0 0", "2")


def test_a_refused_reset_changes_nothing(vm: VM, isolate: Isolate) -> None:
    """While the VM keeps a page isolated reset is EBUSY and all stays as it was (spec/drivers.md 3.7, 1.13)."""
    device = told_device(vm)
    files = ZramSysfs(device)
    files.write("mem_limit", "8M")
    for index in range(20):
        device.write_page(index, page_of(1000, index))
    assert device.pool is not None
    isolated = isolate(device.pool.mapping.pages()[:1])
    before = stat(device), stat(device, "io_stat")
    error = refusal(files.write, "reset", "1")
    assert error.errno == errno.EBUSY
    assert "isolated" in str(error)
    assert (stat(device), stat(device, "io_stat")) == before
    assert [device.read_page(index) for index in range(20)] == [page_of(1000, index) for index in range(20)]
    vm.putback_movable_pages(isolated)
    files.write("reset", "1")
    assert (device.pages, stat(device)) == (0, "0 0 0 0 0 0 0")


class InCallback:
    """An observer that does something inside the first isolation."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action: Callable[[], object] | None = action

    @hookimpl(wrapper=True)
    def isolate_page(self) -> Any:
        """Act, then let the driver answer."""
        action, self.action = self.action, None
        if action is not None:
            action()
        return (yield)


def during_isolation(vm: VM, isolate: Isolate, device: ZramDevice, action: Callable[[], object]) -> None:
    """Do something while a page of the device is being isolated, and put that page back."""
    assert device.pool is not None
    device.pool.mapping.add_observer(InCallback(action))
    isolated = isolate(device.pool.mapping.pages()[:1])
    vm.putback_movable_pages(isolated)


def test_requests_inside_a_callback(vm: VM, isolate: Isolate) -> None:
    """Pages are written, read and discarded inside a callback too; work waits until it is over (6.1)."""
    device, other = told_device(vm), told_device(vm)
    device.write_page(0, page_of(1000))
    for index in range(4):
        other.write_page(index, page_of(1000, index))

    def act() -> None:
        assert vm.in_callback
        other.write_page(0, page_of(200, 9))
        other.discard(1, 2)
        assert other.rw_page(4, page_of(300, 4)) == 0
        other.compact()
        assert other.read_page(0) == page_of(200, 9)
        refused = refusal(other.reset)
        assert refused.errno == errno.EBUSY
        assert "callback" in str(refused)

    during_isolation(vm, isolate, device, act)
    assert not vm.in_callback
    assert [other.read_page(index) for index in range(5)] == [
        page_of(200, 9),
        ZEROS,
        ZEROS,
        page_of(1000, 3),
        page_of(300, 4),
    ]
    assert other.pool is not None
    other.pool.check()


@pytest.mark.parametrize("broken", ["compress", "decompress"])
def test_an_interrupted_request_leaves_no_lock(vm: VM, broken: str) -> None:
    """A request that is interrupted inside the compressor leaves the slot free and as it was (3.3, 3.4)."""

    def interrupt(_data: object) -> bytes:
        raise KeyboardInterrupt

    device = told_device(vm)
    device.write_page(0, page_of(100))
    whole = device.compressor
    ways = {"compress": whole.compress, "decompress": whole.decompress} | {broken: interrupt}
    device.compressor = Compressor("interrupted", ways["compress"], ways["decompress"])
    requests: dict[str, Callable[[], object]] = {
        "compress": lambda: device.write_page(0, page_of(200)),
        "decompress": lambda: device.read_page(0),
    }
    with pytest.raises(KeyboardInterrupt):
        requests[broken]()
    device.compressor = whole
    assert device.pool is not None
    device.pool.check()
    assert device.read_page(0) == page_of(100)
    device.write_page(0, page_of(300))
    assert device.read_page(0) == page_of(300)


OTHER_TYPES: dict[str, Callable[[Any], object]] = {
    "disksize: init": lambda device: device.init("64M"),
    "index: read": lambda device: device.read_page("a"),
    "index: write": lambda device: device.write_page(1.5, ZEROS),
    "index: length": lambda device: device.stored_length(None),
    "data: text": lambda device: device.write_page(0, "x" * PAGE_SIZE),
    "data: none": lambda device: device.write_page(0, None),
    "count: discard": lambda device: device.discard(0, 1.5),
    "first: discard": lambda device: device.discard("0", 1),
    "text: reset": lambda device: ZramSysfs(device).write("reset", cast("str", None)),
    "text: mem_limit": lambda device: ZramSysfs(device).write("mem_limit", cast("str", 5)),
    "offset: seek": lambda device: device.open().seek(1.5),
    "length: discard of a file": lambda device: device.open().discard(0, 1.5),
}


@pytest.mark.parametrize("what", OTHER_TYPES)
def test_arguments_of_another_type(vm: VM, what: str) -> None:
    """What is no integer, text or page is EINVAL, named, and changes nothing."""
    device = told_device(vm)
    before = stat(device), stat(device, "io_stat"), device.pages
    error = refusal(OTHER_TYPES[what], device)
    assert error.errno == errno.EINVAL
    assert str(error).startswith(f"{what.split(':', maxsplit=1)[0]}: must be ")
    assert (stat(device), stat(device, "io_stat"), device.pages) == before


def test_any_buffer_of_a_page_is_taken(vm: VM) -> None:
    """A page may come as a bytearray, or as a view of wider items of which it has 4096 bytes."""
    device = told_device(vm)
    device.write_page(0, bytearray(page_of(100)))
    device.write_page(1, memoryview(page_of(200)).cast("Q"))
    assert (device.read_page(0), device.read_page(1)) == (page_of(100), page_of(200))


def test_memory_that_is_used_up(vm: VM) -> None:
    """With no memory left a write stalls once, fails with ENOMEM behind EIO, and nothing is lost (3.3, step 4)."""
    device = told_device(vm, pages=1 << 20)
    stored = 0
    while not device.rw_page(stored, page_of(4096, stored)):
        stored += 1
    assert device.stats.writestall == 1
    error = refusal(device.write_page, stored, page_of(4096, stored))
    assert isinstance(error.__cause__, ZramError)
    assert (error.errno, error.__cause__.errno) == (errno.EIO, errno.ENOMEM)
    assert device.stats.writestall == 2
    assert ZramSysfs(device).read("debug_stat").split()[-1] == "2"
    assert stat(device).split()[:3] == [str(stored * PAGE_SIZE)] * 3
    for index in random.Random(1).sample(range(stored), 50):
        assert device.read_page(index) == page_of(4096, index)
    device.discard(0, 1)
    device.write_page(stored, page_of(4096, stored))
    assert device.read_page(stored) == page_of(4096, stored)


def test_random_requests_against_a_dictionary(vm: VM) -> None:
    """After 1500 random requests and moves of memory every page is what a dictionary of them says (3.3-3.5)."""
    chance = random.Random(49)
    device = told_device(vm, pages=64)
    model: dict[int, bytes] = {}
    for turn in range(1500):
        index = chance.randrange(64)
        kind = chance.random()
        if kind < 0.6:
            data = chance.choice([ZEROS, word_page(turn), page_of(chance.randint(24, 4096), turn)])
            device.write_page(index, data)
            model[index] = data
        elif kind < 0.8:
            device.discard(index, 1)
            model.pop(index, None)
        elif kind < 0.98:
            assert device.read_page(index) == model.get(index, ZEROS)
        elif kind < 0.99:
            device.compact()
        else:
            vm.compact_memory()
    assert [device.read_page(index) for index in range(64)] == [model.get(n, ZEROS) for n in range(64)]
    assert device.stats.filled_pages == sum(data == ZEROS for data in model.values())
    assert device.stats.orig_data_size == PAGE_SIZE * sum(data != ZEROS for data in model.values())
