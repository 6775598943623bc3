"""What a read fault maps beside its own page (spec/migration.md 9.8)."""

from errno import ENOENT

import pytest

from movable import PAGE_SIZE, VM, File, Process, Prot

WINDOW = 16
BASE = 0x7000_0000_0000


def cached_file(vm: VM, pages: int, *, tmpfs: bool = False) -> File:
    """A file whose pages are all in the cache."""
    file = vm.file("data", pages * PAGE_SIZE, tmpfs=tmpfs)
    file.write(0, bytes(range(1, 256)) * (pages * PAGE_SIZE // 255 + 1))
    file.truncate(pages * PAGE_SIZE)
    return file


def mapped(process: Process) -> list[int]:
    """The numbers of the pages from BASE on that are mapped."""
    return [(address - BASE) // PAGE_SIZE for address in process.pages()]


@pytest.mark.parametrize("tmpfs", [False, True])
def test_a_read_maps_the_cached_pages_of_its_window(vm: VM, process: Process, *, tmpfs: bool) -> None:
    """The window is the 64 KiB of addresses around it; its pages are present then, and their mapcount counts."""
    file = cached_file(vm, 40, tmpfs=tmpfs)
    process.mmap(40 * PAGE_SIZE, shared=True, file=file, address=BASE, fixed=True)
    process.read(BASE + 20 * PAGE_SIZE, 1)
    assert mapped(process) == list(range(WINDOW, 2 * WINDOW))
    assert {page.mapcount for page in process.pages().values()} == {1}
    other = vm.process()
    other.mmap(40 * PAGE_SIZE, file=file, address=BASE, fixed=True)
    other.read(BASE + 31 * PAGE_SIZE, 1)
    assert {page.mapcount for page in process.pages().values()} == {2}
    addresses = [BASE + 15 * PAGE_SIZE, BASE + 16 * PAGE_SIZE]
    assert process.move_pages(0, addresses) == [-ENOENT, 0]
    assert process.memory.resident == WINDOW


def test_a_write_maps_its_own_page_only(vm: VM, process: Process) -> None:
    """Write faults do not map neighbours."""
    process.mmap(16 * PAGE_SIZE, shared=True, file=cached_file(vm, 16), address=BASE, fixed=True)
    process.touch(BASE + 3 * PAGE_SIZE)
    assert mapped(process) == [3]


def test_the_window_ends_with_the_area(vm: VM, process: Process) -> None:
    """It is cut at the ends of the area, wherever those lie in the file."""
    file = cached_file(vm, 40)
    start = BASE + 6 * PAGE_SIZE
    process.mmap(5 * PAGE_SIZE, file=file, offset=PAGE_SIZE, address=start, fixed=True)
    process.read(start + 2 * PAGE_SIZE, 1)
    assert mapped(process) == [6, 7, 8, 9, 10]
    assert process.read(start, 4) == file.read(PAGE_SIZE, 4)


def test_what_is_not_cached_or_mapped_otherwise_stays(vm: VM, process: Process) -> None:
    """Pages outside the cache are not read in, private copies stay, and locked pages are passed over."""
    file = vm.file("data", 8 * PAGE_SIZE)
    for index in (0, 2, 4, 6):
        file.write(index * PAGE_SIZE, b"%d" % index)
    process.mmap(8 * PAGE_SIZE, file=file, address=BASE, fixed=True)
    process.write(BASE + 4 * PAGE_SIZE, b"mine")
    locked = file.page(6)
    assert locked is not None
    assert locked.trylock()
    process.read(BASE, 1)
    locked.unlock()
    assert mapped(process) == [0, 2, 4]
    assert process.read(BASE + 4 * PAGE_SIZE, 4) == b"mine"


def test_neighbours_can_be_written_as_the_area_allows(vm: VM, process: Process) -> None:
    """Clean until written: a write to a mapped neighbour makes it dirty, or in a private area copies it."""
    file = cached_file(vm, 4)
    file.sync()
    process.mmap(4 * PAGE_SIZE, Prot.READ | Prot.WRITE, shared=True, file=file, address=BASE, fixed=True)
    process.read(BASE, 1)
    entry = process.entry(BASE + PAGE_SIZE)
    assert entry is not None
    assert (entry.young, entry.dirty, entry.writable) == (True, False, False)
    process.write(BASE + PAGE_SIZE, b"new")
    assert file.read(PAGE_SIZE, 3) == b"new"
    assert "dirty=1 " in process.numa_maps()
