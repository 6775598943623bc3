"""mbind: its checks in their order, and what it moves (spec/migration.md 9.6)."""

from errno import EFAULT, EINVAL, EIO, ENOMEM, EPERM
from functools import partial

import pytest
from numa.moving import drop_privileges
from numa.policies import (
    LOW,
    RELATIVE,
    STATIC,
    errno_of,
    fill,
    inside,
    kept,
    nodes_of,
    placed,
    refused,
    texts,
)

from movable import BAD_POINTER, CAP_SYS_NICE, PAGE_SIZE, VM, Credentials, Mpol, MpolMF, Process, Prot
from movable.process.nodemask import NodeMask

B, INT, P, D, L = Mpol.BIND, Mpol.INTERLEAVE, Mpol.PREFERRED, Mpol.DEFAULT, Mpol.LOCAL
STRICT, MOVE, MOVE_ALL = MpolMF.STRICT, MpolMF.MOVE, MpolMF.MOVE_ALL
GAP = LOW + 2 * PAGE_SIZE


@pytest.mark.parametrize(
    ("mode", "nodes", "flags", "address", "length", "errno"),
    [
        (5, BAD_POINTER, 64, 1, -1, EINVAL),
        (B | STATIC | RELATIVE, BAD_POINTER, 64, 1, -1, EINVAL),
        (B, BAD_POINTER, 64, 1, -1, EFAULT),
        (B, [1024], 64, 1, -1, EINVAL),
        (B, [0], 8, 1, 1, EINVAL),
        (B, [0], 16, 1, 1, EINVAL),
        (B, [0], 1 << 31, 1, 1, EINVAL),
        (B, [0], -1, 1, 1, EINVAL),
        (B, [9], MOVE_ALL, LOW + 1, PAGE_SIZE, EPERM),
        (B, [0], 0, LOW + 1, PAGE_SIZE, EINVAL),
        (B, [9], 0, LOW, 0, 0),
        (B, [], 0, LOW, 0, 0),
        (B, [9], 0, LOW, -1, 0),
        (B, [0], 0, LOW, -PAGE_SIZE, EINVAL),
        (B, [0], 0, LOW, 2**64 - PAGE_SIZE, EINVAL),
        (B, [9], 0, GAP, PAGE_SIZE, EINVAL),
        (B, [], 0, GAP, PAGE_SIZE, EINVAL),
        (L, [0], 0, GAP, PAGE_SIZE, EINVAL),
        (D, [0], 0, GAP, PAGE_SIZE, EINVAL),
        (B, [0], 0, GAP, PAGE_SIZE, EFAULT),
        (D, [], 0, GAP, PAGE_SIZE, EFAULT),
        (B, [0], 0, 0xFFFF_8000_0000_0000, PAGE_SIZE, EFAULT),
        (B, [0], 0, -PAGE_SIZE, PAGE_SIZE, EINVAL),
        (B, [0], 0, 0, PAGE_SIZE, EFAULT),
        (B, [0], 0, LOW, 1, 0),
    ],
)
def test_checks_in_their_order(
    process: Process, mode: int, nodes: NodeMask, flags: int, address: int, length: int, errno: int
) -> None:
    """The first wrong argument decides: mode, mask, flags, privilege, start, length, nodes, range (9.6)."""
    process.mmap(2 * PAGE_SIZE, address=LOW)
    process.mmap(PAGE_SIZE, address=LOW << 1)
    drop_privileges(process)
    assert errno_of(lambda: process.mbind(address, length, mode, nodes, flags)) == errno
    assert errno == 0 or [area.policy for area in process.areas] == [None, None]


def test_fact_64(process: Process) -> None:
    """len 0 and BIND with an empty mask: 0. With len > 0: EINVAL (12, fact 64)."""
    process.mmap(PAGE_SIZE, address=LOW)
    assert errno_of(lambda: process.mbind(LOW, 0, B, [])) == 0
    refused(lambda: process.mbind(LOW, 1, B, []), EINVAL, "the nodes do not suit the mode")


def test_move_all_takes_a_capability(process: Process) -> None:
    """MOVE_ALL without CAP_SYS_NICE is EPERM, for any user with it allowed; MOVE is for everybody (row 4)."""
    address = placed(process, [0, 0])
    drop_privileges(process)
    refused(lambda: process.mbind(address, PAGE_SIZE, B, [1], MOVE_ALL), EPERM, "MOVE_ALL takes CAP_SYS_NICE")
    process.mbind(address, PAGE_SIZE, B, [1], MOVE)
    process.credentials = Credentials(1000, 1000, 1000, frozenset({CAP_SYS_NICE}))
    process.mbind(address + PAGE_SIZE, PAGE_SIZE, B, [2], MOVE_ALL)
    assert nodes_of(process, address, 2) == [1, 2]


def test_without_move_nothing_moves(process: Process) -> None:
    """The policy is for what comes; pages that are there stay, and STRICT alone finds nothing to say (fact 65)."""
    address = placed(process, [0, 1, 2, 3])
    for flags in (0, STRICT):
        process.mbind(address, 4 * PAGE_SIZE, B, [3], flags)
        assert nodes_of(process, address, 4) == [0, 1, 2, 3]
    assert texts(process) == ["bind:3"]


def test_fact_65_pinned(process: Process) -> None:
    """STRICT|MOVE with a pinned misplaced page: EIO, the others moved, the new policy in force (12, fact 65)."""
    address = placed(process, [0, 0, 1, 0])
    pinned = process.pin(address + PAGE_SIZE)
    refused(
        lambda: process.mbind(address, 4 * PAGE_SIZE, B, [1], STRICT | MOVE), EIO, "the policy is in force"
    )
    assert nodes_of(process, address, 4) == [1, 0, 1, 1]
    assert texts(process) == ["bind:1"]
    process.mbind(address, 4 * PAGE_SIZE, B, [2], MOVE)
    assert nodes_of(process, address, 4) == [2, 0, 2, 2]
    pinned.put()
    kept(process, address, 4)


def test_fact_65_shared(process: Process) -> None:
    """STRICT|MOVE with only a shared misplaced page: 0 and it stays; MOVE_ALL takes it (12, fact 65)."""
    address = placed(process, [0, 0])
    child = process.fork()
    child.munmap(address, PAGE_SIZE)
    process.mbind(address, 2 * PAGE_SIZE, B, [1], STRICT | MOVE)
    assert nodes_of(process, address, 2) == [1, 0]
    process.mbind(address, 2 * PAGE_SIZE, B, [1], STRICT | MOVE_ALL)
    assert nodes_of(process, address, 2) == [1, 1]
    assert nodes_of(child, address + PAGE_SIZE, 1) == [1]
    kept(process, address, 2)


def test_fact_66(process: Process) -> None:
    """Gaps: EFAULT between areas unless DEFAULT, unseen at the end if areas follow, EFAULT at the start (66)."""
    process.mmap(2 * PAGE_SIZE, address=LOW)
    process.mmap(PAGE_SIZE, address=GAP + PAGE_SIZE)
    refused(lambda: process.mbind(LOW, 4 * PAGE_SIZE, B, [1]), EFAULT, "not mapped")
    assert texts(process) == ["default", "default"]
    assert errno_of(lambda: process.mbind(LOW, 3 * PAGE_SIZE, B, [1])) == 0
    assert texts(process) == ["bind:1", "default"]
    assert errno_of(lambda: process.mbind(LOW, 4 * PAGE_SIZE, D)) == 0
    assert texts(process) == ["default", "default"]
    for mode, nodes in ((D, None), (B, [1]), (P, [1]), (INT, [1]), (L, None)):
        for flags in (0, MOVE, STRICT | MOVE_ALL):
            assert errno_of(partial(process.mbind, GAP, 2 * PAGE_SIZE, mode, nodes, flags)) == EFAULT


def test_a_range_beyond_the_last_area(process: Process) -> None:
    """An area that is the last of the process and ends before the range does: EFAULT, unless DEFAULT."""
    process.mmap(2 * PAGE_SIZE, address=LOW)
    refused(lambda: process.mbind(LOW, 3 * PAGE_SIZE, B, [1]), EFAULT, "not mapped")
    process.mbind(LOW, 3 * PAGE_SIZE, D)


def test_a_hole_puts_pages_back(process: Process) -> None:
    """Pages collected before the hole is found are back on their lists, on their nodes; no policy is set."""
    address = placed(process, [0, 0])
    process.mmap(PAGE_SIZE, address=address + 3 * PAGE_SIZE)
    refused(lambda: process.mbind(address, 4 * PAGE_SIZE, B, [1], MOVE), EFAULT, "not mapped")
    assert nodes_of(process, address, 2) == [0, 0]
    counters = process.vm.vmstat()
    assert counters["nr_isolated_anon"] == 0
    assert [area.policy for area in process.areas] == [None, None]


@pytest.mark.parametrize(("mode", "nodes"), [(D, None), (L, None), (P, None)])
def test_fact_67(process: Process, mode: int, nodes: NodeMask) -> None:
    """mbind(DEFAULT, MOVE), or with no node at all, migrates every unshared page, even local ones (12, fact 67)."""
    address = placed(process, [0, 1, 2, 3])
    before = process.pages()
    process.mbind(address, 4 * PAGE_SIZE, mode, nodes, STRICT | MOVE)
    assert nodes_of(process, address, 4) == [0, 0, 0, 0]
    assert all(page is not before[each] for each, page in process.pages().items())
    kept(process, address, 4)


def test_strict_says_nothing_of_default(process: Process) -> None:
    """With MPOL_DEFAULT STRICT is dropped: a pinned page that stays is no error (row 6)."""
    address = placed(process, [1])
    pinned = process.pin(address)
    process.mbind(address, PAGE_SIZE, D, None, STRICT | MOVE)
    assert errno_of(lambda: process.mbind(address, PAGE_SIZE, L, None, STRICT | MOVE)) == EIO
    pinned.put()


def test_pages_inside_the_mask_stay(process: Process) -> None:
    """Pages on nodes of the user's mask are not moved, e.g. not spread anew for INTERLEAVE."""
    address = placed(process, [1, 1, 2, 2, 0, 3])
    process.mbind(address, 6 * PAGE_SIZE, INT, [1, 2], MOVE)
    assert nodes_of(process, address, 6) == [1, 1, 2, 2, 1, 2]


def test_the_raw_mask_counts(process: Process) -> None:
    """The mask as the user wrote it says which pages move, even for RELATIVE, whose nodes are others."""
    inside(process, "1-3")
    address = placed(process, [1, 2, 3])
    process.mbind(address, 3 * PAGE_SIZE, B | RELATIVE, [1, 2], MOVE)
    assert texts(process) == ["bind=relative:2-3"]
    assert nodes_of(process, address, 3) == [1, 2, 2]


def test_interleave_moves_by_the_areas_index(vm: VM, process: Process) -> None:
    """Moved pages of shared memory go by the area's index without the inode number, unlike those first touched."""
    vm.file("another")
    file = vm.file("shm", 6 * PAGE_SIZE, tmpfs=True)
    assert file.inode % 3
    address = process.mmap(6 * PAGE_SIZE, file=file, shared=True)
    process.touch(address, 6 * PAGE_SIZE)
    assert nodes_of(process, address, 6) == [0] * 6
    process.mbind(address, 6 * PAGE_SIZE, INT, [1, 2, 3], MOVE)
    assert nodes_of(process, address, 6) == [1, 2, 3, 1, 2, 3]


def test_a_full_target(vm: VM, process: Process) -> None:
    """No memory on the new nodes: pages stay, 0 without STRICT and EIO with it, the policy in force (row 15)."""
    address = placed(process, [0, 0])
    fill(vm, 1)
    process.mbind(address, 2 * PAGE_SIZE, B, [1], MOVE)
    assert errno_of(lambda: process.mbind(address, 2 * PAGE_SIZE, B, [1], STRICT | MOVE)) == EIO
    assert nodes_of(process, address, 2) == [0, 0]
    assert texts(process) == ["bind:1"]
    assert errno_of(lambda: process.mmap(PAGE_SIZE, locked=True)) in (0, ENOMEM)
    kept(process, address, 2)


def test_pages_in_a_vector_and_without_access(process: Process) -> None:
    """Vectors are drained first, on all CPUs; a page of a PROT_NONE mapping moves like any other."""
    address = process.mmap(2 * PAGE_SIZE, address=LOW)
    process.write(address, b"page 0")
    process.vm.cpu = 1
    process.write(address + PAGE_SIZE, b"page 1")
    process.mprotect(address, 2 * PAGE_SIZE, Prot.NONE)
    process.mbind(address, 2 * PAGE_SIZE, B, [3], STRICT | MOVE)
    assert nodes_of(process, address, 2) == [3, 3]
    process.mprotect(address, 2 * PAGE_SIZE, Prot.READ)
    kept(process, address, 2)


def test_a_page_that_is_isolated_already_is_skipped(process: Process) -> None:
    """A page off the LRU is no error, even with STRICT."""
    address = placed(process, [0, 0])
    listed = process.vm.page_list("others")
    page = process.page(address)
    assert page is not None
    assert listed.isolate(page)
    process.mbind(address, 2 * PAGE_SIZE, B, [1], STRICT | MOVE)
    assert nodes_of(process, address, 2) == [0, 1]
    process.vm.putback_movable_pages(listed)


def test_absent_pages_do_not_matter(vm: VM, process: Process) -> None:
    """The zero page, untouched and swapped pages have nothing to move."""
    vm.swapon(16)
    address = placed(process, [0])
    while process.page(address) is not None:
        vm.reclaim(1, 0)
    more = process.mmap(2 * PAGE_SIZE, address=address + PAGE_SIZE)
    process.read(more, 1)
    process.mbind(address, 3 * PAGE_SIZE, B, [1], STRICT | MOVE)
    assert [entry.kind for entry in process.entries()] == ["swap", "zero"]
    kept(process, address, 1)
    assert nodes_of(process, address, 1) == [1]
