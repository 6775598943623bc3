"""move_pages with arguments that no program should give: clear errors, nothing touched (spec/migration.md 9.8)."""

from array import array
from errno import EFAULT
from typing import Any

import pytest
from numa.moving import spread, unchanged, where

from movable import PAGE_SIZE, VM, MovableError, Process

ODD_ADDRESSES = [
    0,
    1,
    0xFFFF,
    1 << 47,
    (1 << 47) - 1,
    0x7FFF_FFFF_F000,
    1 << 63,
    0xFFFF_FFFF_FF60_0000,
    2**64 - 1,
]


def test_addresses_that_no_process_has(process: Process) -> None:
    """NULL, the last user page, addresses beyond 2**47 and the kernel's half: -EFAULT each, moved or asked for."""
    (address,) = spread(process, [0])
    count = len(ODD_ADDRESSES)
    assert process.move_pages(0, [*ODD_ADDRESSES, address]) == [-EFAULT] * count + [0]
    assert process.move_pages(0, [*ODD_ADDRESSES, address], [1] * (count + 1)) == [-EFAULT] * count + [1]


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        ([-1], "addresses: must be 64-bit unsigned"),
        ([1 << 64], "addresses: must be 64-bit unsigned"),
        (["0"], "addresses: must be 64-bit unsigned"),
        (7, "addresses: must be 64-bit unsigned"),
        (None, "addresses: must be 64-bit unsigned"),
        (b"12345678", "addresses: a buffer must be"),
        (array("i", [0]), "addresses: a buffer must be"),
        (array("q", [0]), "addresses: a buffer must be"),
        (array("d", [0]), "addresses: a buffer must be"),
        (memoryview(array("Q", [0] * 4))[::2], "addresses: a buffer must be"),
        (memoryview(array("Q", [0] * 4)).cast("B").cast("Q", (2, 2)), "in 2 dimensions"),
    ],
)
def test_addresses_of_a_wrong_kind(process: Process, addresses: Any, words: str) -> None:
    """MovableError names the argument and what it must be."""
    with pytest.raises(MovableError, match=words):
        process.move_pages(0, addresses)


@pytest.mark.parametrize("nodes", [[1 << 31], [1.5], "0", array("q", [0]), array("I", [0]), b"\0\0\0\0"])
def test_nodes_of_a_wrong_kind(process: Process, nodes: Any) -> None:
    """The same for nodes."""
    with pytest.raises(MovableError, match="nodes: "):
        process.move_pages(0, [0], nodes)


@pytest.mark.parametrize("status", [[0], b"0000", array("l", [0]), array("I", [0]), bytearray(4)])
def test_statuses_of_a_wrong_kind(process: Process, status: Any) -> None:
    """The same for status, which must be writable as well."""
    with pytest.raises(MovableError, match="status: "):
        process.move_pages(0, [0], status=status)
    with pytest.raises(MovableError, match="status: the buffer must be writable"):
        process.move_pages(0, [0], status=memoryview(array("i", [0])).toreadonly())


def test_arrays_of_different_length(process: Process) -> None:
    """Without a count the arrays must agree; the message tells their lengths, and nothing has moved."""
    addresses = spread(process, [0, 0])
    for nodes, status in (([1], None), ([1, 1], array("i", [7])), (None, array("i", [7] * 3))):
        with pytest.raises(MovableError, match=r"must be of one length.*addresses 2"):
            process.move_pages(0, addresses, nodes, status=status)
    assert where(process, addresses) == [0, 0]


def test_a_status_array_that_is_too_short(process: Process) -> None:
    """With a count, memory ends behind each array: EFAULT, and no status lands outside."""
    addresses = spread(process, [0] * 20)
    memory = array("i", [777] * 20)
    short = memoryview(memory)[:10]
    with pytest.raises(OSError, match="EFAULT"):
        process.move_pages(0, addresses, [1] * 20, status=short, count=20)
    assert list(memory) == [1] * 10 + [777] * 10
    with pytest.raises(OSError, match="EFAULT"):
        process.move_pages(0, addresses, status=short, count=20)
    assert list(memory[10:]) == [777] * 10


def test_buffers_are_used_as_they_are(process: Process) -> None:
    """array.array and memoryview go in without copies, and the given status comes back."""
    addresses = spread(process, [0, 0, 0, 0])
    status = array("i", [777] * 4)
    answer = process.move_pages(0, array("Q", addresses), array("i", [1, 2, 3, 0]), status=status)
    assert answer is status
    assert list(status) == [1, 2, 3, 0]
    part = memoryview(status)[1:3]
    assert process.move_pages(0, memoryview(array("Q", addresses))[1:3], status=part) is part
    assert list(status) == [1, 2, 3, 0]


def test_a_huge_list(vm: VM, process: Process) -> None:
    """A hundred thousand entries that name the same few pages, with nodes that change: contents stay."""
    addresses = spread(process, [0, 1, 2, 3])
    answer = process.move_pages(0, addresses * 25_000, [number % 4 for number in range(100_000)])
    assert len(answer) == 100_000
    assert answer[:4] == [0, 1, 2, 3]
    assert process.move_pages(0, addresses * 25_000) == [0, 1, 2, 3] * 25_000
    unchanged(process, addresses)


def test_one_page_again_and_again(process: Process) -> None:
    """Thousands of mentions of one page: one move a chunk at most, as many statuses as entries."""
    (address,) = spread(process, [0])
    answer = process.move_pages(0, [address] * 1000, [1] * 1000)
    assert answer[0] == 1
    assert len(answer) == 1000
    assert where(process, [address]) == [1]


def test_an_ended_caller(vm: VM, process: Process) -> None:
    """A process that has ended calls nothing any more."""
    address = process.mmap(PAGE_SIZE)
    process.exit()
    with pytest.raises(MovableError, match="process 1 has ended"):
        process.move_pages(0, [address])
    with pytest.raises(MovableError, match="process 1 has ended"):
        process.migrate_pages(0, {0}, {1})
    with pytest.raises(MovableError, match="process 1 has ended"):
        process.numa_maps()
