"""Page locks that others hold, for pages of processes (spec/migration.md 4.2, facts 8-10, 16, 17)."""

import pytest
from allocator.machines import NO_MARKS, one_zone
from compaction.test_lru_pages import BLOCK, every_odd_frame
from migration.kit import Targets
from process.kit import filled, isolated, page_at

from movable import GFP, VM, CompactPriority, CompactSettings, MigrateMode, Page, Process

PF_SWAPWRITE = 0x800000


@pytest.fixture
def page(vm: VM, process: Process) -> Page:
    """A page of a process; CPU 1 holds its lock."""
    page = page_at(process, filled(process))
    vm.cpu = 1
    page.lock()
    vm.cpu = 0
    return page


def test_async_never_sleeps(vm: VM, page: Page, targets: Targets) -> None:
    """ASYNC tries ten times, returns 1 and waits for nobody; the page is mapped as before (8)."""
    waited: list[Page] = []
    vm.wait_hook = waited.append
    listed = isolated(vm, [page])
    result = vm.migrate_pages(listed, targets.get, targets.put, mode=MigrateMode.ASYNC)
    assert (result.ret, len(targets.got), len(targets.returned)) == (1, 10, 10)
    assert (waited, page.mapcount, list(listed)) == ([], 1, [page])
    page.unlock()
    vm.putback_movable_pages(listed)


@pytest.mark.parametrize("mode", [MigrateMode.SYNC_LIGHT, MigrateMode.SYNC], ids=str)
def test_the_fourth_attempt_sleeps(vm: VM, page: Page, targets: Targets, mode: MigrateMode) -> None:
    """A lock that is released when somebody waits: attempts 1 to 3 fail, the fourth sleeps and succeeds (9, 10, 17)."""
    waited: list[int] = []

    def release(held: Page) -> None:
        waited.append(len(targets.got))
        held.unlock()

    vm.wait_hook = release
    result = vm.migrate_pages(isolated(vm, [page]), targets.get, targets.put, mode=mode)
    assert (result.ret, len(targets.got), len(targets.returned)) == (0, 4, 3)
    assert waited == [4]


def fragmented() -> tuple[VM, Page]:
    """A machine whose every second page is a process's; CPU 1 holds the lock of the lowest one."""
    vm = VM(one_zone(8 * BLOCK, NO_MARKS, cpus=2), debug=1)
    process = every_odd_frame(vm, 8)
    page = min(process.pages().values(), key=lambda page: page.pfn)
    vm.cpu = 1
    page.lock()
    vm.cpu = 0
    return vm, page


def test_a_task_that_compacts_does_not_sleep() -> None:
    """Direct compaction runs with PF_MEMALLOC: ten attempts, one failure, and nobody waits in any mode (10)."""
    vm, page = fragmented()
    waited: list[Page] = []
    vm.wait_hook = waited.append
    with vm.steps(20_000) as log:
        vm.try_to_compact_pages(9, priority=CompactPriority.SYNC_LIGHT)
    attempts = [step.name for step in log if step.pfn == page.pfn]
    assert attempts == ["A1"] + ["A2", "A3"] * 10
    assert (waited, page.mapcount, sum(call.failed for call in log.calls)) == ([], 1, 1)
    assert {call.mode for call in log.calls} == {MigrateMode.SYNC_LIGHT}
    page.unlock()


def test_whoever_compacts_without_it_sleeps() -> None:
    """The same run of compaction by nobody's request, in the same mode, waits for the lock in attempt 4 (9, 10)."""
    vm, page = fragmented()
    waited: list[Page] = []

    def release(held: Page) -> None:
        waited.append(held)
        held.unlock()

    vm.wait_hook = release
    settings = CompactSettings(mode=MigrateMode.SYNC_LIGHT, whole_zone=True, ignore_skip_hint=True)
    with vm.steps(20_000) as log:
        vm.compact_zone(vm.zones[0], settings)
    attempts = [step.name for step in log if step.pfn == page.pfn]
    assert attempts[:9] == ["A1"] + ["A2", "A3"] * 4
    assert waited == [page]


def test_swap_write_is_set_meanwhile(vm: VM, process: Process) -> None:
    """PF_SWAPWRITE is set while targets are asked for, and restored also after -ENOMEM (16)."""
    listed = isolated(vm, [page_at(process, filled(process))])
    seen: list[int] = []

    def get(page: Page) -> Page | None:
        seen.append(vm.task_flags & PF_SWAPWRITE)
        return None if len(seen) == 1 else vm.alloc_page(GFP.HIGHUSER_MOVABLE)

    assert vm.migrate_pages(listed, get).ret < 0
    assert vm.task_flags & PF_SWAPWRITE == 0
    assert vm.migrate_pages(listed, get).ret == 0
    assert (seen, vm.task_flags & PF_SWAPWRITE) == ([PF_SWAPWRITE] * 2, 0)
