"""What a machine looks like when it has booted: zones, holes, reserved ranges, free lists."""

import subprocess
import sys
from pathlib import Path

import pytest
from allocator.machines import BLOCK, MOVABLE, START, boot, exhaust, one_node, one_zone, take_all, trimmed

from movable import VM, MigrateType, MovableError, PageFlag, PfnRange, ZoneConfig, preset
from movable.config import PRESETS

BOOT_SERVER = """
import re, sys
from pathlib import Path

def resident() -> int:
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

import movable
before = resident()
vm = movable.VM("server")
for node in vm.nodes:
    vm.alloc_page(node=node.nid)
sys.stdout.write(str(resident() - before))
"""


def test_the_highest_block_is_allocated_first() -> None:
    """Boot hands memory over in ascending chunks, each at the list head (spec/compaction.md 14)."""
    vm = boot(one_zone(4096))
    assert [page.pfn for page in exhaust(vm, order=10)] == [0x1C00, 0x1800, 0x1400, 0x1000]


def test_every_block_is_movable() -> None:
    """At boot every pageblock is MOVABLE and carries no skip hint (spec/compaction.md 1.3, 14)."""
    vm = boot(one_zone(4096))
    blocks = range(0x1000, 0x2000, BLOCK)
    assert {vm.pageblock_migratetype(pfn).name for pfn in blocks} == {"MOVABLE"}
    assert not any(vm.pageblock_skip(pfn) for pfn in blocks)


def test_memory_is_cut_at_natural_alignment() -> None:
    """An unaligned range becomes ever larger chunks up to its end (spec/compaction.md 14)."""
    vm = boot(
        one_node(ZoneConfig("Normal", 0x1000, 2048, reserved=[PfnRange(0x1000, 1), PfnRange(0x17FC, 4)]))
    )
    zone = vm.zones[0]
    assert zone.nr_free == [1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 0]
    assert [page.pfn for page in exhaust(vm, order=9)] == [0x1400, 0x1200]


@pytest.mark.parametrize("name", PRESETS)
def test_all_managed_memory_is_free(name: str) -> None:
    """After boot every managed page of every zone is free (spec/compaction.md 1.2)."""
    vm = VM(name)
    assert [zone.free_pages for zone in vm.zones] == [zone.managed for zone in vm.zones]
    assert sum(zone.managed for zone in vm.zones) == preset(name).managed_pages


def test_eleven_orders_and_six_types() -> None:
    """A zone has 11 orders and lists for six migrate types, which nr_free sums up (12 fact 60)."""
    zone = VM("tiny").zones[0]
    by_type = [zone.free_counts(migratetype) for migratetype in MigrateType]
    assert (len(zone.nr_free), len(by_type)) == (11, 6)
    assert [sum(counts) for counts in zip(*by_type, strict=True)] == zone.nr_free


def with_ranges() -> VM:
    """A zone with a hole of a block and a half and a reserved range."""
    holes, reserved = [PfnRange(0x1200, BLOCK + BLOCK // 2)], [PfnRange(0x1601, 30)]
    return boot(one_node(ZoneConfig("Normal", 0x1000, 2048, holes=holes, reserved=reserved)))


def test_spanned_present_and_managed() -> None:
    """present = spanned - holes, managed = present - reserved (spec/compaction.md 1.2)."""
    zone = with_ranges().zones[0]
    assert (zone.spanned, zone.present, zone.managed) == (2048, 2048 - 768, 2048 - 768 - 30)


def test_holes_and_reserved_pages_are_never_allocated() -> None:
    """The allocator hands out each managed frame once, and no other (spec/compaction.md 1.2)."""
    vm = with_ranges()
    vm.debug = 1
    pfns = sorted(page.pfn for page in exhaust(vm))
    assert pfns == [*range(0x1000, 0x1200), *range(0x1500, 0x1601), *range(0x161F, 0x1800)]
    vm.recount()


def test_a_hole_has_no_pages() -> None:
    """A frame in a block without any memory is no page (spec/compaction.md 1.3)."""
    vm = with_ranges()
    with pytest.raises(MovableError, match="there is no page frame 4608"):
        vm.page(0x1200)


@pytest.mark.parametrize("pfn", [0x1400, 0x1601])
def test_reserved_pages_exist_and_are_in_use(pfn: int) -> None:
    """Reserved frames, and holes inside a block with memory, are reserved pages in use (1.3, 1.5)."""
    page = with_ranges().page(pfn)
    assert (page.flags, page.refcount) == (PageFlag.RESERVED, 1)


@pytest.mark.parametrize("pfn", [-1, 0, 0xFFF, 0x1800, 1 << 40])
def test_frames_outside_the_machine_are_no_pages(pfn: int) -> None:
    """A pfn below, above or far beyond memory is an error that names it."""
    with pytest.raises(MovableError, match=f"there is no page frame {pfn}"):
        with_ranges().page(pfn)


@pytest.mark.parametrize(
    ("hole", "contiguous"),
    [
        (PfnRange(0x1200, BLOCK), False),
        (PfnRange(0x1201, BLOCK - 2), True),
        (PfnRange(0x1000, BLOCK), False),
    ],
)
def test_a_zone_with_a_missing_block_is_not_contiguous(hole: PfnRange, contiguous: bool) -> None:
    """A zone is contiguous if the first and last pfn of each block are valid and its own (1.2)."""
    vm = boot(one_node(ZoneConfig("Normal", 0x1000, 2048, holes=[hole])))
    assert vm.zones[0].contiguous is contiguous


def shared() -> VM:
    """Three zones that meet in the middle of pageblocks."""
    kinds = (
        ZoneConfig("DMA32", 0x1000, 0x333),
        ZoneConfig("Normal", 0x1333, 0x3CE),
        ZoneConfig("Movable", 0x1701, 0xFF),
    )
    return boot(one_node(*kinds))


def test_zones_may_share_a_block() -> None:
    """A pageblock may belong to two zones: each page knows its own (spec/compaction.md 1.3)."""
    vm = shared()
    zones = {pfn: vm.page(pfn).zone_id for pfn in (0x1332, 0x1333, 0x1700, 0x1701)}
    assert zones == {0x1332: 0, 0x1333: 1, 0x1700: 1, 0x1701: 2}
    assert [zone.contiguous for zone in vm.zones] == [True, True, True]


def test_shared_blocks_lose_no_page() -> None:
    """All frames of zones that share blocks are managed, allocated and merged again in their zone (1.3)."""
    vm = shared()
    before = [zone.nr_free for zone in vm.zones]
    vm.debug = 1
    pages = exhaust(vm, MOVABLE)
    assert sorted(page.pfn for page in pages) == list(range(0x1000, 0x1800))
    for page in pages:
        vm.free_pages(page)
    vm.recount()
    assert [zone.nr_free for zone in vm.zones] == before


def test_a_zone_smaller_than_a_block_works() -> None:
    """A zone of a few pages inside a block has its own free lists (spec/compaction.md 1.3)."""
    vm = boot(one_node(ZoneConfig("DMA32", 0x1000, 0x3FD), ZoneConfig("Normal", 0x13FD, 3)))
    assert trimmed(vm.zones[1].nr_free) == [1, 1]
    assert sorted(page.pfn for page in exhaust(vm)) == list(range(0x1000, 0x1400))


def test_the_first_frame_of_all_can_be_memory() -> None:
    """A zone may start at pfn 0, and its scanners start at its ends (spec/compaction.md 3.4)."""
    vm = boot(one_node(ZoneConfig("DMA", 0, 1024)))
    state = vm.zones[0].compact_state
    assert (state.cached_migrate_pfn, state.cached_free_pfn) == ((0, 0), BLOCK)
    assert [page.pfn for page in exhaust(vm)] == list(range(1024))


def test_the_server_costs_little_until_it_is_used(tmp_path: Path) -> None:
    """64 GiB of emulated memory boot with less than 200 MB of real memory: boot touches block heads only."""
    answer = subprocess.run(
        [sys.executable, "-c", BOOT_SERVER], cwd=tmp_path, capture_output=True, check=True
    )
    assert int(answer.stdout) < 200_000


@pytest.mark.parametrize("pages", [1, 511, 513, 1024 + 77, 3 * 1024 - 35])
def test_a_node_may_end_anywhere(pages: int) -> None:
    """A zone that ends inside a pageblock has all its pages, and the frames behind it are nobody's (1.2, 1.3)."""
    with boot(one_zone(pages)) as vm:
        zone = vm.zones[0]
        assert (zone.end_pfn, zone.free_pages) == (START + pages, pages)
        taken = take_all(vm)
        assert sorted(taken) == list(range(START, START + pages))
        for page in taken.values():
            vm.free_pages(page)
        vm.recount()
        assert zone.free_pages == pages
        assert not vm.has_page(START + pages)
