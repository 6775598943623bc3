"""putback_movable_pages (spec/migration.md 6.4, 6.5, facts 28, 33, 43, 44)."""

import pytest
from migration.kit import Recorder, isolate

from movable import VM, KernelAssertion, Page


def test_an_empty_list_changes_nothing(vm: VM, driver: Recorder) -> None:
    """Putting back an empty list changes no page and no counter (fact 28)."""
    driver.add()
    before = vm.vmstat()
    vm.putback_movable_pages(vm.page_list())
    assert (vm.vmstat(), driver.log) == (before, [])


def test_putback_undoes_isolation(vm: VM, driver: Recorder) -> None:
    """A page put back has its references, its place with the driver and no PG_isolated (fact 33)."""
    page = driver.add("mine")
    listed = isolate(vm, [page])
    vm.putback_movable_pages(listed)
    assert (page.refcount, page.isolated, page.locked, len(listed)) == (1, False, False, 0)
    assert page in driver.idle
    assert driver.load(1) == b"mine"


def test_the_driver_sees_the_page_locked_and_still_isolated(vm: VM, driver: Recorder) -> None:
    """In putback_page the page is locked and PG_isolated is still set; afterwards it is clear (fact 44)."""
    page = driver.add()
    vm.putback_movable_pages(isolate(vm, [page]))
    call = driver.log[-1]
    assert (call.hook, call.page, call.locked, call.isolated) == ("putback_page", page, True, True)
    assert not page.isolated


def test_pages_come_back_in_list_order(vm: VM, driver: Recorder) -> None:
    """A list is put back front to back, one callback for each page (6.5)."""
    pages = driver.add_many(4)
    vm.putback_movable_pages(isolate(vm, pages))
    assert [call.page for call in driver.calls("putback_page")] == pages


@pytest.mark.parametrize("keeps_a_reference", [True, False])
def test_a_given_up_page_is_not_put_back(vm: VM, driver: Recorder, keeps_a_reference: bool) -> None:
    """A page given up while isolated loses PG_isolated and a reference, without putback_page (fact 43)."""
    page = driver.add()
    listed = isolate(vm, [page])
    if keeps_a_reference:
        driver.give_up(page)
    else:
        driver.drop(1)
    vm.putback_movable_pages(listed)
    assert (page.refcount, page.isolated) == (int(keeps_a_reference), False)
    assert driver.calls("putback_page") == []


def test_a_page_can_be_isolated_again(vm: VM, driver: Recorder) -> None:
    """Isolation and putback can be repeated without end: nothing is left over."""
    page = driver.add()
    before = vm.vmstat()
    for _ in range(50):
        vm.putback_movable_pages(isolate(vm, [page]))
    assert (page.refcount, vm.vmstat()) == (1, before)
    assert driver.hooks() == ["isolate_page", "putback_page"] * 50


def test_putback_waits_for_the_page_lock(vm: VM, driver: Recorder) -> None:
    """Putback sleeps until whoever has the page locked releases it (6.5 step 3)."""
    waits: list[Page] = []

    def release(page: Page) -> None:
        waits.append(page)
        page.unlock()

    page = driver.add()
    listed = isolate(vm, [page])
    page.lock()
    vm.cpu = 1
    vm.wait_hook = release
    vm.putback_movable_pages(listed)
    assert waits == [page]
    assert not page.isolated


def test_putback_of_a_page_one_has_locked_is_a_deadlock(vm: VM, driver: Recorder) -> None:
    """A CPU that puts back a page it has locked itself waits for ever (2.4)."""
    page = driver.add()
    listed = isolate(vm, [page])
    page.lock()
    with pytest.raises(KernelAssertion) as caught:
        vm.putback_movable_pages(listed)
    assert (caught.value.rule.id, caught.value.pfn) == ("self-deadlock", page.pfn)


def test_pages_of_several_drivers_go_home(vm: VM, driver: Recorder) -> None:
    """A migration list may hold pages of several drivers; each gets its own back."""
    other = Recorder(vm)
    mine, its = driver.add(), other.add()
    vm.putback_movable_pages(isolate(vm, [its, mine]))
    assert [call.page for call in driver.calls("putback_page")] == [mine]
    assert [call.page for call in other.calls("putback_page")] == [its]
