"""What can be seen of a process's accesses from outside: watchers, the accessed bit, the counters of a zone."""

import pytest

from movable import PAGE_SIZE, VM, Madvise, PageFlag, Process, SegmentationFault

Seen = list[tuple[int, int, int, bool]]


@pytest.fixture
def numa() -> VM:
    """A machine of four nodes that recounts everything after each call."""
    return VM("numa4", debug=2)


def watched(vm: VM) -> Seen:
    """A list that fills with the accesses from now on: pid, address, length, whether it wrote."""
    seen: Seen = []
    vm.access_watchers.append(
        lambda process, address, length, write: seen.append((process.pid, address, length, write))
    )
    return seen


def test_a_watcher_sees_each_access_once(numa: VM) -> None:
    """A read, a write and a touch are told once each, with process, address, length and direction."""
    process, seen = numa.process(), watched(numa)
    address = process.mmap(3 * PAGE_SIZE)
    process.write(address + 5, b"hello")
    process.read(address, 2)
    process.touch(address, 3 * PAGE_SIZE, write=False)
    pid = process.pid
    assert seen == [
        (pid, address + 5, 5, True),
        (pid, address, 2, False),
        (pid, address, 3 * PAGE_SIZE, False),
    ]


def test_an_access_that_failed_is_not_told(numa: VM) -> None:
    """Watchers hear of accesses that succeeded only."""
    process, seen = numa.process(), watched(numa)
    with pytest.raises(SegmentationFault):
        process.touch(0x1000)
    with pytest.raises(SegmentationFault):
        process.read(0x1000, 1)
    assert seen == []


def accessed(process: Process, address: int) -> bool:
    """The accessed bit of an entry that is there."""
    entry = process.entry(address)
    assert entry is not None
    return entry.young


def test_clear_refs_clears_the_accessed_bit(numa: VM) -> None:
    """proc(5), clear_refs 1: accessed bits and PG_referenced go, of this process's mappings; an access sets the bit."""
    process = numa.process()
    address = process.mmap(2 * PAGE_SIZE)
    process.touch(address, 2 * PAGE_SIZE)
    child = process.fork()
    child.touch(address, write=False)
    page = process.page(address)
    assert page is not None
    numa.lru_add_drain_all()
    numa.lru.mark_accessed(page)
    assert page.flags & PageFlag.REFERENCED or page.flags & PageFlag.ACTIVE
    process.clear_refs()
    assert not accessed(process, address)
    assert not accessed(process, address + PAGE_SIZE)
    assert accessed(child, address)
    assert not page.flags & PageFlag.REFERENCED
    process.touch(address, write=False)
    assert accessed(process, address)
    assert not accessed(process, address + PAGE_SIZE)


def test_clear_refs_passes_over_what_is_no_page(numa: VM) -> None:
    """The zero page, device memory, the kernel's page and a huge page: the call goes through, and all is in order."""
    numa.swapon(8)
    process = numa.process()
    base = 0x7000_0000_0000
    process.mmap(512 * PAGE_SIZE, address=base, fixed=True)
    process.madvise(base, 512 * PAGE_SIZE, Madvise.HUGEPAGE)
    process.write(base, b"huge")
    swapped = process.mmap(2 * PAGE_SIZE)
    process.write(swapped, b"swapped")
    numa.lru_add_drain_all()
    process.swap_out(swapped)
    process.read(swapped + PAGE_SIZE, 1)
    special = [process.mmap_special(kind) for kind in ("vdso", "vvar", "mem")]
    for address in special:
        process.read(address, 1)
    process.clear_refs()
    numa.recount()
    assert not any(entry.young for entry in process.entries(base, 512 * PAGE_SIZE))
    assert process.read(base, 4) == b"huge"
    assert process.read(swapped, 7) == b"swapped"


def test_zones_have_counters_of_their_own(numa: VM) -> None:
    """spec/compaction.md 2.13: an allocation counts on its zone; the zones' counters add up to vmstat's."""
    numa.cpu = 1
    assert numa.alloc_page(node=1) is not None
    assert numa.alloc_page(node=2) is not None
    zones = [zone.vmstat() for zone in numa.zones]
    assert [zone["numa_hit"] for zone in zones] == [0, 1, 0, 0]
    assert [zone["numa_miss"] for zone in zones] == [0, 0, 1, 0]
    total = numa.vmstat()
    assert {name: sum(zone[name] for zone in zones) for name in zones[0]} == {
        name: total[name] for name in zones[0]
    }
