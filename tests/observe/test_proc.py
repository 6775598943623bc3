"""The texts of /proc, and what is computed from free counts, against memory laid out by hand."""

import re

import pytest
from allocator.machines import BLOCK, MOVABLE, NO_MARKS, START, boot, free, one_node, one_zone, take_all

from movable import (
    VM,
    MigrateType,
    ZoneConfig,
    blocks_available,
    buddyinfo,
    free_in_blocks,
    pagetypeinfo,
)

SPEC_LINE = (
    "Node 0, zone   Normal     64      0      0      0      0      0      1      1      1      1      0 \n"
)


def in_pieces() -> VM:
    """2048 pages, of which 64 single ones and one block each of orders 6 to 9 are free."""
    vm = boot(one_zone(2048), debug=0)
    take_all(vm)
    free(vm, *range(START + 1, START + 128, 2), *range(START + 1024 + 64, START + 2048))
    return vm


def test_a_line_is_formatted_as_the_kernel_does() -> None:
    """A zone's line is the example of spec/compaction.md 9.2, trailing blank included."""
    with in_pieces() as vm:
        assert buddyinfo(vm) == SPEC_LINE


def test_a_line_for_each_zone_by_node_and_index() -> None:
    """Nodes ascend, zones of a node in their order, with the free counts of each (9.2)."""
    with VM("server", debug=0) as vm:
        lines = buddyinfo(vm).splitlines()
        assert [line[:21] for line in lines] == [
            "Node 0, zone      DMA",
            "Node 0, zone    DMA32",
            "Node 0, zone   Normal",
            "Node 1, zone   Normal",
        ]
        for line, zone in zip(lines, vm.zones, strict=True):
            assert [int(count) for count in line[21:].split()] == zone.nr_free


def test_the_text_follows_the_allocator() -> None:
    """Allocating a page splits a block in the text, and freeing it makes the text what it was."""
    with boot(one_zone(1024)) as vm:
        fresh = buddyinfo(vm)
        page = vm.alloc_page(MOVABLE)
        assert page is not None
        assert buddyinfo(vm).split()[4:] == ["1"] * 10 + ["0"]
        page.put()
        assert buddyinfo(vm) == fresh


def test_pagetypeinfo_has_every_list_and_block() -> None:
    """Each type's counts are those of its lists, and pageblocks are counted by type (9.3)."""
    with in_pieces() as vm:
        vm.set_pageblock_migratetype(START + 3 * BLOCK, MigrateType.UNMOVABLE)
        rows = pagetypeinfo(vm).splitlines()
        zone = vm.zones[0]
        lists = [row for row in rows if ", type " in row]
        assert [re.split(r"[ ,]+", row.strip())[5] for row in lists] == [
            "Unmovable",
            "Movable",
            "Reclaimable",
            "HighAtomic",
            "CMA",
            "Isolate",
        ]
        kinds = (
            MigrateType.UNMOVABLE,
            MigrateType.MOVABLE,
            MigrateType.RECLAIMABLE,
            MigrateType.HIGHATOMIC,
            MigrateType.CMA,
            MigrateType.ISOLATE,
        )
        for row, kind in zip(lists, kinds, strict=True):
            assert [int(count) for count in row.split()[6:]] == zone.free_counts(kind)
        assert [int(count) for count in rows[-1].split()[4:]] == [1, 3, 0, 0, 0, 0]


def test_pagetypeinfo_is_laid_out_as_the_kernels() -> None:
    """The lines' widths are those of the kernel's format strings (9.3)."""
    with boot(one_zone(1024)) as vm:
        lines = pagetypeinfo(vm).split("\n")
    assert lines[:3] == ["Page block order: 9", "Pages per block:  512", ""]
    assert lines[3] == f"{'Free pages count per migrate type at order':<43s} " + "".join(
        f"{order:6d} " for order in range(11)
    )
    assert lines[5] == "Node    0, zone   Normal, type      Movable " + "     0 " * 10 + "     1 "
    assert lines[10] == ""
    assert lines[11].startswith("Number of blocks type     Unmovable      Movable ")
    assert lines[12].startswith("Node 0, zone   Normal            0            2 ")


@pytest.mark.parametrize(
    ("order", "blocks", "part"),
    [
        (0, 1024, 1.0),
        (1, 480, 960 / 1024),
        (6, 15, 960 / 1024),
        (7, 7, 896 / 1024),
        (9, 1, 0.5),
        (10, 0, 0.0),
    ],
)
def test_larger_blocks_count_as_several(order: int, blocks: int, part: float) -> None:
    """Free blocks of larger orders are divided; the part of free memory in them follows."""
    with in_pieces() as vm:
        assert blocks_available(vm.zones[0], order) == blocks
        assert free_in_blocks(vm.zones[0], order) == pytest.approx(part)


def test_nothing_free_is_nothing_in_blocks() -> None:
    """A zone without a free page has no part of its free memory in blocks."""
    with boot(one_zone(1024), debug=0) as vm:
        take_all(vm)
        assert buddyinfo(vm).split()[4:] == ["0"] * 11
        assert free_in_blocks(vm.zones[0], 0) == 0.0


def test_a_zone_without_a_whole_pageblock_is_counted() -> None:
    """A pageblock counts for the zone in which its first page lies, as far as it is there (9.3)."""
    low = ZoneConfig("DMA", START, BLOCK + 100, watermarks=NO_MARKS)
    high = ZoneConfig("Normal", START + BLOCK + 100, BLOCK - 100, watermarks=NO_MARKS)
    with boot(one_node(low, high)) as vm:
        rows = pagetypeinfo(vm).rstrip("\n").split("\n")[-2:]
        assert [sum(map(int, row.split()[4:])) for row in rows] == [2, 1]
