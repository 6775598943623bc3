"""Targets that run out, and the list afterwards (spec/migration.md 3.3-3.5, facts 13, 14, 18, 20)."""

import errno

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import VM, Page


def test_no_target_stops_the_call(vm: VM, driver: Recorder) -> None:
    """Three pages, second allocation None: -ENOMEM, the list is the second and the third (fact 13)."""
    pages = driver.add_many(3)
    listed = isolate(vm, pages)
    before = vm.vmstat()
    result = vm.migrate_pages(listed, Targets(vm, failing=[2]).get)
    after = vm.vmstat()
    assert (result.ret, result.succeeded, result.failed) == (-errno.ENOMEM, 1, 1)
    assert list(listed) == pages[1:]
    assert after["pgmigrate_success"] - before["pgmigrate_success"] == 1
    assert after["pgmigrate_fail"] - before["pgmigrate_fail"] == 1


def test_a_page_without_target_is_untouched(vm: VM, driver: Recorder) -> None:
    """The page whose target was missing is still isolated and on the list, its result unwritten (3.4, 18)."""
    page = driver.add()
    listed = isolate(vm, [page])
    result = vm.migrate_pages(listed, Targets(vm, failing=[1]).get)
    assert (result.ret, dict(result.status)) == (-errno.ENOMEM, {})
    assert (page.refcount, page.isolated, list(listed)) == (2, True, [page])
    assert driver.hooks() == ["isolate_page"]


def test_pages_to_be_retried_are_in_no_count(vm: VM, driver: Recorder) -> None:
    """A says -EAGAIN, then B has no target: -ENOMEM, list A, B; A is in no statistic (fact 14)."""
    pages = driver.add_many(2)
    driver.answers = [-errno.EAGAIN]
    listed = isolate(vm, pages)
    result = vm.migrate_pages(listed, Targets(vm, failing=[2]).get)
    assert (result.ret, result.succeeded, result.failed) == (-errno.ENOMEM, 0, 1)
    assert list(listed) == pages
    assert vm.vmstat()["pgmigrate_fail"] == 1
    assert result.status == {pages[0].pfn: -errno.EAGAIN}


@pytest.mark.parametrize("attempt", [2, 5, 10])
def test_targets_can_run_out_in_any_pass(vm: VM, driver: Recorder, attempt: int) -> None:
    """When a later attempt finds no target the call ends there with -ENOMEM."""
    page = driver.add()
    driver.answers = [-errno.EAGAIN] * 20
    listed = isolate(vm, [page])
    targets = Targets(vm, failing=[attempt])
    result = vm.migrate_pages(listed, targets.get, targets.put)
    assert (result.ret, result.failed, len(targets.asked)) == (-errno.ENOMEM, 1, attempt)
    assert list(listed) == [page]


def test_the_order_of_the_list_is_kept(vm: VM, driver: Recorder) -> None:
    """Pages tried and pages not tried stay in the caller's order, whatever pass the call stopped in."""
    pages = driver.add_many(5)
    driver.answers = [-errno.EAGAIN] * 7
    listed = isolate(vm, pages)
    vm.migrate_pages(listed, Targets(vm, failing=[8]).get)
    assert list(listed) == pages


def test_what_is_left_can_be_put_back_or_tried_again(vm: VM, driver: Recorder, targets: Targets) -> None:
    """The caller of a stopped call may call again with the same list, and puts back what is left (3.3)."""
    pages = driver.add_many(3)
    listed = isolate(vm, pages)
    vm.migrate_pages(listed, Targets(vm, failing=[1]).get)
    driver.answers = [0, -errno.EAGAIN, 0, *[-errno.EAGAIN] * 9]
    result = vm.migrate_pages(listed, targets.get)
    assert (result.succeeded, result.failed, list(listed)) == (2, 1, [pages[1]])
    vm.putback_movable_pages(listed)
    assert vm.vmstat()["nr_isolated_file"] == 0
    assert [driver.load(handle) for handle in driver.cells] == [b"object 0", b"object 1", b"object 2"]


def test_a_freed_page_still_costs_a_target(vm: VM, driver: Recorder) -> None:
    """The target is asked for before the freed-page test, so a freed page can end in -ENOMEM (fact 20)."""
    page = driver.add()
    listed = isolate(vm, [page])
    driver.drop(1)
    result = vm.migrate_pages(listed, Targets(vm, failing=[1]).get)
    assert (result.ret, result.failed, list(listed)) == (-errno.ENOMEM, 1, [page])
    vm.putback_movable_pages(listed)
    assert page.refcount == 0


def test_the_machine_itself_may_be_full(vm: VM, driver: Recorder) -> None:
    """With all memory in use the node's own target allocator finds none: -ENOMEM, nothing lost."""
    page = driver.add("kept")
    taken: list[Page] = []
    while (spare := vm.alloc_page()) is not None:
        taken.append(spare)
    listed = isolate(vm, [page])
    result = vm.migrate_pages(listed, vm.target_node(0))
    assert (result.ret, list(listed)) == (-errno.ENOMEM, [page])
    vm.putback_movable_pages(listed)
    assert driver.load(1) == b"kept"
