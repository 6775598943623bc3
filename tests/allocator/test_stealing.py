"""Falling back to blocks of another type, and when a pageblock changes its type (the rules of Linux 4.9)."""

import pytest
from allocator.machines import (
    BLOCK,
    MOVABLE,
    RECLAIMABLE,
    START,
    UNMOVABLE,
    boot,
    exhaust,
    free,
    must,
    one_node,
    one_zone,
    take_all,
    trimmed,
)

from movable import GFP, VM, MigrateType, Page, ZoneConfig

A, B = START, START + BLOCK
"""The two pageblocks of a machine of 1024 pages."""


def full(*types: MigrateType, pages: int = 1024) -> VM:
    """A machine without free pages whose first pageblocks have these types."""
    vm = boot(one_zone(pages))
    take_all(vm)
    for index, migratetype in enumerate(types):
        vm.set_pageblock_migratetype(START + index * BLOCK, migratetype)
    return vm


def types(vm: VM) -> list[MigrateType]:
    """The types of all pageblocks."""
    return [vm.pageblock_migratetype(pfn) for pfn in range(START, vm.zones[0].end_pfn, BLOCK)]


def listed(vm: VM, migratetype: MigrateType) -> list[int]:
    """Free blocks by order on the lists of a type."""
    return trimmed(vm.zones[0].free_counts(migratetype))


@pytest.mark.parametrize("gfp", [UNMOVABLE, RECLAIMABLE])
def test_stealing_the_largest_block_changes_all_its_pageblocks(gfp: GFP) -> None:
    """An order-0 request that splits a MOVABLE order-10 block turns both its pageblocks (12 fact 6)."""
    vm = boot(one_zone(1024))
    assert must(vm.alloc_page(gfp)).pfn == START
    wanted = MigrateType((gfp & (GFP.MOVABLE | GFP.RECLAIMABLE)) >> 3)
    assert types(vm) == [wanted, wanted]
    assert vm.zones[0].free_counts(wanted) == [1] * 10 + [0]


def test_half_a_free_pageblock_is_taken_over() -> None:
    """256 free pages in the block are enough for it to change its type (spec/compaction.md 12 fact 7)."""
    vm = full()
    free(vm, *range(A + 256, A + BLOCK))
    assert must(vm.alloc_page(UNMOVABLE)).pfn == A + 256
    assert types(vm) == [MigrateType.UNMOVABLE, MigrateType.MOVABLE]
    assert listed(vm, MigrateType.UNMOVABLE) == [1] * 8


def test_less_than_half_is_moved_without_the_block() -> None:
    """With 255 free pages the block keeps its type, but they all move to the wanted lists (12 fact 7)."""
    vm = full()
    free(vm, *range(A + 257, A + BLOCK))
    must(vm.alloc_page(UNMOVABLE))
    assert types(vm) == [MigrateType.MOVABLE, MigrateType.MOVABLE]
    assert listed(vm, MigrateType.MOVABLE) == []
    assert sum(count << order for order, count in enumerate(listed(vm, MigrateType.UNMOVABLE))) == 254


def test_scattered_free_pages_count_for_the_half() -> None:
    """It is the free pages of the whole block that are counted, not the size of the buddy (2.6 A)."""
    vm = full()
    free(vm, *range(A, A + BLOCK, 2))
    must(vm.alloc_page(UNMOVABLE))
    assert types(vm)[0] is MigrateType.UNMOVABLE
    assert listed(vm, MigrateType.UNMOVABLE) == [255]


def test_a_small_movable_request_steals_nothing_but_splits() -> None:
    """MOVABLE below order 4 leaves an UNMOVABLE block its type, yet keeps the rest of the buddy (12 fact 8)."""
    vm = full(MigrateType.UNMOVABLE)
    free(vm, *range(A, A + 8), A + 100)
    assert must(vm.alloc_page(MOVABLE)).pfn == A
    assert types(vm)[0] is MigrateType.UNMOVABLE
    assert listed(vm, MigrateType.MOVABLE) == [1, 1, 1]
    assert listed(vm, MigrateType.UNMOVABLE) == [1]


@pytest.mark.parametrize(("order", "taken_over"), [(3, False), (4, True)])
def test_movable_requests_steal_from_order_4_up(order: int, taken_over: bool) -> None:
    """A MOVABLE request takes the block's other free pages along from buddies of order 4 up (2.5)."""
    vm = full(MigrateType.UNMOVABLE)
    free(vm, *range(A, A + (1 << order)), A + 100)
    must(vm.alloc_page(MOVABLE))
    assert listed(vm, MigrateType.UNMOVABLE) == ([] if taken_over else [1])


def test_the_largest_foreign_block_goes_first() -> None:
    """The search for a block to steal from starts at order 10, whatever its type (spec/compaction.md 2.6 A)."""
    vm = full(MigrateType.RECLAIMABLE, MigrateType.MOVABLE)
    free(vm, *range(A, A + 4), *range(B, B + 8))
    assert must(vm.alloc_page(UNMOVABLE)).pfn == B


@pytest.mark.parametrize(
    ("gfp", "first", "second"),
    [
        (UNMOVABLE, MigrateType.RECLAIMABLE, MigrateType.MOVABLE),
        (RECLAIMABLE, MigrateType.UNMOVABLE, MigrateType.MOVABLE),
        (MOVABLE, MigrateType.RECLAIMABLE, MigrateType.UNMOVABLE),
    ],
)
def test_fallback_order(gfp: GFP, first: MigrateType, second: MigrateType) -> None:
    """Among blocks of one order each type has its own order of fallbacks (spec/compaction.md 2.4)."""
    vm = full(second, first)
    free(vm, *range(A, A + 8), *range(B, B + 8))
    assert must(vm.alloc_pages(3, gfp)).pfn == B
    assert must(vm.alloc_pages(3, gfp)).pfn == A


def test_own_blocks_come_before_foreign_ones() -> None:
    """A request uses the smallest fitting block of its own type before any fallback (2.7)."""
    vm = full(MigrateType.UNMOVABLE)
    free(vm, A, *range(B, B + 256))
    assert must(vm.alloc_page(UNMOVABLE)).pfn == A


def test_moved_buddies_end_in_descending_order() -> None:
    """Each free buddy moves to the head, from the lowest up, so the highest is handed out first (2.6 A)."""
    vm = full()
    free(vm, A + 10, A + 30, A + 20)
    assert [page.pfn for page in exhaust(vm, UNMOVABLE)] == [A + 20, A + 30, A + 10]


def test_only_the_blocks_own_pages_move() -> None:
    """Free pages of other pageblocks stay on their lists (spec/compaction.md 2.6 A)."""
    vm = full()
    free(vm, *range(B, B + 4), *range(A, A + 8))
    must(vm.alloc_page(UNMOVABLE))
    assert listed(vm, MigrateType.MOVABLE) == [0, 0, 1]


@pytest.mark.parametrize("special", [MigrateType.HIGHATOMIC, MigrateType.ISOLATE])
def test_reserved_types_are_never_stolen(special: MigrateType) -> None:
    """HIGHATOMIC and ISOLATE lists are out of reach of the fallbacks (spec/compaction.md 2.4)."""
    vm = full(special)
    free(vm, *range(A, A + BLOCK))
    assert [vm.alloc_page(gfp) for gfp in (UNMOVABLE, RECLAIMABLE, MOVABLE)] == [None] * 3


def shared_block() -> tuple[VM, dict[int, Page]]:
    """Two zones that meet inside the pageblock 0x1200, all their pages in use."""
    zones = ZoneConfig("DMA32", 0x1000, 0x300), ZoneConfig("Normal", 0x1300, 0x500)
    vm = boot(one_node(*zones))
    return vm, take_all(vm)


def test_a_block_that_begins_in_another_zone_moves_from_the_page_on() -> None:
    """Where the block's start lies outside the zone, moving starts at the stolen page itself (2.6)."""
    vm, _ = shared_block()
    free(vm, 0x1300, 0x1310, 0x1320)
    free(vm, *range(0x1308, 0x130C))
    assert must(vm.alloc_page(UNMOVABLE)).pfn == 0x1308
    normal = vm.zones[1]
    assert trimmed(normal.free_counts(MigrateType.MOVABLE)) == [1]
    assert trimmed(normal.free_counts(MigrateType.UNMOVABLE)) == [3, 1]
    assert must(vm.alloc_page(UNMOVABLE)).pfn == 0x1309


def test_a_block_that_ends_in_another_zone_moves_nothing() -> None:
    """Where the block's end lies outside the zone only the stolen buddy leaves its list (2.6)."""
    vm, _ = shared_block()
    free(vm, *range(0x1200, 0x1300), 0x1000)
    assert must(vm.alloc_page(GFP.KERNEL | GFP.DMA32)).pfn == 0x1200
    dma32 = vm.zones[0]
    assert vm.pageblock_migratetype(0x1200) is MigrateType.MOVABLE
    assert trimmed(dma32.free_counts(MigrateType.MOVABLE)) == [1]
    assert trimmed(dma32.free_counts(MigrateType.UNMOVABLE)) == [1] * 8
