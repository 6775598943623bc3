"""The movable mark: the low bits of page->mapping (spec/migration.md 1.3, 6.2)."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from migration.kit import Recorder
from pages.raw import struct_page

from movable import VM, KernelAssertion, Page
from movable._core import ffi


def tagged(driver: Recorder, bits: int) -> Any:
    """The driver's mapping as a pointer that carries tag bits already."""
    pointer = ffi.cast("uintptr_t", driver.mapping.pointer)
    return SimpleNamespace(
        pointer=ffi.cast("struct address_space *", int(pointer) | bits), _machine=driver.vm.machine
    )


def test_an_unmarked_page_is_not_movable(page: Page) -> None:
    """A page whose mapping has no tag is neither __PageMovable nor PageMovable and has no mapping."""
    page.lock()
    assert (page.has_movable_tag, page.movable, page.mapping) == (False, False, None)


def test_marking_stores_mapping_and_tag(vm: VM, page: Page, driver: Recorder) -> None:
    """__SetPageMovable stores the mapping with tag 2; page_mapping gives it back without the tag (1.3)."""
    page.lock()
    page.set_movable(driver.mapping)
    assert struct_page(vm, page).mapping == int(ffi.cast("uintptr_t", driver.mapping.pointer)) + 2
    assert (page.has_movable_tag, page.movable) == (True, True)
    assert page.mapping is driver.mapping


def test_the_tag_is_read_without_the_lock(driver: Recorder) -> None:
    """__PageMovable and page_mapping need no page lock (1.3)."""
    page = driver.add()
    assert not page.locked
    assert page.has_movable_tag
    assert page.mapping is driver.mapping


def test_giving_up_leaves_the_bare_tag(vm: VM, driver: Recorder) -> None:
    """After __ClearPageMovable the mapping is 2: __PageMovable, not PageMovable, no mapping (fact 40)."""
    page = driver.add()
    driver.give_up(page)
    page.lock()
    assert struct_page(vm, page).mapping == 2
    assert (page.has_movable_tag, page.movable, page.mapping) == (True, False, None)


def test_a_given_up_page_can_be_marked_again(driver: Recorder) -> None:
    """The bare tag stays until the page is freed or marked again (6.7)."""
    page = driver.add()
    driver.give_up(page)
    page.lock()
    page.set_movable(driver.mapping)
    assert page.movable
    assert page.mapping is driver.mapping


def test_freeing_takes_the_tag_away(vm: VM, driver: Recorder) -> None:
    """A freed page has no mapping and no tag (1.5)."""
    page = driver.add()
    driver.drop(1)
    assert (page.refcount, page.has_movable_tag, page.mapping) == (0, False, None)
    assert struct_page(vm, page).mapping == 0


def test_both_tag_bits_mean_ksm(page: Page, driver: Recorder) -> None:
    """With both tag bits a page is anonymous to everyone: not movable, no mapping (fact 48)."""
    page.lock()
    page.set_movable(tagged(driver, 1))
    assert (page.has_movable_tag, page.movable, page.mapping) == (False, False, None)


def test_a_closed_mapping_makes_no_page_movable(driver: Recorder) -> None:
    """PageMovable needs an ops table with isolate_page, which a closed mapping has not (1.3)."""
    page = driver.add()
    driver.give_up(page)
    driver.mapping.close()
    page.lock()
    page.set_movable(driver.mapping)
    assert (page.has_movable_tag, page.movable) == (True, False)


def test_mapping_pages_are_those_marked(driver: Recorder) -> None:
    """AddressSpace.pages() lists the marked pages by their frames, and not those given up."""
    pages = driver.add_many(3)
    driver.give_up(pages[1])
    assert driver.mapping.pages() == sorted((pages[0], pages[2]), key=lambda page: page.pfn)


@pytest.mark.parametrize("operation", ["set_movable", "clear_movable", "movable"])
def test_the_mark_is_changed_and_tested_under_the_lock(driver: Recorder, operation: str) -> None:
    """__SetPageMovable, __ClearPageMovable and PageMovable assert that the page is locked (facts 49, 6.9)."""
    page = driver.add()
    operations: dict[str, Callable[[], object]] = {
        "set_movable": lambda: page.set_movable(driver.mapping),
        "clear_movable": page.clear_movable,
        "movable": lambda: page.movable,
    }
    with pytest.raises(KernelAssertion) as caught:
        operations[operation]()
    assert (caught.value.rule.id, caught.value.pfn) == ("page-not-locked", page.pfn)
    assert (caught.value.expected, caught.value.seen) == ("page locked", "unlocked")


def test_a_mapping_with_the_tag_is_refused(page: Page, driver: Recorder) -> None:
    """__SetPageMovable asserts that its argument does not carry tag value 2 (fact 49)."""
    page.lock()
    with pytest.raises(KernelAssertion) as caught:
        page.set_movable(tagged(driver, 2))
    assert (caught.value.rule.id, caught.value.pfn) == ("set-movable-tagged", page.pfn)
    assert (caught.value.expected, caught.value.seen) == ("low bits 0", "low bits 2")


def test_giving_up_twice_is_an_assertion(driver: Recorder) -> None:
    """The second __ClearPageMovable on a page trips its assertion (fact 49)."""
    page = driver.add()
    driver.give_up(page)
    with pytest.raises(KernelAssertion, match="given up already") as caught:
        driver.give_up(page)
    assert caught.value.rule.id == "clear-not-movable"


def test_only_marked_pages_can_be_given_up(page: Page, driver: Recorder) -> None:
    """__ClearPageMovable on a page that was never marked trips its assertion (6.2)."""
    with pytest.raises(KernelAssertion, match="never marked movable") as caught:
        driver.give_up(page)
    assert (caught.value.rule.id, caught.value.pfn) == ("clear-not-movable", page.pfn)


def test_without_debugging_the_mark_is_not_guarded(driver: Recorder) -> None:
    """At debug level 0 none of the assertions about the mark is there, as in a production kernel (6.9)."""
    page = driver.add()
    driver.vm.debug = 0
    page.set_movable(tagged(driver, 2))
    page.clear_movable()
    page.clear_movable()
    assert page.movable is False
