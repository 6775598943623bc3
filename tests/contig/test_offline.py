"""Memory that goes offline and comes back: spec/compaction.md 8.3."""

from errno import EAGAIN, EBUSY, ENOMEM

import pytest
from allocator.machines import BLOCK, boot, exhaust, must, one_zone, take_all
from contig.kit import MAX, START, frames, free_pages, nodes, pages_at, readable, small, used_at
from migration.kit import Recorder, compact

from movable import (
    GFP,
    VM,
    ContractViolation,
    IsolateMode,
    MigrateMode,
    MigrateType,
    NodeConfig,
    Page,
    PageFlag,
    PfnRange,
    Watermarks,
    ZoneConfig,
)
from movable.config import MachineConfig, zone_marks


def test_empty_memory_leaves_its_zone() -> None:
    """Free blocks leave the buddy, and managed and present pages shrink; the span stays (8.3)."""
    vm = small()
    zone = vm.zones[0]
    result = vm.offline_pages(START + BLOCK, 3 * BLOCK)
    assert (result.ret, result.passes, result.busy) == (0, 0, None)
    assert (zone.managed, zone.present, zone.spanned, zone.free_pages) == (2560, 2560, 4096, 2560)
    assert vm.offline_ranges == (PfnRange(START + BLOCK, 3 * BLOCK),)
    assert zone.nr_isolate_pageblock == 0
    assert vm.pageblock_migratetype(START + BLOCK) is MigrateType.MOVABLE


def test_nobody_gets_offline_memory() -> None:
    """All memory is allocated, and none of it is offline (8.3)."""
    vm = small()
    vm.offline_pages(START, MAX)
    assert frames(exhaust(vm)) == list(range(START + MAX, START + 4 * MAX))


def test_an_offline_frame() -> None:
    """Its page is reserved with one reference, belongs to nobody, and what was in the frame is gone (8.3)."""
    vm = small()
    page = vm.page(START + 7)
    page.data[:4] = b"gone"
    vm.offline_pages(START, BLOCK)
    assert vm.has_page(page.pfn)
    assert (page.refcount, page.flags, page.mapping) == (1, PageFlag.RESERVED, None)
    assert bytes(page.data) == bytes(4096)


def test_the_marks_follow() -> None:
    """Watermarks are computed anew, as for a machine with that much memory (8.3, 2.9)."""
    vm = VM(MachineConfig("16 MiB", (NodeConfig((ZoneConfig("Normal", START, 4096),)),)), debug=2)
    assert vm.zones[0].watermark == Watermarks(128, 160, 192)
    vm.offline_pages(START, 2 * MAX)
    half = MachineConfig("8 MiB", (NodeConfig((ZoneConfig("Normal", START, 2048),)),))
    ((marks,),) = zone_marks(half)
    assert vm.zones[0].watermark == Watermarks(marks.min, marks.low, marks.high)
    vm.online_pages(START, 2 * MAX)
    assert vm.zones[0].watermark == Watermarks(128, 160, 192)


def test_reserves_of_lower_zones_follow() -> None:
    """Memory that leaves zone Normal no longer counts in what DMA32 keeps from its requests (8.3, 2.9)."""
    zones = (ZoneConfig("DMA32", START, MAX), ZoneConfig("Normal", START + MAX, 3 * MAX))
    config = MachineConfig("two zones", (NodeConfig(zones),), lowmem_reserve_ratio=(256, 3, 32))
    vm = boot(config)
    held = exhaust(vm, GFP.KERNEL)
    assert sum(vm.zones[page.zone_id].kind == "DMA32" for page in held) == 0
    for page in held:
        page.put()
    assert vm.offline_pages(START + MAX, 3 * MAX).ret == 0
    assert {vm.zones[page.zone_id].kind for page in exhaust(vm, GFP.KERNEL)} == {"DMA32"}


def test_memory_comes_back() -> None:
    """Online frames are free in MOVABLE blocks, merged, counted and usable (8.3)."""
    vm = small()
    vm.offline_pages(START, 2 * MAX)
    freed = vm.vmstat()["pgfree"]
    vm.online_pages(START + BLOCK, BLOCK)
    assert vm.offline_ranges == (PfnRange(START, BLOCK), PfnRange(START + MAX, MAX))
    assert (vm.zones[0].managed, vm.zones[0].present, vm.zones[0].free_pages) == (2560,) * 3
    assert vm.vmstat()["pgfree"] - freed == BLOCK
    vm.online_pages(START, BLOCK)
    vm.online_pages(START + MAX, MAX)
    assert sum(each.pages for each in vm.offline_ranges) == 0
    assert vm.zones[0].nr_free == [0] * 10 + [4]
    assert len(exhaust(vm)) == 4 * MAX


def test_drivers_pages_block_memory_in_4_9() -> None:
    """In 4.9 nothing isolates a driver's pages for memory offline: without a pass, -EBUSY (8.3, D18)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3])
    result = vm.offline_pages(START, BLOCK)
    assert (result.ret, result.passes, result.busy, driver.log) == (-EBUSY, 0, START + 3, [])
    assert vm.zones[0].nr_isolate_pageblock == 0


def test_drivers_pages_move_later() -> None:
    """From 4.14 on they are isolated and moved in MIGRATE_SYNC (8.3, D18)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3, START + BLOCK])
    result = vm.offline_pages(START, BLOCK, non_lru=True)
    assert (result.ret, result.migrated, result.passes) == (0, 1, 1)
    assert driver.hooks() == ["isolate_page", "migratepage"]
    assert driver.log[0].mode == IsolateMode.UNEVICTABLE
    assert driver.log[1].mode is MigrateMode.SYNC
    assert readable(driver)
    assert START + BLOCK in frames(driver.cells.values())


def test_256_pages_a_pass() -> None:
    """A pass isolates 256 pages, then moves them (8.3)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, range(START, START + 300))
    result = vm.offline_pages(START, BLOCK, non_lru=True)
    assert (result.ret, result.migrated, result.passes) == (0, 300, 2)
    hooks = driver.hooks()
    assert hooks[:512] == ["isolate_page"] * 256 + ["migratepage"] * 256
    assert hooks[512:] == ["isolate_page"] * 44 + ["migratepage"] * 44


@pytest.mark.parametrize("nid", [0, 1, 2])
def test_targets_are_on_other_nodes(nid: int) -> None:
    """Pages go to another node as long as one has room (8.3, spec/migration.md 3.6)."""
    vm = nodes(3)
    driver = Recorder(vm)
    start = START + nid * 2 * MAX
    pages_at(driver, [start + 3])
    vm.cpu = nid
    assert vm.offline_pages(start, BLOCK, non_lru=True).ret == 0
    assert [page.nid for page in driver.cells.values()] == [(nid + 1) % 3]


def test_then_on_any_node() -> None:
    """With no room elsewhere they go to the rest of their own node (8.3, spec/migration.md 3.6)."""
    vm = nodes(2)
    driver = Recorder(vm)
    pages_at(driver, [START + 3])
    vm.debug = 1
    for page in take_all(vm).values():
        if page.nid == 0:
            page.put()
    assert vm.offline_pages(START, BLOCK, non_lru=True).ret == 0
    assert [page.nid for page in driver.cells.values()] == [0]


def test_a_page_of_zone_movable_may_stay_in_one() -> None:
    """A page of zone Movable gets a target that may be of zone Movable."""
    zones = (ZoneConfig("Normal", START, MAX), ZoneConfig("Movable", START + MAX, 2 * MAX))
    vm = VM(MachineConfig("movable", (NodeConfig(zones),)), debug=2)
    driver = Recorder(vm)
    pages_at(driver, [START + MAX + 3])
    assert vm.offline_pages(START + MAX, BLOCK, non_lru=True).ret == 0
    assert [vm.zones[page.zone_id].kind for page in driver.cells.values()] == ["Movable"]


def test_a_page_that_cannot_move() -> None:
    """A page in use that cannot be isolated makes each pass -EBUSY, and all is put back; five and no more (8.3)."""
    vm = small()
    driver = Recorder(vm)
    pages = pages_at(driver, [START + 3, START + 9])
    wall = used_at(vm, [START + 6])[0]
    before = free_pages(vm)
    result = vm.offline_pages(START, BLOCK, non_lru=True)
    assert (result.ret, result.passes, result.busy, result.migrated) == (-EBUSY, 5, wall.pfn, 0)
    assert driver.hooks() == ["isolate_page", "putback_page"] * 5
    assert frames(driver.cells.values()) == frames(pages)
    assert (free_pages(vm), vm.offline_ranges) == (before, ())


def test_a_kernel_page_alone() -> None:
    """Where nothing movable is left, no pass is made: at the end all pages must be free, else -EBUSY (8.3)."""
    vm = small()
    wall = used_at(vm, [START + 6])[0]
    result = vm.offline_pages(START, BLOCK, non_lru=True)
    assert (result.ret, result.passes, result.busy) == (-EBUSY, 0, wall.pfn)


def test_an_unmovable_block() -> None:
    """A block that is not MOVABLE and has a kernel page cannot be isolated at all (8.1, 8.3)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3])
    used_at(vm, [START + BLOCK + 6])
    vm.set_pageblock_migratetype(START + BLOCK, MigrateType.UNMOVABLE)
    result = vm.offline_pages(START, 2 * BLOCK, non_lru=True)
    assert (result.ret, result.busy, driver.log) == (-EBUSY, START + BLOCK, [])


def test_no_room_anywhere() -> None:
    """Without targets five passes end with -ENOMEM and everything is put back (8.3)."""
    vm = small(2 * MAX)
    driver = Recorder(vm)
    pages = pages_at(driver, [START + 3])
    held = [page for page in take_all(vm).values() if page.pfn >= START + BLOCK]
    for pfn in range(START, START + BLOCK):
        if pfn != START + 3:
            vm.page(pfn).put()
    result = vm.offline_pages(START, BLOCK, non_lru=True)
    assert (result.ret, result.passes) == (-ENOMEM, 5)
    assert driver.hooks() == ["isolate_page", "putback_page"] * 5
    assert frames(driver.cells.values()) == frames(pages)
    assert len(held) == 2 * MAX - BLOCK


def test_a_lost_page_on_the_lru_is_in_the_way() -> None:
    """A target that its driver forgot to mark ends on the LRU, where the driver's reference keeps it (8.3)."""
    vm = small()
    driver = Recorder(vm)
    (page,) = pages_at(driver, [START + 2000])

    def forget(newpage: Page, oldpage: Page) -> int:
        newpage.get()
        oldpage.clear_movable()
        oldpage.private = 0
        oldpage.put()
        return 0

    driver.answers = [forget]
    listed = vm.page_list("caller")
    assert listed.isolate(page)
    with pytest.raises(ContractViolation, match="migrate-new-not-movable"):
        vm.migrate_pages(listed, vm.target_node(0))
    vm.lru_add_drain_all()
    (lost,) = [vm.page(pfn) for pfn in range(START, START + 4 * MAX) if vm.page(pfn).flags & PageFlag.LRU]
    block = lost.pfn // BLOCK * BLOCK
    result = vm.offline_pages(block, BLOCK, non_lru=True, max_passes=7)
    assert (result.ret, result.passes, result.busy, result.failed) == (-EAGAIN, 7, lost.pfn, 7)
    assert vm.alloc_contig_range(block, block + BLOCK).ret == -EBUSY


def test_a_node_without_memory() -> None:
    """Once all of a node is offline, the next one serves its requests, and is their preferred zone (8.3)."""
    vm = nodes(2)
    assert vm.offline_pages(START, 2 * MAX).ret == 0
    zone = vm.zones[0]
    assert (zone.managed, zone.present, zone.free_pages, zone.watermark) == (0, 0, 0, Watermarks(0, 0, 0))
    before = vm.vmstat()
    assert must(vm.alloc_page(GFP.KERNEL, 0)).nid == 1
    after = vm.vmstat()
    assert after["numa_miss"] - before["numa_miss"] == 1
    assert vm.alloc_page(GFP.KERNEL | GFP.THISNODE, 0) is None
    vm.compact_memory()
    vm.online_pages(START, 2 * MAX)
    assert must(vm.alloc_page(GFP.KERNEL, 0)).nid == 0


def test_a_machine_without_memory() -> None:
    """With everything offline there is nothing to allocate, and all comes back (8.3)."""
    vm = VM("tiny", debug=2)
    assert vm.offline_pages(START, 4096).ret == 0
    assert vm.alloc_page() is None
    assert vm.alloc_pages(3) is None
    vm.online_pages(START, 4096)
    assert must(vm.alloc_page()).refcount == 1


def test_compaction_passes_offline_memory_over() -> None:
    """Neither scanner finds anything in a block that is offline (8.3)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, range(START + BLOCK, START + 2 * BLOCK, 3))
    assert vm.offline_pages(START + 3 * MAX, MAX).ret == 0
    assert vm.offline_pages(START, BLOCK).ret == 0
    assert compact(vm).migrated
    taken = set(frames(driver.cells.values()))
    assert not taken & {*range(START + 3 * MAX, START + 4 * MAX), *range(START, START + BLOCK)}
    assert readable(driver)


def test_a_balloons_managed_pages() -> None:
    """Pages that a balloon took out of the managed ones stay out, whatever goes offline (spec/drivers.md 4.5)."""
    vm = small()
    page = must(vm.alloc_page(GFP.HIGHUSER_MOVABLE))
    vm.adjust_managed_page_count(page, -1000)
    empty = START if page.pfn >= START + MAX else START + MAX
    assert vm.offline_pages(empty, MAX).ret == 0
    assert (vm.zones[0].managed, vm.zones[0].present) == (4096 - 1000 - MAX, 4096 - MAX)
    vm.online_pages(empty, MAX)
    assert (vm.zones[0].managed, vm.zones[0].present) == (4096 - 1000, 4096)


def test_a_contiguous_range_has_no_offline_frames() -> None:
    """Offline frames are in the way of a contiguous range (8.2 step 4)."""
    vm = small()
    vm.offline_pages(START + BLOCK, BLOCK)
    result = vm.alloc_contig_range(START, START + MAX)
    assert (result.ret, result.busy) == (-EBUSY, START + BLOCK)
    assert vm.alloc_contig_range(START, START + BLOCK).ret == 0


def test_a_large_machine() -> None:
    """Memory of a machine that was hardly touched goes offline at any place."""
    vm = VM(one_zone(1 << 18), debug=1)
    assert vm.offline_pages(START + (1 << 17), 1 << 15).ret == 0
    assert vm.zones[0].managed == (1 << 18) - (1 << 15)
    vm.online_pages(START + (1 << 17), 1 << 15)
    vm.recount()
    assert vm.zones[0].nr_free == [0] * 10 + [256]
