"""madvise of Linux 4.9: arguments, dropping pages at once or lazily, flags of areas (spec/differences-numa.md N37)."""

from errno import EINVAL, ENOMEM

import pytest
from huge.conftest import TWO_NODES
from huge.kit import HPAGE, huge_page, is_huge, page_at

from movable import PAGE_SIZE, VM, LruList, Madvise, PageFlag, Process, SystemCallError


def errno_of(process: Process, address: int, length: int, advice: int) -> int:
    """What madvise answers."""
    try:
        process.madvise(address, length, advice)
    except SystemCallError as error:
        return error.errno or 0
    return 0


def filled(process: Process, pages: int = 4) -> int:
    """An area whose pages hold their number; its address."""
    address = process.mmap(pages * PAGE_SIZE)
    for number in range(pages):
        process.write(address + number * PAGE_SIZE, b"page %d" % number)
    process.vm.lru_add_drain_all()
    return address


@pytest.mark.parametrize("advice", [-1, 5, 6, 7, 18, 19, 20, 21, 22, 1 << 31, 1 << 40])
def test_unknown_advice_is_refused_first(process: Process, advice: int) -> None:
    """EINVAL, whatever the range: COLD and PAGEOUT are newer than 4.9 (differences-numa, set-up); nothing changes."""
    address = filled(process)
    assert errno_of(process, address, PAGE_SIZE, advice) == EINVAL
    assert errno_of(process, address + 1, 0, advice) == EINVAL
    assert process.read(address, 6) == b"page 0"


@pytest.mark.parametrize("advice", [*Madvise])
def test_the_range_is_checked(process: Process, advice: Madvise) -> None:
    """Unaligned or wrapping: EINVAL. No length: 0. Not mapped: ENOMEM."""
    address = filled(process)
    assert errno_of(process, address + 1, PAGE_SIZE, advice) == EINVAL
    assert errno_of(process, address, (1 << 64) - 1, advice) == EINVAL
    assert errno_of(process, address, -PAGE_SIZE, advice) == EINVAL
    assert errno_of(process, address, 0, advice) == 0
    assert errno_of(process, 0x10_0000, PAGE_SIZE, advice) == ENOMEM
    assert process.read(address, 6) == b"page 0"


def test_holes_are_passed_over(process: Process) -> None:
    """What is mapped takes the advice; the call says ENOMEM, for a hole at any place."""
    address = filled(process, 5)
    process.munmap(address + PAGE_SIZE, PAGE_SIZE)
    process.munmap(address + 3 * PAGE_SIZE, PAGE_SIZE)
    assert errno_of(process, address, 4 * PAGE_SIZE, Madvise.DONTNEED) == ENOMEM
    assert process.memory.anon == 1
    assert errno_of(process, address + PAGE_SIZE, 4 * PAGE_SIZE, Madvise.HUGEPAGE) == ENOMEM
    assert [area.huge_pages for area in process.areas] == [False, True, True]


def test_an_area_that_cannot_ends_the_call(process: Process) -> None:
    """Areas before a locked one have lost their pages, those behind it have not (EINVAL)."""
    address = filled(process, 3)
    process.mlock(address + PAGE_SIZE, PAGE_SIZE)
    assert errno_of(process, address, 3 * PAGE_SIZE, Madvise.DONTNEED) == EINVAL
    assert [process.read(address + n * PAGE_SIZE, 6).strip(b"\0") for n in range(3)] == [
        b"",
        b"page 1",
        b"page 2",
    ]


def test_dontneed_drops_at_once(vm: VM, process: Process) -> None:
    """Private pages read as zeros afterwards; shared memory and files keep their contents in the cache."""
    address, shared = filled(process), process.mmap(PAGE_SIZE, shared=True)
    process.write(shared, b"shared")
    process.swap_out(address + PAGE_SIZE)
    process.madvise(address, 2 * PAGE_SIZE - 7, Madvise.DONTNEED)
    process.madvise(shared, PAGE_SIZE, Madvise.DONTNEED)
    assert (process.page(address), process.page(shared), process.memory.swap) == (None, None, 0)
    assert process.read(address, 2 * PAGE_SIZE) == bytes(2 * PAGE_SIZE)
    assert process.read(address + 2 * PAGE_SIZE, 6) == b"page 2"
    assert process.read(shared, 6) == b"shared"
    assert vm.swap[1] == 0


def test_a_lazily_freed_page_goes_without_swap(vm: VM, process: Process) -> None:
    """MADV_FREE makes pages clean, old and inactive; reclaim drops them, and they read as zeros (N37)."""
    address = filled(process)
    page = page_at(process, address)
    process.madvise(address, 4 * PAGE_SIZE, Madvise.FREE)
    entry = process.entry(address)
    assert entry is not None
    assert (entry.young, entry.dirty, entry.writable) == (False, False, True)
    assert page.flags & (PageFlag.DIRTY | PageFlag.ACTIVE) == 0
    assert page in vm.lru.pages(0, LruList.INACTIVE_ANON)
    assert process.read(address, 6) == b"page 0"
    process.write(address + PAGE_SIZE, b"new")
    for _ in range(4):
        vm.reclaim(8, node=0)
    assert [process.read(address + n * PAGE_SIZE, 6).strip(b"\0") for n in (2, 3)] == [b"", b""]
    assert process.read(address + PAGE_SIZE, 6) == b"newe 1"
    assert vm.vmstat()["pswpout"] <= 2


def test_free_keeps_what_others_use(vm: VM, process: Process) -> None:
    """Shared pages and pinned ones are not lost; pages in swap space are dropped at once."""
    address = filled(process)
    process.swap_out(address + 3 * PAGE_SIZE)
    pin = process.pin(address)
    process.madvise(address, 4 * PAGE_SIZE, Madvise.FREE)
    assert vm.swap[1] == 0
    for _ in range(4):
        vm.reclaim(8, node=0)
    assert page_at(process, address) == pin
    assert process.read(address, 6) == b"page 0"
    pin.put()
    other = filled(process)
    child = process.fork()
    process.madvise(other, 4 * PAGE_SIZE, Madvise.FREE)
    for _ in range(6):
        vm.reclaim(8, node=0)
    assert [child.read(other + n * PAGE_SIZE, 6) for n in range(4)] == [b"page %d" % n for n in range(4)]


def test_without_swap_free_is_dontneed() -> None:
    """N37: no swap space, or a full one, and the pages go at once."""
    with VM(TWO_NODES, debug=2) as vm:
        process = vm.process()
        address = filled(process)
        process.madvise(address, PAGE_SIZE, Madvise.FREE)
        assert process.page(address) is None
        vm.swapon(1)
        process.swap_out(address + PAGE_SIZE)
        process.madvise(address + 2 * PAGE_SIZE, PAGE_SIZE, Madvise.FREE)
        assert process.page(address + 2 * PAGE_SIZE) is None


def test_free_is_for_private_anonymous_memory(vm: VM, process: Process) -> None:
    """EINVAL for files and shared memory, while there is swap space."""
    file = vm.file("data", PAGE_SIZE)
    for area in (process.mmap(PAGE_SIZE, file=file), process.mmap(PAGE_SIZE, shared=True)):
        assert errno_of(process, area, PAGE_SIZE, Madvise.FREE) == EINVAL


def test_flags_split_and_join_areas(process: Process) -> None:
    """Advice about a part makes it an area of its own; taken back, the areas join."""
    address = process.mmap(4 * PAGE_SIZE)
    process.madvise(address + PAGE_SIZE, PAGE_SIZE, Madvise.HUGEPAGE)
    process.madvise(address + PAGE_SIZE, PAGE_SIZE, Madvise.MERGEABLE)
    assert [(area.pages, area.huge_pages, area.mergeable) for area in process.areas] == [
        (1, False, False),
        (1, True, True),
        (2, False, False),
    ]
    process.madvise(address, 4 * PAGE_SIZE, Madvise.UNMERGEABLE)
    process.madvise(address, 4 * PAGE_SIZE, Madvise.NOHUGEPAGE)
    assert [area.pages for area in process.areas] == [4]
    for advice in (Madvise.RANDOM, Madvise.SEQUENTIAL, Madvise.NORMAL, Madvise.WILLNEED, Madvise.DONTDUMP):
        process.madvise(address, 4 * PAGE_SIZE, advice)
    assert [area.pages for area in process.areas] == [4]


def test_dontfork_leaves_an_area_out(process: Process) -> None:
    """A child has not the areas advised with MADV_DONTFORK, until MADV_DOFORK."""
    address = filled(process, 2)
    process.madvise(address, PAGE_SIZE, Madvise.DONTFORK)
    child = process.fork()
    assert [area.start for area in child.areas] == [address + PAGE_SIZE]
    process.madvise(address, PAGE_SIZE, Madvise.DOFORK)
    assert process.fork().read(address, 6) == b"page 0"
    raw = process.mmap_special("mem")
    assert errno_of(process, raw, PAGE_SIZE, Madvise.DOFORK) == EINVAL
    assert errno_of(process, raw, PAGE_SIZE, Madvise.DODUMP) == EINVAL


def test_dontneed_of_a_part_of_a_huge_page(vm: VM, process: Process) -> None:
    """The part is gone, what is left holds what it held; a whole one that a range covers goes whole."""
    address = huge_page(process)
    process.madvise(address + HPAGE - 3 * PAGE_SIZE, 3 * PAGE_SIZE, Madvise.DONTNEED)
    assert not is_huge(process, address)
    assert process.memory.anon == 509
    assert process.read(address + 508 * PAGE_SIZE, 8) == b"page 508"
    assert process.read(address + 509 * PAGE_SIZE, 8) == bytes(8)
