"""Watermarks and reserves: how far each kind of request may empty a zone."""

import pytest
from allocator.machines import MOVABLE, START, boot, exhaust, free, must, one_node, one_zone, take_all

from movable import GFP, AllocFlags, CompactResult, MigrateType, Watermarks, ZoneConfig, ZoneType, preset
from movable.config import MachineConfig, NodeConfig


def test_the_published_marks() -> None:
    """One zone of 262144 managed pages has the marks 1024, 1286 and 1548 (spec/compaction.md 12 fact 13)."""
    config = MachineConfig("1 GiB", (NodeConfig((ZoneConfig("Normal", 0x1000, 262144),)),))
    assert boot(config, debug=0).zones[0].watermark == Watermarks(1024, 1286, 1548)


@pytest.mark.parametrize(("free_pages", "enough"), [(100, False), (101, True)])
def test_free_memory_must_exceed_the_mark(free_pages: int, enough: bool) -> None:
    """free = mark fails and free = mark + 1 passes for order 0 (spec/compaction.md 12 fact 11)."""
    vm = boot(one_zone(1024, Watermarks(100, 100, 100)))
    pages = exhaust(vm)
    assert vm.zones[0].free_pages == 100
    for page in pages[: free_pages - 100]:
        vm.free_pages(page)
    assert (vm.zones[0].compaction_suitable(0) is CompactResult.SUCCESS) is enough
    assert (vm.alloc_page() is not None) is enough


@pytest.mark.parametrize(("mark", "enough"), [(55, True), (56, False), (57, False)])
def test_an_order_3_check_subtracts_7_pages(mark: int, enough: bool) -> None:
    """Order 3 leaves 2^3 - 1 pages out of the comparison: 63 free pages pass mark 55 only (12 fact 12)."""
    vm = boot(one_zone(1024, Watermarks(0, mark, mark)))
    take_all(vm)
    free(vm, *range(START, START + 63))
    suitable = vm.zones[0].compaction_suitable(3, AllocFlags.WMARK_LOW)
    assert (suitable is CompactResult.SUCCESS) is enough


def test_an_order_needs_a_block_as_large() -> None:
    """Free memory above the mark does not help without a block of the order (2.10 step 6)."""
    vm = boot(one_zone(1024))
    take_all(vm)
    free(vm, *range(START, START + 1024, 2))
    suitable = [vm.zones[0].compaction_suitable(order) for order in (0, 1)]
    assert suitable == [CompactResult.SUCCESS, CompactResult.CONTINUE]


def test_a_larger_block_serves_a_smaller_order() -> None:
    """Any block of the order or above will do, on a list of types 0 to 2 (2.10 step 6)."""
    vm = boot(one_zone(1024))
    take_all(vm)
    vm.set_pageblock_migratetype(START, MigrateType.RECLAIMABLE)
    free(vm, *range(START, START + 16))
    suitable = [vm.zones[0].compaction_suitable(order) for order in (1, 4, 5)]
    assert suitable == [CompactResult.SUCCESS, CompactResult.SUCCESS, CompactResult.SKIPPED]


@pytest.mark.parametrize(
    ("gfp", "left"),
    [
        (GFP.NOWAIT, 100),
        (GFP.KERNEL, 100),
        (GFP.NOWAIT | GFP.HIGH, 50),
        (GFP.NOWAIT | GFP.ATOMIC_BIT, 75),
        (GFP.ATOMIC, 38),
        (GFP.ATOMIC | GFP.NOMEMALLOC, 50),
        (GFP.KERNEL | GFP.MEMALLOC, 0),
        (GFP.KERNEL | GFP.MEMALLOC | GFP.NOMEMALLOC, 100),
    ],
)
def test_how_deep_a_request_may_dig(gfp: GFP, left: int) -> None:
    """HIGH halves the min mark, ATOMIC takes a quarter off, MEMALLOC ignores it (2.10 step 2, 2.13)."""
    vm = boot(one_zone(1024, Watermarks(100, 300, 500)), debug=1)
    exhaust(vm, gfp)
    assert vm.zones[0].free_pages == left


@pytest.mark.parametrize("mark", [1, 2])
def test_the_low_bits_choose_the_mark(mark: int) -> None:
    """flags & 3 is the index of the mark that counts (spec/compaction.md 2.12)."""
    zone = boot(one_zone(1024, Watermarks(0, 1023, 1024))).zones[0]
    suitable = zone.compaction_suitable(0, AllocFlags(mark))
    assert (suitable is CompactResult.SUCCESS) is (mark == AllocFlags.WMARK_LOW)


def two_zones(**ratio: tuple[int, int, int]) -> MachineConfig:
    """A small DMA32 below a Normal of 4096 pages."""
    zones = ZoneConfig("DMA32", 0x1000, 1024), ZoneConfig("Normal", 0x1400, 4096)
    return one_node(*zones, **ratio)


def test_lower_zones_keep_a_reserve() -> None:
    """A Normal request leaves DMA32 the sum of the zones above divided by the ratio (2.9, 2.10 step 4)."""
    vm = boot(two_zones(lowmem_reserve_ratio=(256, 256, 32)), debug=1)
    exhaust(vm, GFP.KERNEL)
    assert [zone.free_pages for zone in vm.zones] == [4096 // 256, 0]
    exhaust(vm, GFP.KERNEL | GFP.DMA32)
    assert [zone.free_pages for zone in vm.zones] == [0, 0]


def test_the_reserve_depends_on_the_class_of_the_request() -> None:
    """The reserve is that of the request's class zone, zero for the zone itself (2.9)."""
    zone = boot(two_zones(lowmem_reserve_ratio=(256, 1, 32))).zones[0]
    suitable = [zone.compaction_suitable(0, classzone=each) for each in (ZoneType.DMA32, ZoneType.NORMAL)]
    assert suitable == [CompactResult.SUCCESS, CompactResult.SKIPPED]


def test_the_first_suitable_zone_is_the_class() -> None:
    """Without a zone Movable a MOVABLE request has class Normal, with one class Movable (2.11)."""
    zones = ZoneConfig("Normal", 0x1000, 1024), ZoneConfig("Movable", 0x1400, 1024)
    vm = boot(one_node(*zones, lowmem_reserve_ratio=(256, 256, 32)), debug=1)
    exhaust(vm, MOVABLE)
    assert [zone.free_pages for zone in vm.zones] == [1024 // 32, 0]


def test_a_balloon_does_not_move_the_marks() -> None:
    """Managed pages that a driver takes out change no watermark (spec/compaction.md 2.9)."""
    vm = boot(preset("tiny"))
    zone, page = vm.zones[0], must(vm.alloc_page())
    marks, managed = zone.watermark, zone.managed
    vm.adjust_managed_page_count(page, -1)
    assert (vm.zones[0].watermark, zone.managed) == (marks, managed - 1)
    vm.adjust_managed_page_count(page, 1)
    vm.free_pages(page)
