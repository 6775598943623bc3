"""A process's memory: areas, faults, what lies where (spec/migration.md 2.5, 7.5)."""

import errno

import pytest
from process.kit import cached, filled, page_at, stored_file

from movable import (
    PAGE_SIZE,
    VM,
    BusError,
    Entry,
    LruList,
    MovableError,
    Mpol,
    PageFlag,
    Process,
    Prot,
    SegmentationFault,
    SystemCallError,
)


def test_what_is_written_is_read(process: Process) -> None:
    """Bytes written at any address are read there again, across page boundaries."""
    address = process.mmap(4 * PAGE_SIZE)
    data = bytes(range(256)) * 40
    process.write(address + 100, data)
    assert process.read(address + 100, len(data)) == data
    assert process.read(address, 100) == bytes(100)


def test_a_first_write_makes_an_active_anonymous_page(vm: VM, process: Process) -> None:
    """Refs are 1 mapping + 1 vector; uptodate, swapbacked, active; the entry is dirty, PG_dirty clear (7.5)."""
    address = process.mmap(PAGE_SIZE)
    process.touch(address)
    page = page_at(process, address)
    assert (page.refcount, page.mapcount) == (2, 1)
    assert page.flags == PageFlag.UPTODATE | PageFlag.SWAPBACKED | PageFlag.ACTIVE
    entry = process.entry(address)
    assert entry == Entry(address, "page", page.pfn, writable=True, young=True, dirty=True, protnone=False)
    vm.lru_add_drain_all()
    assert page.refcount == 1
    assert page in vm.lru.pages(0, LruList.ACTIVE_ANON)


def test_a_first_read_maps_the_zero_page(vm: VM, process: Process) -> None:
    """The first read of private anonymous memory takes no frame; a write then does (7.5)."""
    address = process.mmap(PAGE_SIZE)
    free = vm.vmstat()["nr_free_pages"]
    assert process.read(address, 8) == bytes(8)
    entry = process.entry(address)
    assert entry is not None
    assert (entry.kind, entry.writable, process.page(address)) == ("zero", False, None)
    assert vm.vmstat()["nr_free_pages"] == free
    assert process.memory.resident == 0
    process.write(address + 4, b"x")
    assert process.read(address, 6) == b"\0\0\0\0x\0"
    assert vm.vmstat()["nr_free_pages"] == free - 1


def test_a_file_page_has_a_cache_reference(vm: VM) -> None:
    """A page of a file's cache is inactive, on the file side, and holds one reference (7.5)."""
    file = vm.file("data")
    file.write(0, b"x")
    page = cached(file)
    assert (page.refcount, page.mapping) == (2, file)
    vm.lru_add_drain_all()
    assert page.refcount == 1
    assert vm.lru.pages(0, LruList.INACTIVE_FILE) == (page,)
    assert vm.vmstat()["nr_dirty"] == 1


def test_a_shared_file_is_one_memory(vm: VM, process: Process) -> None:
    """Shared mappings of two processes, read(2) and write(2) see the same bytes; a private write is its own."""
    file, other = stored_file(vm, 2), vm.process()
    first = process.mmap(2 * PAGE_SIZE, shared=True, file=file)
    second = other.mmap(PAGE_SIZE, shared=True, file=file, offset=PAGE_SIZE)
    private = other.mmap(2 * PAGE_SIZE, file=file)
    assert other.read(private, 1) == b"0"
    process.write(first + PAGE_SIZE, b"shared")
    assert other.read(second, 6) == b"shared"
    assert other.read(private + PAGE_SIZE, 6) == b"shared"
    other.write(private + PAGE_SIZE, b"MINE")
    assert (file.read(PAGE_SIZE, 6), other.read(private + PAGE_SIZE, 6)) == (b"shared", b"MINEed")
    assert file.stored(PAGE_SIZE, 1) == b"1"
    file.sync()
    assert file.stored(PAGE_SIZE, 6) == b"shared"
    assert page_at(process, first + PAGE_SIZE).mapcount == 2


def test_a_write_after_writeback_makes_the_page_dirty_again(vm: VM, process: Process) -> None:
    """Writing a page out takes write access from its entries, so that the next write is noticed."""
    file = stored_file(vm)
    address = process.mmap(PAGE_SIZE, shared=True, file=file)
    process.write(address, b"one")
    file.sync()
    page = page_at(process, address)
    entry = process.entry(address)
    assert entry is not None
    assert not entry.writable
    assert not page.flags & PageFlag.DIRTY
    process.write(address, b"two")
    assert page.flags & PageFlag.DIRTY
    file.sync()
    assert file.stored(0, 3) == b"two"


def test_shared_anonymous_memory_is_inherited(vm: VM, process: Process) -> None:
    """Parent and child see each other's writes to MAP_SHARED memory, whose pages are on the anonymous side."""
    address = process.mmap(PAGE_SIZE, shared=True)
    process.write(address, b"before")
    child = process.fork()
    child.write(address, b"child!")
    assert process.read(address, 6) == b"child!"
    vm.lru_add_drain_all()
    assert vm.lru.pages(0, LruList.INACTIVE_ANON) == (page_at(process, address),)
    assert vm.vmstat()["nr_shmem"] == 1
    process.exit()
    assert child.read(address, 6) == b"child!"
    child.exit()
    assert vm.vmstat()["nr_shmem"] == 0


def test_fork_copies_on_write(vm: VM, process: Process) -> None:
    """After fork a page is mapped twice and read-only; who writes first gets a copy, the other one keeps it."""
    address = filled(process)
    child = process.fork()
    page = page_at(process, address)
    assert (page.mapcount, page.refcount, child.page(address)) == (2, 2, page)
    for each in (process, child):
        entry = each.entry(address)
        assert entry is not None
        assert not entry.writable
    child.write(address, b"CHILD")
    assert (process.read(address, 6), child.read(address, 6)) == (b"page 0", b"CHILD0")
    assert page.mapcount == 1
    process.write(address, b"P")
    assert process.page(address) is page


def test_exit_frees_everything(vm: VM, process: Process) -> None:
    """When all processes of a family have ended, every page is free again."""
    free = vm.vmstat()["nr_free_pages"]
    address = filled(process, 8)
    child = process.fork()
    child.write(address, b"x")
    grandchild = child.fork()
    process.exit()
    grandchild.write(address + PAGE_SIZE, b"y")
    child.exit()
    grandchild.exit()
    vm.lru_add_drain_all()
    assert vm.vmstat()["nr_free_pages"] == free
    assert vm.processes == ()
    with pytest.raises(MovableError, match="process 1 has ended"):
        process.read(address, 1)


def test_areas_split_and_merge(process: Process) -> None:
    """Neighbours that are alike are one area; mprotect splits it, and undoing that joins it again."""
    second = process.mmap(2 * PAGE_SIZE)
    first = process.mmap(2 * PAGE_SIZE)
    assert [(area.start, area.pages) for area in process.areas] == [(first, 4)]
    process.touch(first, 4 * PAGE_SIZE)
    process.mprotect(first + PAGE_SIZE, PAGE_SIZE, Prot.READ)
    assert [area.pages for area in process.areas] == [1, 1, 2]
    process.mprotect(first + PAGE_SIZE, PAGE_SIZE, Prot.READ | Prot.WRITE)
    assert [area.pages for area in process.areas] == [4]
    process.munmap(second, PAGE_SIZE)
    assert [(area.start, area.pages) for area in process.areas] == [(first, 2), (second + PAGE_SIZE, 1)]
    assert process.memory.anon == 3


def test_protection_is_kept(process: Process) -> None:
    """A PROT_NONE area faults on reads, a read-only one on writes, and contents survive both."""
    address = filled(process)
    process.mprotect(address, PAGE_SIZE, Prot.NONE)
    entry = process.entry(address)
    assert entry is not None
    assert entry.protnone
    with pytest.raises(SegmentationFault, match="read at"):
        process.read(address, 1)
    process.mprotect(address, PAGE_SIZE, Prot.READ)
    assert process.read(address, 6) == b"page 0"
    with pytest.raises(SegmentationFault) as caught:
        process.write(address, b"x")
    assert caught.value.errno == errno.EFAULT
    process.mprotect(address, PAGE_SIZE, Prot.READ | Prot.WRITE)
    process.write(address, b"P")
    assert process.read(address, 6) == b"Page 0"


def test_memory_that_is_not_there(vm: VM, process: Process) -> None:
    """Unmapped memory is SIGSEGV; a mapped file beyond its end is SIGBUS; a cut file loses its pages."""
    with pytest.raises(SegmentationFault):
        process.read(0x1000, 1)
    file = stored_file(vm, 2)
    address = process.mmap(4 * PAGE_SIZE, shared=True, file=file)
    process.touch(address, 2 * PAGE_SIZE)
    with pytest.raises(BusError):
        process.touch(address + 2 * PAGE_SIZE)
    file.truncate(PAGE_SIZE)
    assert process.memory.file == 1
    with pytest.raises(BusError):
        process.read(address + PAGE_SIZE, 1)
    assert process.read(address, 1) == b"0"


@pytest.mark.parametrize("sync", [False, True])
def test_what_was_cut_off_stays_away(vm: VM, process: Process, sync: bool) -> None:
    """A file cut inside a page and lengthened again reads as zeros from the cut on, in its cache and in its store."""
    file = vm.file("data", PAGE_SIZE)
    address = process.mmap(PAGE_SIZE, shared=True, file=file)
    file.write(0, b"x" * PAGE_SIZE)
    if sync:
        file.sync()
    process.touch(address, write=False)
    file.truncate(100)
    file.truncate(PAGE_SIZE)
    expected = b"x" * 100 + bytes(PAGE_SIZE - 100)
    assert file.read(0, PAGE_SIZE) == process.read(address, PAGE_SIZE) == expected
    file.sync()
    assert file.stored(0, PAGE_SIZE) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda p: p.mmap(0), errno.EINVAL),
        (lambda p: p.mmap(1 << 60), errno.ENOMEM),
        (lambda p: p.munmap(0x10001, PAGE_SIZE), errno.EINVAL),
        (lambda p: p.munmap(0x10000, 0), errno.EINVAL),
        (lambda p: p.mprotect(0x10000, PAGE_SIZE, Prot.READ), errno.ENOMEM),
        (lambda p: p.mlock(0x10000, PAGE_SIZE), errno.ENOMEM),
    ],
    ids=["nothing", "too much", "unaligned", "no length", "mprotect", "mlock"],
)
def test_bad_calls_have_an_errno(process: Process, call: object, expected: int) -> None:
    """A system call that the kernel would refuse is a SystemCallError with its errno, and an OSError."""
    with pytest.raises(OSError, match="process 1 failed") as caught:
        call(process)  # type: ignore[operator]
    assert isinstance(caught.value, SystemCallError)
    assert caught.value.errno == expected
    assert process.areas == ()


def test_pages_come_from_where_they_should() -> None:
    """A page comes from the touching CPU's node, or by the process's or the area's policy, in falling order."""
    with VM("numa4", debug=2) as vm:
        process = vm.process()
        address = process.mmap(3 * PAGE_SIZE)
        vm.cpu = vm.nodes[1].cpus[0]
        process.touch(address)
        process.set_mempolicy(Mpol.PREFERRED, [3])
        process.touch(address + PAGE_SIZE)
        process.mbind(address + 2 * PAGE_SIZE, PAGE_SIZE, Mpol.BIND, [0])
        process.touch(address + 2 * PAGE_SIZE)
        assert [page.nid for page in process.pages().values()] == [1, 3, 0]
        assert [str(area.policy) for area in process.areas] == ["None", "bind:0"]


def test_swap_keeps_contents(vm: VM, process: Process) -> None:
    """Reclaimed pages go to swap space and come back with their contents; the slot is shared over fork."""
    address = filled(process, 4)
    child = process.fork()
    while vm.reclaim(4):
        pass
    assert (process.memory.anon, process.memory.swap, vm.swap[1]) == (0, 4, 4)
    entry = process.entry(address)
    assert entry is not None
    assert entry.kind == "swap"
    child.write(address, b"CHILD")
    assert (process.read(address, 6), child.read(address, 6)) == (b"page 0", b"CHILD0")
    process.exit()
    assert child.read(address + PAGE_SIZE, 6) == b"page 1"
    child.exit()
    assert vm.swap == (64, 0)


def test_the_allocator_reclaims(vm: VM, process: Process) -> None:
    """A process may use more memory than there is while swap space takes the rest (spec/compaction.md 2.13)."""
    vm.debug = 1
    total = vm.vmstat()["nr_free_pages"]
    vm.swapon(total)
    pages = total + total // 4
    address = process.mmap(pages * PAGE_SIZE)
    for number in range(pages):
        process.write(address + number * PAGE_SIZE, b"%d" % number)
    for number in range(0, pages, 7):
        text = b"%d" % number
        assert process.read(address + number * PAGE_SIZE, len(text)) == text
    assert process.memory.swap >= total // 4
    vm.recount()


def test_memory_that_cannot_be_had(vm: VM) -> None:
    """Without swap space a fault that finds no memory fails with ENOMEM and leaves the process as it was."""
    process = vm.process()
    pages = vm.vmstat()["nr_free_pages"] + 1
    address = process.mmap(pages * PAGE_SIZE)
    vm.debug = 1
    with pytest.raises(SystemCallError) as caught:
        process.touch(address, pages * PAGE_SIZE)
    assert caught.value.errno == errno.ENOMEM
    vm.recount()
    process.exit()
    vm.lru_add_drain_all()
    assert vm.vmstat()["nr_free_pages"] == pages - 1


def test_what_belongs_to_another_vm_is_refused() -> None:
    """A file of another VM cannot be mapped, and a process of another VM cannot be put into a cpuset."""
    with VM("tiny") as vm, VM("tiny") as other:
        process = vm.process()
        with pytest.raises(MovableError, match="file: 'f' is of another VM"):
            process.mmap(PAGE_SIZE, file=other.file("f", PAGE_SIZE))
        with pytest.raises(MovableError, match=r"process: .* is of another VM"):
            other.cpusets.attach(process)
        assert not process.areas
        assert process.cpuset is vm.cpusets
