"""The contract of the migration core, as the pages of a pool show it (spec/drivers.md 0.3-0.5; 8, 1-11)."""

import errno
from collections.abc import Callable, Iterable

import pytest
from migration.kit import Targets
from zs_kit import Kit, Watcher

from movable import VM, MigrateResult, Page, PageList
from movable_zsmalloc import MapMode, ZsPool

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[[Iterable[Page]], MigrateResult]


def test_isolation_holds_a_reference(vm: VM, kit: Kit, isolate: Isolate) -> None:
    """A page has one reference more from its isolation to its putback (spec/drivers.md 8, 1)."""
    (handle,) = kit.mallocs(1, 1000)
    page = kit.page(handle)
    assert page.refcount == 1
    listed = isolate([page])
    assert page.refcount == 2
    vm.putback_movable_pages(listed)
    assert page.refcount == 1


def test_the_counts_end_at_zero_and_one(kit: Kit, watcher: Watcher, move: Move) -> None:
    """Seen by the callback the old page has 2, afterwards old 0 and new 1 (spec/drivers.md 0.5; 8, 1, 11)."""
    (handle,) = kit.mallocs(1, 1000)
    page = kit.page(handle)
    assert move([page]).succeeded == 1
    (call,) = watcher.calls("migratepage")
    assert call.refcount == 2
    assert call.newpage is kit.page(handle)
    assert (page.refcount, kit.page(handle).refcount) == (0, 1)


def test_isolate_page_sees_a_locked_movable_page(kit: Kit, watcher: Watcher, isolate: Isolate) -> None:
    """isolate_page gets the page locked, movable and not isolated yet (spec/drivers.md 8, 2)."""
    (handle,) = kit.mallocs(1, 1000)
    isolate([kit.page(handle)])
    (call,) = watcher.seen
    assert (call.hook, call.locked, call.movable, call.isolated) == ("isolate_page", True, True, False)


def test_a_refusal_changes_nothing(vm: VM, kit: Kit) -> None:
    """A page that was refused has the count, flags and list that it had (spec/drivers.md 8, 3)."""
    (handle,) = kit.mallocs(1, 3000)
    zspage, page = kit.empty_later(handle), kit.mapped_pages()[0]
    before = page.refcount, page.flags, page.mapping, kit.lists(3000), zspage.isolated
    assert not vm.isolate_movable_page(page)
    assert before == (page.refcount, page.flags, page.mapping, kit.lists(3000), zspage.isolated)
    kit.pool.check()


def test_the_mark_is_set_by_the_core(kit: Kit, watcher: Watcher, isolate: Isolate) -> None:
    """PG_isolated is set once isolate_page has said yes, not by the driver (spec/drivers.md 8, 4)."""
    (handle,) = kit.mallocs(1, 1000)
    page = kit.page(handle)
    marks: list[bool] = []
    watcher.after["isolate_page"] = lambda page: marks.append(page.isolated)
    isolate([page])
    assert (marks, page.isolated) == ([False], True)


def test_putback_comes_once_with_the_mark_set(vm: VM, kit: Kit, watcher: Watcher, isolate: Isolate) -> None:
    """putback_page comes once per isolation, page locked and PG_isolated set (spec/drivers.md 8, 5)."""
    (handle,) = kit.mallocs(1, 1000)
    page = kit.page(handle)
    vm.putback_movable_pages(isolate([page]))
    (call,) = watcher.calls("putback_page")
    assert (call.page, call.locked, call.movable, call.isolated) == (page, True, True, True)
    assert not page.isolated


def test_ten_passes_each_with_a_new_target(
    vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, targets: Targets, isolate: Isolate
) -> None:
    """-EAGAIN is tried ten times, with a fresh target each; then the page fails and goes back (8, 6, 7)."""
    (handle,) = kit.mallocs(1, 1000)
    listed = isolate([kit.page(handle)])
    with pool.mapped(handle, MapMode.RO):
        result = vm.migrate_pages(listed, targets.get)
    assert (result.ret, result.failed, result.succeeded) == (1, 1, 0)
    calls = watcher.calls("migratepage")
    assert [call.answer for call in calls] == [-errno.EAGAIN] * 10
    assert [call.newpage for call in calls] == targets.got
    assert not any(target.refcount for target in targets.got)
    vm.putback_movable_pages(listed)
    assert watcher.hooks() == ["isolate_page", *["migratepage"] * 10, "putback_page"]
    pool.check()


def test_other_answers_are_final(
    vm: VM, kit: Kit, watcher: Watcher, isolate: Isolate, targets: Targets
) -> None:
    """-EBUSY is not retried: putback_page follows within the same run (spec/drivers.md 8, 8)."""
    (handle,) = kit.mallocs(1, 1000)
    listed = isolate([kit.page(handle)])
    kit.pool.zs_free(handle)
    assert vm.migrate_pages(listed, targets.get).failed == 1
    assert watcher.hooks() == ["isolate_page", "migratepage", "putback_page"]
    assert len(listed) == 0


def test_no_memory_ends_the_run(
    vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, isolate: Isolate, targets: Targets
) -> None:
    """After -ENOMEM the rest of the list is not tried, and is left to the caller (spec/drivers.md 0.4; 8, 8)."""
    handles = kit.mallocs(3, 4096)
    listed = isolate([kit.page(handle) for handle in handles])
    watcher.answers[-errno.EAGAIN] = -errno.ENOMEM
    with pool.mapped(handles[0], MapMode.RO):
        assert vm.migrate_pages(listed, targets.get).ret == -errno.ENOMEM
    assert len(watcher.calls("migratepage")) == 1
    vm.putback_movable_pages(listed)
    assert len(watcher.calls("putback_page")) == 3
    pool.check()


def test_a_page_given_up_is_left_alone(
    vm: VM, kit: Kit, watcher: Watcher, isolate: Isolate, targets: Targets
) -> None:
    """With the movable pointer cleared meanwhile neither migratepage nor putback_page is called (8, 9)."""
    handles = kit.mallocs(2, 4096)
    pages = [kit.page(handle) for handle in handles]
    listed, other = isolate(pages[:1]), isolate(pages[1:])
    for page in pages:
        page.lock()
        page.clear_movable()
        page.unlock()
    assert vm.migrate_pages(listed, targets.get).succeeded == 1
    vm.putback_movable_pages(other)
    assert watcher.hooks() == ["isolate_page"] * 2
    assert [(page.isolated, page.refcount) for page in pages] == [(False, 1)] * 2


@pytest.mark.parametrize("size", [1000, 3000, 4096])
def test_the_old_page_keeps_the_tag_only(kit: Kit, watcher: Watcher, move: Move, size: int) -> None:
    """After migratepage the old page has the movable tag but is not PageMovable (spec/drivers.md 8, 10)."""
    (handle,) = kit.mallocs(1, size)
    seen: list[tuple[bool, bool]] = []
    watcher.after["migratepage"] = lambda page: seen.append((page.has_movable_tag, page.movable))
    move([kit.page(handle)])
    assert seen == [(True, False)]
