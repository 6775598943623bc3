"""move_pages on pages of the hugetlb pool (spec/migration.md 9.8, look-up details; spec/differences-numa.md N05)."""

import errno

import pytest

from movable import PAGE_SIZE, VM, Mpol, MpolMF, Process, SystemCallError

HUGE = 2 << 20


@pytest.fixture
def vm() -> VM:
    """Four nodes: two pool pages on node 1, one on node 2."""
    vm = VM("numa4", debug=2)
    vm.hugetlb.set(1, 2)
    vm.hugetlb.set(2, 1)
    return vm


def mapped(vm: VM) -> tuple[Process, int]:
    """A process with a hugetlb page on node 1, written to."""
    process = vm.process()
    address = process.mmap(HUGE, hugetlb=True)
    process.set_mempolicy(Mpol.BIND, [1])
    process.write(address + HUGE - 4, b"tail")
    process.set_mempolicy(Mpol.DEFAULT)
    return process, address


def free(vm: VM) -> list[int]:
    """Free pool pages by node."""
    return [vm.hugetlb.free(nid) for nid in range(4)]


def test_the_head_moves_the_whole_page(vm: VM) -> None:
    """The head's address moves all 512 pages into a free page of the target, and the old one is free again (9.8)."""
    process, address = mapped(vm)
    assert process.move_pages(0, [address], [2]) == [2]
    assert process.move_pages(0, [address, address + HUGE - PAGE_SIZE]) == [2, 2]
    assert process.read(address + HUGE - 4, 4) == b"tail"
    assert free(vm) == [0, 2, 0, 0]


def test_a_tail_is_refused(vm: VM) -> None:
    """A tail's address gets the provisional -EACCES, or the node if it is there already (9.8, per-page status)."""
    process, address = mapped(vm)
    assert process.move_pages(0, [address + PAGE_SIZE, address + PAGE_SIZE], [2, 1]) == [-errno.EACCES, 1]
    assert free(vm) == [0, 1, 1, 0]


def test_without_a_free_page_the_call_fails(vm: VM) -> None:
    """Without a free page on the target and without overcommit the call is ENOMEM, page and pool stay (N05)."""
    process, address = mapped(vm)
    with pytest.raises(SystemCallError) as refused:
        process.move_pages(0, [address], [3])
    assert refused.value.errno == errno.ENOMEM
    assert process.move_pages(0, [address]) == [1]
    assert free(vm) == [0, 1, 1, 0]


def test_a_shared_page_takes_move_all(vm: VM) -> None:
    """A page that two processes map moves with MOVE_ALL only (9.8, -EACCES)."""
    process, address = mapped(vm)
    child = process.fork()
    assert process.move_pages(0, [address], [2]) == [-errno.EACCES]
    assert process.move_pages(0, [address], [2], MpolMF.MOVE_ALL) == [2]
    assert child.move_pages(0, [address]) == [2]


def test_a_page_named_twice_moves_once(vm: VM) -> None:
    """The second mention of a head in a chunk finds it isolated: -EACCES, and the page moves by the first (9.8)."""
    process, address = mapped(vm)
    assert process.move_pages(0, [address, address], [2, 2]) == [2, -errno.EACCES]
    assert process.move_pages(0, [address]) == [2]
