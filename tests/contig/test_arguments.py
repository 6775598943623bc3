"""Ranges that cannot be: each is refused with the argument's name, and nothing is changed."""

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from allocator.machines import boot, one_node
from contig.kit import BLOCK, MAX, START, free_pages

from movable import VM, MigrateType, MovableError, PfnRange, ZoneConfig

HOLE = START + 4 * BLOCK
END = START + 4 * MAX


@pytest.fixture
def vm() -> VM:
    """Two zones, the lower one with a pageblock that is a hole."""
    low = ZoneConfig("DMA32", START, 3 * MAX, holes=(PfnRange(HOLE, BLOCK),))
    return boot(one_node(low, ZoneConfig("Normal", START + 3 * MAX, MAX)))


CALLS: list[tuple[str, Callable[[VM], Any], str]] = [
    ("empty", lambda vm: vm.alloc_contig_range(START, START), "end: the range from pfn 0x1000 on is empty"),
    ("backwards", lambda vm: vm.alloc_contig_range(START + 1, START), "end: the range"),
    ("below", lambda vm: vm.alloc_contig_range(0, 5), "start: there is no zone with pfn 0x0"),
    ("above", lambda vm: vm.alloc_contig_range(END, END + 5), "start: there is no zone with pfn 0x2000"),
    (
        "two zones",
        lambda vm: vm.alloc_contig_range(START + 3 * MAX - 1, START + 3 * MAX + 1),
        "end: the range must end in Node 0 DMA32, at pfn 0x1c00 at most",
    ),
    (
        "type",
        lambda vm: vm.alloc_contig_range(START, START + 1, MigrateType.UNMOVABLE),
        "migratetype: must be MOVABLE or CMA, not UNMOVABLE",
    ),
    (
        "no type",
        lambda vm: vm.alloc_contig_range(START, START + 1, cast(MigrateType, 17)),
        "migratetype: must be a MigrateType",
    ),
    ("free none", lambda vm: vm.free_contig_range(START, 0), "nr: the range from pfn 0x1000 on is empty"),
    ("free too many", lambda vm: vm.free_contig_range(START, 9 * MAX), "nr: the range must end in"),
    (
        "unaligned",
        lambda vm: vm.offline_pages(START + 1, BLOCK),
        "start, nr: must be whole pageblocks, multiples of 512, not 0x1001 and 512",
    ),
    ("part of a block", lambda vm: vm.offline_pages(START, 100), "start, nr: must be whole pageblocks"),
    ("no block", lambda vm: vm.offline_pages(START, 0), "nr: the range from pfn 0x1000 on is empty"),
    (
        "a hole",
        lambda vm: vm.offline_pages(START, 5 * BLOCK),
        "start, nr: there is a hole in Node 0 DMA32 at pfn 0x1800",
    ),
    ("too long", lambda vm: vm.offline_pages(START, 4 * MAX), "nr: the range must end in"),
    (
        "no time",
        lambda vm: vm.offline_pages(START, BLOCK, max_passes=0),
        "max_passes: must be 1 or more, not 0",
    ),
    (
        "not offline",
        lambda vm: vm.online_pages(START, BLOCK),
        "start, nr: must be whole pageblocks of 512 pages that are offline; offline: none",
    ),
    ("part of one", lambda vm: vm.online_pages(START, 5), "start, nr: must be whole pageblocks"),
    ("online nowhere", lambda vm: vm.online_pages(5, BLOCK), "start: there is no zone with pfn 0x5"),
    ("isolate part", lambda vm: vm.start_isolate_page_range(START, START + 9), "start, nr: must be whole"),
    (
        "isolate a hole",
        lambda vm: vm.start_isolate_page_range(HOLE, HOLE + BLOCK),
        "start, nr: there is a hole",
    ),
    (
        "undo what is no type",
        lambda vm: vm.undo_isolate_page_range(START, START + BLOCK, cast(MigrateType, 9)),
        "migratetype: must be a MigrateType",
    ),
    ("test nothing", lambda vm: vm.test_pages_isolated(START, START), "end: the range"),
]


@pytest.mark.parametrize(("call", "message"), [each[1:] for each in CALLS], ids=[each[0] for each in CALLS])
def test_a_range_that_cannot_be_is_refused(vm: VM, call: Callable[[VM], Any], message: str) -> None:
    """The message begins with the argument and says what would do; the machine is as before."""
    before = free_pages(vm), vm.vmstat()
    with pytest.raises(MovableError, match=re.escape(message)):
        call(vm)
    vm.recount()
    assert (free_pages(vm), vm.vmstat(), vm.offline_ranges) == (*before, ())


def test_offline_memory_does_not_go_offline_again(vm: VM) -> None:
    """What is offline is named when it is to go offline once more."""
    assert vm.offline_pages(START + BLOCK, BLOCK).ret == 0
    with pytest.raises(MovableError, match="start, nr: pfn 0x1200 is offline already"):
        vm.offline_pages(START, 2 * BLOCK)
    with pytest.raises(MovableError, match=re.escape("offline: [0x1200, 0x1400)")):
        vm.online_pages(START, 2 * BLOCK)


def test_a_closed_machine_says_so(vm: VM) -> None:
    """Every call of a closed machine is refused as such."""
    vm.close()
    calls = (
        lambda: vm.alloc_contig_range(START, START + 1),
        lambda: vm.free_contig_range(START, 1),
        lambda: vm.offline_pages(START, BLOCK),
        lambda: vm.test_pages_isolated(START, START + 1),
    )
    for call in calls:
        with pytest.raises(MovableError, match="this VM is closed"):
            call()
