"""Moving pages of the hugetlb pool: unmap_and_move_huge_page (spec/migration.md 4.5, 6.5, 9.8)."""

import pytest
from huge.kit import HPAGE, isolated, moved, page_at

from movable import GFP, PAGE_SIZE, VM, MigrateMode, Process


@pytest.fixture
def address(vm: VM, process: Process) -> int:
    """A page of node 0's pool with contents in three places; node 1's pool has two free pages."""
    vm.hugetlb.set(0, 1)
    vm.hugetlb.set(1, 2)
    start = process.mmap(HPAGE, hugetlb=True)
    for number in (0, 100, 511):
        process.write(start + number * PAGE_SIZE, b"page %d" % number)
    return start


def contents(process: Process, address: int) -> list[bytes]:
    """What the three places hold."""
    return [process.read(address + number * PAGE_SIZE, 8).rstrip(b"\0") for number in (0, 100, 511)]


WRITTEN = [b"page 0", b"page 100", b"page 511"]


@pytest.mark.parametrize("mode", MigrateMode, ids=str)
def test_it_moves_whole_to_a_free_page(vm: VM, process: Process, address: int, mode: MigrateMode) -> None:
    """The target is a free page of the node's pool; the old page goes back to the pool of its own node (9.8)."""
    old = page_at(process, address)
    result = moved(vm, old, node=1, mode=mode)
    assert (result.ret, result.succeeded, result.status) == (0, 1, {old.pfn: 1})
    new = page_at(process, address)
    assert (new.nid, new.refcount, new.mapcount) == (1, 1, 1)
    assert contents(process, address) == WRITTEN
    assert [(vm.hugetlb.nr(nid), vm.hugetlb.free(nid)) for nid in (0, 1)] == [(1, 1), (2, 1)]
    process.write(address, b"again")


def test_it_counts_once(vm: VM, process: Process, address: int) -> None:
    """A huge page is 1 in every counter of v4.8, and never in NR_ISOLATED (3.3, 4.5)."""
    listed = isolated(vm, page_at(process, address))
    stat = vm.vmstat()
    assert (stat["nr_isolated_anon"], stat["nr_isolated_file"]) == (0, 0)
    vm.migrate_pages(listed, vm.target_node(1))
    assert vm.vmstat()["pgmigrate_success"] == 1


def test_without_a_free_page_there_is_no_target(vm: VM, process: Process, address: int) -> None:
    """No free page and no room below overcommit: -ENOMEM, page and pool as before (9.8, N05)."""
    vm.hugetlb.set(1, 0)
    old = page_at(process, address)
    listed = isolated(vm, old)
    assert vm.migrate_pages(listed, vm.target_node(1)).ret == -12
    assert len(listed) == 1
    vm.putback_movable_pages(listed)
    assert page_at(process, address) == old
    assert (old.refcount, vm.hugetlb.nr(1)) == (1, 0)
    assert moved(vm, old, node=1).ret == -12
    vm.hugetlb.overcommit = 1
    assert moved(vm, old, node=1).ret == 0
    assert (vm.hugetlb.surplus(1), vm.hugetlb.free(0)) == (1, 1)


def test_reserved_pages_are_no_targets(vm: VM, process: Process, address: int) -> None:
    """What other areas have reserved is not free for a migration (9.8)."""
    other = vm.process()
    other.mmap(2 * HPAGE, hugetlb=True)
    assert moved(vm, page_at(process, address), node=1).ret == -12


def test_a_shared_one_moves_for_all(vm: VM, process: Process, address: int) -> None:
    """Parent and child map the new page; write entries come back as such, read ones stay (2.5)."""
    child = process.fork()
    assert moved(vm, page_at(process, address), node=1).ret == 0
    assert page_at(process, address) == page_at(child, address)
    assert page_at(child, address).mapcount == 2
    assert contents(child, address) == contents(process, address) == WRITTEN
    child.write(address, b"child!")
    assert process.read(address, 6) == b"page 0"


def test_a_pinned_one_stays(vm: VM, process: Process, address: int) -> None:
    """Ten attempts, then it is on the list still; put back it is as before; any part pins all of it."""
    old = page_at(process, address)
    pin = process.pin(address + 77 * PAGE_SIZE)
    assert pin == old
    listed = isolated(vm, old)
    result = vm.migrate_pages(listed, vm.target_node(1))
    assert (result.ret, len(listed), vm.hugetlb.free(1)) == (1, 1, 2)
    vm.putback_movable_pages(listed)
    assert (page_at(process, address), old.refcount) == (old, 2)
    assert contents(process, address) == WRITTEN
    pin.put()


def test_an_isolated_one_cannot_be_isolated(vm: VM, process: Process, address: int) -> None:
    """Only an active page is taken; put back it is active again."""
    old = page_at(process, address)
    listed, other = isolated(vm, old), vm.page_list("other")
    assert not other.isolate(old)
    vm.putback_movable_pages(listed)
    assert other.isolate(old)
    vm.putback_movable_pages(other)


def test_a_free_page_cannot_be_isolated(vm: VM, process: Process, address: int) -> None:
    """A page that went back to the pool is nobody's."""
    old = page_at(process, address)
    process.exit()
    assert not vm.page_list("pool").isolate(old)
    assert vm.hugetlb.free(0) == 1


def test_it_goes_back_when_its_owner_ended(vm: VM, process: Process, address: int) -> None:
    """No shortcut for freed pages: it is moved, and then freed to the pool like any other (4.5)."""
    listed = isolated(vm, page_at(process, address))
    process.exit()
    result = vm.migrate_pages(listed, vm.target_node(1))
    assert result.ret == 0
    assert [vm.hugetlb.free(nid) for nid in (0, 1)] == [1, 2]


def test_a_target_that_is_no_huge_page_is_refused(vm: VM, process: Process, address: int) -> None:
    """A caller that hands out small pages loses nothing but the migration."""
    old = page_at(process, address)
    result = vm.migrate_pages(isolated(vm, old), lambda page: vm.alloc_page(GFP.HIGHUSER_MOVABLE))
    assert (result.ret, result.succeeded) == (1, 0)
    assert (page_at(process, address), old.refcount) == (old, 1)
    assert contents(process, address) == WRITTEN


def test_a_locked_page_waits_only_in_sync(vm: VM, process: Process, address: int) -> None:
    """The lock is waited for only when forced and SYNC: SYNC_LIGHT fails ten times (4.5)."""
    old = page_at(process, address)
    assert old.trylock()
    listed = isolated(vm, old)
    assert vm.migrate_pages(listed, vm.target_node(1), mode=MigrateMode.SYNC_LIGHT).ret == 1
    old.unlock()
    assert vm.migrate_pages(listed, vm.target_node(1), mode=MigrateMode.SYNC_LIGHT).ret == 0
    assert contents(process, address) == WRITTEN
