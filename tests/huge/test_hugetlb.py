"""The hugetlb pool: sizes, reservations, faults, sharing and surplus pages (spec/migration.md 4.5, 9.8)."""

from errno import EINVAL, ENOMEM

import pytest
from huge.kit import HPAGE, page_at

from movable import (
    PAGE_SIZE,
    VM,
    BusError,
    Madvise,
    MovableError,
    Mpol,
    PageFlag,
    Process,
    Prot,
    SystemCallError,
)


def state(vm: VM, nid: int = 0) -> tuple[int, int, int, int]:
    """Pages of a node: all, free, surplus; and reserved ones of the machine."""
    pool = vm.hugetlb
    return pool.nr(nid), pool.free(nid), pool.surplus(nid), pool.reserved


def test_the_pool_takes_memory_and_gives_it_back(vm: VM) -> None:
    """A pool of n pages costs 512 n pages of its node, and no more than the node has."""
    assert vm.hugetlb.set(0, 4) == 4
    assert state(vm) == (4, 4, 0, 0)
    assert vm.zones[0].free_pages == 8192 - 4 * 512
    most = vm.hugetlb.set(1, 100)
    assert 8 < most < 16
    assert vm.zones[1].free_pages == 8192 - most * 512
    assert vm.hugetlb.set(1, 1) == 1
    assert vm.hugetlb.set(0, 0) == 0
    assert vm.zones[0].free_pages == 8192
    assert repr(vm.hugetlb) == "<HugetlbPool, 1 pages, 1 free, 0 reserved>"


def test_mmap_reserves(vm: VM, process: Process) -> None:
    """The length is rounded to 2 MiB; more than the pool has is refused with ENOMEM; munmap gives it back."""
    vm.hugetlb.set(0, 3)
    address = process.mmap(HPAGE + 1, hugetlb=True)
    assert address % HPAGE == 0
    assert state(vm) == (3, 3, 0, 2)
    (area,) = process.areas
    assert (area.hugetlb, area.length, area.file) == (True, 2 * HPAGE, None)
    with pytest.raises(SystemCallError) as caught:
        process.mmap(2 * HPAGE, hugetlb=True)
    assert caught.value.errno == ENOMEM
    assert state(vm) == (3, 3, 0, 2)
    process.touch(address)
    assert state(vm) == (3, 2, 0, 1)
    process.munmap(address, 2 * HPAGE)
    assert state(vm) == (3, 3, 0, 0)
    with pytest.raises(SystemCallError):
        process.mmap(1 << 46, hugetlb=True)


def test_a_fault_takes_a_page_of_the_pool(vm: VM, process: Process) -> None:
    """One compound page on no LRU, with one reference; it is in no count of the process's memory."""
    vm.hugetlb.set(0, 1)
    address = process.mmap(HPAGE, hugetlb=True)
    process.write(address + HPAGE - 5, b"hello")
    page = page_at(process, address)
    assert (page.order, page.refcount, page.mapcount) == (9, 1, 1)
    assert not page.flags & (PageFlag.LRU | PageFlag.ACTIVE)
    assert process.memory.resident == 0
    assert vm.vmstat()["nr_anon_pages"] == 0
    entries = process.entries(address, HPAGE)
    assert [entry.pfn - page.pfn for entry in entries] == list(range(512))
    assert all(entry.huge and entry.writable and entry.dirty for entry in entries)
    assert process.read(address + HPAGE - 6, 6) == b"\0hello"


def test_a_read_fault_gives_a_page_too(vm: VM, process: Process) -> None:
    """There is no zero page here: a first read takes a page, read-only; a write then only changes the entry."""
    vm.hugetlb.set(0, 1)
    address = process.mmap(HPAGE, hugetlb=True)
    assert process.read(address, 4) == bytes(4)
    entry = process.entry(address)
    assert entry is not None
    assert (entry.kind, entry.writable, entry.dirty) == ("page", False, False)
    page = page_at(process, address)
    process.write(address + PAGE_SIZE, b"x")
    assert page_at(process, address) == page
    assert all(entry.writable for entry in process.entries(address, HPAGE))


def test_pages_are_zero_again_when_taken_anew(vm: VM, process: Process) -> None:
    """What one owner wrote the next one does not see."""
    vm.hugetlb.set(0, 1)
    for text in (b"first", b"other"):
        address = process.mmap(HPAGE, hugetlb=True)
        assert process.read(address + 3 * PAGE_SIZE, 5) == bytes(5)
        process.write(address + 3 * PAGE_SIZE, text)
        process.munmap(address, HPAGE)


def test_policy_chooses_the_node(vm: VM, process: Process) -> None:
    """Faults take pages where the policy says, and other allowed nodes when that one's pool is empty (9.4)."""
    vm.hugetlb.set(0, 2)
    vm.hugetlb.set(1, 2)
    address = process.mmap(4 * HPAGE, hugetlb=True)
    process.mbind(address, 2 * HPAGE, Mpol.PREFERRED, {1})
    process.mbind(address + 2 * HPAGE, 2 * HPAGE, Mpol.INTERLEAVE, {0, 1})
    for number in range(4):
        process.touch(address + number * HPAGE)
    assert [page_at(process, address + number * HPAGE).nid for number in range(2)] == [1, 1]
    assert [page_at(process, address + number * HPAGE).nid for number in range(2, 4)] == [0, 0]
    process.munmap(address, HPAGE)
    assert (vm.hugetlb.free(0), vm.hugetlb.free(1)) == (0, 1)


def test_a_bound_area_without_pages_gets_a_bus_error(vm: VM, process: Process) -> None:
    """A reservation counts for any node: BIND to one whose pool is empty ends in SIGBUS, and nothing is lost."""
    vm.hugetlb.set(0, 1)
    address = process.mmap(HPAGE, hugetlb=True)
    process.mbind(address, HPAGE, Mpol.BIND, {1})
    with pytest.raises(BusError, match="hugetlb pool"):
        process.touch(address)
    assert state(vm) == (1, 1, 0, 1)


def test_fork_shares_until_a_write(vm: VM, process: Process) -> None:
    """The child maps the same page, read-only; the writer takes a page of its own from the pool."""
    vm.hugetlb.set(0, 2)
    address = process.mmap(HPAGE, hugetlb=True)
    process.write(address, b"parent")
    child = process.fork()
    page = page_at(process, address)
    assert (page.mapcount, page.refcount) == (2, 2)
    child.write(address, b"child!")
    assert (process.read(address, 6), child.read(address, 6)) == (b"parent", b"child!")
    assert page_at(process, address) == page != page_at(child, address)
    process.write(address, b"PARENT")
    assert page_at(process, address) == page
    child.exit()
    assert state(vm) == (2, 1, 0, 0)


def test_the_owner_of_the_reservation_wins(vm: VM, process: Process) -> None:
    """With an empty pool a child's write is a SIGBUS; the parent's takes the page from the child instead."""
    vm.hugetlb.set(0, 1)
    address = process.mmap(HPAGE, hugetlb=True)
    process.write(address, b"parent")
    child = process.fork()
    with pytest.raises(BusError):
        child.write(address, b"child")
    assert child.read(address, 6) == b"parent"
    process.write(address, b"PARENT")
    assert page_at(process, address).mapcount == 1
    with pytest.raises(BusError):
        child.read(address, 6)
    assert process.read(address, 6) == b"PARENT"


def test_a_child_has_no_reservation(vm: VM, process: Process) -> None:
    """What the parent reserved and did not take is not for the child; free pages beyond it are."""
    vm.hugetlb.set(0, 1)
    address = process.mmap(HPAGE, hugetlb=True)
    child = process.fork()
    with pytest.raises(BusError):
        child.touch(address)
    vm.hugetlb.set(0, 2)
    child.write(address, b"child")
    process.write(address, b"parent")
    assert (child.read(address, 5), state(vm)) == (b"child", (2, 0, 0, 0))


def test_surplus_pages_need_overcommit(vm: VM, process: Process) -> None:
    """Above the pool's size pages are made as far as nr_overcommit_hugepages allows, and go when they are free."""
    with pytest.raises(SystemCallError):
        process.mmap(HPAGE, hugetlb=True)
    vm.hugetlb.overcommit = 2
    address = process.mmap(2 * HPAGE, hugetlb=True)
    assert state(vm) == (2, 2, 2, 2)
    with pytest.raises(SystemCallError):
        process.mmap(HPAGE, hugetlb=True)
    process.write(address, b"surplus")
    process.munmap(address + HPAGE, HPAGE)
    assert state(vm) == (1, 0, 1, 0)
    process.munmap(address, HPAGE)
    assert state(vm) == (0, 0, 0, 0)


def test_a_pool_that_shrinks_keeps_pages_in_use(vm: VM, process: Process) -> None:
    """Pages in use become surplus, reserved ones stay; growing takes them back first."""
    vm.hugetlb.set(0, 3)
    address = process.mmap(2 * HPAGE, hugetlb=True)
    process.touch(address)
    assert vm.hugetlb.set(0, 0) == 2
    assert state(vm) == (2, 1, 2, 1)
    assert vm.hugetlb.set(0, 1) == 2
    assert state(vm) == (2, 1, 1, 1)
    process.write(address + HPAGE, b"x")
    process.exit()
    assert state(vm) == (1, 1, 0, 0)


def test_only_whole_pages_can_be_cut(vm: VM, process: Process) -> None:
    """munmap, mprotect and mbind at an edge inside a huge page: EINVAL, nothing changed."""
    vm.hugetlb.set(0, 2)
    address = process.mmap(2 * HPAGE, hugetlb=True)
    process.touch(address)
    for call in (
        lambda: process.munmap(address + PAGE_SIZE, PAGE_SIZE),
        lambda: process.mprotect(address, PAGE_SIZE, Prot.READ),
        lambda: process.mmap(HPAGE, address=address + PAGE_SIZE, fixed=True, hugetlb=True),
    ):
        with pytest.raises(SystemCallError) as caught:
            call()
        assert caught.value.errno == EINVAL
    process.mprotect(address, HPAGE, Prot.READ)
    assert [area.length for area in process.areas] == [HPAGE, HPAGE]
    process.mprotect(address, HPAGE, Prot.READ | Prot.WRITE)
    process.write(address, b"again")


def test_advice_and_locks_leave_it_alone(vm: VM, process: Process) -> None:
    """MADV_DONTNEED and MADV_FREE are refused with EINVAL; mlock and mergeable advice do nothing."""
    vm.hugetlb.set(0, 1)
    address = process.mmap(HPAGE, hugetlb=True)
    process.write(address, b"kept")
    for advice in (Madvise.DONTNEED, Madvise.FREE):
        with pytest.raises(SystemCallError) as caught:
            process.madvise(address, HPAGE, advice)
        assert caught.value.errno == EINVAL
    process.mlock(address, HPAGE)
    process.madvise(address, HPAGE, Madvise.MERGEABLE)
    (area,) = process.areas
    assert (area.locked, area.mergeable) == (False, False)
    assert process.read(address, 4) == b"kept"


def test_bad_arguments_are_named(vm: VM, process: Process) -> None:
    """What this machine does not have or model is said."""
    with pytest.raises(MovableError, match="nodes 0 to 1, not 7"):
        vm.hugetlb.set(7, 1)
    with pytest.raises(MovableError, match="pages"):
        vm.hugetlb.set(0, -1)
    with pytest.raises(MovableError, match="overcommit"):
        vm.hugetlb.overcommit = -1
    with pytest.raises(MovableError, match="hugetlb"):
        process.mmap(HPAGE, hugetlb=True, shared=True)
