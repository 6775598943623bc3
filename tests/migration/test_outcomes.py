"""What migratepage answers and what becomes of the pages (spec/migration.md 3, 4.4, facts 33-37)."""

import errno

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import VM, MigrateMode, MigrateReason, PageFlag

PERMANENT = [errno.EBUSY, errno.EIO, errno.EINVAL, errno.ENOSYS, errno.EPERM, 4095]


def test_success_moves_the_page(vm: VM, driver: Recorder, targets: Targets) -> None:
    """After 0 the old page is free; the new one has one reference, is movable and on no LRU (fact 37)."""
    old = driver.add("contents")
    listed = isolate(vm, [old])
    result = vm.migrate_pages(listed, targets.get, targets.put)
    (new,) = targets.got
    assert (result.ret, result.succeeded, result.failed, len(listed)) == (0, 1, 0, 0)
    assert (old.refcount, old.isolated, old.mapping) == (0, False, None)
    assert (new.refcount, new.isolated, new.locked) == (1, False, False)
    assert new.mapping is driver.mapping
    assert not new.flags & PageFlag.LRU
    assert targets.returned == []
    assert driver.load(1) == b"contents"


def test_the_driver_sees_both_pages_locked(vm: VM, driver: Recorder, targets: Targets) -> None:
    """In migratepage both pages are locked, the old one isolated, the new one fresh (spec/drivers.md 0.3)."""
    seen = []

    def look(newpage: object, oldpage: object) -> int:
        new = targets.got[-1]
        seen.append((new is newpage, new.locked, new.refcount, new.mapping, new.has_movable_tag))
        return -errno.EBUSY

    old = driver.add()
    driver.answers = [look]
    vm.migrate_pages(isolate(vm, [old]), targets.get)
    call = driver.calls("migratepage")[0]
    assert (call.page, call.locked, call.isolated, call.refcount) == (old, True, True, 2)
    assert seen == [(True, True, 1, None, False)]


@pytest.mark.parametrize("mode", MigrateMode)
def test_the_mode_reaches_the_driver(vm: VM, driver: Recorder, targets: Targets, mode: MigrateMode) -> None:
    """migratepage gets the mode of the call (3.1)."""
    driver.add()
    vm.migrate_pages(isolate(vm, [driver.cells[1]]), targets.get, mode=mode)
    assert [call.mode for call in driver.calls("migratepage")] == [mode]


@pytest.mark.parametrize("mode", MigrateMode)
def test_eagain_is_asked_ten_times(vm: VM, driver: Recorder, targets: Targets, mode: MigrateMode) -> None:
    """-EAGAIN for ever: ten calls with a fresh target each, the page stays isolated on the list (fact 33)."""
    page = driver.add()
    driver.answers = [-errno.EAGAIN] * 20
    listed = isolate(vm, [page])
    result = vm.migrate_pages(listed, targets.get, targets.put, mode=mode)
    calls = driver.calls("migratepage")
    assert (result.ret, result.failed, list(listed)) == (1, 1, [page])
    assert [call.newpage for call in calls] == targets.got == targets.returned
    assert (len(calls), driver.calls("putback_page")) == (10, [])
    assert (page.isolated, page.refcount) == (True, 2)
    vm.putback_movable_pages(listed)
    assert len(driver.calls("putback_page")) == 1
    assert (page.isolated, page.refcount) == (False, 1)


@pytest.mark.parametrize("refusals", range(1, 10))
def test_eagain_and_then_success(vm: VM, driver: Recorder, targets: Targets, refusals: int) -> None:
    """n times -EAGAIN and then 0: n + 1 targets, n of them given back, no putback (facts 7, 36)."""
    driver.answers = [-errno.EAGAIN] * refusals
    result = vm.migrate_pages(isolate(vm, [driver.add()]), targets.get, targets.put)
    assert (result.ret, result.succeeded) == (0, 1)
    assert (len(targets.got), len(targets.returned)) == (refusals + 1, refusals)
    assert driver.calls("putback_page") == []


@pytest.mark.parametrize("number", PERMANENT)
def test_other_errors_give_up_at_once(vm: VM, driver: Recorder, targets: Targets, number: int) -> None:
    """Any other errno: one call, one putback inside, the list empty, references back (facts 18, 34)."""
    page = driver.add()
    driver.answers = [-number]
    listed = isolate(vm, [page])
    result = vm.migrate_pages(listed, targets.get, targets.put)
    assert (result.ret, result.failed, len(listed)) == (1, 1, 0)
    assert driver.hooks() == ["isolate_page", "migratepage", "putback_page"]
    assert (page.refcount, page.isolated, page in driver.idle) == (1, False, True)
    assert targets.returned == targets.got
    assert result.status == {page.pfn: -number}


def test_enomem_stops_the_call(vm: VM, driver: Recorder, targets: Targets) -> None:
    """-ENOMEM of a driver: put back like any failure, and the rest of the list is untouched (fact 35)."""
    pages = driver.add_many(3)
    driver.answers = [0, -errno.ENOMEM]
    listed = isolate(vm, pages)
    result = vm.migrate_pages(listed, targets.get, targets.put)
    assert (result.ret, result.succeeded, result.failed) == (-errno.ENOMEM, 1, 1)
    assert list(listed) == [pages[2]]
    assert [call.page for call in driver.calls("putback_page")] == [pages[1]]
    assert result.status == {pages[0].pfn: 0, pages[1].pfn: -errno.ENOMEM}
    assert (pages[2].refcount, pages[2].isolated) == (2, True)


def test_a_failure_does_not_stop_the_others(vm: VM, driver: Recorder, targets: Targets) -> None:
    """Two that say -EAGAIN and one -EBUSY: 3 failed, and the list holds the two in their order (fact 15)."""
    pages = driver.add_many(3)
    driver.answers = [-errno.EAGAIN, -errno.EBUSY, *[-errno.EAGAIN] * 30]
    listed = isolate(vm, pages)
    result = vm.migrate_pages(listed, targets.get)
    assert (result.ret, result.failed) == (3, 3)
    assert list(listed) == [pages[0], pages[2]]


def test_putback_follows_each_isolation_at_most_once(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A page put back inside migrate_pages is not put back by its caller again (spec/drivers.md 8 (5))."""
    driver.answers = [-errno.EBUSY]
    listed = isolate(vm, [driver.add()])
    vm.migrate_pages(listed, targets.get)
    vm.putback_movable_pages(listed)
    assert len(driver.calls("putback_page")) == 1


@pytest.mark.parametrize("reason", MigrateReason)
def test_the_reason_changes_nothing(
    vm: VM, driver: Recorder, targets: Targets, reason: MigrateReason
) -> None:
    """Drivers' pages migrate alike for every reason (3.1)."""
    driver.add("same")
    result = vm.migrate_pages(isolate(vm, [driver.cells[1]]), targets.get, reason=reason)
    assert (result.ret, driver.load(1)) == (0, b"same")


def test_a_foreign_reference_keeps_the_old_page(vm: VM, driver: Recorder, targets: Targets) -> None:
    """References of others are not the VM's business: the page moves, and they keep the old frame (2.1)."""
    old = driver.add("moved")
    old.get()
    result = vm.migrate_pages(isolate(vm, [old]), targets.get)
    assert (result.ret, old.refcount, old.isolated) == (0, 1, False)
    assert (old.has_movable_tag, old.mapping) == (True, None)
    assert driver.load(1) == b"moved"
    old.put()


def test_many_pages_keep_their_contents(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A thousand objects move again and again, and each is still what it was."""
    driver.add_many(1000)
    for _ in range(3):
        listed = isolate(vm, list(driver.idle))
        assert vm.migrate_pages(listed, targets.get, targets.put).succeeded == 1000
    assert [driver.load(handle) for handle in driver.cells] == [f"object {n}".encode() for n in range(1000)]
    driver.check()
    driver.close()
    assert vm.zones[0].free_pages == vm.zones[0].managed


def test_results_read_as_sentences(vm: VM, driver: Recorder) -> None:
    """A MigrateResult says how many pages moved and failed, and what stopped it."""
    driver.add_many(3)
    targets = Targets(vm, failing=[2])
    result = vm.migrate_pages(isolate(vm, list(driver.idle)), targets.get)
    assert str(result) == "1 moved, 1 failed, stopped: Cannot allocate memory"
