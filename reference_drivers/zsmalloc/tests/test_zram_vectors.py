"""The statistics after given requests, by the rules of Linux 4.9 and by the later ones (spec/drivers.md 7.8)."""

from collections.abc import Callable

import pytest
from zram_kit import ZEROS, page_of, stat, told_device, word_page

from movable import VM
from movable_zsmalloc import ZramDevice, ZramError, ZramSysfs
from movable_zsmalloc.zram import LINUX_4_9, LINUX_6_1, ZramRules

Requests = Callable[[ZramDevice], None]


def writes(*pages: bytes) -> Requests:
    """The pages go to the first slots."""

    def requests(device: ZramDevice) -> None:
        for index, page in enumerate(pages):
            device.write_page(index, page)

    return requests


def of_length(length: int, count: int) -> Requests:
    """So many pages that all compress to this length."""
    return writes(*(page_of(length, number) for number in range(count)))


def huge_then_zeros(device: ZramDevice) -> None:
    """Vector i."""
    writes(page_of(4096), page_of(1000), ZEROS)(device)
    device.write_page(0, ZEROS)


def twice(device: ZramDevice) -> None:
    """Vector j."""
    device.write_page(0, page_of(4096, 1))
    device.write_page(0, page_of(4096, 2))


def discarded(device: ZramDevice) -> None:
    """Vector k."""
    of_length(1000, 5)(device)
    device.discard(0, 4)


def limited(device: ZramDevice) -> None:
    """Vector l."""
    ZramSysfs(device).write("mem_limit", "8192")
    of_length(1000, 8)(device)
    with pytest.raises(ZramError):
        device.write_page(8, page_of(1000, 8))


def overwritten_at_the_limit(device: ZramDevice) -> None:
    """Vector m."""
    ZramSysfs(device).write("mem_limit", "4096")
    device.write_page(0, page_of(4096, 1))
    with pytest.raises(ZramError):
        device.write_page(0, page_of(4096, 2))
    assert device.read_page(0) == page_of(4096, 1)


def compacted(device: ZramDevice) -> None:
    """Vector n."""
    of_length(1000, 12)(device)
    for first in (0, 4, 8):
        device.discard(first, 3)
    device.compact()


def compacted_and_peak_reset(device: ZramDevice) -> None:
    """Vector o."""
    compacted(device)
    ZramSysfs(device).write("mem_used_max", "0")


MIXED = writes(
    *[ZEROS] * 30,
    *(page_of(4096, number) for number in range(20)),
    *(page_of(2000, number) for number in range(50)),
)

VECTORS: list[tuple[str, Requests, str, str, int, str]] = [
    ("a", writes(*[ZEROS] * 4), "0 0 0 0 0 4 0", "16384 0 0 0 0 4 0", 0, "0 0 0 0"),
    (
        "b",
        writes(*map(word_page, (1, 2, 3))),
        "12288 120 12288 0 12288 0 0",
        "12288 0 0 0 0 3 0",
        0,
        "0 0 0 0",
    ),
    ("c", of_length(4096, 2), "8192 8192 8192 0 8192 0 0", "same", 2, "0 0 0 0"),
    ("d", of_length(1000, 5), "20480 5000 8192 0 8192 0 0", "same", 0, "0 0 0 0"),
    ("e", of_length(3072, 5), "20480 15360 16384 0 16384 0 0", "same", 0, "0 0 0 0"),
    (
        "f",
        of_length(3100, 5),
        "20480 20480 20480 0 20480 0 0",
        "20480 15500 16384 0 16384 0 0",
        0,
        "0 0 0 0",
    ),
    (
        "g",
        of_length(3256, 4),
        "16384 16384 16384 0 16384 0 0",
        "16384 13024 16384 0 16384 0 0",
        0,
        "0 0 0 0",
    ),
    ("h", of_length(3257, 4), "16384 16384 16384 0 16384 0 0", "same", 4, "0 0 0 0"),
    ("i", huge_then_zeros, "4096 1000 4096 0 8192 2 0", "12288 1000 4096 0 8192 2 0", 0, "0 0 0 0"),
    ("j", twice, "4096 4096 4096 0 8192 0 0", "same", 1, "0 0 0 0"),
    ("k", discarded, "4096 1000 4096 0 8192 0 0", "same", 0, "0 0 0 4"),
    ("l", limited, "32768 8000 8192 8192 12288 0 0", "same", 0, "0 1 0 0"),
    ("m", overwritten_at_the_limit, "4096 4096 4096 4096 8192 0 0", "same", 1, "0 1 0 0"),
    ("n", compacted, "12288 3000 4096 0 12288 0 2", "same", 0, "0 0 0 9"),
    ("o", compacted_and_peak_reset, "12288 3000 4096 0 4096 0 2", "same", 0, "0 0 0 9"),
    ("p", MIXED, "286720 181920 184320 0 184320 30 0", "409600 181920 184320 0 184320 30 0", 20, "0 0 0 0"),
    ("q", of_length(100, 147), "602112 14700 24576 0 24576 0 0", "same", 0, "0 0 0 0"),
]
NAMES = [name for name, *_ in VECTORS]


@pytest.mark.parametrize(("name", "requests_", "earlier", "later", "huge", "io"), VECTORS, ids=NAMES)
def test_the_statistics_of_4_9(
    vm: VM, name: str, requests_: Requests, earlier: str, later: str, huge: int, io: str
) -> None:
    """mm_stat and io_stat are what spec/drivers.md 7.8 and the line below it say for [4.9]."""
    device = told_device(vm, rules=LINUX_4_9)
    requests_(device)
    assert (stat(device), stat(device, "io_stat")) == (earlier, io)


@pytest.mark.parametrize(("name", "requests_", "earlier", "later", "huge", "io"), VECTORS, ids=NAMES)
def test_the_statistics_of_later_versions(
    vm: VM, name: str, requests_: Requests, earlier: str, later: str, huge: int, io: str
) -> None:
    """By the later rules the first eight fields are those that spec/drivers.md 7.8 gives for [4.19]."""
    device = told_device(vm, rules=LINUX_6_1)
    requests_(device)
    assert stat(device) == (earlier if later == "same" else later)
    assert device.stats.huge_pages == huge
    assert stat(device, "io_stat") == io


@pytest.mark.parametrize("rules", [LINUX_4_9, LINUX_6_1], ids=["4.9", "later"])
@pytest.mark.parametrize(("name", "requests_"), [(name, each) for name, each, *_ in VECTORS], ids=NAMES)
def test_discarding_everything_gives_all_memory_back(
    vm: VM, rules: ZramRules, name: str, requests_: Requests
) -> None:
    """After each of the vectors, discarding all pages leaves nothing stored and no page in the pool."""
    device = told_device(vm, rules=rules)
    requests_(device)
    device.discard(0, device.pages)
    fields = stat(device).split()
    assert (fields[0], fields[1], fields[2], fields[5]) == ("0", "0", "0", "0")
    assert device.stats.huge_pages == 0


def test_the_literal_lines(vm: VM) -> None:
    """Numbers are right-aligned to a width of eight, one blank between (spec/drivers.md 3.8, vector c in 7.8)."""
    device = told_device(vm)
    of_length(4096, 2)(device)
    device.discard(5, 1)
    files = ZramSysfs(device)
    assert files.read("mm_stat") == ("    8192     8192     8192        0     8192        0        0\n")
    assert files.read("io_stat") == "       0        0        0        1\n"
    assert files.read("debug_stat") == "version: 1\n       0\n"


def test_a_page_that_fails_through_rw_page_is_sent_again(vm: VM) -> None:
    """At the limit rw_page answers -ENOMEM; the ordinary request that follows fails and counts too (7.8)."""
    device = told_device(vm)
    ZramSysfs(device).write("mem_limit", "4096")
    assert device.rw_page(0, page_of(4096, 1)) == 0
    assert device.rw_page(0, page_of(4096, 2)) == -12
    with pytest.raises(ZramError):
        device.write_page(0, page_of(4096, 2))
    assert stat(device, "io_stat") == "0 2 0 0"
    assert stat(device, "num_writes") == "3"


def test_migration_never_changes_mm_stat(vm: VM) -> None:
    """Compaction moves pages of the pool; no field of mm_stat changes, every page reads back (7.8)."""
    device = told_device(vm, pages=3000)
    kept = {index: page_of(24 + index * 97 % 4073, index) for index in range(device.pages) if index % 3 == 0}
    for index in range(device.pages):
        device.write_page(index, kept.get(index) or page_of(4096, index))
    for index in set(range(device.pages)) - kept.keys():
        device.discard(index, 1)
    before = ZramSysfs(device).read("mm_stat")
    moved = sum(each.migrated for each in vm.compact_memory())
    assert moved > 100
    assert ZramSysfs(device).read("mm_stat") == before
    assert all(device.read_page(index) == page for index, page in kept.items())
