"""isolate_movable_page (spec/migration.md 6.3, facts 29-32; spec/drivers.md 8 (1)-(4))."""

from itertools import combinations

import pytest
from migration.kit import Recorder, isolate
from pages.raw import struct_page

from movable import VM, IsolateMode, Page

MODES = [
    sum(bits, IsolateMode(0))
    for count in range(5)
    for bits in combinations(IsolateMode.__members__.values(), count)
]


def test_a_free_page_is_not_isolated(vm: VM) -> None:
    """A page without references is refused and stays without (fact 29)."""
    page = vm.alloc_page()
    assert page is not None
    page.put()
    assert vm.isolate_movable_page(page) is False
    assert page.refcount == 0


def test_an_unmarked_page_is_not_isolated(vm: VM) -> None:
    """A page that is not movable is refused with its references as they were (fact 29)."""
    page = vm.alloc_page()
    assert page is not None
    assert vm.isolate_movable_page(page) is False
    assert (page.refcount, page.locked, page.isolated) == (1, False, False)


def test_a_given_up_page_is_not_isolated(vm: VM, driver: Recorder) -> None:
    """A page that has only the bare tag left is refused: it is not PageMovable (6.3 step 4)."""
    page = driver.add()
    driver.give_up(page)
    assert vm.isolate_movable_page(page) is False
    assert (page.refcount, page.locked, driver.log) == (1, False, [])


@pytest.mark.parametrize("cpu", [0, 1])
def test_a_locked_page_is_not_isolated(vm: VM, driver: Recorder, cpu: int) -> None:
    """A page that anybody has locked is refused at once: isolation never waits (fact 29)."""
    waits: list[Page] = []
    vm.wait_hook = waits.append
    page = driver.add()
    page.lock()
    vm.cpu = cpu
    assert vm.isolate_movable_page(page) is False
    assert (page.refcount, page.lock_owner, driver.log, waits) == (1, 0, [], [])


def test_a_page_is_isolated_once(vm: VM, driver: Recorder) -> None:
    """A page that is isolated already is refused, references unchanged, no callback made (facts 29, 31)."""
    page = driver.add()
    assert vm.isolate_movable_page(page)
    assert vm.isolate_movable_page(page) is False
    assert (page.refcount, driver.hooks()) == (2, ["isolate_page"])


def test_isolation_takes_a_reference_and_the_mark(vm: VM, driver: Recorder) -> None:
    """Isolation adds one reference, sets PG_isolated and leaves the page unlocked (fact 31)."""
    page = driver.add()
    assert vm.isolate_movable_page(page) is True
    assert (page.refcount, page.isolated, page.locked) == (2, True, False)
    assert page.mapping is driver.mapping


def test_the_driver_sees_the_page_locked_and_held(vm: VM, driver: Recorder) -> None:
    """In isolate_page the page is locked, referenced by the VM and not yet isolated (fact 32)."""
    page = driver.add()
    vm.isolate_movable_page(page)
    (call,) = driver.log
    assert (call.page, call.locked, call.refcount, call.isolated) == (page, True, 2, False)


def test_a_refusal_changes_nothing(vm: VM, driver: Recorder) -> None:
    """When isolate_page says no the page is unlocked, not isolated, its references as before (fact 30)."""
    page = driver.add()
    driver.refused.add(page)
    assert vm.isolate_movable_page(page) is False
    assert (page.refcount, page.locked, page.isolated) == (1, False, False)
    assert page in driver.idle


def test_a_refused_page_can_be_asked_again(vm: VM, driver: Recorder) -> None:
    """A page whose driver said no once may be isolated later (6.3)."""
    page = driver.add()
    driver.refused.add(page)
    assert not vm.isolate_movable_page(page)
    driver.refused.clear()
    assert vm.isolate_movable_page(page)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_the_mode_reaches_the_driver(vm: VM, driver: Recorder, mode: IsolateMode) -> None:
    """isolate_page gets the caller's mode, whatever bits it has (6.1)."""
    vm.isolate_movable_page(driver.add(), mode)
    assert driver.log[0].mode == mode
    assert isinstance(driver.log[0].mode, IsolateMode)


def test_the_last_reference_may_be_the_refused_ones(vm: VM, driver: Recorder) -> None:
    """If the owner lets go while he refuses, dropping isolation's reference frees the page (6.3)."""
    page = driver.add()
    free = vm.zones[0].free_pages

    def free_it(page: Page) -> bool:
        driver.idle.remove(page)
        page.clear_movable()
        page.put()
        return False

    driver.on_isolate = free_it
    vm.debug = 0
    assert vm.isolate_movable_page(page) is False
    assert (page.refcount, vm.zones[0].free_pages) == (0, free + 1)


def test_a_list_takes_isolated_pages_at_its_tail(vm: VM, driver: Recorder) -> None:
    """PageList.isolate links the page behind those it has, with PG_isolated and a reference each (6.3)."""
    pages = driver.add_many(3)
    listed = isolate(vm, pages)
    assert list(listed) == pages
    assert [page.refcount for page in pages] == [2, 2, 2]
    assert all(page.isolated and page.on_list for page in pages)


def test_a_list_does_not_take_what_was_refused(vm: VM, driver: Recorder) -> None:
    """A page whose driver said no is on no migration list and in no counter (6.3)."""
    page = driver.add()
    driver.refused.add(page)
    listed = vm.page_list()
    assert listed.isolate(page) is False
    assert (len(listed), vm.vmstat()["nr_isolated_file"]) == (0, 0)


def test_an_isolated_page_can_be_dropped(vm: VM, driver: Recorder) -> None:
    """A driver may release an isolated page under its lock; the VM's reference keeps it (6.8 (7))."""
    page = driver.add()
    listed = isolate(vm, [page])
    assert driver.drop(1)
    assert (page.refcount, page.isolated, page.mapping) == (1, True, None)
    assert list(listed) == [page]


def test_ksm_pages_are_not_isolated(vm: VM, driver: Recorder) -> None:
    """A page with both tag bits is not __PageMovable and is refused (1.3, fact 48)."""
    page = driver.add()
    raw = struct_page(vm, page)
    raw.mapping |= 3
    assert vm.isolate_movable_page(page) is False
    assert (page.refcount, driver.log) == (1, [])
