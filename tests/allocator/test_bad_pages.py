"""Frees that break a rule: what a page may not bring along, and frees that are no frees."""

from collections.abc import Callable
from functools import partial

import pytest
from allocator.machines import boot, exhaust, must, one_zone

from movable import (
    GFP,
    VM,
    AddressSpace,
    ContractViolation,
    DeadVM,
    IsolateMode,
    KernelAssertion,
    MigrateMode,
    Page,
    PageFlag,
    PageType,
    hookimpl,
)


@pytest.fixture
def vm() -> VM:
    """A machine of 1024 pages, recounted after every operation."""
    return boot(one_zone(1024))


CAUSES: dict[str, tuple[Callable[[Page], object], str]] = {
    "locked": (Page.lock, "still locked"),
    "balloon": (lambda page: setattr(page, "page_type", PageType.BALLOON), "a mapcount or page type left"),
    "kmemcg": (lambda page: setattr(page, "page_type", PageType.KMEMCG), "a mapcount or page type left"),
}
CAUSES |= {
    repr(flag): (partial(Page.set_flag, flag=flag), "flags left")
    for flag in (
        PageFlag.PRIVATE,
        PageFlag.PRIVATE_2,
        PageFlag.WRITEBACK,
        PageFlag.SWAPCACHE,
        PageFlag.ACTIVE,
        PageFlag.UNEVICTABLE,
        PageFlag.MLOCKED,
    )
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_a_freed_page_may_not_bring_along(vm: VM, cause: str) -> None:
    """A page freed with a trace of its owner is `bad-page`, and the report names it (spec/migration.md 1.5)."""
    spoil, seen = CAUSES[cause]
    page = must(vm.alloc_page())
    spoil(page)
    with pytest.raises(ContractViolation, match=seen) as caught:
        vm.free_pages(page)
    assert (caught.value.rule.id, caught.value.pfn) == ("bad-page", page.pfn)


@pytest.mark.parametrize("cause", CAUSES)
def test_a_bad_page_is_freed_and_clean(vm: VM, cause: str) -> None:
    """After the report the page is free and bears no trace; the machine works on (spec/migration.md 1.5)."""
    spoil, _ = CAUSES[cause]
    page = must(vm.alloc_page())
    spoil(page)
    with pytest.raises(ContractViolation):
        page.put()
    vm.recount()
    assert vm.zones[0].free_pages == 1024
    again = must(vm.alloc_page())
    assert (again.flags, again.page_type, again.locked) == (PageFlag(0), PageType.NONE, False)


@pytest.mark.parametrize(
    "flag",
    [
        PageFlag.ERROR,
        PageFlag.REFERENCED,
        PageFlag.UPTODATE,
        PageFlag.DIRTY,
        PageFlag.OWNER_PRIV_1,
        PageFlag.ARCH_1,
        PageFlag.MAPPEDTODISK,
        PageFlag.RECLAIM,
        PageFlag.SWAPBACKED,
    ],
)
def test_other_flags_are_wiped_silently(vm: VM, flag: PageFlag) -> None:
    """Flags outside the list, PG_isolated among them, are cleared without a report (spec/migration.md 1.5)."""
    page = must(vm.alloc_page())
    page.set_flag(flag)
    vm.free_pages(page)
    assert must(vm.alloc_page()).flags == PageFlag(0)


def test_a_page_on_a_list_is_bad(vm: VM) -> None:
    """A page freed while a driver's list links it is `bad-page`, and leaves the list."""
    pages, page = vm.page_list("mine"), must(vm.alloc_page())
    pages.add(page)
    with pytest.raises(ContractViolation, match="still on a page list"):
        vm.free_pages(page)
    assert len(pages) == 0
    vm.recount()


def test_a_tail_with_a_reference_is_bad(vm: VM) -> None:
    """Freeing a block while somebody holds one of its tails is `bad-page` (spec/migration.md 1.5)."""
    head = must(vm.alloc_pages(2, GFP.KERNEL | GFP.COMP))
    tail = vm.page(head.pfn + 2)
    tail.lock()
    with pytest.raises(ContractViolation, match="still locked") as caught:
        vm.free_pages(head, 2)
    assert caught.value.pfn == tail.pfn
    assert vm.zones[0].free_pages == 1024


class Refusing:
    """A driver that lets no page go."""

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Refuse."""
        return False

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Never called: nothing is isolated."""
        return 0

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Never called."""


def test_a_movable_mapping_is_wiped_silently(vm: VM) -> None:
    """A tagged mapping is set to NULL at free, without a report (spec/migration.md 1.5)."""
    page = must(vm.alloc_page())
    page.lock()
    page.set_movable(AddressSpace(vm, Refusing(), "refusing"))
    page.unlock()
    vm.free_pages(page)
    assert not page.has_movable_tag


def test_nothing_is_checked_at_debug_0() -> None:
    """Without debugging a page that is still locked is freed in silence."""
    vm = boot(one_zone(1024), debug=0)
    page = must(vm.alloc_page())
    page.lock()
    vm.free_pages(page)
    assert vm.zones[0].free_pages == 1024


@pytest.mark.parametrize("free", [VM.free_pages, lambda vm, page: page.put()], ids=["free_pages", "put"])
def test_a_double_free_stops_the_machine(vm: VM, free: Callable[[VM, Page], None]) -> None:
    """Freeing a free page is `page-ref-zero`, after which the machine does no more work (2.2)."""
    page = must(vm.alloc_page())
    vm.free_pages(page)
    with pytest.raises(KernelAssertion) as caught:
        free(vm, page)
    assert (caught.value.rule.id, caught.value.pfn) == ("page-ref-zero", page.pfn)
    with pytest.raises(DeadVM):
        vm.alloc_page()


@pytest.mark.parametrize(("order", "wrong"), [(0, 1), (2, 1), (2, 3), (3, 0)])
def test_freeing_with_another_order_stops_the_machine(vm: VM, order: int, wrong: int) -> None:
    """Memory is freed with the order it was allocated with: else `free-wrong-order` (2.2)."""
    page = must(vm.alloc_pages(order))
    with pytest.raises(KernelAssertion) as caught:
        vm.free_pages(page, wrong)
    assert caught.value.rule.id == "free-wrong-order"


def test_freeing_from_the_middle_stops_the_machine(vm: VM) -> None:
    """A tail is no allocation: a reference taken on it cannot free it (2.2)."""
    head = must(vm.alloc_pages(2))
    with pytest.raises(KernelAssertion) as caught:
        vm.free_pages(vm.page(head.pfn + 2))
    assert caught.value.rule.id in ("page-ref-zero", "free-wrong-order")


def test_put_of_a_block_that_is_not_compound_stops_the_machine(vm: VM) -> None:
    """put_page() frees one page or a compound one; a plain block needs free_pages() with its order (2.2)."""
    with pytest.raises(KernelAssertion) as caught:
        must(vm.alloc_pages(2)).put()
    assert caught.value.rule.id == "free-wrong-order"


def test_a_free_page_takes_no_reference(vm: VM) -> None:
    """get() on a free page is `page-ref-zero` (spec/migration.md 2)."""
    page = must(vm.alloc_page())
    vm.free_pages(page)
    with pytest.raises(KernelAssertion) as caught:
        page.get()
    assert caught.value.rule.id == "page-ref-zero"


def test_a_machine_can_be_emptied_and_refilled(vm: VM) -> None:
    """Every frame allocated can be freed again, and the machine is as it was at boot."""
    before = vm.zones[0].nr_free
    for page in exhaust(vm):
        vm.free_pages(page)
    assert vm.zones[0].nr_free == before
