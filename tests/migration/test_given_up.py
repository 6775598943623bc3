"""Pages given up while they are isolated: state G (spec/migration.md 6.7, facts 19, 41, 42)."""

import errno

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import VM, MigrateMode, Page, PageFlag


@pytest.mark.parametrize("mode", MigrateMode)
def test_a_released_page_counts_as_moved(
    vm: VM, driver: Recorder, targets: Targets, mode: MigrateMode
) -> None:
    """Refs 1: no callback, the target given back, success counted, the page freed (facts 19, 41)."""
    page = driver.add()
    listed = isolate(vm, [page])
    driver.drop(1)
    result = vm.migrate_pages(listed, targets.get, targets.put, mode=mode)
    assert (result.ret, result.succeeded, len(listed)) == (0, 1, 0)
    assert (len(targets.got), targets.returned) == (1, targets.got)
    assert (page.refcount, driver.hooks()) == (0, ["isolate_page"])
    assert vm.vmstat()["pgmigrate_success"] == 1


def test_a_released_page_loses_its_lru_flags(vm: VM, driver: Recorder, targets: Targets) -> None:
    """PG_active and PG_unevictable are cleared before such a page is freed, so free reports nothing (19)."""
    page = driver.add()
    listed = isolate(vm, [page])
    page.set_flag(PageFlag.ACTIVE | PageFlag.UNEVICTABLE)
    driver.drop(1)
    assert vm.migrate_pages(listed, targets.get).ret == 0
    assert (page.refcount, page.flags) == (0, PageFlag(0))


def test_without_put_new_page_the_target_is_freed(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A target that a released page does not need goes back to the allocator (4.1 step 2c)."""
    page = driver.add()
    listed = isolate(vm, [page])
    driver.drop(1)
    vm.migrate_pages(listed, targets.get)
    assert [target.refcount for target in targets.got] == [0]


def test_a_page_given_up_but_held_goes_back_to_its_owner(vm: VM, driver: Recorder, targets: Targets) -> None:
    """Refs 2: success without migratepage or put_new_page; refs 1, PG_isolated clear (fact 42)."""
    page = driver.add()
    listed = isolate(vm, [page])
    driver.give_up(page)
    result = vm.migrate_pages(listed, targets.get, targets.put)
    assert (result.ret, result.succeeded, targets.returned) == (0, 1, [])
    assert (page.refcount, page.isolated, page.locked) == (1, False, False)
    assert driver.hooks() == ["isolate_page"]
    assert result.status == {page.pfn: 0}


def test_its_target_passes_through_the_lru(vm: VM, driver: Recorder, targets: Targets) -> None:
    """The unused target waits in the pagevec as an inactive-file page and is freed by the drain (6.7)."""
    page = driver.add()
    listed = isolate(vm, [page])
    driver.give_up(page)
    vm.migrate_pages(listed, targets.get, targets.put)
    (target,) = targets.got
    assert (target.refcount, target.flags, vm.vmstat()["nr_inactive_file"]) == (1, PageFlag(0), 0)
    vm.lru_add_drain_all()
    assert (target.refcount, vm.vmstat()["nr_inactive_file"]) == (0, 0)


def test_the_fourteenth_target_flushes_the_pagevec(vm: VM, driver: Recorder, targets: Targets) -> None:
    """Fourteen unused targets flush themselves: the vector holds that many (7.4, fact 52)."""
    pages = driver.add_many(14)
    for count, page in enumerate(pages, 1):
        listed = isolate(vm, [page])
        driver.give_up(page)
        vm.migrate_pages(listed, targets.get)
        waiting = sum(target.refcount for target in targets.got)
        assert waiting == (count if count < 14 else 0)


def test_each_cpu_has_a_pagevec(vm: VM, driver: Recorder, targets: Targets) -> None:
    """Targets wait in the vector of the CPU that migrated, and a drain of all CPUs empties them (7.4)."""
    for cpu in (0, 1):
        vm.cpu = cpu
        page = driver.add()
        listed = isolate(vm, [page])
        driver.give_up(page)
        vm.migrate_pages(listed, targets.get)
    assert [target.refcount for target in targets.got] == [1, 1]
    vm.lru_add_drain_all()
    assert [target.refcount for target in targets.got] == [0, 0]


def test_an_owner_can_give_up_between_attempts(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A page given up after -EAGAIN is not asked about again: the next attempt succeeds (6.7)."""
    page = driver.add()
    listed = isolate(vm, [page])
    driver.answers = [-errno.EAGAIN] * 10

    def get(old: Page) -> Page | None:
        if len(targets.asked) == 1:
            driver.drop(1)
        return targets.get(old)

    result = vm.migrate_pages(listed, get, targets.put)
    assert (result.ret, len(targets.got), targets.returned) == (0, 2, targets.got)
    assert len(driver.calls("migratepage")) == 1
    assert page.refcount == 0


def test_an_owner_can_give_up_inside_migratepage(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A driver that gives the page up and answers -EBUSY is not called again (spec/drivers.md 6.3)."""
    page = driver.add()

    def give_up(newpage: Page, oldpage: Page) -> int:
        driver.cells.clear()
        oldpage.clear_movable()
        oldpage.private = 0
        oldpage.put()
        return -errno.EBUSY

    driver.answers = [give_up]
    result = vm.migrate_pages(isolate(vm, [page]), targets.get)
    assert (result.ret, page.refcount, page.isolated) == (1, 0, False)
    assert driver.hooks() == ["isolate_page", "migratepage"]


def test_a_given_up_page_can_be_marked_again(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A page that came back to its owner unmarked can be marked and moved like a new one (6.7 F)."""
    page = driver.add("again")
    listed = isolate(vm, [page])
    driver.give_up(page)
    vm.migrate_pages(listed, targets.get)
    page.lock()
    page.set_movable(driver.mapping)
    page.unlock()
    driver.idle.add(page)
    assert vm.migrate_pages(isolate(vm, [page]), targets.get).succeeded == 1
    assert driver.load(1) == b"again"
    assert page.refcount == 0
