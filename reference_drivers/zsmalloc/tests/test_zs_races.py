"""Races of the pool's users with the migration core, one step at a time (spec/drivers.md 2.8)."""

import errno
from collections.abc import Callable, Iterable

import pytest
from migration.kit import Recorder
from zs_kit import Kit, Watcher

from movable import VM, KernelAssertion, MigrateResult, MovableError, Page, PageList, WorkQueue
from movable_zsmalloc import MapMode, ZsError, ZsPool

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[..., MigrateResult]


def once(action: Callable[[], object]) -> Callable[[Page], None]:
    """The action, for the first page only."""
    done: list[Page] = []

    def call(page: Page) -> None:
        if not done:
            done.append(page)
            action()

    return call


@pytest.mark.parametrize("size", [1000, 3000, 4096])
def test_the_last_object_is_freed_while_isolate_holds_the_page_lock(
    vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, size: int
) -> None:
    """The free cannot lock the page and queues the work; isolate then sees no object and refuses (2.8)."""
    (handle,) = kit.mallocs(1, size)
    page = kit.page(handle)
    watcher.before["isolate_page"] = lambda _: pool.zs_free(handle)
    assert not vm.isolate_movable_page(page)
    assert kit.lists(size) == "E Z1:0"
    assert vm.run_work() == 1
    assert (pool.zs_get_total_pages(), page.refcount) == (0, 0)
    pool.check()


def test_the_last_object_is_freed_between_isolation_and_migration(
    vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, move: Move
) -> None:
    """The free only counts; the pages answer -EBUSY and the last putback has the zspage freed (2.8)."""
    handles = kit.mallocs(2, 3000)
    pages = kit.chain(handles[0])

    def free() -> None:
        for handle in handles:
            pool.zs_free(handle)
        assert pool.zs_get_total_pages() == 3

    watcher.before["migratepage"] = once(free)
    result = move(pages)
    assert result.status == {page.pfn: -errno.EBUSY for page in pages}
    assert vm.run_work() == 1
    assert pool.zs_get_total_pages() == 0
    pool.check()


def test_an_object_is_freed_between_the_pages_of_its_zspage(
    kit: Kit, pool: ZsPool, watcher: Watcher, move: Move
) -> None:
    """After one page has moved an object is freed; the other pages move with what is left (2.8)."""
    handles = kit.mallocs(5, 3200)
    for handle in handles:
        kit.put(handle, bytes([kit.slot(handle)]) * 3256)
    watcher.after["migratepage"] = once(lambda: pool.zs_free(handles[1]))
    assert move(kit.chain(handles[0])).succeeded == 4
    assert kit.lists(3200) == "AF Z1:4"
    for handle in handles[:1] + handles[2:]:
        assert kit.get(handle, 3256) == bytes([kit.slot(handle)]) * 3256
    pool.check()


def test_a_free_that_pinned_first(vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, move: Move) -> None:
    """With the handle pinned by a freer the page answers -EAGAIN, and moves when the free is done (2.8)."""
    first, second = kit.mallocs(2, 1000)
    unpin = kit.pin_elsewhere(first)
    passes: list[Page] = []

    def third_pass(page: Page) -> None:
        passes.append(page)
        if len(passes) == 3:
            unpin()
            pool.zs_free(first)

    watcher.before["migratepage"] = third_pass
    assert move([kit.page(second)]).succeeded == 1
    assert [call.answer for call in watcher.calls("migratepage")] == [-errno.EAGAIN, -errno.EAGAIN, 0]
    assert kit.zspage(second).inuse == 1
    pool.check()


@pytest.mark.parametrize("mode", MapMode)
def test_a_mapping_made_during_the_run(
    vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, move: Move, mode: MapMode
) -> None:
    """An object mapped on the other CPU delays its pages for the passes that it is mapped (2.8)."""
    first, handle = kit.mallocs(2, 3200)
    assert len(pool.object_pages(handle)) == 2
    kit.put(handle, b"old!" * 814)
    passes: list[Page] = []

    def use(page: Page) -> None:
        passes.append(page)
        vm.cpu = 1
        if len(passes) == 1:
            view = pool.zs_map_object(handle, mode)
            if mode is not MapMode.RO:
                view[:] = b"new!" * 814
        elif len(passes) == 9:
            pool.zs_unmap_object(handle)
        vm.cpu = 0

    watcher.before["migratepage"] = use
    pages = kit.chain(first)
    assert move(pages).succeeded == 4
    assert [call.answer for call in watcher.calls("migratepage")] == [-errno.EAGAIN] * 8 + [0] * 4
    assert kit.get(handle, 3256) == (b"old!" if mode is MapMode.RO else b"new!") * 814
    pool.check()


def test_a_mapping_made_after_a_page_moved_sees_the_new_place(
    kit: Kit, pool: ZsPool, watcher: Watcher, move: Move
) -> None:
    """An object over two pages of which one has moved is read whole, and written whole (2.8)."""
    handles = kit.mallocs(5, 3200)
    for handle in handles:
        kit.put(handle, bytes([kit.slot(handle)]) * 3256)
    seen: list[bytes] = []

    def look(_: Page) -> None:
        for handle in handles:
            seen.append(kit.get(handle, 3256))
            kit.put(handle, bytes([kit.slot(handle)]) * 3256)

    watcher.after["migratepage"] = look
    assert move(kit.chain(handles[0])).succeeded == 4
    assert seen == [bytes([slot]) * 3256 for slot in range(5)] * 4
    pool.check()


def test_two_pages_of_one_zspage_in_two_lists(vm: VM, kit: Kit, isolate: Isolate) -> None:
    """Each page that moves takes one from what is isolated; the last one re-lists the zspage (2.8)."""
    (handle,) = kit.mallocs(1, 3000)
    lists = [isolate([page]) for page in kit.chain(handle)[:2]]
    isolated = []
    for listed in lists:
        assert vm.migrate_pages(listed, lambda _: vm.alloc_page()).succeeded == 1
        isolated.append((kit.zspage(handle).isolated, kit.lists(3000)))
    assert isolated == [(1, ""), (0, "AE Z1:1")]
    kit.pool.check()


def test_a_page_that_has_another_owner_by_now(
    vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, driver: Recorder
) -> None:
    """A page that was freed and is another driver's by now is asked for there, not of the pool (2.8)."""
    (handle,) = kit.mallocs(1, 1000)
    page = kit.page(handle)
    pool.zs_free(handle)
    assert not vm.isolate_movable_page(page)
    while driver.add() is not page:
        pass
    assert vm.isolate_movable_page(page)
    assert (watcher.hooks(), driver.hooks()) == ([], ["isolate_page"])
    pool.check()


def test_destruction_waits_for_isolated_pages(vm: VM, kit: Kit, pool: ZsPool, isolate: Isolate) -> None:
    """A pool is destroyed once work that was to come has put the isolated pages back (2.8; 1.13)."""
    handles = kit.mallocs(5, 3200) + kit.mallocs(1, 4096)
    listed = isolate(kit.mapped_pages())
    work = WorkQueue(vm, "a caller of migration")
    seen: list[int] = []

    def migrate() -> None:
        seen.append(vm.migrate_pages(listed, lambda _: vm.alloc_page()).succeeded)

    work.queue(migrate)
    pool.close()
    assert (seen, pool.closed, kit.mapped_pages()) == ([5], True, [])
    assert pool.zs_get_total_pages() == vm.vmstat()["nr_zspages"] == 0
    assert not any(handle in kit.store.handles for handle in handles)


def test_destruction_is_refused_while_nobody_would_put_pages_back(
    vm: VM, kit: Kit, pool: ZsPool, isolate: Isolate
) -> None:
    """With pages isolated and nothing to run, close is EBUSY and the pool works on (spec/drivers.md 1.13)."""
    (handle,) = kit.mallocs(1, 3000)
    kit.put(handle, b"kept" * 750)
    listed = isolate(kit.chain(handle))
    with pytest.raises(ZsError) as raised:
        pool.close()
    assert raised.value.errno == errno.EBUSY
    assert kit.get(handle, 3000) == b"kept" * 750
    pool.check()
    vm.putback_movable_pages(listed)
    pool.close()
    assert pool.closed


def test_destruction_frees_what_waits_for_the_work(vm: VM, kit: Kit, pool: ZsPool, isolate: Isolate) -> None:
    """Zspages on the EMPTY lists are freed by the flush at destruction (spec/drivers.md 1.13)."""
    free = vm.zones[0].free_pages
    (handle,) = kit.mallocs(1, 3000)
    listed = isolate(kit.chain(handle)[:1])
    pool.zs_free(handle)
    vm.putback_movable_pages(listed)
    assert kit.lists(3000) == "E Z1:0"
    pool.close()
    assert (vm.zones[0].free_pages, vm.run_work()) == (free, 0)


def test_destruction_within_a_callback_is_refused(vm: VM, kit: Kit, pool: ZsPool, driver: Recorder) -> None:
    """Inside a callback, where no work may run, close is refused before it has freed anything."""
    (handle,) = kit.mallocs(1, 3000)
    page, refused = driver.add(), []

    def close(_: Page) -> bool:
        with pytest.raises(MovableError, match="callback") as raised:
            pool.close()
        refused.append(raised)
        return False

    driver.on_isolate = close
    assert not vm.isolate_movable_page(page)
    assert len(refused) == 1
    assert (pool.closed, handle in kit.store.handles) == (False, True)
    pool.check()


def test_the_work_waits_for_page_locks(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """The work item takes page locks blocking: it waits for one that another CPU holds (spec/drivers.md 1.13)."""
    (handle,) = kit.mallocs(1, 3000)
    unlock = kit.lock_elsewhere(kit.chain(handle)[1])
    pool.zs_free(handle)
    waits: list[Page] = []

    def wait(page: Page) -> None:
        waits.append(page)
        unlock()

    vm.wait_hook = wait
    page = kit.mapped_pages()[1]
    assert vm.run_work() == 1
    assert waits == [page]
    assert pool.zs_get_total_pages() == 0


def test_an_object_that_another_cpu_has_mapped(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """Freeing what another CPU has mapped waits for it, and one CPU alone would wait for ever (1.10, 1.11)."""
    (handle,) = kit.mallocs(1, 1000)
    view = pool.zs_map_object(handle, MapMode.RO)
    vm.cpu = 1
    with pytest.raises(KernelAssertion) as raised:
        pool.zs_free(handle)
    assert raised.value.rule.id == "self-deadlock"
    vm.cpu = 0
    view.release()
