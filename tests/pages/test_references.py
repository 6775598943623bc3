"""Reference counts (spec/migration.md 1.1, 2)."""

from collections.abc import Callable

import pytest

from movable import GFP, VM, KernelAssertion, Page


def test_get_and_put_count(page: Page) -> None:
    """get_page adds a reference and put_page takes one away."""
    page.get()
    page.get()
    assert page.refcount == 3
    page.put()
    assert page.refcount == 2


def test_the_last_reference_frees(vm: VM, page: Page) -> None:
    """A page whose last reference is dropped is free memory again."""
    free = vm.zones[0].free_pages
    page.put()
    assert (page.refcount, vm.zones[0].free_pages) == (0, free + 1)


def test_a_second_reference_keeps_the_page(vm: VM, page: Page) -> None:
    """A page is not freed while anybody has a reference; free_pages drops one like put_page."""
    page.get()
    free = vm.zones[0].free_pages
    vm.free_pages(page)
    assert (page.refcount, vm.zones[0].free_pages) == (1, free)
    vm.free_pages(page)
    assert vm.zones[0].free_pages == free + 1


@pytest.mark.parametrize("order", [1, 4, 10])
def test_put_frees_a_compound_page_whole(vm: VM, order: int) -> None:
    """put_page on the head of a compound page frees all of it."""
    free = vm.zones[0].free_pages
    head = vm.alloc_pages(order, GFP.KERNEL | GFP.COMP)
    assert head is not None
    head.put()
    assert vm.zones[0].free_pages == free


@pytest.mark.parametrize("operation", ["get", "put", "free_pages"])
def test_a_free_page_has_no_references_to_count(vm: VM, page: Page, operation: str) -> None:
    """Taking or dropping a reference on a page without any stops the machine, whatever the debug level."""
    vm.debug = 0
    page.put()
    operations: dict[str, Callable[[], object]] = {
        "get": page.get,
        "put": page.put,
        "free_pages": lambda: vm.free_pages(page),
    }
    with pytest.raises(KernelAssertion) as caught:
        operations[operation]()
    assert (caught.value.rule.id, caught.value.pfn) == ("page-ref-zero", page.pfn)
    assert (caught.value.expected, caught.value.seen) == ("refcount above 0", "0")


@pytest.mark.parametrize(("allocated", "freed"), [(0, 1), (2, 0), (3, 2), (0, 10)])
def test_memory_is_freed_with_its_order(vm: VM, allocated: int, freed: int) -> None:
    """Freeing with another order than that of the allocation stops the machine (spec/compaction.md 2.2)."""
    page = vm.alloc_pages(allocated)
    assert page is not None
    with pytest.raises(KernelAssertion) as caught:
        vm.free_pages(page, freed)
    assert (caught.value.rule.id, caught.value.pfn) == ("free-wrong-order", page.pfn)
    assert caught.value.seen == f"order {freed} of a page allocated with order {allocated}"


def test_put_does_not_free_a_block_without_compound_head(vm: VM) -> None:
    """put_page frees order 0: a block allocated without COMP has to go back through free_pages."""
    page = vm.alloc_pages(2)
    assert page is not None
    with pytest.raises(KernelAssertion) as caught:
        page.put()
    assert caught.value.rule.id == "free-wrong-order"


def test_a_tail_is_not_freed(vm: VM) -> None:
    """Only the head of an allocation has a reference to drop."""
    head = vm.alloc_pages(1)
    assert head is not None
    with pytest.raises(KernelAssertion) as caught:
        vm.free_pages(vm.page(head.pfn + 1))
    assert (caught.value.rule.id, caught.value.pfn) == ("page-ref-zero", head.pfn + 1)
