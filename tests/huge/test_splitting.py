"""What makes a huge page 512 ordinary ones, and what that leaves behind (spec/migration.md 4.1, 9.6, 12)."""

from collections.abc import Callable
from errno import EBUSY, EINVAL

import pytest
from huge.kit import HPAGE, holds, huge_area, huge_page, is_huge, isolated, moved, page_at

from movable import (
    PAGE_SIZE,
    VM,
    LruList,
    Madvise,
    MigrateMode,
    Mpol,
    PageFlag,
    Process,
    Prot,
    SystemCallError,
)

AT = 17 * PAGE_SIZE
CUTS: dict[str, Callable[[Process, int], object]] = {
    "munmap": lambda process, address: process.munmap(address + AT, PAGE_SIZE),
    "mprotect": lambda process, address: process.mprotect(address + AT, PAGE_SIZE, Prot.READ),
    "mlock": lambda process, address: process.mlock(address + AT, PAGE_SIZE),
    "mlock whole": lambda process, address: process.mlock(address, HPAGE),
    "dontneed": lambda process, address: process.madvise(address + AT, PAGE_SIZE, Madvise.DONTNEED),
    "nohugepage": lambda process, address: process.madvise(address + AT, PAGE_SIZE, Madvise.NOHUGEPAGE),
    "mbind": lambda process, address: process.mbind(address + AT, PAGE_SIZE, Mpol.BIND, {1}),
    "swap_out": lambda process, address: process.swap_out(address + AT),
    "fork": lambda process, address: process.fork(),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_splits_it(vm: VM, process: Process, cut: str) -> None:
    """Whatever cuts a huge page, or shares it, leaves ordinary pages with their contents, each on the LRU."""
    address = huge_page(process)
    head = page_at(process, address)
    CUTS[cut](process, address)
    vm.lru_add_drain_all()
    assert not any(entry.huge for entry in process.entries(address, HPAGE))
    assert vm.vmstat()["thp_split_page"] == 1
    assert vm.vmstat()["nr_anon_transparent_hugepages"] == 0
    assert page_at(process, address) == head
    assert (head.order, head.flags & PageFlag.HEAD) == (0, 0)
    for number in (1, 511):
        page = page_at(process, address + number * PAGE_SIZE)
        shared = 2 if cut == "fork" else 1
        assert (page.pfn, page.order, page.mapcount, page.refcount) == (head.pfn + number, 0, shared, shared)
        assert page.flags & PageFlag.LRU
    gone = (17,) if cut in ("munmap", "dontneed") else ()
    assert holds(process, address, but=gone)


def test_split_pages_are_mapped_by_entries_that_can_be_told_apart(vm: VM, process: Process) -> None:
    """After a fork each page is copied on write alone: the rest stays shared."""
    address = huge_page(process)
    child = process.fork()
    child.write(address + AT, b"CHILD")
    assert page_at(process, address + AT) != page_at(child, address + AT)
    assert page_at(process, address) == page_at(child, address)
    assert holds(process, address)
    assert holds(child, address, but=(17,))
    child.exit()
    process.exit()
    vm.lru_add_drain_all()
    assert vm.vmstat()["nr_free_pages"] == 16384


def test_migration_moves_the_head_alone(vm: VM, process: Process) -> None:
    """unmap_and_move splits first: the head page moves, the 511 tails are put on the LRU (4.1 step 3)."""
    address = huge_page(process)
    head = page_at(process, address)
    result = moved(vm, head, node=1)
    assert (result.succeeded, result.failed) == (1, 0)
    assert page_at(process, address).nid == 1
    tails = [page_at(process, address + number * PAGE_SIZE) for number in range(1, 512)]
    assert [tail.pfn for tail in tails] == list(range(head.pfn + 1, head.pfn + 512))
    assert set(tails) == set(vm.lru.pages(0, LruList.ACTIVE_ANON))
    assert (vm.vmstat()["nr_isolated_anon"], vm.vmstat()["pgmigrate_success"]) == (0, 1)
    assert holds(process, address)


@pytest.mark.parametrize("mode", MigrateMode, ids=str)
def test_a_split_that_fails_is_for_good(vm: VM, process: Process, mode: MigrateMode) -> None:
    """Fact 27: a pinned huge page gives -EBUSY at once: returns 1, off the list, back on the LRU, still huge."""
    address = huge_page(process)
    pin = process.pin(address + AT)
    listed = isolated(vm, page_at(process, address))
    result = vm.migrate_pages(listed, vm.target_node(1), mode=mode)
    assert (result.succeeded, result.failed, len(listed)) == (0, 1, 0)
    assert vm.vmstat()["thp_split_page_failed"] == 1
    assert vm.vmstat()["nr_isolated_anon"] == 0
    assert is_huge(process, address)
    assert vm.lru.pages(0, LruList.ACTIVE_ANON) == (page_at(process, address),)
    pin.put()
    assert moved(vm, page_at(process, address), node=1, mode=mode).succeeded == 1


def test_the_status_of_a_failed_split_is_ebusy(vm: VM, process: Process) -> None:
    """Fact 27: the result slot of the page says -EBUSY."""
    address = huge_page(process)
    head = page_at(process, address)
    head.get()
    result = vm.migrate_pages(isolated(vm, head), vm.target_node(1))
    assert result.status == {head.pfn: -EBUSY}
    head.put()


def test_put_back_keeps_it_huge(vm: VM, process: Process) -> None:
    """An isolated huge page that nobody moves goes back to its list whole, counted once as isolated (6.5)."""
    address = huge_page(process)
    listed = isolated(vm, page_at(process, address))
    stat = vm.vmstat()
    assert (stat["nr_isolated_anon"], stat["nr_active_anon"]) == (1, 0)
    vm.putback_movable_pages(listed)
    vm.lru_add_drain_all()
    stat = vm.vmstat()
    assert (stat["nr_isolated_anon"], stat["nr_active_anon"]) == (0, 512)
    assert is_huge(process, address)


def test_one_freed_while_isolated_counts_as_success(vm: VM, process: Process) -> None:
    """Fact 19 of a huge page: its process ends while it is isolated; migration frees it whole."""
    address = huge_page(process)
    listed = isolated(vm, page_at(process, address))
    process.exit()
    result = vm.migrate_pages(listed, vm.target_node(1))
    assert (result.succeeded, result.failed) == (1, 0)
    assert vm.vmstat()["nr_free_pages"] == 16384


def test_entries_of_a_split_page_are_old_and_clean(vm: VM, process: Process) -> None:
    """What is known of accesses is in the pages afterwards: PG_dirty, as with restored entries (2.5)."""
    address = huge_page(process)
    moved(vm, page_at(process, address))
    for number in (0, 300):
        entry = process.entry(address + number * PAGE_SIZE)
        assert entry is not None
        assert (entry.young, entry.dirty, entry.writable) == (False, False, True)
        assert page_at(process, entry.address).flags & PageFlag.DIRTY


def test_a_pinned_tail_outlives_the_rest(vm: VM, process: Process) -> None:
    """Who pinned 4 KiB of a huge page keeps them, contents and all, when the process is gone."""
    address = huge_page(process)
    pin = process.pin(address + AT)
    assert (pin.pfn, pin.refcount) == (page_at(process, address).pfn + 17, 1)
    process.exit()
    vm.recount()
    assert vm.vmstat()["nr_free_pages"] == 16383
    assert bytes(vm.memory[pin.pfn << 12 : (pin.pfn << 12) + 7]) == b"page 17"
    pin.put()
    assert vm.vmstat()["nr_free_pages"] == 16384


def test_a_pinned_huge_page_can_be_cut(vm: VM, process: Process) -> None:
    """A cut never fails: pages become ordinary, and the pin stays with the page it was taken on."""
    address = huge_page(process)
    pin, head = process.pin(address + AT), process.pin(address)
    process.munmap(address + AT, PAGE_SIZE)
    assert (pin.refcount, pin.mapcount) == (1, 0)
    assert (head.refcount, head.mapcount) == (2, 1)
    assert moved(vm, page_at(process, address)).failed == 1
    assert moved(vm, page_at(process, address + PAGE_SIZE)).succeeded == 1
    pin.put()
    head.put()
    assert holds(process, address, but=(17,))


def test_reclaim_splits_it(vm: VM, process: Process) -> None:
    """Reclaim swaps pages of a huge page out one by one; they come back with their contents."""
    address = huge_page(process)
    while not process.memory.swap:
        vm.reclaim(64, node=0)
    assert vm.vmstat()["thp_split_page"] == 1
    assert holds(process, address)


def test_reclaim_leaves_a_pinned_one(vm: VM, process: Process) -> None:
    """A huge page that cannot be split stays, active."""
    address = huge_page(process)
    pin = process.pin(address + AT)
    for _ in range(4):
        vm.reclaim(64, node=0)
    assert is_huge(process, address)
    assert page_at(process, address).flags & PageFlag.ACTIVE
    pin.put()


def test_the_huge_zero_page_splits_to_small_ones(vm: VM, process: Process) -> None:
    """Cutting it leaves entries of the shared zero page; nothing is allocated (9.6)."""
    address = huge_area(process)
    process.touch(address, write=False)
    process.munmap(address + AT, PAGE_SIZE)
    entries = process.entries(address, HPAGE)
    assert [(entry.kind, entry.huge) for entry in entries] == [("zero", False)] * 511
    process.write(address, b"one")
    assert process.memory.anon == 1
    assert vm.vmstat()["thp_split_page"] == 0


def test_swap_out_needs_a_private_page(vm: VM, process: Process) -> None:
    """EINVAL for nothing, the zero page and shared memory; EBUSY for a pinned page; nothing changes."""
    empty, shared = process.mmap(2 * PAGE_SIZE), process.mmap(PAGE_SIZE, shared=True)
    process.touch(empty + PAGE_SIZE, write=False)
    process.touch(shared)
    for address in (empty, empty + PAGE_SIZE, shared, 0x7000):
        with pytest.raises(SystemCallError) as caught:
            process.swap_out(address)
        assert caught.value.errno == EINVAL
    pin = process.pin(empty)
    with pytest.raises(SystemCallError) as caught:
        process.swap_out(empty)
    assert caught.value.errno == EBUSY
    pin.put()
    process.write(empty, b"kept")
    process.swap_out(empty)
    assert (process.memory.swap, process.page(empty)) == (1, None)
    assert process.read(empty, 4) == b"kept"
