"""Page locks that others hold, for pages of processes (spec/migration.md 4.2, facts 8-10, 16, 17)."""

import pytest
from migration.kit import Targets
from process.kit import filled, isolated, page_at

from movable import GFP, VM, MigrateMode, Page, Process

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


def test_a_task_that_compacts_does_not_sleep(vm: VM, page: Page, targets: Targets) -> None:
    """Direct compaction runs with PF_MEMALLOC: a locked page is left alone in every mode (10)."""
    waited: list[Page] = []
    vm.wait_hook = waited.append
    vm.try_to_compact_pages(9)
    assert waited == []
    assert page.mapcount == 1
    page.unlock()


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
