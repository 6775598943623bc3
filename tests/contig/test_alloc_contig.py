"""alloc_contig_range: what it takes, what it moves, what it leaves. spec/compaction.md 8.2."""

from errno import EBUSY, EINTR, ENOMEM

import pytest
from allocator.machines import NO_MARKS, boot, must, one_node, take_all, trimmed
from contig.kit import BLOCK, MAX, START, free_pages, nodes, pages_at, readable, small, used_at
from migration.kit import Recorder

from movable import (
    GFP,
    ContractViolation,
    IsolateMode,
    KernelAssertion,
    MigrateMode,
    MigrateType,
    PfnRange,
    ZoneConfig,
)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0, 1),
        (0, MAX),
        (1, 2),
        (5, 700),
        (511, 513),
        (1023, 1025),
        (100, 3 * MAX + 100),
        (4 * MAX - 1, 4 * MAX),
    ],
)
def test_exactly_the_range_is_taken(first: int, last: int) -> None:
    """Every frame of the range is a page with one reference; the parts around it are free again (8.2 step 5)."""
    vm = small()
    start, end = START + first, START + last
    result = vm.alloc_contig_range(start, end)
    assert (result.ret, result.busy, result.migrated) == (0, None, 0)
    assert free_pages(vm) == 4 * MAX - (end - start)
    pages = [vm.page(pfn) for pfn in range(start, end)]
    assert {(page.refcount, page.order) for page in pages} == {(1, 0)}
    assert {vm.pageblock_migratetype(pfn) for pfn in range(START, START + 4 * MAX, BLOCK)} == {
        MigrateType.MOVABLE
    }
    assert vm.free_contig_range(start, end - start) == 0
    assert vm.zones[0].nr_free == [0] * 10 + [4]


def test_the_pages_are_the_callers() -> None:
    """Each page of the range is put by itself; those put are free, and the others are not (8.2)."""
    vm = small(MAX)
    assert vm.alloc_contig_range(START, START + 16).ret == 0
    for pfn in range(START, START + 16, 2):
        vm.page(pfn).put()
    assert free_pages(vm) == MAX - 8
    assert trimmed(vm.zones[0].nr_free)[0] == 8


def test_pages_in_use_by_others_are_told() -> None:
    """free_contig_range drops one reference of each page and says how many are in use still (8.2)."""
    vm = small(MAX)
    assert vm.alloc_contig_range(START, START + 16).ret == 0
    vm.page(START + 3).get()
    assert vm.free_contig_range(START, 16) == 1
    assert free_pages(vm) == MAX - 1


def test_only_single_pages_are_freed_as_a_range() -> None:
    """A block allocated as one is no contiguous range: the machine stops, as for any wrong order."""
    vm = small(MAX)
    page = must(vm.alloc_pages(3))
    with pytest.raises(KernelAssertion, match="free-wrong-order"):
        vm.free_contig_range(page.pfn, 8)


def test_pages_in_the_way_are_moved() -> None:
    """A driver's pages leave the range and are read back elsewhere (8.2 step 2)."""
    vm = small()
    driver = Recorder(vm)
    inside = range(START + 10, START + 60)
    pages_at(driver, [*inside, START + 3000])
    result = vm.alloc_contig_range(START, START + BLOCK)
    assert (result.ret, result.migrated, result.failed, result.passes) == (0, 50, 0, 2)
    assert readable(driver)
    assert not {page.pfn for page in driver.cells.values()} & set(range(START, START + BLOCK))
    assert START + 3000 in {page.pfn for page in driver.cells.values()}


def test_batches_of_32_in_mode_sync() -> None:
    """32 pages are isolated, then moved, in MIGRATE_SYNC; isolation passes UNEVICTABLE alone (4.5, 8.2 step 2)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, range(START, START + 40))
    assert vm.alloc_contig_range(START, START + 40).passes == 2
    expected = ["isolate_page"] * 32 + ["migratepage"] * 32 + ["isolate_page"] * 8 + ["migratepage"] * 8
    assert driver.hooks() == expected
    assert {call.mode for call in driver.calls("isolate_page")} == {IsolateMode.UNEVICTABLE}
    assert {call.mode for call in driver.calls("migratepage")} == {MigrateMode.SYNC}


def test_pages_outside_the_range_stay() -> None:
    """The range is widened for isolation, but only what lies inside is moved (8.2 steps 1, 2)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 99, START + 100, START + 199, START + 200])
    assert vm.alloc_contig_range(START + 100, START + 200).migrated == 2
    assert {START + 99, START + 200} <= {page.pfn for page in driver.cells.values()}


def test_no_target_comes_from_the_isolated_blocks() -> None:
    """Targets are anywhere but in the 1024 pages around the range, in which nothing can be allocated (8.2)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + MAX + 600])
    assert vm.alloc_contig_range(START + MAX + 600, START + MAX + 601).ret == 0
    (page,) = driver.cells.values()
    assert not START + MAX <= page.pfn < START + 2 * MAX


def test_targets_are_no_highmem_pages() -> None:
    """Targets are allocated as GFP_USER and MOVABLE, so none is of zone Movable (8.2 step 2, 2.11)."""
    vm = boot(one_node(ZoneConfig("Normal", START, MAX), ZoneConfig("Movable", START + MAX, 2 * MAX)))
    driver = Recorder(vm)
    pages_at(driver, [START + MAX + 5])
    assert vm.alloc_contig_range(START + MAX, START + MAX + 10).ret == 0
    assert [vm.zones[page.zone_id].kind for page in driver.cells.values()] == ["Normal"]


@pytest.mark.parametrize("cpu", [0, 1])
def test_targets_are_near_the_cpu(cpu: int) -> None:
    """Targets come by the calling task's policy: from its CPU's node first (spec/migration.md 3.6)."""
    vm = nodes()
    driver = Recorder(vm)
    pages_at(driver, [START + 5])
    vm.cpu = cpu
    assert vm.alloc_contig_range(START, START + 10).ret == 0
    assert [page.nid for page in driver.cells.values()] == [cpu]


@pytest.mark.parametrize("kind", [MigrateType.CMA, MigrateType.MOVABLE])
def test_the_blocks_get_the_type_named(kind: MigrateType) -> None:
    """All blocks of the 1024 pages end as the type that the caller names (8.1, 8.2 step 5)."""
    vm = small()
    vm.set_pageblock_migratetype(START + BLOCK, MigrateType.RECLAIMABLE)
    assert vm.alloc_contig_range(START, START + 8, kind).ret == 0
    blocks = range(START, START + 2 * MAX, BLOCK)
    assert [vm.pageblock_migratetype(pfn) for pfn in blocks] == [kind, kind] + [MigrateType.MOVABLE] * 2


def test_an_area_for_contiguous_allocation() -> None:
    """A CMA area serves movable pages, is cleared of them on demand, and stays CMA (8.2, 2.7)."""
    vm = small(2 * MAX)
    for block in (START, START + BLOCK):
        vm.set_pageblock_migratetype(block, MigrateType.CMA)
    driver = Recorder(vm)
    pages_at(driver, range(START + 100, START + 120))
    assert vm.vmstat()["nr_free_cma"] == MAX - 20
    result = vm.alloc_contig_range(START, START + MAX, MigrateType.CMA)
    assert (result.ret, result.migrated, vm.vmstat()["nr_free_cma"]) == (0, 20, 0)
    assert vm.free_contig_range(START, MAX) == 0
    assert (vm.vmstat()["nr_free_cma"], vm.pageblock_migratetype(START)) == (MAX, MigrateType.CMA)
    assert readable(driver)


def test_what_is_counted() -> None:
    """Scanned, isolated and migrated pages count, in 4.9 for contiguous ranges too; no allocation does (D15)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3])
    before = vm.vmstat()
    assert vm.alloc_contig_range(START, START + 8).ret == 0
    grown = {name: value - before[name] for name, value in vm.vmstat().items() if value != before[name]}
    # Heads looked at: frames 0 and 2 of orders 1 and 0, the page, and the free block of order 2 behind it.
    assert grown["compact_migrate_scanned"] == 4
    # Then one free block is left, of which the part outside the range is freed again.
    assert (grown["compact_free_scanned"], grown["compact_isolated"]) == (1, 1 + MAX)
    assert (grown["pgmigrate_success"], grown["pgalloc_normal"], grown["pgfree"]) == (1, 1, 1 + MAX - 8)
    assert grown["nr_free_pages"] == -8


def test_a_kernel_page_is_in_the_way() -> None:
    """A page that cannot move fails the range, is named, and what did move stays where it went (8.2 steps 2, 4)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3, START + 9])
    wall = used_at(vm, [START + 6])[0]
    before = free_pages(vm)
    result = vm.alloc_contig_range(START, START + 16)
    assert (result.ret, result.busy, result.migrated) == (-EBUSY, wall.pfn, 2)
    assert (
        str(result)
        == "[0x1000, 0x1010): Device or resource busy, pfn 0x1006 is in the way; 2 moved, 0 failed"
    )
    assert (free_pages(vm), vm.zones[0].nr_isolate_pageblock) == (before, 0)
    assert readable(driver)


def test_reserved_frames_and_holes_are_in_the_way() -> None:
    """A frame that the allocator never had cannot be part of a range (8.2 step 4)."""
    zone = ZoneConfig(
        "Normal",
        START,
        4 * MAX,
        watermarks=NO_MARKS,
        reserved=(PfnRange(START + 8, 1),),
        holes=(PfnRange(START + MAX, MAX),),
    )
    vm = boot(one_node(zone))
    assert vm.alloc_contig_range(START, START + 8).ret == 0
    result = vm.alloc_contig_range(START + 8, START + 16)
    assert (result.ret, result.busy) == (-EBUSY, START + 8)
    result = vm.alloc_contig_range(START + MAX - 8, START + MAX + 8)
    assert (result.ret, result.busy) == (-EBUSY, START + MAX)
    assert vm.alloc_contig_range(START + MAX - 8, START + MAX).ret == 0


def test_an_unmovable_block_with_a_drivers_page() -> None:
    """In 4.9 a driver's page in an UNMOVABLE block makes isolation fail, before anything is moved (8.1, D18)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3])
    vm.set_pageblock_migratetype(START, MigrateType.UNMOVABLE)
    result = vm.alloc_contig_range(START, START + 16)
    assert (result.ret, result.busy, result.passes, driver.log) == (-EBUSY, START, 0, [])


def test_no_room_for_what_must_move() -> None:
    """Without a target the batch is tried five times, then put back, and the answer is -ENOMEM (8.2 step 2)."""
    vm = small(2 * MAX)
    driver = Recorder(vm)
    moved = pages_at(driver, [START + 3, START + 4])
    held = take_all(vm)
    before = free_pages(vm)
    result = vm.alloc_contig_range(START, START + 16)
    assert (result.ret, result.passes, result.migrated) == (-ENOMEM, 5, 0)
    assert driver.hooks() == ["isolate_page"] * 2 + ["putback_page"] * 2
    assert list(driver.cells.values()) == moved
    assert (free_pages(vm), len(held)) == (before, 2 * MAX - 2)


def test_too_many_isolated_pages() -> None:
    """Where too much of the node is isolated the scan does not begin, and the answer is -EINTR (8.2 step 2, 4.2 a)."""
    vm = small()
    driver = Recorder(vm)
    pages = pages_at(driver, [START + 3, START + 2000])
    listed = vm.page_list("somebody's")
    assert listed.isolate(pages[1])
    result = vm.alloc_contig_range(START, START + 16)
    assert (result.ret, vm.zones[0].nr_isolate_pageblock) == (-EINTR, 0)
    vm.putback_movable_pages(listed)
    assert vm.alloc_contig_range(START, START + 16).ret == 0


def test_a_taken_range_cannot_be_taken_again() -> None:
    """The pages of a range are in use and cannot move (8.2)."""
    vm = small()
    assert vm.alloc_contig_range(START, START + 16).ret == 0
    result = vm.alloc_contig_range(START + 8, START + 24)
    assert (result.ret, result.busy) == (-EBUSY, START + 8)


def test_poison_is_looked_at() -> None:
    """A write to a free page of the range is reported, and the range is given back (spec/migration.md 6.8 (2))."""
    vm = small()
    page = must(vm.alloc_page(GFP.HIGHUSER_MOVABLE))
    view, block = page.data, page.pfn // BLOCK * BLOCK
    page.put()
    view[7] = 1
    before = free_pages(vm)
    with pytest.raises(ContractViolation, match="poison-overwritten"):
        vm.alloc_contig_range(block, block + BLOCK)
    assert free_pages(vm) == before
