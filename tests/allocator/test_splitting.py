"""Splitting: which part of a block is handed out and where the rest goes."""

import pytest
from allocator.machines import MOVABLE, START, boot, exhaust, free, must, one_zone, take_all, trimmed

from movable import GFP, VM, MigrateType


def test_a_split_returns_the_lowest_part() -> None:
    """Order 0 from one order-10 buddy at B is B, with free heads at B+1, B+2, B+4 ... B+512 (12 fact 4)."""
    vm = boot(one_zone(1024))
    assert must(vm.alloc_page(MOVABLE)).pfn == START
    assert vm.zones[0].nr_free == [1] * 10 + [0]
    for order in range(10):
        assert vm.page(START + (1 << order)).order == order


@pytest.mark.parametrize("order", range(11))
def test_each_order_is_served_from_the_top(order: int) -> None:
    """A request of any order takes the first part and leaves one block of each order above (2.3)."""
    vm = boot(one_zone(1024))
    page = must(vm.alloc_pages(order, MOVABLE))
    assert (page.pfn, page.order, page.refcount) == (START, order, 1)
    assert vm.zones[0].nr_free == [int(order <= each < 10) for each in range(11)]
    assert vm.zones[0].free_pages == 1024 - (1 << order)


def test_the_smallest_block_that_fits_is_split() -> None:
    """The search goes up from the wanted order, so larger blocks stay whole (spec/compaction.md 2.3)."""
    vm = boot(one_zone(2048))
    take_all(vm)
    free(vm, *range(START, START + 16), *range(START + 64, START + 68))
    assert must(vm.alloc_pages(1, MOVABLE)).pfn == START + 64
    assert trimmed(vm.zones[0].nr_free) == [0, 1, 0, 0, 1]


def test_halves_of_a_split_come_in_ascending_order() -> None:
    """Splitting one block page by page hands its frames out from the lowest up (spec/compaction.md 2.3)."""
    vm = boot(one_zone(1024), debug=1)
    assert [page.pfn for page in exhaust(vm)] == list(range(START, START + 1024))


def test_allocations_are_counted_in_pages_by_zone() -> None:
    """`pgalloc_normal` grows by 2^order for a request (spec/compaction.md 2.7, 9.1)."""
    vm = boot(one_zone(1024))
    must(vm.alloc_pages(4))
    must(vm.alloc_page())
    assert vm.vmstat()["pgalloc_normal"] == 17
    assert vm.vmstat()["pgalloc_dma32"] == 0


def test_the_rest_of_a_split_keeps_its_type() -> None:
    """The upper halves stay on the lists of the type they were taken from (spec/compaction.md 2.3)."""
    vm = boot(one_zone(1024))
    must(vm.alloc_pages(3, MOVABLE))
    zone = vm.zones[0]
    assert zone.free_counts(MigrateType.MOVABLE) == zone.nr_free


@pytest.mark.parametrize(
    ("gfp", "migratetype"),
    [
        (GFP.KERNEL, MigrateType.UNMOVABLE),
        (GFP.HIGHUSER_MOVABLE, MigrateType.MOVABLE),
        (GFP.KERNEL | GFP.RECLAIMABLE, MigrateType.RECLAIMABLE),
    ],
)
def test_gfp_flags_choose_the_migrate_type(gfp: GFP, migratetype: MigrateType) -> None:
    """(flags & (RECLAIMABLE | MOVABLE)) >> 3 is the type of a request (spec/compaction.md 1.4)."""
    vm: VM = boot(one_zone(2048))
    page = must(vm.alloc_page(gfp))
    assert vm.pageblock_migratetype(page.pfn) is migratetype
