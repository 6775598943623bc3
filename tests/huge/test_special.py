"""Special mappings: the vdso, its data page, memory of a device (spec/migration.md 9.8; differences-numa, set-up)."""

from errno import ENOMEM

import pytest
from huge.kit import page_at

from movable import (
    GFP,
    PAGE_SIZE,
    VM,
    Madvise,
    MovableError,
    PageFlag,
    Process,
    Prot,
    SegmentationFault,
    SystemCallError,
)


@pytest.mark.parametrize("node", [0, 1])
def test_the_vdso_is_one_reserved_page(vm: VM, process: Process, node: int) -> None:
    """A page of the kernel on the named node, on no LRU, mapped by all who ask for it; it stays when they end."""
    address = process.mmap_special("vdso", node=node)
    assert process.entry(address) is None
    assert process.read(address, 4) == bytes(4)
    page = page_at(process, address)
    assert (page.nid, page.refcount, page.mapcount) == (node, 2, 1)
    assert page.flags & PageFlag.RESERVED
    assert not page.flags & PageFlag.LRU
    other = vm.process()
    second = other.mmap_special("vdso", node=node)
    other.touch(second, write=False)
    assert page_at(other, second) == page
    assert (page.refcount, page.mapcount) == (3, 2)
    assert not vm.page_list("to move").isolate(page)
    process.exit()
    other.exit()
    assert (page.refcount, page.mapcount) == (1, 0)


def test_areas_tell_what_they_are(process: Process) -> None:
    """Each has its own area, which joins no neighbour: the vdso READ|EXEC, the raw ones READ."""
    for kind in ("vdso", "vvar", "mem", "vdso"):
        process.mmap_special(kind)
    found = {(area.special, area.prot, area.pages) for area in process.areas}
    assert found == {("vdso", Prot.READ | Prot.EXEC, 1), ("vvar", Prot.READ, 1), ("mem", Prot.READ, 1)}
    assert len(process.areas) == 4


def test_vvar_is_filled_by_a_fault(process: Process) -> None:
    """Its entry is empty until it is read, and then names no page."""
    address = process.mmap_special("vvar")
    assert process.entry(address) is None
    assert process.read(address, 8) == bytes(8)
    entry = process.entry(address)
    assert entry is not None
    assert (entry.kind, process.page(address)) == ("raw", None)
    assert process.memory.resident == 0


def test_device_memory_is_there_at_once(process: Process) -> None:
    """Its entry is made by mmap; what was taken away does not come back by a fault."""
    address = process.mmap_special("mem")
    entry = process.entry(address)
    assert entry is not None
    assert entry.kind == "raw"
    assert process.read(address, 8) == bytes(8)
    with pytest.raises(SystemCallError):
        process.madvise(address, PAGE_SIZE, Madvise.DONTNEED)


@pytest.mark.parametrize("kind", ["vdso", "vvar", "mem"])
def test_nobody_writes_there(process: Process, kind: str) -> None:
    """A write is a SIGSEGV; raw memory refuses it even where mprotect allows it, and cannot be pinned."""
    address = process.mmap_special(kind)
    with pytest.raises(SegmentationFault):
        process.write(address, b"x")
    process.mprotect(address, PAGE_SIZE, Prot.READ | Prot.WRITE)
    process.touch(address, write=False)
    if kind == "vdso":
        shared = page_at(process, address)
        process.write(address, b"mine")
        assert page_at(process, address) != shared
        assert process.read(address, 4) == b"mine"
        return
    with pytest.raises(SegmentationFault):
        process.write(address, b"x")
    with pytest.raises(SegmentationFault):
        process.pin(address, write=False)


@pytest.mark.parametrize("kind", ["vdso", "vvar", "mem"])
def test_children_inherit_them(vm: VM, process: Process, kind: str) -> None:
    """fork copies the entries, mlock and a second munmap leave no trace."""
    address = process.mmap_special(kind)
    process.touch(address, write=False)
    child = process.fork()
    assert child.entry(address) is not None
    child.mlock(address, PAGE_SIZE)
    assert not child.areas[0].locked
    child.munmap(address, PAGE_SIZE)
    child.munmap(address, PAGE_SIZE)
    assert child.areas == ()
    assert process.read(address, 1) == b"\0"


def test_bad_requests_are_refused(vm: VM, process: Process) -> None:
    """The argument is named; without memory for the vdso's page it is ENOMEM."""
    with pytest.raises(MovableError, match="vdso, vvar or mem, not 'stack'"):
        process.mmap_special("stack")
    with pytest.raises(MovableError, match="no node 2"):
        process.mmap_special("vdso", node=2)
    with pytest.raises(MovableError, match="address"):
        process.mmap_special("vdso", address=1 << 60)
    wish = 0x7000_0000_0000
    assert process.mmap_special("vvar", address=wish) == wish
    taken = []
    while (page := vm.alloc_page(GFP.KERNEL | GFP.THISNODE, 1)) is not None:
        taken.append(page)
    with pytest.raises(SystemCallError) as caught:
        process.mmap_special("vdso", node=1)
    assert caught.value.errno == ENOMEM
    for page in taken:
        vm.free_pages(page)
    assert process.mmap_special("vdso", node=1)
