"""Freeing: which buddies merge, and which end of the free list a block goes to."""

import pytest
from allocator.machines import (
    MOVABLE,
    START,
    boot,
    exhaust,
    free,
    must,
    one_node,
    one_zone,
    take_all,
    trimmed,
)

from movable import VM, MigrateType, Watermarks, ZoneConfig


@pytest.fixture
def vm() -> VM:
    """A machine of 1024 pages, none of them free."""
    made = boot(one_zone(1024))
    take_all(made)
    return made


@pytest.mark.parametrize("step", [1, -1, 3, 511], ids=lambda step: f"step {step}")
def test_single_pages_merge_into_the_largest_block(vm: VM, step: int) -> None:
    """1024 aligned pages freed one by one, in any order, end as one order-10 buddy (compaction.md 12 fact 1)."""
    vm.debug = 1
    for index in range(1024):
        free(vm, START + index * step % 1024)
    assert vm.zones[0].nr_free == [0] * 10 + [1]
    vm.recount()


def test_blocks_merge_only_with_blocks_of_their_order(vm: VM) -> None:
    """A free page next to a free pair waits for its own buddy (spec/compaction.md 2.2 step 2)."""
    free(vm, START, START + 1, START + 2)
    assert trimmed(vm.zones[0].nr_free) == [1, 1]
    free(vm, START + 3)
    assert trimmed(vm.zones[0].nr_free) == [0, 0, 1]


def test_neighbours_that_are_no_buddies_stay_apart(vm: VM) -> None:
    """Pages 1 and 2 are adjacent, but no buddies: only pfn XOR 2^order counts (spec/compaction.md 2.2 step 2)."""
    free(vm, START + 1, START + 2)
    assert trimmed(vm.zones[0].nr_free) == [2]


def test_buddies_of_different_zones_stay_apart() -> None:
    """Two free buddies never merge across a zone boundary (spec/compaction.md 12 fact 2)."""
    vm = boot(one_node(ZoneConfig("DMA32", 0x1000, 0x201), ZoneConfig("Normal", 0x1201, 0x1FF)))
    take_all(vm)
    free(vm, 0x1200, 0x1201)
    assert [trimmed(zone.nr_free) for zone in vm.zones] == [[1], [1]]


def test_the_largest_blocks_never_merge() -> None:
    """Adjacent free blocks of order 10 remain two (spec/compaction.md 12 fact 3)."""
    vm = boot(one_zone(2048))
    for page in [must(vm.alloc_pages(10)), must(vm.alloc_pages(10))]:
        vm.free_pages(page, 10)
    assert vm.zones[0].nr_free == [0] * 10 + [2]


def test_a_freed_page_is_handed_out_next(vm: VM) -> None:
    """A page whose merge is not in sight goes to the head of its list (spec/compaction.md 12 fact 5)."""
    free(vm, START + 100, START + 200)
    assert [page.pfn for page in exhaust(vm)] == [START + 200, START + 100]


def test_a_page_about_to_merge_is_handed_out_last(vm: VM) -> None:
    """A page whose higher buddy pair is free goes to the tail (spec/compaction.md 12 fact 5)."""
    free(vm, START + 100, START, START + 1)
    free(vm, START + 2)
    singles = [must(vm.alloc_page(MOVABLE)).pfn for _ in range(2)]
    assert singles == [START + 100, START + 2]


def test_the_tail_rule_looks_at_the_merged_order(vm: VM) -> None:
    """After merging it is the block's final order whose neighbour decides (spec/compaction.md 2.2 step 4)."""
    free(vm, START + 200, START + 201)
    free(vm, *range(START, START + 4))
    free(vm, START + 4, START + 5)
    first, second = must(vm.alloc_pages(1, MOVABLE)), must(vm.alloc_pages(1, MOVABLE))
    assert (first.pfn, second.pfn) == (START + 200, START + 4)


@pytest.mark.parametrize("order", [9, 10])
def test_large_blocks_go_to_the_head(order: int) -> None:
    """Blocks of order 9 and 10 are always put at the head (spec/compaction.md 12 fact 5)."""
    vm = boot(one_zone(8192))
    blocks = [must(vm.alloc_pages(order)) for _ in range(8192 >> order)]
    kept = blocks[0::4] + blocks[2::4]
    for page in kept:
        vm.free_pages(page, order)
    assert [page.pfn for page in exhaust(vm, order=order)] == [page.pfn for page in reversed(kept)]


def test_order_8_may_go_to_the_tail() -> None:
    """Order 8 is the last order with the tail rule: next to a free order-9 block it waits (2.2 step 4)."""
    vm = boot(one_zone(2048))
    parts = {page.pfn: page for page in exhaust(vm, order=8)}
    for pfn in (0x1400, 0x1000, 0x1100, 0x1200):
        vm.free_pages(parts[pfn], 8)
    assert trimmed(vm.zones[0].nr_free) == [0] * 8 + [2, 1]
    assert [must(vm.alloc_pages(8, MOVABLE)).pfn for _ in range(2)] == [0x1400, 0x1200]


def test_a_block_goes_to_the_list_of_its_pageblock(vm: VM) -> None:
    """Freed pages are listed under the type of their pageblock (spec/compaction.md 2.2 step 4)."""
    vm.set_pageblock_migratetype(START, MigrateType.RECLAIMABLE)
    free(vm, START, START + 600)
    assert trimmed(vm.zones[0].free_counts(MigrateType.RECLAIMABLE)) == [1]
    assert trimmed(vm.zones[0].free_counts(MigrateType.MOVABLE)) == [1]


def test_a_block_of_two_types_is_listed_under_the_one_freed_last(vm: VM) -> None:
    """A merged block that spans two pageblocks is on the list of the last free's type (2.2)."""
    vm.debug = 1
    vm.set_pageblock_migratetype(START, MigrateType.RECLAIMABLE)
    free(vm, *range(START, START + 1024))
    assert vm.zones[0].free_counts(MigrateType.MOVABLE)[10] == 1
    assert vm.zones[0].free_counts(MigrateType.RECLAIMABLE)[10] == 0
    vm.recount()


def test_nothing_merges_across_the_edge_of_an_isolated_block(vm: VM) -> None:
    """Above pageblock order an ISOLATE block and its neighbour stay apart (spec/compaction.md 2.2 step 3)."""
    vm.debug = 1
    vm.set_pageblock_migratetype(START, MigrateType.ISOLATE)
    free(vm, *range(START, START + 1024))
    assert vm.zones[0].free_counts(MigrateType.ISOLATE)[9] == 1
    assert vm.zones[0].free_counts(MigrateType.MOVABLE)[9] == 1
    vm.recount()


def test_freeing_is_counted_in_pages(vm: VM) -> None:
    """`pgfree` grows by 2^order for a freed block (spec/compaction.md 9.1)."""
    free(vm, *range(START, START + 8))
    block = must(vm.alloc_pages(3, MOVABLE))
    before = vm.vmstat()["pgfree"]
    vm.free_pages(block, 3)
    assert vm.vmstat()["pgfree"] - before == 8


def test_a_page_with_another_reference_is_not_freed(vm: VM) -> None:
    """free_pages() drops one reference; only the last one frees (spec/migration.md 1.5)."""
    page = vm.page(START)
    page.get()
    vm.free_pages(page)
    assert (page.refcount, vm.zones[0].free_pages) == (1, 0)
    page.put()
    assert (page.refcount, vm.zones[0].free_pages) == (0, 1)


def test_marks_do_not_keep_pages_from_being_freed() -> None:
    """Watermarks bound allocations only: all memory can be free again (spec/compaction.md 2.10)."""
    vm = boot(one_zone(1024, Watermarks(100, 200, 300)))
    pages = exhaust(vm)
    for page in pages:
        vm.free_pages(page)
    assert vm.zones[0].nr_free == [0] * 10 + [1]
