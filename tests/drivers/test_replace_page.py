"""AddressSpace.replace_page: what success asks of migratepage, in one call (spec/migration.md 6.8 (11))."""

from typing import Any

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import VM, KernelAssertion, Page, PageType


def replace(driver: Recorder, newpage: Page, oldpage: Page) -> int:
    """Move a page with one call, then what is the driver's own."""
    driver.mapping.replace_page(newpage, oldpage)
    driver._redirect(newpage.private, newpage)
    return 0


def test_it_is_all_that_success_asks(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A driver that calls it, and updates its own tables, has moved the page by the rules (fact 37)."""
    old = driver.add("contents")
    driver.answers = [lambda new, old: replace(driver, new, old)]
    result = vm.migrate_pages(isolate(vm, [old]), targets.get)
    (new,) = targets.got
    assert (result.ret, old.refcount, new.refcount) == (0, 0, 1)
    assert new.mapping is driver.mapping
    assert driver.load(1) == b"contents"
    driver.check()


def test_it_moves_fields_and_contents(vm: VM, driver: Recorder, targets: Targets) -> None:
    """Contents, private, index and page type are the new page's; private and type of the old are reset."""
    seen: list[tuple[Any, ...]] = []
    old = driver.add()
    old.private, old.index, old.page_type = 12345, 67890, PageType.BALLOON
    old.data[:] = bytes(range(256)) * 16
    driver.cells[12345] = driver.cells.pop(1)

    def move(new: Page, old: Page) -> int:
        driver.mapping.replace_page(new, old)
        seen.append((new.private, new.index, new.page_type, bytes(new.data)))
        seen.append((old.private, old.page_type, old.refcount, old.has_movable_tag, old.movable))
        return 0

    driver.answers = [move]
    vm.migrate_pages(isolate(vm, [old]), targets.get)
    assert seen[0] == (12345, 67890, PageType.BALLOON, bytes(range(256)) * 16)
    assert seen[1] == (0, PageType.NONE, 1, True, False)


@pytest.mark.parametrize("which", ["old", "new"])
def test_both_pages_must_be_locked(vm: VM, driver: Recorder, which: str) -> None:
    """It asserts that both pages are locked, and names the one that is not (6.9)."""
    old, new = driver.add(), vm.alloc_page()
    assert new is not None
    (new if which == "old" else old).lock()
    with pytest.raises(KernelAssertion) as caught:
        driver.mapping.replace_page(new, old)
    expected = old if which == "old" else new
    assert (caught.value.rule.id, caught.value.pfn) == ("page-not-locked", expected.pfn)


def test_only_movable_pages_are_replaced(vm: VM, driver: Recorder) -> None:
    """A page that is not the driver's, or was given up, cannot be replaced: __ClearPageMovable asserts."""
    old, new = vm.alloc_page(), vm.alloc_page()
    assert old is not None
    assert new is not None
    old.lock()
    new.lock()
    with pytest.raises(KernelAssertion) as caught:
        driver.mapping.replace_page(new, old)
    assert (caught.value.rule.id, caught.value.pfn) == ("clear-not-movable", old.pfn)


def test_a_driver_may_replace_outside_migration(vm: VM, driver: Recorder) -> None:
    """A driver may move an object to another frame by itself; it holds both pages until it unlocked them."""
    old, new = driver.add("by hand"), vm.alloc_page()
    assert new is not None
    old.get()
    old.lock()
    new.lock()
    driver.idle.remove(old)
    replace(driver, new, old)
    for page in (old, new):
        page.unlock()
        page.put()
    assert (old.refcount, new.refcount, driver.load(1)) == (0, 1, b"by hand")
    driver.close()
    assert vm.zones[0].free_pages == vm.zones[0].managed
