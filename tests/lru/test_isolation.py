"""Isolation and put-back of LRU pages (spec/migration.md 7, facts 50-52)."""

import errno

import pytest
from process.kit import cached, filled, isolated, isolated_pages, page_at, stored_file

from movable import PAGE_SIZE, VM, LruList, PageFlag, Process

PAGEVEC_SIZE = 14


def test_a_page_in_a_vector_cannot_be_isolated(vm: VM, process: Process) -> None:
    """isolate_lru_page answers -EBUSY for a page in a vector, of whatever CPU; after the drain 0 (50)."""
    address = process.mmap(PAGE_SIZE)
    vm.cpu = 1
    process.touch(address)
    vm.cpu = 0
    page = page_at(process, address)
    vm.lru.drain()
    assert (vm.lru.isolate(page), page.refcount) == (-errno.EBUSY, 2)
    vm.lru_add_drain_all()
    assert (vm.lru.isolate(page), page.refcount) == (0, 2)
    assert not page.flags & PageFlag.LRU
    assert vm.lru.isolate(page) == -errno.EBUSY
    vm.lru.putback(page)


def test_put_back_goes_to_the_head_of_the_same_list(vm: VM, process: Process) -> None:
    """PG_active survives isolation; the page comes back at the head, with no reference more after the drain (51)."""
    address = filled(process, 3)
    pages = list(process.pages().values())
    assert vm.lru.pages(0, LruList.ACTIVE_ANON) == tuple(reversed(pages))
    page = page_at(process, address)
    assert vm.lru.isolate(page) == 0
    assert page.flags & PageFlag.ACTIVE
    vm.lru.putback(page)
    assert page.refcount == 2
    vm.lru.drain()
    assert page.refcount == 1
    assert vm.lru.pages(0, LruList.ACTIVE_ANON) == (pages[0], pages[2], pages[1])


def test_the_fourteenth_page_flushes_the_vector(vm: VM, process: Process) -> None:
    """Thirteen pages put back wait in the vector; the fourteenth takes all to the list (52)."""
    filled(process, PAGEVEC_SIZE)
    pages = list(process.pages().values())
    for page in pages:
        assert vm.lru.isolate(page) == 0
    for page in pages[:-1]:
        vm.lru.putback(page)
    assert vm.lru.pages(0, LruList.ACTIVE_ANON) == ()
    vm.lru.putback(pages[-1])
    assert vm.lru.pages(0, LruList.ACTIVE_ANON) == tuple(reversed(pages))


def test_lists_are_counted(vm: VM, process: Process) -> None:
    """A page on a migration list counts as isolated on its side, not on a list; putting it back undoes that (7.2)."""
    address = filled(process)
    file = stored_file(vm)
    listed = isolated(vm, [page_at(process, address), cached(file)])
    counters = vm.vmstat()
    assert (counters["nr_isolated_anon"], counters["nr_isolated_file"]) == (1, 1)
    assert (counters["nr_active_anon"], counters["nr_inactive_file"]) == (0, 0)
    vm.putback_movable_pages(listed)
    vm.lru_add_drain_all()
    counters = vm.vmstat()
    assert (isolated_pages(vm), counters["nr_active_anon"], counters["nr_inactive_file"]) == (0, 1, 1)


def test_the_second_use_activates(vm: VM) -> None:
    """mark_page_accessed sets PG_referenced first, then activates and clears it (7.5)."""
    file = vm.file("data")
    file.write(0, b"x")
    vm.lru.drain()
    page = cached(file)
    assert page.flags & PageFlag.REFERENCED
    assert not page.flags & PageFlag.ACTIVE
    file.read(0, 1)
    assert page.flags & PageFlag.ACTIVE
    assert not page.flags & PageFlag.REFERENCED
    assert vm.lru.pages(0, LruList.ACTIVE_FILE) == (page,)


@pytest.mark.parametrize("touched_first", [False, True])
def test_locked_memory_is_unevictable(vm: VM, process: Process, touched_first: bool) -> None:
    """Pages of a locked area are on the unevictable list, mlocked, with no reference more; munlock undoes it (7.5)."""
    address = process.mmap(2 * PAGE_SIZE)
    if touched_first:
        process.touch(address, 2 * PAGE_SIZE)
    process.mlock(address, 2 * PAGE_SIZE)
    vm.lru_add_drain_all()
    pages = tuple(process.pages().values())
    assert [page.refcount for page in pages] == [1, 1]
    assert set(vm.lru.pages(0, LruList.UNEVICTABLE)) == set(pages)
    assert all(page.flags & PageFlag.MLOCKED and page.flags & PageFlag.UNEVICTABLE for page in pages)
    assert vm.vmstat()["nr_mlock"] == 2
    process.munlock(address, 2 * PAGE_SIZE)
    vm.lru_add_drain_all()
    assert vm.lru.pages(0, LruList.UNEVICTABLE) == ()
    assert vm.vmstat()["nr_mlock"] == 0


def test_unmapping_a_locked_page_ends_its_lock(vm: VM, process: Process) -> None:
    """The last mapping of an mlocked page takes PG_mlocked along; a child does not inherit the lock (2.5)."""
    address = process.mmap(PAGE_SIZE, locked=True)
    page = page_at(process, address)
    child = process.fork()
    assert [area.locked for area in child.areas] == [False]
    process.exit()
    assert page.flags & PageFlag.MLOCKED
    child.exit()
    assert vm.vmstat()["nr_mlock"] == 0
    assert vm.vmstat()["unevictable_pgs_cleared"] == 1
    vm.lru_add_drain_all()
    assert page.refcount == 0


def test_reclaim_leaves_locked_pages(vm: VM, process: Process) -> None:
    """Reclaim frees clean file pages and swaps anonymous ones, but no locked page."""
    file = stored_file(vm, 8)
    locked = process.mmap(4 * PAGE_SIZE, locked=True)
    filled(process, 4)
    while vm.reclaim(8):
        pass
    assert file.pages() == {}
    assert process.memory.swap == 4
    assert len(process.pages(locked, 4 * PAGE_SIZE)) == 4
    assert file.read(0, 1) == b"0"
