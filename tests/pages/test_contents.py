"""Contents of page frames (spec/migration.md 1.4 C1, 6.8 (2))."""

import pytest

from movable import GFP, PAGE_SIZE, VM, ContractViolation, MovableError, Page

POISON = 0xAA


def test_contents_are_a_writable_view(page: Page) -> None:
    """page.data is 4096 bytes that can be written, and reads as written."""
    page.data[0:5] = b"hello"
    page.data[-1] = 7
    assert isinstance(page.data, memoryview)
    assert len(page.data) == PAGE_SIZE == 4096
    assert bytes(page.data[0:5]) + bytes(page.data[-1:]) == b"hello\x07"


def test_frames_do_not_overlap(vm: VM) -> None:
    """Each frame has memory of its own, the tails of a block too."""
    head = vm.alloc_pages(2)
    assert head is not None
    block = [vm.page(head.pfn + tail) for tail in range(4)]
    for number, page in enumerate(block):
        page.data[:] = bytes([number]) * PAGE_SIZE
    assert [set(bytes(page.data)) for page in block] == [{0}, {1}, {2}, {3}]


def test_a_view_cannot_leave_its_frame(page: Page) -> None:
    """No more than a page fits into a page."""
    with pytest.raises(ValueError, match="different structures"):
        page.data[:] = bytes(PAGE_SIZE + 1)
    with pytest.raises(IndexError):
        page.data[PAGE_SIZE] = 1
    assert len(page.data) == PAGE_SIZE


def test_copying_copies_the_whole_page(vm: VM, page: Page) -> None:
    """copy_highpage copies all 4096 bytes and leaves the source alone (1.4 C1)."""
    other = vm.alloc_page()
    assert other is not None
    pattern = bytes(range(256)) * 16
    page.data[:] = pattern
    other.copy_from(page)
    assert bytes(other.data) == bytes(page.data) == pattern


def test_a_discarded_page_reads_as_zeros(page: Page) -> None:
    """discard gives the memory back to the operating system: zeros are read until it is written again."""
    page.data[:] = b"x" * PAGE_SIZE
    page.discard()
    assert not any(page.data)
    page.data[1] = 1
    assert bytes(page.data[:3]) == b"\0\1\0"


def test_only_the_owner_discards(page: Page) -> None:
    """The contents of a free page are not discarded: they may be poison."""
    page.put()
    with pytest.raises(MovableError, match="is free"):
        page.discard()
    assert set(bytes(page.data)) == {POISON}


def test_a_freed_page_is_poisoned(vm: VM, page: Page) -> None:
    """With poison, a freed frame is filled with 0xaa."""
    page.data[:5] = b"stale"
    page.put()
    assert set(bytes(page.data)) == {POISON}


def test_a_use_after_free_is_found(vm: VM, page: Page) -> None:
    """A write to a free page is reported when the page is allocated, with the byte; the VM lives on."""
    view = page.data
    page.put()
    view[100] = 0x55
    with pytest.raises(ContractViolation) as caught:
        vm.alloc_page()
    assert (caught.value.rule.id, caught.value.pfn) == ("poison-overwritten", page.pfn)
    assert caught.value.seen == "0x55 at byte 100"
    assert vm.alloc_page() is not None


def test_without_poison_nothing_is_filled() -> None:
    """A machine without poison keeps what the last owner wrote, and looks at nothing."""
    with VM("tiny", poison=False) as vm:
        page = vm.alloc_page()
        assert page is not None
        page.data[:5] = b"stale"
        page.put()
        page.data[5] = 1
        assert vm.alloc_page() is page
        assert bytes(page.data[:6]) == b"stale\1"


@pytest.mark.parametrize("poison", [True, False])
def test_a_zeroed_page_is_zero(poison: bool) -> None:
    """An allocation with GFP.ZERO reads as zeros whatever was there before (spec/compaction.md 2.12)."""
    with VM("tiny", poison=poison) as vm:
        page = vm.alloc_page()
        assert page is not None
        page.data[:] = b"x" * PAGE_SIZE
        page.put()
        fresh = vm.alloc_page(GFP.KERNEL | GFP.ZERO)
        assert fresh is page
        assert not any(fresh.data)


def test_views_survive_the_machine() -> None:
    """A view of a page's contents stays readable and writable after the VM was closed."""
    vm = VM("tiny")
    page = vm.alloc_page()
    assert page is not None
    view = page.data
    view[:4] = b"kept"
    vm.close()
    assert bytes(view[:4]) == b"kept"
    view[0] = 0
    with pytest.raises(MovableError, match="this VM is closed"):
        bytes(page.data)


def test_physical_memory_holds_every_page(vm: VM, page: Page) -> None:
    """`VM.memory` from `pfn << 12` on is the page's contents, writable both ways (spec/drivers.md 1.4)."""
    page.data[:4] = b"here"
    start = page.pfn << 12
    assert bytes(vm.memory[start : start + 4]) == b"here"
    vm.memory[start + 4 : start + 8] = b"too!"
    assert bytes(page.data[:8]) == b"heretoo!"
