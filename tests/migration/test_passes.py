"""Passes, force, page locks and writeback (spec/migration.md 3.2, 4.2, 4.3, facts 8-12, 17, 45, 47)."""

import errno
from collections.abc import Callable

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import GFP, VM, CompactPriority, KernelAssertion, MigrateMode, Page, PageFlag

PF_MEMALLOC = 0x800
BLOCKING = [MigrateMode.SYNC_LIGHT, MigrateMode.SYNC]


@pytest.fixture
def page(driver: Recorder) -> Page:
    """The page that is to move."""
    return driver.add("contents")


@pytest.fixture
def waits(vm: VM) -> list[Page]:
    """The pages whose lock was waited for; each wait lets the holder, CPU 1, release it."""
    waited: list[Page] = []

    def release(page: Page) -> None:
        waited.append(page)
        page.unlock()

    vm.wait_hook = release
    return waited


def lock_on_cpu_1(vm: VM, page: Page) -> None:
    """Have another CPU hold the page lock."""
    vm.cpu = 1
    page.lock()
    vm.cpu = 0


def test_async_never_waits_for_a_lock(
    vm: VM, driver: Recorder, targets: Targets, page: Page, waits: list[Page]
) -> None:
    """ASYNC tries a locked page ten times, makes no callback and never sleeps (facts 8, 47)."""
    listed = isolate(vm, [page])
    lock_on_cpu_1(vm, page)
    result = vm.migrate_pages(listed, targets.get, targets.put, mode=MigrateMode.ASYNC)
    assert (result.ret, len(targets.got), len(targets.returned)) == (1, 10, 10)
    assert (waits, driver.calls("migratepage"), list(listed)) == ([], [], [page])
    assert result.status == {page.pfn: -errno.EAGAIN}


@pytest.mark.parametrize("mode", BLOCKING, ids=str)
def test_the_fourth_attempt_waits_for_a_lock(
    vm: VM, driver: Recorder, targets: Targets, page: Page, waits: list[Page], mode: MigrateMode
) -> None:
    """Attempts 1-3 are not forced; the fourth sleeps on the lock and moves the page (facts 9, 10, 17)."""
    listed = isolate(vm, [page])
    lock_on_cpu_1(vm, page)
    result = vm.migrate_pages(listed, targets.get, targets.put, mode=mode)
    assert (result.ret, result.succeeded) == (0, 1)
    assert (len(targets.got), len(targets.returned), waits) == (4, 3, [page])
    assert driver.load(1) == b"contents"


@pytest.mark.parametrize("attempt", range(1, 5))
def test_a_lock_that_is_released_in_time_is_not_waited_for(
    vm: VM, driver: Recorder, targets: Targets, page: Page, waits: list[Page], attempt: int
) -> None:
    """A lock released before attempt n costs n targets and no wait (fact 7, for locks)."""
    listed = isolate(vm, [page])
    lock_on_cpu_1(vm, page)

    def get(old: Page) -> Page | None:
        if len(targets.asked) + 1 == attempt:
            page.unlock()
        return targets.get(old)

    result = vm.migrate_pages(listed, get, targets.put)
    assert (result.ret, len(targets.got), waits) == (0, attempt, [])


def test_a_lock_that_is_never_released_is_a_deadlock(
    vm: VM, driver: Recorder, targets: Targets, page: Page
) -> None:
    """A forced attempt at a page whose holder cannot run waits for ever: self-deadlock (2.4)."""
    listed = isolate(vm, [page])
    lock_on_cpu_1(vm, page)
    with pytest.raises(KernelAssertion) as caught:
        vm.migrate_pages(listed, targets.get)
    assert (caught.value.rule.id, caught.value.pfn) == ("self-deadlock", page.pfn)
    assert len(targets.got) == 4


def test_a_locked_page_does_not_hold_up_the_others(
    vm: VM, driver: Recorder, targets: Targets, page: Page, waits: list[Page]
) -> None:
    """Pages that can move go in the first pass; the locked one is left for later passes (3.2)."""
    others = driver.add_many(3)
    listed = isolate(vm, [page, *others])
    lock_on_cpu_1(vm, page)
    result = vm.migrate_pages(listed, targets.get, targets.put)
    assert (result.ret, result.succeeded, len(targets.got)) == (0, 4, 7)
    assert [call.page for call in driver.calls("migratepage")] == [*others, page]


def in_direct_compaction(vm: VM, work: Callable[[], object]) -> None:
    """Run ``work`` in a callback of direct compaction, where the task has PF_MEMALLOC.

    All memory is taken and every second page freed: no larger block is free, and some pages can move.
    """
    carrier = Recorder(vm)
    taken = []
    while (page := vm.alloc_page(GFP.HIGHUSER_MOVABLE)) is not None:
        taken.append(page)
    for page in taken:
        if page.pfn % 2:
            page.put()
        else:
            page.lock()
            page.set_movable(carrier.mapping)
            page.unlock()
            carrier.idle.add(page)
    done: list[object] = []

    def answer(newpage: Page, oldpage: Page) -> int:
        if not done:
            done.append(work())
        return -errno.EBUSY

    carrier.answers = [answer] * len(taken)
    vm.try_to_compact_pages(8, priority=CompactPriority.SYNC_FULL)
    assert done


def test_with_pf_memalloc_nobody_waits(
    vm: VM, driver: Recorder, targets: Targets, page: Page, waits: list[Page]
) -> None:
    """A task with PF_MEMALLOC gives a locked page up after ten attempts and never sleeps (fact 10)."""
    results = []

    def migrate() -> bool:
        assert vm.task_flags & PF_MEMALLOC
        listed = isolate(vm, [page])
        lock_on_cpu_1(vm, page)
        results.append(vm.migrate_pages(listed, targets.get, targets.put))
        page.unlock()
        vm.putback_movable_pages(listed)
        return True

    in_direct_compaction(vm, migrate)
    assert (results[0].ret, len(targets.got), waits) == (1, 10, [])
    assert not vm.task_flags & PF_MEMALLOC


@pytest.mark.parametrize("mode", [MigrateMode.ASYNC, MigrateMode.SYNC_LIGHT], ids=str)
def test_the_lighter_modes_do_not_wait_for_writeback(
    vm: VM, driver: Recorder, targets: Targets, page: Page, mode: MigrateMode
) -> None:
    """A page under writeback is -EBUSY at once in the lighter modes: no migratepage, one putback (11, 45)."""
    listed = isolate(vm, [page])
    page.set_flag(PageFlag.WRITEBACK)
    result = vm.migrate_pages(listed, targets.get, targets.put, mode=mode)
    assert (result.ret, len(targets.got), len(targets.returned), len(listed)) == (1, 1, 1, 0)
    assert driver.hooks() == ["isolate_page", "putback_page"]
    assert result.status == {page.pfn: -errno.EBUSY}
    assert vm.vmstat()["nr_isolated_file"] == 0


def test_sync_waits_for_writeback_when_forced(vm: VM, driver: Recorder, targets: Targets, page: Page) -> None:
    """SYNC says -EAGAIN to writeback three times and waits for its end in the fourth attempt (fact 12)."""
    listed = isolate(vm, [page])
    page.set_flag(PageFlag.WRITEBACK)
    result = vm.migrate_pages(listed, targets.get, targets.put)
    assert (result.ret, len(targets.got), len(targets.returned)) == (0, 4, 3)
    assert len(driver.calls("migratepage")) == 1


def test_writeback_that_ends_in_time_is_not_waited_for(
    vm: VM, driver: Recorder, targets: Targets, page: Page
) -> None:
    """Writeback that is over before the second attempt costs two targets (4.3 step 2)."""
    listed = isolate(vm, [page])
    page.set_flag(PageFlag.WRITEBACK)

    def get(old: Page) -> Page | None:
        if targets.asked:
            page.clear_flag(PageFlag.WRITEBACK)
        return targets.get(old)

    result = vm.migrate_pages(listed, get, targets.put)
    assert (result.ret, len(targets.got)) == (0, 2)


def test_a_target_that_is_locked_meanwhile_costs_an_attempt(
    vm: VM, driver: Recorder, targets: Targets, page: Page
) -> None:
    """The target is only try-locked: if somebody took its lock the attempt is -EAGAIN (4.3 step 4)."""

    def release_and_lock_the_target(waited_for: Page) -> None:
        waited_for.unlock()
        lock_on_cpu_1(vm, targets.got[-1])

    def put(target: Page) -> None:
        if target.locked:
            target.unlock()
        targets.put(target)

    listed = isolate(vm, [page])
    lock_on_cpu_1(vm, page)
    vm.wait_hook = release_and_lock_the_target
    result = vm.migrate_pages(listed, targets.get, put)
    assert (result.ret, len(targets.got), len(targets.returned)) == (0, 5, 4)
    assert len(driver.calls("migratepage")) == 1
