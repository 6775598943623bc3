"""The reserve for high-order atomic requests."""

import pytest
from allocator.machines import BLOCK, MOVABLE, START, UNMOVABLE, boot, exhaust, free, must, one_zone, take_all

from movable import GFP, VM, AllocFlags, CompactResult, MigrateType, Watermarks


def machine(pages: int = 4096, low: int | None = None) -> VM:
    """A machine whose low mark is never met: requests take the slow path, where atomic ones try harder."""
    mark = pages if low is None else low
    return boot(one_zone(pages, Watermarks(0, mark, mark)))


def reserved(vm: VM) -> list[int]:
    """The pageblocks that are HIGHATOMIC, counted from the start of the zone."""
    blocks = range(START, vm.zones[0].end_pfn, BLOCK)
    return [
        index for index, pfn in enumerate(blocks) if vm.pageblock_migratetype(pfn) is MigrateType.HIGHATOMIC
    ]


def test_a_high_order_atomic_request_reserves_its_block() -> None:
    """A success with ALLOC_HARDER turns the page's block into HIGHATOMIC, free pages included (2.7)."""
    vm = machine()
    page = must(vm.alloc_pages(2, GFP.ATOMIC))
    assert vm.pageblock_migratetype(page.pfn) is MigrateType.HIGHATOMIC
    free_pages = vm.zones[0].free_counts(MigrateType.HIGHATOMIC)
    assert sum(count << order for order, count in enumerate(free_pages)) == BLOCK - 4


def test_the_fast_path_reserves_nothing() -> None:
    """While the low mark is met no request is harder than another (spec/compaction.md 2.13)."""
    vm = machine(low=0)
    must(vm.alloc_pages(2, GFP.ATOMIC))
    assert reserved(vm) == []


@pytest.mark.parametrize("gfp", [GFP.KERNEL, GFP.NOWAIT, GFP.ATOMIC | GFP.NOMEMALLOC])
def test_other_requests_reserve_nothing(gfp: GFP) -> None:
    """Only `__GFP_ATOMIC` without `__GFP_NOMEMALLOC` makes a request harder (2.13 step 2)."""
    vm = machine()
    must(vm.alloc_pages(2, gfp))
    assert reserved(vm) == []


def test_single_pages_reserve_nothing() -> None:
    """An order-0 atomic request neither uses nor fills the reserve (spec/compaction.md 2.7)."""
    vm = machine()
    must(vm.alloc_page(GFP.ATOMIC))
    assert reserved(vm) == []


@pytest.mark.parametrize(("pages", "blocks"), [(4096, 2), (51200, 2), (52224, 3)])
def test_the_reserve_is_bounded(pages: int, blocks: int) -> None:
    """Blocks are reserved while the reserve is below a hundredth of the zone plus one block (2.7)."""
    vm = machine(pages)
    vm.debug = 0
    for _ in range(5):
        must(vm.alloc_pages(9, GFP.ATOMIC))
    assert len(reserved(vm)) == blocks


def test_a_balloon_shrinks_the_bound() -> None:
    """The bound follows the managed pages: what a driver took out does not count (2.7, 1.2)."""
    vm = machine(52224)
    vm.debug = 0
    vm.adjust_managed_page_count(must(vm.alloc_page()), -2048)
    for _ in range(5):
        must(vm.alloc_pages(9, GFP.ATOMIC))
    assert len(reserved(vm)) == 2


@pytest.mark.parametrize("kept", [MigrateType.CMA, MigrateType.ISOLATE])
def test_special_blocks_are_not_reserved(kept: MigrateType) -> None:
    """Reserving spares ISOLATE and CMA blocks, of which only CMA could be allocated from (2.7)."""
    vm = machine(1024)
    vm.set_pageblock_migratetype(START, kept)
    for _ in range(4):
        vm.alloc_pages(8, GFP.ATOMIC | GFP.MOVABLE)
    assert vm.pageblock_migratetype(START) is kept


def with_reserve_only() -> VM:
    """A machine whose free pages are all in its one HIGHATOMIC block."""
    vm = machine(1024)
    page = must(vm.alloc_pages(2, GFP.ATOMIC))
    take_all(vm, MOVABLE | GFP.MEMALLOC)
    vm.free_pages(page, 2)
    return vm


def test_the_reserve_serves_atomic_requests_first() -> None:
    """A harder request of order > 0 looks at the HIGHATOMIC lists first (spec/compaction.md 2.7)."""
    vm = with_reserve_only()
    (block,) = reserved(vm)
    free(vm, *range(START + (1 - block) * BLOCK, START + (1 - block) * BLOCK + 8))
    assert must(vm.alloc_pages(1, GFP.ATOMIC)).pfn // BLOCK == START // BLOCK + block


@pytest.mark.parametrize("gfp", [MOVABLE, UNMOVABLE, GFP.KERNEL | GFP.RECLAIMABLE, GFP.KERNEL | GFP.MEMALLOC])
def test_the_reserve_is_closed_to_others(gfp: GFP) -> None:
    """Nobody else allocates from a HIGHATOMIC block (spec/compaction.md 2.4)."""
    vm = with_reserve_only()
    assert vm.zones[0].free_pages == BLOCK
    assert vm.alloc_page(gfp) is None


def test_the_reserve_is_no_free_memory_to_others() -> None:
    """Without ALLOC_HARDER the reserved pages are subtracted before the comparison (2.10 step 2)."""
    zone = with_reserve_only().zones[0]
    assert zone.compaction_suitable(1, AllocFlags.HARDER) is CompactResult.SUCCESS
    assert zone.compaction_suitable(0, AllocFlags(0)) is not CompactResult.SUCCESS


@pytest.mark.parametrize("migratetype", [MigrateType.HIGHATOMIC, MigrateType.ISOLATE])
def test_a_reserved_block_satisfies_no_order(migratetype: MigrateType) -> None:
    """A free order-9 block on a HIGHATOMIC or ISOLATE list alone fails an order-9 check (12 fact 10)."""
    vm = boot(one_zone(2048))
    take_all(vm)
    vm.set_pageblock_migratetype(START, migratetype)
    vm.debug = 1
    free(vm, *range(START, START + BLOCK), *range(START + BLOCK, START + 2048, 2))
    assert vm.zones[0].nr_free[9] == 1
    assert vm.zones[0].compaction_suitable(9, AllocFlags(0)) is not CompactResult.SUCCESS
    assert vm.zones[0].compaction_suitable(9, AllocFlags.HARDER) is CompactResult.SUCCESS


def test_freed_pages_return_to_the_reserve() -> None:
    """A page of a HIGHATOMIC block remembers its type when it is freed (spec/compaction.md 1.4)."""
    vm = with_reserve_only()
    pages = exhaust(vm, GFP.ATOMIC, order=3)
    assert len(pages) == BLOCK // 8
    for page in pages:
        vm.free_pages(page, 3)
    assert vm.zones[0].free_counts(MigrateType.HIGHATOMIC)[9] == 1
