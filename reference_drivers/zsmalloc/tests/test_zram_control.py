"""The control files of a device and of all devices (spec/drivers.md 3.7-3.9; section 8 "zram", 58-60)."""

import errno

import pytest
from zram_kit import ZEROS, page_of, stat, told_compressor, told_device

from movable import PAGE_SIZE, VM
from movable_zsmalloc import ZramControl, ZramDevice, ZramError, ZramSysfs
from movable_zsmalloc.zram import memparse


@pytest.fixture
def device(vm: VM) -> ZramDevice:
    """A device that is not set up."""
    return ZramDevice(vm, make_compressor=told_compressor)


@pytest.fixture
def files(device: ZramDevice) -> ZramSysfs:
    """Its control files."""
    return ZramSysfs(device)


def refused(files: ZramSysfs, name: str, text: str) -> int:
    """The errno that writing ends with; 0 if it is taken."""
    try:
        files.write(name, text)
    except ZramError as error:
        return error.errno or 0
    return 0


READABLE = [
    "disksize",
    "initstate",
    "mem_limit",
    "mem_used_max",
    "max_comp_streams",
    "comp_algorithm",
    "io_stat",
    "mm_stat",
    "debug_stat",
    "num_reads",
    "num_writes",
    "failed_reads",
    "failed_writes",
    "invalid_io",
    "notify_free",
    "zero_pages",
    "orig_data_size",
    "compr_data_size",
    "mem_used_total",
]
WRITABLE = ["disksize", "reset", "mem_limit", "mem_used_max", "compact", "max_comp_streams", "comp_algorithm"]


def test_the_files_of_4_9(files: ZramSysfs) -> None:
    """The folder has the files of spec/drivers.md 3.7 for [4.9], readable and writable as it says."""
    assert set(files.files()) == {*READABLE, *WRITABLE}
    for name in files.files():
        if name in READABLE:
            assert files.read(name).endswith("\n")
        else:
            with pytest.raises(ZramError) as caught:
                files.read(name)
            assert caught.value.errno == errno.EACCES
        if name not in WRITABLE:
            assert refused(files, name, "1") == errno.EACCES


@pytest.mark.parametrize("name", ["idle", "writeback", "backing_dev", "bd_stat", "recompress", ""])
def test_a_file_that_4_9_lacks(files: ZramSysfs, name: str) -> None:
    """Opening a file of a later version is ENOENT (spec/drivers.md 3.7)."""
    for call in (lambda: files.read(name), lambda: files.write(name, "1")):
        with pytest.raises(ZramError) as caught:
            call()
        assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 4096), ("4096", 4096), ("4097", 8192), ("64K\n", 1 << 16), ("2M", 2 << 20), ("0x2000", 8192)],
)
def test_disksize_is_rounded_up_to_a_page(device: ZramDevice, files: ZramSysfs, text: str, size: int) -> None:
    """Sizes with suffixes are taken and rounded up to a page; initstate turns 1 (spec/drivers.md 3.7)."""
    assert (files.read("disksize"), files.read("initstate")) == ("0\n", "0\n")
    files.write("disksize", text)
    assert (files.read("disksize"), files.read("initstate")) == (f"{size}\n", "1\n")
    assert device.pages == size // PAGE_SIZE


@pytest.mark.parametrize("text", ["0", "", "-1", "big", "K", "\n", "16E"])
def test_a_wrong_disksize(device: ZramDevice, files: ZramSysfs, text: str) -> None:
    """0, garbage and what overflows to 0 are EINVAL, and the device stays as it was (spec/drivers.md 3.7)."""
    assert refused(files, "disksize", text) == errno.EINVAL
    assert (device.pages, device.pool) == (0, None)


def test_a_disksize_whose_table_cannot_be_had(device: ZramDevice, files: ZramSysfs) -> None:
    """A device too large for its table is ENOMEM and can be set up with another size afterwards."""
    assert refused(files, "disksize", "15E") == errno.ENOMEM
    assert (device.pages, device.pool) == (0, None)
    files.write("disksize", "8K")
    assert device.pages == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("12", 12), ("1k", 1024), ("3Gx", 3 << 30), ("0x10K", 16384), ("010", 8), ("08", 0), ("1T", 1 << 40),
        ("1P", 1 << 50), ("1E", 1 << 60), ("", None), ("x1", None), (" 1", None), ("-1", None),
    ],
)  # fmt: skip
def test_sizes_are_read_as_the_kernel_reads_them(text: str, size: int | None) -> None:
    """Decimal, hexadecimal and octal numbers, a suffix K to E, and whatever follows is ignored (3.7)."""
    assert memparse(text) == size


def test_nothing_changes_after_set_up(device: ZramDevice, files: ZramSysfs) -> None:
    """disksize and comp_algorithm are EBUSY once the device is set up (spec/drivers.md 8, 60)."""
    files.write("disksize", "8K")
    assert refused(files, "disksize", "16K") == errno.EBUSY
    assert refused(files, "comp_algorithm", "deflate") == errno.EBUSY
    assert (files.read("disksize"), device.compressor.name) == ("8192\n", "lz4")


def test_reset_empties_everything(vm: VM) -> None:
    """reset clears the limit, every statistic and all pages; the device can be set up anew (8, 59; 3.7)."""
    device = told_device(vm)
    files = ZramSysfs(device)
    files.write("mem_limit", "8192")
    for index in range(2):
        device.write_page(index, page_of(4096, index))
    with pytest.raises(ZramError):
        device.write_page(3, page_of(4096, 3))
    with pytest.raises(ZramError):
        device.read_page(device.pages)
    device.read_page(0)
    device.discard(9, 2)
    files.write("reset", "1\n")
    assert stat(device) == "0 0 0 0 0 0 0"
    assert stat(device, "io_stat") == "0 0 0 0"
    assert [files.read(name) for name in ("disksize", "initstate", "num_writes", "num_reads")] == ["0\n"] * 4
    files.write("disksize", "8K")
    assert device.read_page(0) == ZEROS


def test_reset_gives_the_pages_back(vm: VM) -> None:
    """After reset the machine has no page of the pool left (spec/drivers.md 3.7)."""
    device = told_device(vm)
    for index in range(20):
        device.write_page(index, page_of(1000, index))
    pool = device.pool
    assert pool is not None
    assert len(pool.mapping.pages()) > 0
    device.reset()
    assert len(pool.mapping.pages()) == 0


@pytest.mark.parametrize("text", ["0", "", "x", "1x", "-1"])
def test_reset_takes_a_number_other_than_0(vm: VM, text: str) -> None:
    """0 and what is no decimal number are EINVAL, and nothing is lost (spec/drivers.md 8, 59)."""
    device = told_device(vm)
    device.write_page(0, page_of(100))
    assert refused(ZramSysfs(device), "reset", text) == errno.EINVAL
    assert device.read_page(0) == page_of(100)


def test_reset_waits_for_the_last_to_close(vm: VM) -> None:
    """reset is EBUSY while anyone has the device open, and changes nothing (spec/drivers.md 8, 59)."""
    device = told_device(vm)
    files = ZramSysfs(device)
    files.write("mem_limit", "1M")
    first, second = device.open(), device.open()
    assert refused(files, "reset", "1") == errno.EBUSY
    first.close()
    first.close()
    assert refused(files, "reset", "1") == errno.EBUSY
    assert files.read("mem_limit") == "1048576\n"
    second.close()
    assert refused(files, "reset", "1") == 0


@pytest.mark.parametrize(
    ("text", "limit"),
    [("8192", 8192), ("1", 4096), ("4097", 8192), ("1M", 1 << 20), ("0", 0), ("12abc", 4096)],
)
def test_mem_limit_is_rounded_up(files: ZramSysfs, text: str, limit: int) -> None:
    """mem_limit takes suffixes, before set-up too, and is rounded up to a page; 0 is none (3.7)."""
    files.write("mem_limit", text)
    assert files.read("mem_limit") == f"{limit}\n"
    assert files.read("mm_stat").split()[3] == str(limit)


@pytest.mark.parametrize("text", ["", "abc", "-1", "\n"])
def test_a_limit_without_a_digit(files: ZramSysfs, text: str) -> None:
    """Only a text without a leading digit is EINVAL; the limit stays (spec/drivers.md 3.7)."""
    files.write("mem_limit", "4K")
    assert refused(files, "mem_limit", text) == errno.EINVAL
    assert files.read("mem_limit") == "4096\n"


def test_the_limit_can_change_at_run_time(vm: VM) -> None:
    """A limit below the present usage refuses new pages only; lifting it lets them in (spec/drivers.md 3.7)."""
    device = told_device(vm)
    files = ZramSysfs(device)
    for index in range(4):
        device.write_page(index, page_of(4096, index))
    files.write("mem_limit", "4K")
    with pytest.raises(ZramError):
        device.write_page(4, page_of(4096, 4))
    assert device.read_page(3) == page_of(4096, 3)
    files.write("mem_limit", "0")
    device.write_page(4, page_of(4096, 4))
    assert device.read_page(4) == page_of(4096, 4)


def test_the_peak_starts_from_the_present_usage(vm: VM) -> None:
    """0 to mem_used_max sets the peak to the usage of now; anything else is EINVAL (spec/drivers.md 8, 58)."""
    device = told_device(vm)
    files = ZramSysfs(device)
    for index in range(3):
        device.write_page(index, page_of(4096, index))
    device.discard(0, 2)
    assert files.read("mem_used_max") == "12288\n"
    for text in ("1", "5", "", "x", "0x0", "-0"):
        assert refused(files, "mem_used_max", text) == errno.EINVAL
    assert files.read("mem_used_max") == "12288\n"
    files.write("mem_used_max", "0\n")
    assert files.read("mem_used_max") == "4096\n"


def test_the_peak_before_set_up(files: ZramSysfs) -> None:
    """0 to mem_used_max is taken without effect before set-up (spec/drivers.md 3.7)."""
    files.write("mem_used_max", "0")
    assert files.read("mem_used_max") == "0\n"


def test_compact_takes_any_text_after_set_up(files: ZramSysfs) -> None:
    """compact is EINVAL before set-up, and takes any text afterwards (spec/drivers.md 3.7)."""
    assert refused(files, "compact", "1") == errno.EINVAL
    files.write("disksize", "8K")
    for text in ("1", "", "whatever"):
        files.write("compact", text)
    assert files.read("mm_stat").split()[6] == "0"


def test_streams_are_as_many_as_cpus(vm: VM, files: ZramSysfs) -> None:
    """max_comp_streams shows the CPUs; what is written is accepted and ignored (spec/drivers.md 3.7)."""
    shown = f"{vm.config.cpus}\n"
    for text in ("99", "0", "many"):
        files.write("max_comp_streams", text)
        assert files.read("max_comp_streams") == shown


def test_single_value_files_agree_with_the_lines(vm: VM) -> None:
    """The ten files of [4.9] with one number each show what the lines show, and the attempts (3.3, 3.7)."""
    device = told_device(vm)
    device.write_page(0, ZEROS)
    device.write_page(1, page_of(1000))
    device.write_page(2, page_of(4096))
    device.read_page(1)
    device.discard(7, 3)
    mm, io = stat(device).split(), stat(device, "io_stat").split()
    names = ["orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max", "zero_pages"]
    assert [stat(device, name) for name in names] == mm[:6]
    assert [
        stat(device, name) for name in ("failed_reads", "failed_writes", "invalid_io", "notify_free")
    ] == io
    assert (stat(device, "num_writes"), stat(device, "num_reads")) == ("3", "1")


def test_devices_are_added_and_removed_by_number(vm: VM) -> None:
    """hot_add gives the lowest free number; hot_remove is ENODEV for none and EBUSY for an open one (3.7)."""
    control = ZramControl(vm)
    devices = [control.hot_add("deflate") for _ in range(3)]
    assert [device.name for device in devices] == ["zram0", "zram1", "zram2"]
    with pytest.raises(ZramError) as caught:
        control.hot_remove(7)
    assert caught.value.errno == errno.ENODEV
    devices[1].init(PAGE_SIZE)
    with devices[1].open(), pytest.raises(ZramError) as caught:
        control.hot_remove(1)
    assert caught.value.errno == errno.EBUSY
    control.hot_remove(1)
    assert control.hot_add("deflate").number == 1
    assert sorted(control.devices) == [0, 1, 2]


def test_what_the_block_layer_is_told(device: ZramDevice) -> None:
    """Blocks and discards are whole pages (spec/drivers.md 3.2)."""
    limits = device.queue_limits()
    assert limits == {"logical_block_size": 4096, "physical": 4096, "discard_granularity": 4096}
