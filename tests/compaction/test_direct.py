"""Direct compaction: when a request compacts, how hard, and what is counted."""

import pytest
from allocator.machines import BLOCK, NO_MARKS, START, boot, must, one_node, one_zone
from compaction.terrain import Growth, Layout, Terrain, odd, terrain, with_unmovable

from movable import (
    GFP,
    CompactPriority,
    CompactResult,
    MachineConfig,
    MigrateMode,
    MigrateType,
    MovableError,
    NodeConfig,
    Page,
    ZoneConfig,
)

PF_MEMALLOC = 0x800
PF_SWAPWRITE = 0x800000

HOPELESS: Layout = with_unmovable(odd, lambda offset: offset % BLOCK == 256)
"""Half of memory is free, but no order-9 block can be made of it."""


def stalls(growth: Growth) -> tuple[int, int, int]:
    """compact_stall, compact_success and compact_fail."""
    return growth["compact_stall"], growth["compact_success"], growth["compact_fail"]


@pytest.mark.parametrize("order", [1, 3, 4, 7, 9])
def test_a_request_is_served_by_compaction(order: int) -> None:
    """When no block is large enough, moving pages makes one; one stall, one success (7.1)."""
    made = terrain(8, odd)
    growth = Growth(made.vm)
    page = must(made.vm.alloc_pages(order, GFP.HIGHUSER_MOVABLE))
    assert page.order == order
    assert stalls(growth) == (1, 1, 0)
    made.verify()


def test_a_failing_request_stalls_once_per_attempt() -> None:
    """A costly request tries ASYNC, then SYNC_LIGHT: two stalls, two failures (2.13 steps 5, 9; 12 fact 25)."""
    made = terrain(8, HOPELESS)
    growth = Growth(made.vm)
    assert made.vm.alloc_pages(9) is None
    assert stalls(growth) == (2, 0, 2)
    assert made.zone.compact_state.defer_shift == 1
    made.verify()


@pytest.mark.parametrize(("order", "attempts"), [(3, 1), (4, 2)])
def test_only_costly_orders_begin_with_async(order: int, attempts: int) -> None:
    """The asynchronous attempt comes first for orders above 3 only (2.13 step 5)."""
    made = terrain(4, with_unmovable(odd, lambda offset: offset % 8 == 2))
    growth = Growth(made.vm)
    assert made.vm.alloc_pages(order) is None
    assert stalls(growth) == (attempts, 0, attempts)


def test_noretry_stays_async() -> None:
    """A costly `__GFP_NORETRY` request keeps the asynchronous priority (2.13 step 5, 7.2)."""
    made = terrain(8, HOPELESS)
    assert made.vm.alloc_pages(9, GFP.KERNEL | GFP.NORETRY) is None
    assert made.migrate_modes == {MigrateMode.ASYNC}


def test_noretry_gives_up_where_compaction_is_deferred() -> None:
    """With the zone deferred a costly NORETRY request fails at once (2.13 step 5)."""
    made = terrain(8, HOPELESS)
    made.vm.try_to_compact_pages(9)
    considered = made.zone.compact_state.considered
    growth = Growth(made.vm)
    assert made.vm.alloc_pages(9, GFP.KERNEL | GFP.NORETRY) is None
    assert (stalls(growth), made.zone.compact_state.considered) == ((0, 0, 0), considered + 1)


@pytest.mark.parametrize("gfp", [GFP.NOFS, GFP.NOIO, GFP.KERNEL & ~GFP.IO])
def test_requests_without_io_or_fs_never_compact(gfp: GFP) -> None:
    """In 4.9 compaction needs `__GFP_FS` and `__GFP_IO` (spec/compaction.md 12 fact 26, 7.1)."""
    made = terrain(8, odd)
    growth = Growth(made.vm)
    assert made.vm.alloc_pages(4, gfp) is None
    assert made.vm.try_to_compact_pages(4, gfp) is CompactResult.SKIPPED
    assert (made.isolated, stalls(growth)) == ([], (0, 0, 0))


@pytest.mark.parametrize(
    "gfp", [GFP.ATOMIC, GFP.NOWAIT, GFP.TRANSHUGE_LIGHT, GFP.KERNEL & ~GFP.DIRECT_RECLAIM]
)
def test_requests_that_cannot_wait_never_compact(gfp: GFP) -> None:
    """Without `__GFP_DIRECT_RECLAIM` a request fails before compaction (2.13 steps 5, 7)."""
    made = terrain(8, odd)
    assert made.vm.alloc_pages(9, gfp) is None
    assert made.isolated == []


def test_a_huge_page_request_compacts() -> None:
    """GFP_TRANSHUGE may reclaim directly, so it compacts for its order-9 page (2.12)."""
    made = terrain(8, odd)
    assert must(made.vm.alloc_pages(9, GFP.TRANSHUGE)).order == 9


def test_single_pages_never_compact() -> None:
    """Compaction is of no use for order 0 (spec/compaction.md 7.1 step 1)."""
    made = terrain(4, lambda offset: "M" if offset % 2 else "U")
    growth = Growth(made.vm)
    assert made.vm.alloc_page() is None
    assert (made.isolated, stalls(growth)) == ([], (0, 0, 0))


@pytest.mark.parametrize("cause", ["skipped", "deferred"])
def test_zones_that_do_not_run_are_no_stall(cause: str) -> None:
    """compact_stall stays where all zones are SKIPPED or DEFERRED (spec/compaction.md 12 fact 24)."""
    made = terrain(4 if cause == "skipped" else 8, HOPELESS)
    if cause == "deferred":
        made.vm.try_to_compact_pages(9)
        made.vm.try_to_compact_pages(9, priority=CompactPriority.SYNC_FULL)
    growth = Growth(made.vm)
    assert made.vm.alloc_pages(9) is None
    assert stalls(growth) == (0, 0, 0)


def test_privileged_requests_try_the_reserves_before_they_compact() -> None:
    """A request that may use the reserves makes no asynchronous attempt (2.13 step 5)."""
    made = terrain(8, HOPELESS)
    assert made.vm.alloc_pages(9, GFP.KERNEL | GFP.MEMALLOC) is None
    assert made.migrate_modes == {MigrateMode.SYNC_LIGHT}


def test_success_clears_the_flush_flag() -> None:
    """A page had by direct compaction takes back the wish to flush the hints (3.5, 7.1 step 4)."""
    blocks = {START + index * BLOCK: MigrateType.UNMOVABLE for index in range(3)}
    made = Terrain.on(one_zone(4 * BLOCK), odd, blocks)
    assert made.vm.try_to_compact_pages(4, priority=CompactPriority.ASYNC) is CompactResult.COMPLETE
    assert made.zone.compact_state.blockskip_flush
    must(made.vm.alloc_pages(4, GFP.HIGHUSER_MOVABLE))
    assert not made.zone.compact_state.blockskip_flush


def test_the_task_is_marked_while_it_compacts() -> None:
    """Direct compaction runs with PF_MEMALLOC, and migrate_pages adds PF_SWAPWRITE (6.2, 2.13 step 7)."""
    made = terrain(8, odd)
    must(made.vm.alloc_pages(4))
    assert made.task_flags == {PF_MEMALLOC | PF_SWAPWRITE}
    assert made.vm.task_flags == 0


def test_whole_node_compaction_is_not_marked() -> None:
    """compact_memory runs without PF_MEMALLOC (spec/compaction.md 7.3)."""
    made = terrain(4, odd)
    made.vm.compact_memory()
    assert made.task_flags == {PF_SWAPWRITE}


def test_a_request_inside_direct_compaction_uses_the_reserves() -> None:
    """PF_MEMALLOC opens all memory to the driver's allocations, and keeps them from compacting (2.13)."""
    made = terrain(8, odd)
    got: list[Page | None] = []
    made.actions["migratepage"] = lambda page: got.append(made.vm.alloc_pages(1) if not got else None)
    growth = Growth(made.vm)
    must(made.vm.alloc_pages(9))
    assert (got[0], growth["compact_stall"]) == (None, 1)
    made.verify()


def two_zones(dma32: Layout, normal: Layout) -> Terrain:
    """A zone DMA32 of eight blocks below a zone Normal of as many."""
    size = 8 * BLOCK
    zones = ZoneConfig("DMA32", START, size), ZoneConfig("Normal", START + size, size)

    def layout(offset: int) -> str:
        return normal(offset) if offset >= 0 else dma32(offset + size)

    return Terrain.on(one_node(*zones), layout, zone=1)


@pytest.mark.parametrize(("normal", "kind"), [(odd, "Normal"), (HOPELESS, "DMA32")])
def test_zones_are_tried_from_the_highest_down(normal: Layout, kind: str) -> None:
    """Compaction walks the zonelist from the highest zone and stops at the first success (7.1 step 2)."""
    made = two_zones(odd, normal)
    assert made.vm.try_to_compact_pages(9) is CompactResult.SUCCESS
    assert made.vm.zones[must(made.vm.alloc_pages(9)).zone_id].kind == kind
    assert (min(made.isolated) < START + 8 * BLOCK) is (kind == "DMA32")


def test_the_results_of_zones_combine_to_the_highest() -> None:
    """The answer is the numeric maximum over the zones: SKIPPED and COMPLETE make COMPLETE (3.2)."""
    made = two_zones(lambda offset: "U", HOPELESS)
    assert made.vm.try_to_compact_pages(9) is CompactResult.COMPLETE


def test_a_deferred_zone_and_a_skipped_one_make_deferred() -> None:
    """DEFERRED is more than SKIPPED, whichever zone comes first (spec/compaction.md 3.2, 7.1)."""
    made = two_zones(lambda offset: "U", HOPELESS)
    made.vm.try_to_compact_pages(9)
    assert made.vm.try_to_compact_pages(9) is CompactResult.DEFERRED


@pytest.mark.parametrize("gfp", [GFP.KERNEL, GFP.KERNEL | GFP.THISNODE])
def test_other_nodes_are_compacted_too(gfp: GFP) -> None:
    """The zonelist of direct compaction is the request's: all nodes, or its own with THISNODE (7.1)."""
    nodes = tuple(NodeConfig((ZoneConfig("Normal", START * each, 8 * BLOCK),)) for each in (1, 2))
    config = MachineConfig("two nodes", nodes, watermarks=NO_MARKS)
    made = Terrain.on(config, lambda offset: odd(offset) if offset >= 0 else HOPELESS(offset % BLOCK), zone=1)
    page = made.vm.alloc_pages(9, gfp, node=0)
    assert (None if page is None else page.nid) == (None if gfp & GFP.THISNODE else 1)


@pytest.mark.parametrize("order", [0, 11, -1])
def test_orders_that_compaction_knows(order: int) -> None:
    """Direct compaction for an order outside 1 to 10 is an error that says so."""
    vm = boot(one_zone(1024))
    with pytest.raises(MovableError, match=f"order: must be 1 to 10, not {order}"):
        vm.try_to_compact_pages(order)
