"""Pageblocks taken out of allocation: spec/compaction.md 8.1."""

from errno import EBUSY

import pytest
from allocator.machines import exhaust, must, one_node, take_all, trimmed
from contig.kit import BLOCK, MAX, START, free_pages, pages_at, small, used_at
from migration.kit import Recorder

from movable import GFP, VM, MigrateType, PfnRange, ZoneConfig
from movable.conformance.places import EDGES

A, B, C = START, START + BLOCK, START + 2 * BLOCK


def isolated(vm: VM) -> int:
    """Blocks that the first zone counts as isolated."""
    return vm.zones[0].nr_isolate_pageblock


@pytest.mark.parametrize("kind", [MigrateType.MOVABLE, MigrateType.CMA])
def test_movable_blocks_are_isolated_without_a_look(kind: MigrateType) -> None:
    """A MOVABLE or CMA block is isolated whatever is in it (8.1 step 2)."""
    vm = small()
    used_at(vm, [A, A + 7])
    vm.set_pageblock_migratetype(A, kind)
    assert vm.start_isolate_page_range(A, B) == 0
    assert vm.pageblock_migratetype(A) is MigrateType.ISOLATE


@pytest.mark.parametrize("kind", [MigrateType.UNMOVABLE, MigrateType.RECLAIMABLE, MigrateType.HIGHATOMIC])
def test_other_blocks_are_searched(kind: MigrateType) -> None:
    """In a block of another type one page in use that is not on the LRU is enough to fail (8.1 step 2)."""
    vm = small()
    page = used_at(vm, [A + 500])[0]
    vm.set_pageblock_migratetype(A, kind)
    assert vm.start_isolate_page_range(A, B) == -EBUSY
    assert vm.pageblock_migratetype(A) is kind
    page.put()
    assert vm.start_isolate_page_range(A, B) == 0


def test_drivers_pages_count_as_unmovable_in_4_9() -> None:
    """The search skips movable pages of drivers from 4.14 on only (8.1 step 2, D18)."""
    vm = small()
    pages_at(Recorder(vm), [A + 3])
    vm.set_pageblock_migratetype(A, MigrateType.UNMOVABLE)
    assert vm.start_isolate_page_range(A, B) == -EBUSY
    assert vm.start_isolate_page_range(A, B, non_lru=True) == 0


def test_zone_movable_is_not_searched() -> None:
    """In zone Movable nothing counts as unmovable (8.1 step 2)."""
    zones = (ZoneConfig("Normal", START, MAX), ZoneConfig("Movable", START + MAX, MAX))
    vm = VM(one_node(*zones), debug=2)
    start = START + MAX
    used_at(vm, [start])
    vm.set_pageblock_migratetype(start, MigrateType.UNMOVABLE)
    assert vm.start_isolate_page_range(start, start + BLOCK) == 0


def test_what_an_isolated_block_counts_as() -> None:
    """Free buddies move to ISOLATE lists, leave nr_free_pages and stay in nr_free; the zone counts blocks (8.1)."""
    vm = small(2 * MAX)
    used_at(vm, range(A, A + 12))
    before, nr_free = free_pages(vm), vm.zones[0].nr_free
    assert vm.start_isolate_page_range(A, C) == 0
    assert free_pages(vm) == before - (2 * BLOCK - 12)
    assert vm.zones[0].nr_free == nr_free
    assert trimmed(vm.zones[0].free_counts(MigrateType.ISOLATE)) == [0, 0, 1, 0, 1, 1, 1, 1, 1, 1]
    assert isolated(vm) == 2


def test_undoing_gives_everything_back() -> None:
    """Undo gives type, lists and counters back, and the halves of a largest block merge again (8.1)."""
    vm = small(2 * MAX)
    before = vm.zones[0].nr_free, vm.zones[0].free_counts(MigrateType.MOVABLE), free_pages(vm)
    assert vm.start_isolate_page_range(B, C) == 0
    assert vm.zones[0].nr_free[9:] == [2, 1]
    vm.undo_isolate_page_range(B, C)
    assert (vm.zones[0].nr_free, vm.zones[0].free_counts(MigrateType.MOVABLE), free_pages(vm)) == before
    assert isolated(vm) == 0


def test_undo_leaves_other_blocks_alone() -> None:
    """Only blocks that are ISOLATE still get the type (8.1)."""
    vm = small()
    assert vm.start_isolate_page_range(A, C) == 0
    vm.set_pageblock_migratetype(A, MigrateType.RECLAIMABLE)
    vm.undo_isolate_page_range(A, C, MigrateType.CMA)
    assert [vm.pageblock_migratetype(pfn) for pfn in (A, B)] == [MigrateType.RECLAIMABLE, MigrateType.CMA]


def test_a_failure_undoes_the_blocks_done() -> None:
    """The third block cannot be isolated: the first two are not any more, and have the type asked for (8.1 step 4)."""
    vm = small()
    used_at(vm, [C + 1])
    vm.set_pageblock_migratetype(A, MigrateType.RECLAIMABLE)
    vm.set_pageblock_migratetype(C, MigrateType.UNMOVABLE)
    before = free_pages(vm)
    assert vm.start_isolate_page_range(A, C + BLOCK) == -EBUSY
    types = [vm.pageblock_migratetype(pfn) for pfn in (A, B, C)]
    assert types == [MigrateType.MOVABLE, MigrateType.MOVABLE, MigrateType.UNMOVABLE]
    assert (free_pages(vm), isolated(vm)) == (before, 0)


def test_a_block_has_one_who_isolates_it() -> None:
    """What somebody has isolated nobody else can, and a failure leaves it isolated."""
    vm = small()
    assert vm.start_isolate_page_range(B, C) == 0
    assert vm.start_isolate_page_range(A, C) == -EBUSY
    assert [vm.pageblock_migratetype(pfn) for pfn in (A, B)] == [MigrateType.MOVABLE, MigrateType.ISOLATE]


def test_pages_freed_meanwhile_are_isolated() -> None:
    """A page freed in an ISOLATE block goes to its lists, is not counted, and nobody gets it (8.1)."""
    vm = small(2 * MAX)
    page = used_at(vm, [A + 5])[0]
    assert vm.start_isolate_page_range(A, B) == 0
    before = free_pages(vm)
    page.put()
    assert free_pages(vm) == before
    assert trimmed(vm.zones[0].free_counts(MigrateType.ISOLATE)) == [0] * 9 + [1]
    assert not {each.pfn for each in exhaust(vm)} & set(range(A, B))


def test_no_merging_across_the_edge() -> None:
    """Above the pageblock order a free block does not merge with an isolated neighbour (8.1, 2.2 step 3)."""
    vm = small(MAX)
    held = take_all(vm)
    assert vm.start_isolate_page_range(A, B) == 0
    vm.debug = 0
    for page in held.values():
        page.put()
    vm.recount()
    assert vm.zones[0].nr_free[9:] == [2, 0]
    vm.undo_isolate_page_range(A, B)
    assert vm.zones[0].nr_free[9:] == [0, 1]


def test_isolated_neighbours_merge() -> None:
    """Two isolated blocks are one free block of the largest order."""
    vm = small(MAX)
    assert vm.start_isolate_page_range(A, A + MAX) == 0
    assert trimmed(vm.zones[0].free_counts(MigrateType.ISOLATE)) == [0] * 10 + [1]


def test_the_halves_of_an_allocation_are_freed_apart() -> None:
    """A block of order 10 whose lower half was isolated while it was in use is freed as two halves (2.2 step 3)."""
    vm = small(MAX)
    page = must(vm.alloc_pages(10))
    assert vm.start_isolate_page_range(A, B) == -EBUSY
    vm.set_pageblock_migratetype(A, MigrateType.MOVABLE)
    assert vm.start_isolate_page_range(A, B) == 0
    vm.free_pages(page, 10)
    assert (vm.zones[0].nr_free[9:], free_pages(vm)) == ([2, 0], BLOCK)


def test_holes_are_passed_over() -> None:
    """A pageblock without memory has no type to change (8.1)."""
    vm = VM(one_node(ZoneConfig("Normal", START, 2 * MAX, holes=(PfnRange(B, BLOCK),))), debug=2)
    assert vm.alloc_contig_range(A, B).ret == 0
    assert vm.alloc_contig_range(C, C + 9).ret == 0


def test_a_block_that_two_zones_share() -> None:
    """Isolating a block that two zones share takes the free pages of both, and each zone counts its own."""
    vm = VM(EDGES, debug=2)
    low, high = vm.zones
    block = low.end_pfn // BLOCK * BLOCK
    assert low.start_pfn < block < high.start_pfn < block + BLOCK
    before = low.free_pages, high.free_pages
    vm.set_pageblock_migratetype(block, MigrateType.ISOLATE)
    there = low.end_pfn - block
    assert (low.free_pages, high.free_pages) == (before[0] - there, before[1] - (BLOCK - there))
    vm.set_pageblock_migratetype(block, MigrateType.MOVABLE)
    assert (low.free_pages, high.free_pages) == before


def test_a_range_is_isolated_when_all_of_it_is_free() -> None:
    """Every block must be ISOLATE and every page free (8.2 step 4)."""
    vm = small()
    assert vm.test_pages_isolated(A, B) == -EBUSY
    page = must(vm.alloc_page(GFP.HIGHUSER_MOVABLE))
    block = page.pfn // BLOCK * BLOCK
    assert vm.start_isolate_page_range(block, block + BLOCK) == 0
    assert vm.test_pages_isolated(block, block + BLOCK) == -EBUSY
    page.put()
    assert vm.test_pages_isolated(block, block + BLOCK) == 0
