"""Huge pages, merged pages and special mappings under the NUMA calls (spec/migration.md 9.6, 9.8, 9.10)."""

from array import array
from collections.abc import Sequence
from errno import EACCES, EBUSY, EFAULT, ENOENT, ENOMEM

import pytest
from numa.moving import error_of, machine, spread, where

from movable import PAGE_SIZE, VM, Madvise, Mpol, MpolMF, Process, Prot

HUGE = 512
BASE = 0x7000_0000_0000
SIZE = HUGE * PAGE_SIZE


@pytest.fixture
def vm() -> VM:
    """Two nodes of 16 MiB."""
    return VM(machine(2, 4096), debug=2)


def huge_page(process: Process, address: int = BASE) -> list[int]:
    """A huge page at the address; the addresses of its 512 parts, each holding its number."""
    process.mmap(SIZE, address=address, fixed=True)
    process.madvise(address, SIZE, Madvise.HUGEPAGE)
    addresses = [address + number * PAGE_SIZE for number in range(HUGE)]
    process.write(address, b"part 0")
    assert huge_pages(process) == 1
    for number, part in enumerate(addresses):
        process.write(part, b"part %d" % number)
    process.vm.lru_add_drain_all()
    return addresses


def huge_pages(process: Process) -> int:
    """How many the machine has."""
    return process.vm.vmstat()["nr_anon_transparent_hugepages"]


def whole(process: Process, addresses: Sequence[int]) -> bool:
    """Whether every part still holds its number."""
    return all(process.read(part, 8).rstrip(b"\0") == b"part %d" % n for n, part in enumerate(addresses))


@pytest.mark.parametrize("part", [0, 1, 300, 511])
def test_move_pages_splits_a_huge_page(process: Process, part: int) -> None:
    """The 4 KiB page named is on the target, the other 511 stay, the mapping is split (9.8, fact 79)."""
    addresses = huge_page(process)
    assert process.move_pages(0, [addresses[part]], [1]) == [1]
    nodes = where(process, addresses)
    assert (nodes.pop(part), set(nodes)) == (1, {0})
    assert huge_pages(process) == 0
    assert whole(process, addresses)


def test_it_is_split_even_where_it_need_not_move(process: Process) -> None:
    """On the wanted node already: split all the same. A query splits nothing (9.8)."""
    addresses = huge_page(process)
    assert process.move_pages(0, addresses) == [0] * HUGE
    assert huge_pages(process) == 1
    assert process.move_pages(0, [addresses[7]], [0]) == [0]
    assert huge_pages(process) == 0


def test_parts_go_to_different_nodes(process: Process) -> None:
    """Several parts of one former huge page may be named in one call (9.8)."""
    addresses = huge_page(process)
    assert process.move_pages(0, addresses[:4], [1, 0, 1, 0]) == [1, 0, 1, 0]
    assert whole(process, addresses)


def test_a_huge_page_in_use_stays_whole(process: Process) -> None:
    """A pinned part keeps it from being split: -EBUSY for it, and scans leave all of it alone (9.6, 9.8)."""
    addresses = huge_page(process)
    (other,) = spread(process, [0])
    page = process.pin(addresses[3])
    assert process.move_pages(0, [addresses[0], other], [1, 1]) == [-EBUSY, 1]
    assert process.migrate_pages(0, {0}, {1}) == 0
    process.mbind(BASE, SIZE, Mpol.BIND, {1}, MpolMF.MOVE | MpolMF.STRICT)
    assert set(where(process, addresses)) == {0}
    assert huge_pages(process) == 1
    page.put()
    assert process.move_pages(0, [addresses[0]], [1]) == [1]


def test_migrate_pages_splits_and_moves_all(process: Process) -> None:
    """Every part moves as a page of its own (9.7, N32)."""
    addresses = huge_page(process)
    assert process.migrate_pages(0, {0}, {1}) == 0
    assert set(where(process, addresses)) == {1}
    assert huge_pages(process) == 0
    assert whole(process, addresses)


@pytest.mark.parametrize("flags", [MpolMF.MOVE, MpolMF.MOVE_ALL])
def test_mbind_splits_what_it_scans(process: Process, flags: MpolMF) -> None:
    """A well placed huge page is split too, but only where pages are looked at (9.6)."""
    huge_page(process)
    process.mbind(BASE, SIZE, Mpol.BIND, {0}, 0)
    process.mbind(BASE, SIZE, Mpol.BIND, {0}, MpolMF.STRICT)
    assert huge_pages(process) == 1
    process.mbind(BASE, SIZE, Mpol.BIND, {0}, flags)
    assert huge_pages(process) == 0


def test_the_huge_zero_page(process: Process) -> None:
    """It has no node: -EFAULT; a move splits its PMD and moves nothing (9.6, 9.8)."""
    process.mmap(SIZE, address=BASE, fixed=True)
    process.madvise(BASE, SIZE, Madvise.HUGEPAGE)
    process.read(BASE, 1)
    assert process.move_pages(0, [BASE, BASE + PAGE_SIZE]) == [-EFAULT, -EFAULT]
    assert process.migrate_pages(0, {0}, {1}) == 0
    assert process.move_pages(0, [BASE + PAGE_SIZE], [1]) == [-EFAULT]
    process.write(BASE + PAGE_SIZE, b"x")
    assert len(process.pages()) == 1


def test_numa_maps_of_huge_pages(process: Process) -> None:
    """A huge PMD counts 512, and starts active (9.10)."""
    huge_page(process)
    text = f"{BASE:x} default anon=512 dirty=512 N0=512 kernelpagesize_kB=4\n"
    assert process.numa_maps() == text
    process.move_pages(0, [BASE], [1])
    process.vm.lru_add_drain_all()
    assert process.numa_maps() == text.replace("N0=512", "N0=511 N1=1")


def pool_page(process: Process, node: int, free: Sequence[int]) -> int:
    """A page of the hugetlb pool on a node, beside so many free ones; its address."""
    pool = process.vm.hugetlb
    pool.set(node, 1)
    address = process.mmap(SIZE, hugetlb=True)
    process.write(address + 5000, b"pool")
    for nid, pages in enumerate(free):
        pool.set(nid, pages + (nid == node))
    return address


def test_a_pool_page_moves_by_its_head(vm: VM, process: Process) -> None:
    """All of it, to a free pool page of the node; the old one goes back to its own node's pool (9.8)."""
    address = pool_page(process, 0, (0, 1))
    assert process.move_pages(0, [address, address + 9 * PAGE_SIZE]) == [0, 0]
    assert process.move_pages(0, [address], [1]) == [1]
    assert set(where(process, [address + n * PAGE_SIZE for n in range(HUGE)])) == {1}
    assert process.read(address + 5000, 4) == b"pool"
    assert [(vm.hugetlb.nr(nid), vm.hugetlb.free(nid)) for nid in (0, 1)] == [(1, 1), (1, 0)]


def test_a_pool_page_named_by_a_tail(process: Process) -> None:
    """-EACCES, unless it is there already; also the head's status where nothing moved it (9.8)."""
    address = pool_page(process, 0, (0, 1))
    tail = address + PAGE_SIZE
    assert process.move_pages(0, [tail, tail], [0, 1]) == [0, -EACCES]
    assert where(process, [address]) == [0]
    assert process.move_pages(0, [tail, address, address], [1, 1, 1]) == [-EACCES, 1, -EACCES]


def test_a_pool_without_room(vm: VM, process: Process) -> None:
    """No free pool page on the target: ENOMEM, unless surplus pages may be made (9.8, N05)."""
    address = pool_page(process, 0, (1, 0))
    status = array("i", [777])
    assert error_of(lambda: process.move_pages(0, [address], [1], status=status)) == ENOMEM
    assert error_of(lambda: process.migrate_pages(0, {0}, {1})) == ENOMEM
    assert (list(status), where(process, [address]), vm.hugetlb.free(0)) == ([777], [0], 1)
    vm.hugetlb.overcommit = 1
    assert process.move_pages(0, [address], [1]) == [1]
    assert process.read(address + 5000, 4) == b"pool"


def test_scans_take_pool_pages_whole(process: Process) -> None:
    """migrate_pages moves them, and mbind by the area's policy (9.6, 9.7)."""
    address = pool_page(process, 0, (1, 1))
    assert process.migrate_pages(0, {0}, {1}) == 0
    assert where(process, [address, address + SIZE - 1]) == [1, 1]
    process.mbind(address, SIZE, Mpol.BIND, {0}, MpolMF.MOVE)
    assert where(process, [address, address + SIZE - 1]) == [0, 0]
    assert process.read(address + 5000, 4) == b"pool"


def test_a_shared_pool_page(process: Process) -> None:
    """After fork its mapcount is 2: it takes MOVE_ALL (9.6, 9.8)."""
    address = pool_page(process, 0, (1, 1))
    child = process.fork()
    assert process.move_pages(0, [address], [1]) == [-EACCES]
    assert process.move_pages(0, [address], [1], MpolMF.MOVE_ALL) == [1]
    assert where(child, [address]) == [1]


def test_numa_maps_of_pool_pages(process: Process) -> None:
    """A pool page counts 1, of 2048 KiB; active is never printed (9.10)."""
    pool_page(process, 1, (0, 0))
    process.mmap(SIZE, address=BASE, fixed=True)
    (line,) = (each for each in process.numa_maps().splitlines() if "huge" in each)
    name = r"file=/anon_hugepage\040(deleted) huge"
    assert line.split(" ", 1)[1] == f"default {name} anon=1 dirty=1 N1=1 kernelpagesize_kB=2048"


def test_merged_pages(vm: VM, process: Process) -> None:
    """A merged page is shared: -EACCES without MOVE_ALL; with it the first mention moves it for all (9.8)."""
    addresses = spread(process, [0, 0, 0])
    for address in addresses:
        process.write(address, b"alike ")
    vm.lru_add_drain_all()
    vm.ksm_merge([(process, address) for address in addresses])
    vm.lru_add_drain_all()
    assert process.move_pages(0, addresses, [1] * 3) == [-EACCES] * 3
    assert process.migrate_pages(0, {0}, {1}) == 0
    assert where(process, addresses) == [1] * 3
    vm.lru_add_drain_all()
    assert process.move_pages(0, addresses, [0] * 3, MpolMF.MOVE_ALL) == [0, -EBUSY, -EBUSY]
    assert all(process.read(address, 6) == b"alike " for address in addresses)


def test_special_mappings(vm: VM, process: Process) -> None:
    """vdso: resident, not on the LRU. vvar: untouched -ENOENT. /dev/mem: no page behind it (9.8)."""
    vdso, vvar, mem = (
        process.mmap_special("vdso", node=1),
        process.mmap_special("vvar"),
        process.mmap_special("mem"),
    )
    process.read(vdso, 1)
    places = [vdso, vvar, mem]
    assert process.move_pages(0, places) == [1, -ENOENT, -EFAULT]
    assert process.move_pages(0, places, [0] * 3) == [-EBUSY, -EFAULT, -EFAULT]
    assert process.move_pages(0, places, [1] * 3) == [1, -EFAULT, -EFAULT]
    process.read(vvar, 1)
    assert process.move_pages(0, [vvar]) == [-EFAULT]
    other = vm.process()
    other.read(other.mmap_special("vdso", node=1), 1)
    assert process.move_pages(0, [vdso], [0]) == [-EACCES]
    assert process.migrate_pages(0, {1}, {0}) == 0
    assert where(process, [vdso]) == [1]
    assert "N1" not in process.numa_maps()


def test_an_area_that_cannot_move_is_no_part_of_a_range(process: Process) -> None:
    """mbind passes over it; the area behind it looks like a gap: EFAULT (9.6, N33)."""
    process.mmap(PAGE_SIZE, address=BASE, fixed=True)
    process.mmap_special("vvar", BASE + PAGE_SIZE)
    process.mmap(PAGE_SIZE, Prot.READ, address=BASE + 2 * PAGE_SIZE, fixed=True)
    process.mbind(BASE, 2 * PAGE_SIZE, Mpol.BIND, {0})
    assert error_of(lambda: process.mbind(BASE, 3 * PAGE_SIZE, Mpol.BIND, {0})) == EFAULT
