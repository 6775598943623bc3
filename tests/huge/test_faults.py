"""How a transparent huge page comes to be, and what it is (spec/migration.md 4.1, 7.5, 9.10)."""

import pytest
from huge.kit import HPAGE, holds, huge_area, huge_page, is_huge, page_at

from movable import GFP, PAGE_SIZE, VM, LruList, Madvise, Mpol, PageFlag, Process, Prot


def test_a_write_to_an_empty_part_makes_a_huge_page(vm: VM, process: Process) -> None:
    """One compound page of 512, born active, its head alone on the LRU; the counters count 512 pages (9.10)."""
    address = huge_area(process)
    process.write(address + 5 * PAGE_SIZE, b"hello")
    head = page_at(process, address)
    assert head.pfn % 512 == 0
    assert (head.refcount, head.mapcount, head.order) == (1, 1, 9)
    assert head.flags == (
        PageFlag.HEAD | PageFlag.UPTODATE | PageFlag.SWAPBACKED | PageFlag.ACTIVE | PageFlag.LRU
    )
    assert vm.lru.pages(0, LruList.ACTIVE_ANON) == (head,)
    stat = vm.vmstat()
    assert (stat["nr_active_anon"], stat["nr_anon_pages"], process.memory.anon) == (512, 512, 512)
    assert (stat["nr_anon_transparent_hugepages"], stat["thp_fault_alloc"], stat["pgfault"]) == (1, 1, 1)
    assert process.read(address + 5 * PAGE_SIZE - 2, 8) == b"\0\0hello\0"


def test_its_512_entries_stand_for_one(process: Process) -> None:
    """The entries are all present, writable and dirty, and name the frames in order."""
    address = huge_page(process)
    entries = process.entries(address, HPAGE)
    head = page_at(process, address)
    assert [entry.pfn for entry in entries] == list(range(head.pfn, head.pfn + 512))
    assert all(entry.huge and entry.writable and entry.dirty and entry.young for entry in entries)
    assert holds(process, address)


def test_a_read_maps_the_huge_zero_page(vm: VM, process: Process) -> None:
    """The first read takes no memory; the first write then makes a huge page of zeros (9.6)."""
    address = huge_area(process)
    free = vm.vmstat()["nr_free_pages"]
    assert process.read(address + HPAGE - 3, 3) == bytes(3)
    entries = process.entries(address, HPAGE)
    assert len(entries) == 512
    assert all(entry.kind == "zero" and entry.huge and not entry.writable for entry in entries)
    assert (vm.vmstat()["nr_free_pages"], process.memory.resident) == (free, 0)
    process.write(address + 7, b"x")
    assert is_huge(process, address)
    assert process.read(address, 9) == b"\0\0\0\0\0\0\0x\0"
    assert vm.vmstat()["nr_free_pages"] == free - 512


def test_without_advice_pages_are_small(process: Process) -> None:
    """Only areas advised with MADV_HUGEPAGE get huge pages, and MADV_NOHUGEPAGE takes that back."""
    address = huge_area(process, 2)
    process.madvise(address, HPAGE, Madvise.NOHUGEPAGE)
    process.touch(address)
    process.touch(address + HPAGE)
    assert (is_huge(process, address), is_huge(process, address + HPAGE)) == (False, True)


def test_only_empty_whole_parts_become_huge(process: Process) -> None:
    """A part with a page in it, or one that the area does not hold wholly, is filled by small pages."""
    address = huge_area(process, 3)
    process.madvise(address, HPAGE, Madvise.NOHUGEPAGE)
    process.touch(address + 9 * PAGE_SIZE)
    process.madvise(address, HPAGE, Madvise.HUGEPAGE)
    process.munmap(address + 3 * HPAGE - PAGE_SIZE, PAGE_SIZE)
    process.touch(address)
    process.touch(address + 2 * HPAGE)
    assert process.memory.anon == 3
    process.touch(address + HPAGE)
    assert process.memory.anon == 515


def test_without_a_block_the_fault_falls_back(vm: VM, process: Process) -> None:
    """If the node has no free block, and none can be made, a small page is taken; the event counts."""
    kept = []
    while (block := vm.alloc_pages(9, GFP.KERNEL & ~GFP.RECLAIM, 0)) is not None:
        kept.append(block)
    vm.free_pages(kept.pop(), 9)
    pages = [vm.alloc_page(GFP.KERNEL, 0) for _ in range(64)]
    address = huge_area(process)
    process.write(address, b"small")
    assert not is_huge(process, address)
    assert process.memory.anon == 1
    assert page_at(process, address).nid == 0
    assert vm.vmstat()["thp_fault_fallback"] == 1
    for page in pages:
        assert page is not None
        vm.free_pages(page)
    for block in kept:
        vm.free_pages(block, 9)


@pytest.mark.parametrize("node", [0, 1])
def test_the_policy_says_where(process: Process, node: int) -> None:
    """A huge page lies on the node that the area's policy names (9.4)."""
    address = huge_area(process)
    process.mbind(address, HPAGE, Mpol.BIND, {node})
    process.touch(address)
    assert page_at(process, address).nid == node
    assert is_huge(process, address)


def test_interleaving_counts_huge_pages(process: Process) -> None:
    """With INTERLEAVE neighbouring huge pages lie on different nodes (9.4)."""
    address = huge_area(process, 4)
    process.mbind(address, 4 * HPAGE, Mpol.INTERLEAVE, {0, 1})
    process.touch(address, 4 * HPAGE)
    first = address // HPAGE % 2
    assert [page_at(process, address + n * HPAGE).nid for n in range(4)] == [
        (first + n) % 2 for n in range(4)
    ]


def test_mlocked_areas_get_small_pages(process: Process) -> None:
    """A simplification of this machine: areas with VM_LOCKED are filled by pages of 4 KiB."""
    address = huge_area(process)
    process.mlock(address, HPAGE)
    assert process.memory.anon == 512
    assert not is_huge(process, address)


def test_exit_frees_it_whole(vm: VM, process: Process) -> None:
    """The last mapping gone, 512 pages are free again as one block."""
    before = vm.zones[0].nr_free
    address = huge_page(process)
    assert is_huge(process, address)
    process.exit()
    assert vm.zones[0].nr_free == before
    assert vm.vmstat()["nr_anon_transparent_hugepages"] == 0


def test_whole_munmap_and_dontneed_do_not_split(vm: VM, process: Process) -> None:
    """A range of whole huge pages is dropped whole."""
    address = huge_area(process, 2)
    process.touch(address, 2 * HPAGE)
    process.madvise(address, HPAGE, Madvise.DONTNEED)
    assert process.entries(address, HPAGE) == ()
    process.munmap(address + HPAGE, HPAGE)
    assert vm.vmstat()["thp_split_page"] == 0
    assert process.memory.anon == 0
    assert process.read(address, 4) == bytes(4)


def test_protection_of_the_whole_keeps_it_huge(vm: VM, process: Process) -> None:
    """mprotect over all of it changes the PMD; the write fault after it gives write access to all again."""
    address = huge_page(process)
    process.mprotect(address, HPAGE, Prot.READ)
    assert is_huge(process, address)
    process.mprotect(address, HPAGE, Prot.READ | Prot.WRITE)
    faults = vm.vmstat()["pgfault"]
    process.write(address + 3 * PAGE_SIZE, b"PAGE")
    process.write(address + 4 * PAGE_SIZE, b"PAGE")
    assert vm.vmstat()["pgfault"] == faults + 1
    assert is_huge(process, address)
    assert all(entry.writable for entry in process.entries(address, HPAGE))
    assert holds(process, address, but=(3, 4))


def test_compaction_passes_over_it(vm: VM, process: Process) -> None:
    """A huge page is a compound page: the scanner leaves it where it is (spec/compaction.md 4.3)."""
    address = huge_page(process)
    head = page_at(process, address)
    vm.compact_node(0)
    assert page_at(process, address) == head
    assert is_huge(process, address)
    assert holds(process, address)
