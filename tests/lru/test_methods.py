"""The methods of mappings: writeback, buffers, fallback (spec/migration.md 4.3, 5, facts 11, 12, 21-24)."""

import errno

import pytest
from migration.kit import Targets
from process.kit import cached, isolated, isolated_pages, page_at, stored_file

from movable import PAGE_SIZE, VM, File, MigrateMethod, MigrateMode, MigrateResult, Page, PageFlag, Process

NOT_SYNC = [MigrateMode.ASYNC, MigrateMode.SYNC_LIGHT]


def migrate(vm: VM, file: File, targets: Targets, mode: MigrateMode = MigrateMode.SYNC) -> MigrateResult:
    """Move the first page of a file; it is given back if it stays on the list."""
    listed = isolated(vm, [cached(file)])
    result = vm.migrate_pages(listed, targets.get, targets.put, mode=mode)
    vm.putback_movable_pages(listed)
    return result


@pytest.mark.parametrize("mode", NOT_SYNC, ids=str)
def test_writeback_is_permanent_for_light_modes(vm: VM, targets: Targets, mode: MigrateMode) -> None:
    """1 target, 1 back, returns 1; the list is empty, the page on its LRU, nothing isolated (11)."""
    file = stored_file(vm)
    file.start_writeback(0)
    page = cached(file)
    listed = isolated(vm, [page])
    result = vm.migrate_pages(listed, targets.get, targets.put, mode=mode)
    assert (result.ret, len(targets.got), len(targets.returned)) == (1, 1, 1)
    assert (list(listed), isolated_pages(vm)) == ([], 0)
    vm.lru_add_drain_all()
    assert page.flags & PageFlag.LRU
    file.end_writeback()


def test_sync_waits_for_writeback(vm: VM, targets: Targets) -> None:
    """Writeback that ends when it is waited for: success in attempt 4 (12)."""
    file = stored_file(vm)
    file.start_writeback(0)
    assert migrate(vm, file, targets).ret == 0
    assert (len(targets.got), len(targets.returned)) == (4, 3)
    assert vm.vmstat()["nr_writeback"] == 0


@pytest.mark.parametrize("mode", NOT_SYNC, ids=str)
def test_a_dirty_page_without_method(vm: VM, targets: Targets, mode: MigrateMode) -> None:
    """A mapping without migratepage: a dirty page is -EBUSY at once in the lighter modes (21)."""
    file = stored_file(vm, method=MigrateMethod.NONE, sync=False)
    page = cached(file)
    result = migrate(vm, file, targets, mode)
    assert (result.ret, result.status, len(targets.got)) == (1, {page.pfn: -errno.EBUSY}, 1)


def test_without_writepage_a_dirty_page_cannot_move(vm: VM, targets: Targets) -> None:
    """SYNC, dirty, neither migratepage nor writepage: -EINVAL, returns 1 (21)."""
    file = stored_file(vm, method=MigrateMethod.NONE, sync=False)
    file.writepage = False
    page = cached(file)
    result = migrate(vm, file, targets)
    assert (result.ret, result.status) == (1, {page.pfn: -errno.EINVAL})


def test_a_dirty_page_is_written_out_first(vm: VM, process: Process, targets: Targets) -> None:
    """SYNC: attempt 1 writes the page and restores the entries, attempt 2 moves it: 2 targets (22)."""
    file = stored_file(vm, method=MigrateMethod.NONE, sync=False)
    address = process.mmap(PAGE_SIZE, shared=True, file=file)
    process.write(address, b"dirty")
    mapped: list[bool] = []

    class Watching(Targets):
        """Targets that note whether the page is mapped when they are asked."""

        def get(self, page: Page) -> Page | None:
            """A fresh page."""
            mapped.append(process.page(address) is not None)
            return super().get(page)

    watching = Watching(vm)
    assert migrate(vm, file, watching).ret == 0
    assert (mapped, len(watching.got)) == ([True, True], 2)
    assert file.stored(0, 5) == b"dirty"
    assert process.read(address, 5) == b"dirty"
    assert page_at(process, address) is cached(file)


def test_a_writepage_that_fails(vm: VM, targets: Targets) -> None:
    """SYNC, writepage answers an error: -EIO, permanent (23)."""
    file = stored_file(vm, method=MigrateMethod.NONE, sync=False)
    file.writepage_error = -errno.ENOSPC
    page = cached(file)
    result = migrate(vm, file, targets)
    assert (result.ret, result.status, len(targets.got)) == (1, {page.pfn: -errno.EIO}, 1)


def test_buffers_move_with_their_page(vm: VM, process: Process, targets: Targets) -> None:
    """Refs 3 after unmapping; new has PG_private and the buffers, old has neither, and no mapping (24)."""
    file = stored_file(vm, method=MigrateMethod.BUFFER_MIGRATE_PAGE)
    address = process.mmap(PAGE_SIZE, shared=True, file=file)
    process.touch(address, write=False)
    old = cached(file)
    buffers = old.private
    assert old.flags & PageFlag.PRIVATE
    assert buffers != 0
    listed = isolated(vm, [old])
    with vm.steps() as log:
        assert vm.migrate_pages(listed, targets.get, targets.put).ret == 0
    assert next(step.refs for step in log if step.name == "B6") == 3
    new = cached(file)
    assert (new.private, new.flags & PageFlag.PRIVATE) == (buffers, PageFlag.PRIVATE)
    assert (old.refcount, old.private, old.mapping) == (0, 0, None)
    assert process.read(address, 1) == b"0"


def test_a_busy_buffer(vm: VM, targets: Targets) -> None:
    """ASYNC tries the buffers' locks: -EAGAIN ten times; the page keeps everything (2.1 step 5, 5.5)."""
    file = stored_file(vm, method=MigrateMethod.BUFFER_MIGRATE_PAGE)
    page = cached(file)
    before = (page.refcount, page.private)
    file.lock_buffer(0)
    assert migrate(vm, file, targets, MigrateMode.ASYNC).status == {page.pfn: -errno.EAGAIN}
    vm.lru_add_drain_all()
    assert (page.refcount, page.private, len(targets.got)) == (*before, 10)
    file.unlock_buffer(0)
    assert migrate(vm, file, targets, MigrateMode.ASYNC).ret == 0


def test_an_orphan_with_busy_buffers_stays(vm: VM, targets: Targets) -> None:
    """A page cut off its file while its buffers are in use is orphaned; it is -EAGAIN for so long (4.3 step 6)."""
    file = stored_file(vm, method=MigrateMethod.BUFFER_MIGRATE_PAGE)
    page = cached(file)
    listed = isolated(vm, [page])
    file.lock_buffer(0)
    file.truncate(0)
    assert (page.mapping, bool(page.flags & PageFlag.PRIVATE), page.refcount) == (None, True, 2)
    assert vm.migrate_pages(listed, targets.get, targets.put).ret == 1
    assert (list(listed), len(targets.got)) == ([page], 10)
    vm.putback_movable_pages(listed)
