"""The device as a file, and what the block layer answers (spec/drivers.md 3.2)."""

import errno
import gc
import io
import random

import pytest
from zram_kit import ZEROS, page_of, stat, told_device

from movable import PAGE_SIZE, VM
from movable_zsmalloc import ZramDevice, ZramError, ZramFile, ZramSysfs

SIZE = 16 * PAGE_SIZE


@pytest.fixture
def device(vm: VM) -> ZramDevice:
    """A device of 16 pages with a real compressor."""
    device = ZramDevice(vm, algorithm="deflate")
    device.init(SIZE)
    return device


def test_any_range_is_read_and_written(device: ZramDevice) -> None:
    """400 random reads and writes at any place and of any length give what a bytearray gives."""
    chance = random.Random(32)
    mirror = bytearray(SIZE)
    with device.open() as file:
        for _ in range(400):
            place = file.seek(chance.randrange(SIZE))
            length = chance.choice([0, 1, 100, 4096, 5000, 20000])
            if chance.random() < 0.5:
                data = chance.randbytes(length)
                end = min(place + length, SIZE)
                assert file.write(data) == end - place
                mirror[place:end] = data[: end - place]
            else:
                assert file.read(length) == mirror[place : place + length]
            assert file.tell() <= SIZE
        file.seek(0)
        assert file.readall() == mirror


def test_it_works_with_the_standard_buffers(device: ZramDevice) -> None:
    """A buffered writer and reader on top carry text to the device and back; the end reads as nothing."""
    text = "Everything that moves. " * 900
    with io.BufferedWriter(device.open()) as writer:
        writer.write(text.encode())
    with io.BufferedReader(device.open()) as reader:
        assert reader.read(len(text)).decode() == text
        reader.seek(0, io.SEEK_END)
        assert (reader.tell(), reader.read(10)) == (SIZE, b"")
    assert device.openers == 0


def test_it_says_what_it_can_do(device: ZramDevice) -> None:
    """It reads, writes and seeks, and has no more."""
    file = device.open()
    assert (file.readable(), file.writable(), file.seekable(), file.isatty()) == (True, True, True, False)
    with pytest.raises(io.UnsupportedOperation):
        file.truncate(0)
    with pytest.raises(io.UnsupportedOperation):
        file.fileno()
    file.close()


def test_buffers_of_other_items(device: ZramDevice) -> None:
    """Views of wider items are taken as their bytes."""
    with device.open() as file:
        assert file.write(memoryview(bytes(range(64))).cast("I")) == 64
        file.seek(0)
        target = bytearray(64)
        assert file.readinto(memoryview(target).cast("Q")) == 64
        assert target == bytes(range(64))


def test_seeking(device: ZramDevice) -> None:
    """From the start, the present place and the end; off the device is EINVAL and moves nothing."""
    with device.open() as file:
        assert file.seek(100) == 100
        assert file.seek(-40, io.SEEK_CUR) == 60
        assert file.seek(-1, io.SEEK_END) == SIZE - 1
        for offset, whence in (
            (-1, io.SEEK_SET),
            (SIZE + 1, io.SEEK_SET),
            (1, io.SEEK_END),
            (2, io.SEEK_CUR),
        ):
            with pytest.raises(ZramError) as caught:
                file.seek(offset, whence)
            assert caught.value.errno == errno.EINVAL
        with pytest.raises(ValueError, match="whence: must be 0, 1 or 2, not 7"):
            file.seek(0, 7)
        assert file.tell() == SIZE - 1


@pytest.mark.parametrize("direct", [False, True])
def test_the_end_of_the_device(vm: VM, direct: bool) -> None:
    """A write at the end is ENOSPC and no request; one over the end is cut short (spec/drivers.md 3.2)."""
    device = told_device(vm, pages=4)
    with device.open(direct=direct) as file:
        file.seek(3 * PAGE_SIZE)
        assert file.write(page_of(50, 1) + page_of(50, 2)) == PAGE_SIZE
        with pytest.raises(ZramError) as caught:
            file.write(page_of(50, 3))
        assert caught.value.errno == errno.ENOSPC
        assert file.write(b"") == 0
        assert file.read(PAGE_SIZE) == b""
    assert device.read_page(3) == page_of(50, 1)
    assert stat(device, "io_stat") == "0 0 0 0"


@pytest.mark.parametrize(("place", "length"), [(0, 512), (512, 4096), (0, 4097), (1, 8191)])
def test_direct_requests_are_whole_pages(vm: VM, place: int, length: int) -> None:
    """Direct I/O that is not aligned is EINVAL, moves nothing and is no invalid_io (spec/drivers.md 3.2)."""
    device = told_device(vm, pages=8)
    device.write_page(0, page_of(60))
    with device.open(direct=True) as file:
        file.seek(place)
        with pytest.raises(ZramError) as caught:
            file.write(b"x" * length)
        assert caught.value.errno == errno.EINVAL
        with pytest.raises(ZramError) as caught:
            file.read(length)
        assert caught.value.errno == errno.EINVAL
        assert file.tell() == place
    assert device.read_page(0) == page_of(60)
    assert stat(device, "io_stat") == "0 0 0 0"


def test_discarding_a_range(vm: VM) -> None:
    """Whole pages on the device are forgotten; anything else is EINVAL and frees nothing (spec/drivers.md 3.2)."""
    device = told_device(vm, pages=8)
    for index in range(8):
        device.write_page(index, page_of(60, index))
    with device.open() as file:
        for offset, length in (
            (512, 4096),
            (0, 512),
            (-4096, 4096),
            (4096, 8 * 4096),
            (8 * 4096, 4096),
            (4096, -4096),
        ):
            with pytest.raises(ZramError) as caught:
                file.discard(offset, length)
            assert caught.value.errno == errno.EINVAL
        assert stat(device, "io_stat") == "0 0 0 0"
        file.discard(4096, 2 * 4096)
    assert stat(device, "io_stat") == "0 0 0 2"
    assert [device.read_page(index) == ZEROS for index in range(8)] == [index in (1, 2) for index in range(8)]


def test_a_refused_write_is_eio(vm: VM) -> None:
    """At the limit the writer gets EIO; what was written before stays, the place too (spec/drivers.md 3.2)."""
    device = told_device(vm, pages=8)
    ZramSysfs(device).write("mem_limit", "8K")
    with device.open() as file:
        with pytest.raises(ZramError) as caught:
            file.write(b"".join(page_of(4096, number) for number in range(4)))
        assert caught.value.errno == errno.EIO
        assert file.tell() == 0
        assert file.read(2 * PAGE_SIZE) == page_of(4096, 0) + page_of(4096, 1)
    assert stat(device, "io_stat") == "0 1 0 0"


def test_a_closed_file(device: ZramDevice) -> None:
    """After close, which may come twice, every use is a ValueError and the device can be reset."""
    file = device.open()
    file.close()
    file.close()
    for call in (
        file.tell,
        lambda: file.seek(0),
        lambda: file.read(1),
        lambda: file.write(b"x"),
        lambda: file.discard(0, 0),
    ):
        with pytest.raises(ValueError, match="closed file"):
            call()
    assert device.openers == 0
    device.reset()


def test_a_file_that_is_forgotten_closes_itself(device: ZramDevice) -> None:
    """A file that nobody holds any more does not keep the device from being reset."""
    device.open()
    gc.collect()
    assert device.openers == 0
    device.reset()


def test_a_device_that_is_not_set_up_cannot_be_opened(vm: VM, recwarn: pytest.WarningsRecorder) -> None:
    """Opening before disksize is written is EIO, says what to do, and leaves nothing half open."""
    device = ZramDevice(vm, algorithm="deflate")
    with pytest.raises(ZramError, match="zram0 is not set up: write its disksize first") as caught:
        ZramFile(device)
    assert caught.value.errno == errno.EIO
    del caught
    gc.collect()
    assert device.openers == 0
    assert not recwarn.list
