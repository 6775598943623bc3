"""The text of numa_maps (spec/migration.md 9.10)."""

import pytest
from numa.moving import spread

from movable import PAGE_SIZE, VM, MovableError, Process

KB = "kernelpagesize_kB=4"


def line(process: Process, address: int) -> str:
    """The text of the area that starts at the address, without the address."""
    start = f"{address:08x} "
    (found,) = (each for each in process.numa_maps().splitlines() if each.startswith(start))
    return found.removeprefix(start)


def test_fresh_anonymous_pages(process: Process) -> None:
    """8 freshly touched anonymous pages are active and dirty: no active field (9.10, fact 81)."""
    address = process.mmap(8 * PAGE_SIZE)
    process.touch(address, 8 * PAGE_SIZE)
    assert line(process, address) == f"default anon=8 dirty=8 N0=8 {KB}"


def test_one_line_for_each_area(process: Process) -> None:
    """Lines go by address, of at least 8 digits; untouched areas end after the policy (9.10)."""
    process.mmap(PAGE_SIZE, address=0x10000, fixed=True)
    process.mmap(PAGE_SIZE, address=0x7000_0000_0000, fixed=True)
    assert process.numa_maps() == "00010000 default\n700000000000 default\n"
    assert process.vm.process().numa_maps() == ""


def test_nodes_in_ascending_order(process: Process) -> None:
    """A count for each node that has pages (9.10 field 12)."""
    addresses = spread(process, [3, 1, 1, 0, 3])
    assert line(process, addresses[0]) == f"default anon=5 dirty=5 N0=1 N1=2 N3=2 {KB}"


def test_a_moved_page_keeps_its_state(process: Process) -> None:
    """Migration keeps active and dirty, although restored entries are clean: PG_dirty tells (9.10, 1.4)."""
    addresses = spread(process, [0, 0])
    process.migrate_pages(0, {0}, {2})
    process.vm.lru_add_drain_all()
    assert line(process, addresses[0]) == f"default anon=2 dirty=2 N2=2 {KB}"


def test_all_pages_inactive_prints_active_0(vm: VM, process: Process) -> None:
    """Pages of a file start inactive: active=0 is printed (9.10, fact 76)."""
    address = process.mmap(4 * PAGE_SIZE, shared=True, file=vm.file("data", 4 * PAGE_SIZE))
    process.touch(address, 4 * PAGE_SIZE)
    assert line(process, address) == f"default file=data dirty=4 active=0 N0=4 {KB}"


def test_mapped_is_left_out_where_it_says_nothing(vm: VM, process: Process) -> None:
    """mapped is printed unless all pages are anonymous, or all are dirty (9.10 field 7, fact 76)."""
    file = vm.file("data", 4 * PAGE_SIZE)
    shared = process.mmap(4 * PAGE_SIZE, shared=True, file=file)
    process.touch(shared, 4 * PAGE_SIZE, write=False)
    assert line(process, shared) == f"default file=data mapped=4 active=0 N0=4 {KB}"
    process.touch(shared)
    assert line(process, shared) == f"default file=data dirty=1 mapped=4 active=0 N0=4 {KB}"
    process.touch(shared, 4 * PAGE_SIZE)
    assert line(process, shared) == f"default file=data dirty=4 active=0 N0=4 {KB}"


def test_private_copies_of_a_file_are_active(vm: VM, process: Process) -> None:
    """2 private copies among 8 pages of a tmpfs file: anon=2, active=2 (9.10)."""
    file = vm.file("tmp", 8 * PAGE_SIZE, tmpfs=True)
    address = process.mmap(8 * PAGE_SIZE, file=file)
    process.touch(address, 8 * PAGE_SIZE, write=False)
    process.touch(address, 2 * PAGE_SIZE)
    assert line(process, address) == f"default file=tmp anon=2 dirty=2 mapped=8 active=2 N0=8 {KB}"


def test_mapmax_is_the_highest_mapcount(process: Process) -> None:
    """mapmax appears from 2 on (9.10 field 8)."""
    (address,) = spread(process, [0])
    child = process.fork()
    assert line(process, address) == f"default anon=1 dirty=1 mapmax=2 N0=1 {KB}"
    assert line(child, address) == line(process, address)
    child.fork()
    assert " mapmax=3 " in line(process, address)


def test_locked_pages_count_as_active(process: Process) -> None:
    """Unevictable pages are in the count of active ones (9.10 field 10)."""
    address = process.mmap(2 * PAGE_SIZE, locked=True)
    assert line(process, address) == f"default anon=2 dirty=2 N0=2 {KB}"


def test_swapped_pages_are_not_counted(vm: VM, process: Process) -> None:
    """What is in swap space is on no node; a page of the swap cache is counted as such (9.10)."""
    vm.swapon(64)
    addresses = spread(process, [0] * 4)
    vm.reclaim(64, 0)
    vm.reclaim(64, 0)
    swapped = sum(each is not None and each.kind == "swap" for each in map(process.entry, addresses))
    assert swapped == 4
    assert line(process, addresses[0]) == "default"
    process.touch(addresses[0], write=False)
    text = line(process, addresses[0])
    assert text.startswith("default anon=1 ")
    assert ("swapcache=1" in text) is (vm.swap[1] == 4)


def test_a_page_under_writeback(vm: VM, process: Process) -> None:
    """writeback counts pages that are being written (9.10 field 11)."""
    file = vm.file("data", 2 * PAGE_SIZE, slow_device=True)
    address = process.mmap(2 * PAGE_SIZE, shared=True, file=file)
    process.touch(address, 2 * PAGE_SIZE, write=False)
    file.start_writeback(1)
    assert line(process, address) == f"default file=data mapped=2 active=0 writeback=1 N0=2 {KB}"
    file.end_writeback()


def test_the_zero_page_is_not_counted(process: Process) -> None:
    """Memory that was only read has no page (9.10)."""
    address = process.mmap(2 * PAGE_SIZE)
    process.read(address, 2 * PAGE_SIZE)
    assert line(process, address) == "default"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("/bin/prog", "/bin/prog"),
        ("/t/a b", r"/t/a\040b"),
        ("/SYSV00000000 (deleted)", r"/SYSV00000000\040(deleted)"),
        ("a=b\tc\nd", r"a\075b\011c\012d"),
        (r"back\slash", r"back\slash"),
    ],
)
def test_file_names_are_escaped(vm: VM, process: Process, name: str, text: str) -> None:
    """Newline, tab, space and = become octal escapes of three digits (9.10 field 3)."""
    address = process.mmap(PAGE_SIZE, shared=True, file=vm.file(name, PAGE_SIZE))
    assert line(process, address) == f"default file={text}"


def test_shared_anonymous_memory_has_a_name(process: Process) -> None:
    """Its file is /dev/zero, which has been deleted (9.10)."""
    address = process.mmap(PAGE_SIZE, shared=True)
    assert line(process, address) == r"default file=/dev/zero\040(deleted)"


def test_heap_and_stack(vm: VM, process: Process) -> None:
    """An area that overlaps the brk area is heap, the one that holds the initial stack is stack; children too."""
    heap, stack, other = (
        process.mmap(4 * PAGE_SIZE, address=at, fixed=True) for at in (0x1A00000, 0x5000000, 0x60000)
    )
    process.set_heap(heap + PAGE_SIZE, heap + 9 * PAGE_SIZE)
    process.set_stack(stack + PAGE_SIZE + 8)
    process.touch(heap)
    file = process.mmap(PAGE_SIZE, address=heap + 8 * PAGE_SIZE, fixed=True, file=vm.file("data", PAGE_SIZE))
    assert line(process, heap) == f"default heap anon=1 dirty=1 N0=1 {KB}"
    assert line(process, stack) == "default stack"
    assert line(process, other) == "default"
    assert line(process, file) == "default file=data"
    assert process.numa_maps().startswith("00060000 default\n01a00000 default heap")
    assert line(process.fork(), stack) == "default stack"


def test_numa_maps_of_a_process_without_memory(vm: VM) -> None:
    """A kernel thread has none."""
    with pytest.raises(MovableError, match="kernel thread"):
        vm.kernel_thread().numa_maps()
