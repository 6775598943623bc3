"""Counters and task flags (spec/migration.md 3.2, 10, facts 1, 16, 46)."""

import errno

import pytest
from migration.kit import Recorder, Targets, add_low, compact, isolate

from movable import VM, Page, PageFlag

PF_SWAPWRITE = 0x00800000


def test_an_empty_list_counts_nothing(vm: VM, targets: Targets) -> None:
    """Migrating an empty list returns 0, asks for no target and moves no counter (fact 1)."""
    before = vm.vmstat()
    result = vm.migrate_pages(vm.page_list(), targets.get, targets.put)
    assert (result.ret, result.succeeded, result.failed, dict(result.status)) == (0, 0, 0, {})
    assert (vm.vmstat(), targets.asked) == (before, [])


@pytest.mark.parametrize(
    ("flag", "counter"), [(PageFlag(0), "nr_isolated_file"), (PageFlag.SWAPBACKED, "nr_isolated_anon")]
)
def test_isolated_pages_are_counted(
    vm: VM, driver: Recorder, targets: Targets, flag: PageFlag, counter: str
) -> None:
    """Three isolated pages are 3 in nr_isolated_file, or _anon if swapbacked; 0 after migration (fact 46)."""
    pages = driver.add_many(3)
    for page in pages:
        page.set_flag(flag)
    listed = isolate(vm, pages)
    stat = vm.vmstat()
    assert stat[counter] == 3
    assert stat["nr_isolated_file"] + stat["nr_isolated_anon"] == 3
    vm.migrate_pages(listed, targets.get)
    assert vm.vmstat()[counter] == 0


def test_putback_counts_down(vm: VM, driver: Recorder) -> None:
    """Putting back three pages takes 3 from nr_isolated_file (fact 46)."""
    listed = isolate(vm, driver.add_many(3))
    vm.putback_movable_pages(listed)
    assert vm.vmstat()["nr_isolated_file"] == 0


def test_compaction_counts_alike(vm: VM, driver: Recorder) -> None:
    """While compaction holds pages they are in nr_isolated_file; afterwards none is (fact 46)."""
    add_low(driver, 50)
    seen = []

    def look(newpage: Page, oldpage: Page) -> int:
        seen.append(vm.vmstat()["nr_isolated_file"])
        return -errno.EBUSY

    driver.answers = [look]
    compact(vm)
    assert seen == [32]
    assert vm.vmstat()["nr_isolated_file"] == 0


def test_eagain_stays_counted(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A page that stays on the list stays counted as isolated (3.2)."""
    driver.answers = [-errno.EAGAIN] * 10
    listed = isolate(vm, [driver.add()])
    vm.migrate_pages(listed, targets.get)
    assert vm.vmstat()["nr_isolated_file"] == 1
    vm.putback_movable_pages(listed)
    assert vm.vmstat()["nr_isolated_file"] == 0


@pytest.mark.parametrize(
    ("answers", "success", "fail"),
    [
        ([], 3, 0),
        ([-errno.EBUSY], 2, 1),
        ([-errno.EAGAIN], 3, 0),
        ([-errno.EBUSY, -errno.EBUSY, -errno.EBUSY], 0, 3),
        ([0, -errno.ENOMEM], 1, 1),
        ([-errno.EAGAIN] * 40, 0, 3),
    ],
    ids=str,
)
def test_outcomes_are_counted(
    vm: VM, driver: Recorder, targets: Targets, answers: list[int], success: int, fail: int
) -> None:
    """pgmigrate_success and pgmigrate_fail grow by what succeeded and failed, once, at the end (10)."""
    driver.answers = list(answers)
    listed = isolate(vm, driver.add_many(3))
    vm.migrate_pages(listed, targets.get)
    stat = vm.vmstat()
    assert (stat["pgmigrate_success"], stat["pgmigrate_fail"]) == (success, fail)
    vm.putback_movable_pages(listed)


def test_swapwrite_is_set_for_the_call(vm: VM, driver: Recorder, targets: Targets) -> None:
    """PF_SWAPWRITE is set while callbacks run and clear again afterwards (fact 16)."""
    vm.migrate_pages(isolate(vm, [driver.add()]), targets.get)
    isolated, migrated = driver.log
    assert not isolated.task_flags & PF_SWAPWRITE
    assert migrated.task_flags & PF_SWAPWRITE
    assert not vm.task_flags & PF_SWAPWRITE


@pytest.mark.parametrize("answer", [-errno.EBUSY, -errno.ENOMEM], ids=["failure", "ENOMEM"])
def test_swapwrite_is_restored_on_failure(vm: VM, driver: Recorder, targets: Targets, answer: int) -> None:
    """PF_SWAPWRITE is clear again after a failed and after a stopped call (fact 16)."""
    driver.answers = [answer]
    vm.migrate_pages(isolate(vm, [driver.add()]), targets.get)
    assert not vm.task_flags & PF_SWAPWRITE


def test_an_inner_call_leaves_swapwrite_set(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A call inside a call restores the flag to what it was: set (fact 16)."""
    flags = []
    first, second = driver.add_many(2)

    def migrate_the_other(newpage: Page, oldpage: Page) -> int:
        inner = isolate(vm, [second])
        assert vm.migrate_pages(inner, targets.get).ret == 0
        flags.append(vm.task_flags)
        return -errno.EBUSY

    driver.answers = [migrate_the_other]
    vm.migrate_pages(isolate(vm, [first]), targets.get)
    assert [flag & PF_SWAPWRITE for flag in flags] == [PF_SWAPWRITE]
    assert not vm.task_flags & PF_SWAPWRITE


def test_no_memory_is_lost_or_made(vm: VM, driver: Recorder, targets: Targets) -> None:
    """Through every outcome the free pages are the managed pages without those in use."""
    zone = vm.zones[0]
    driver.answers = [0, -errno.EAGAIN, -errno.EBUSY, 0, -errno.EIO, -errno.EAGAIN, 0, 0, -errno.ENOMEM]
    listed = isolate(vm, driver.add_many(8))
    vm.migrate_pages(listed, targets.get, targets.put)
    vm.putback_movable_pages(listed)
    assert zone.free_pages + 8 == zone.managed
