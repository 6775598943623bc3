"""CMA and ISOLATE pageblocks: who may allocate from them, and what is counted."""

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
    one_zone,
    take_all,
)

from movable import GFP, VM, AllocFlags, CompactResult, MigrateType

A, B = START, START + BLOCK


def with_block(migratetype: MigrateType) -> VM:
    """A machine whose only free pages are pageblock A, of this type."""
    vm = boot(one_zone(1024))
    take_all(vm)
    vm.set_pageblock_migratetype(A, migratetype)
    free(vm, *range(A, A + BLOCK))
    return vm


def test_movable_requests_use_cma() -> None:
    """A MOVABLE request may be served from CMA lists, and the rest stays there (spec/compaction.md 2.4)."""
    vm = with_block(MigrateType.CMA)
    assert must(vm.alloc_page(MOVABLE)).pfn == A
    assert vm.pageblock_migratetype(A) is MigrateType.CMA
    assert vm.zones[0].free_counts(MigrateType.CMA) == vm.zones[0].nr_free


@pytest.mark.parametrize("gfp", [UNMOVABLE, RECLAIMABLE, GFP.ATOMIC])
def test_other_requests_never_use_cma(gfp: GFP) -> None:
    """Only MOVABLE requests fall back to CMA (spec/compaction.md 12 fact 9)."""
    assert with_block(MigrateType.CMA).alloc_page(gfp) is None


@pytest.mark.parametrize("other", [MigrateType.RECLAIMABLE, MigrateType.UNMOVABLE])
def test_cma_comes_before_foreign_types(other: MigrateType) -> None:
    """MOVABLE falls back to CMA before RECLAIMABLE and UNMOVABLE (spec/compaction.md 12 fact 9)."""
    vm = with_block(MigrateType.CMA)
    vm.set_pageblock_migratetype(B, other)
    free(vm, *range(B, B + BLOCK))
    assert must(vm.alloc_page(MOVABLE)).pfn == A


def test_own_pages_come_before_cma() -> None:
    """A MOVABLE request uses MOVABLE pages first (spec/compaction.md 2.7)."""
    vm = with_block(MigrateType.CMA)
    free(vm, B)
    assert [must(vm.alloc_page(MOVABLE)).pfn for _ in range(2)] == [B, A]


def test_free_cma_pages_are_counted_twice() -> None:
    """CMA pages count in NR_FREE_PAGES and in NR_FREE_CMA_PAGES (spec/compaction.md 2.1)."""
    vm = with_block(MigrateType.CMA)
    assert (vm.vmstat()["nr_free_pages"], vm.vmstat()["nr_free_cma"]) == (BLOCK, BLOCK)
    page = must(vm.alloc_pages(3, MOVABLE))
    assert (vm.vmstat()["nr_free_pages"], vm.vmstat()["nr_free_cma"]) == (BLOCK - 8, BLOCK - 8)
    vm.free_pages(page, 3)
    vm.set_pageblock_migratetype(A, MigrateType.MOVABLE)
    assert (vm.vmstat()["nr_free_pages"], vm.vmstat()["nr_free_cma"]) == (BLOCK, 0)


def test_the_mark_ignores_cma_for_those_who_cannot_use_it() -> None:
    """Without ALLOC_CMA free CMA pages are subtracted before the comparison (spec/compaction.md 2.10 step 3)."""
    zone = with_block(MigrateType.CMA).zones[0]
    assert zone.compaction_suitable(0, AllocFlags.CMA) is CompactResult.SUCCESS
    assert zone.compaction_suitable(0) is not CompactResult.SUCCESS


def test_a_cma_list_serves_only_with_the_flag() -> None:
    """A large block on a CMA list satisfies an order check with ALLOC_CMA only (2.10 step 6)."""
    vm = with_block(MigrateType.CMA)
    free(vm, *range(B, B + BLOCK, 2))
    assert vm.zones[0].compaction_suitable(4, AllocFlags.CMA) is CompactResult.SUCCESS
    assert vm.zones[0].compaction_suitable(4) is not CompactResult.SUCCESS


@pytest.mark.parametrize("gfp", [UNMOVABLE, RECLAIMABLE, MOVABLE, GFP.ATOMIC, GFP.KERNEL | GFP.MEMALLOC])
def test_nobody_allocates_isolated_pages(gfp: GFP) -> None:
    """Nothing is allocated from an ISOLATE block, whoever asks (spec/compaction.md 1.4)."""
    assert with_block(MigrateType.ISOLATE).alloc_page(gfp) is None


def test_isolated_pages_are_free_blocks_but_no_free_pages() -> None:
    """`nr_free_pages` leaves ISOLATE buddies out, `nr_free` has them (spec/compaction.md 12 fact 15)."""
    vm = with_block(MigrateType.ISOLATE)
    assert (vm.vmstat()["nr_free_pages"], vm.zones[0].nr_free[9]) == (0, 1)
    vm.set_pageblock_migratetype(A, MigrateType.MOVABLE)
    assert (vm.vmstat()["nr_free_pages"], vm.zones[0].nr_free[9]) == (BLOCK, 1)


def test_changing_the_type_moves_the_free_pages() -> None:
    """Setting a block's type relists its free pages and says how many they are (spec/compaction.md 2.6)."""
    vm = with_block(MigrateType.MOVABLE)
    must(vm.alloc_pages(4, MOVABLE))
    assert vm.set_pageblock_migratetype(A, MigrateType.RECLAIMABLE) == BLOCK - 16
    assert vm.zones[0].free_counts(MigrateType.RECLAIMABLE) == vm.zones[0].nr_free
    assert vm.set_pageblock_migratetype(B, MigrateType.RECLAIMABLE) == 0


@pytest.mark.parametrize("migratetype", [MigrateType.CMA, MigrateType.ISOLATE])
@pytest.mark.parametrize("block", [A, B])
def test_one_half_of_the_largest_block_can_change(migratetype: MigrateType, block: int) -> None:
    """Changing one pageblock of a free order-10 block changes that half and no page more (2.1)."""
    vm = boot(one_zone(1024))
    assert vm.set_pageblock_migratetype(block, migratetype) == BLOCK
    assert vm.zones[0].free_counts(migratetype)[9:] == [1, 0]
    assert vm.zones[0].free_counts(MigrateType.MOVABLE)[9:] == [1, 0]
    assert sorted(page.pfn for page in exhaust(vm, UNMOVABLE)) == list(
        range(A + B - block, A + B - block + BLOCK)
    )


@pytest.mark.parametrize("last", [A, B])
def test_cma_pages_stay_counted_when_a_neighbour_is_freed(last: int) -> None:
    """However a CMA block and its neighbour are freed, the CMA counter equals the CMA lists (2.1)."""
    vm = boot(one_zone(1024))
    take_all(vm)
    vm.set_pageblock_migratetype(A, MigrateType.CMA)
    for block in (A + B - last, last):
        vm.debug = 1
        free(vm, *range(block, block + BLOCK))
    vm.recount()
    assert vm.vmstat()["nr_free_cma"] == BLOCK


@pytest.mark.parametrize("block", [A, B])
def test_a_block_in_use_can_change(block: int) -> None:
    """An order-10 block whose half became CMA while it was in use is freed as two halves (2.1)."""
    vm = boot(one_zone(1024))
    page = must(vm.alloc_pages(10))
    assert vm.set_pageblock_migratetype(block, MigrateType.CMA) == 0
    vm.free_pages(page, 10)
    assert vm.vmstat()["nr_free_cma"] == BLOCK
    assert vm.zones[0].free_counts(MigrateType.CMA)[9] == 1
