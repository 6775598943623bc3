"""What a page looks like when it comes from the allocator, and poison."""

import pytest
from allocator.machines import MOVABLE, START, boot, exhaust, must, one_zone

from movable import GFP, PAGE_SIZE, VM, ContractViolation, PageFlag, PageType

POISON = b"\xaa" * PAGE_SIZE
ZEROS = bytes(PAGE_SIZE)


@pytest.fixture
def vm() -> VM:
    """A machine of 1024 pages, all free and never used."""
    return boot(one_zone(1024))


def recycled(vm: VM, order: int = 0) -> int:
    """The pfn of a block that was used and is free again, and that the next such request gets."""
    page = must(vm.alloc_pages(order))
    for each in range(1 << order):
        vm.page(page.pfn + each).data[:] = b"\x55" * PAGE_SIZE
    vm.free_pages(page, order)
    return page.pfn


def test_a_fresh_page_has_one_reference_and_nothing_else(vm: VM) -> None:
    """References 1, mapcount 0, no mapping, private 0 and no flags (spec/migration.md 1.5)."""
    page = must(vm.alloc_page())
    page.private, page.index = 7, 8
    page.set_flag(PageFlag.DIRTY | PageFlag.UPTODATE)
    vm.free_pages(page)
    again = must(vm.alloc_page())
    assert again is page
    assert (page.refcount, page.mapcount, page.mapping, page.private) == (1, 0, None, 0)
    assert (page.flags, page.page_type, page.on_list) == (PageFlag(0), PageType.NONE, False)


def test_only_the_head_of_a_block_has_a_reference(vm: VM) -> None:
    """A block of order 2 is one allocation: its tails have no reference of their own (1.5)."""
    page = must(vm.alloc_pages(2))
    assert [vm.page(page.pfn + each).refcount for each in range(4)] == [1, 0, 0, 0]
    assert page.order == 2


def test_comp_makes_a_compound_page(vm: VM) -> None:
    """`__GFP_COMP` marks the head, and put() of the head frees the whole (spec/compaction.md 1.5)."""
    page = must(vm.alloc_pages(3, GFP.KERNEL | GFP.COMP))
    assert PageFlag.HEAD in page.flags
    assert PageFlag.HEAD not in vm.page(page.pfn + 1).flags
    page.put()
    assert vm.zones[0].free_pages == 1024


def test_a_single_page_is_never_compound(vm: VM) -> None:
    """`__GFP_COMP` means nothing for order 0 (spec/compaction.md 2.12)."""
    assert must(vm.alloc_page(GFP.KERNEL | GFP.COMP)).flags == PageFlag(0)


@pytest.mark.parametrize("order", [0, 2])
def test_zero_clears_the_contents(vm: VM, order: int) -> None:
    """`__GFP_ZERO` clears every page of the block (spec/compaction.md 2.12)."""
    pfn = recycled(vm, order)
    page = must(vm.alloc_pages(order, GFP.KERNEL | GFP.ZERO))
    assert page.pfn == pfn
    assert all(vm.page(pfn + each).data == ZEROS for each in range(1 << order))


def test_memory_is_zero_after_boot(vm: VM) -> None:
    """A frame that nobody used yet reads as zeros."""
    assert must(vm.alloc_page()).data == ZEROS


def test_a_freed_frame_holds_the_pattern(vm: VM) -> None:
    """Freeing overwrites the contents, so that a late reader sees 0xaa and no data."""
    pfn = recycled(vm)
    assert vm.page(pfn).data == POISON
    assert must(vm.alloc_page()).data == POISON


def test_every_page_of_a_block_is_poisoned(vm: VM) -> None:
    """Freeing a block fills all its frames."""
    pfn = recycled(vm, 3)
    assert all(vm.page(pfn + each).data == POISON for each in range(8))


@pytest.mark.parametrize("offset", [0, 1, 7, 8, 2048, PAGE_SIZE - 1])
def test_a_write_to_a_freed_frame_is_found(vm: VM, offset: int) -> None:
    """The allocation that gets a frame written since its free is `poison-overwritten`, with the place."""
    page = vm.page(recycled(vm))
    page.data[offset] = 0x55
    with pytest.raises(ContractViolation) as caught:
        vm.alloc_page()
    assert (caught.value.rule.id, caught.value.pfn) == ("poison-overwritten", page.pfn)
    assert caught.value.seen == f"0x55 at byte {offset}"


def test_the_machine_lives_on_after_the_report(vm: VM) -> None:
    """An overwritten frame is reported once, and is free again: nobody has got it."""
    vm.page(recycled(vm)).data[0] = 0
    with pytest.raises(ContractViolation):
        vm.alloc_page()
    vm.recount()
    assert len(exhaust(vm)) == 1024


def test_the_frame_is_reported_by_the_block_that_contains_it(vm: VM) -> None:
    """An order-4 request checks all its 16 frames."""
    pfn = recycled(vm, 4)
    vm.page(pfn + 9).data[100] = 1
    with pytest.raises(ContractViolation) as caught:
        vm.alloc_pages(4)
    assert caught.value.pfn == pfn + 9


def test_two_overwritten_frames_are_two_reports(vm: VM) -> None:
    """Further violations of one call are attached to the first."""
    pfn = recycled(vm, 2)
    for each in (1, 3):
        vm.page(pfn + each).data[0] = 1
    with pytest.raises(ContractViolation) as caught:
        vm.alloc_pages(2)
    assert caught.value.pfn == pfn + 1
    assert [violation.pfn for violation in caught.value.more] == [pfn + 3]


def test_without_poison_contents_stay() -> None:
    """With poison off a freed frame keeps its bytes, and nobody checks them."""
    vm = boot(one_zone(1024), poison=False)
    page = vm.page(recycled(vm))
    assert page.data == b"\x55" * PAGE_SIZE
    page.data[0] = 1
    assert must(vm.alloc_page()) is page


def test_a_frame_never_used_may_hold_anything(vm: VM) -> None:
    """Only frames that were freed are checked: boot does not fill memory."""
    vm.page(START).data[0] = 1
    assert must(vm.alloc_page(MOVABLE)).pfn == START
