"""What the tests of policies and cpusets share."""

from collections.abc import Callable, Iterable

import pytest
from numa.moving import fill_node

from movable import PAGE_SIZE, VM, Cpuset, Mpol, Process, SystemCallError

STATIC, RELATIVE = 1 << 15, 1 << 14
LOW = 0x1_0000_0000 * PAGE_SIZE
"""An address whose page number is 2^32: index 0 of an interleaved area. Its double and fourfold are others."""


def errno_of(call: Callable[[], object]) -> int:
    """The errno that a call fails with; 0 if it succeeds."""
    try:
        call()
    except SystemCallError as error:
        return error.errno or -1
    return 0


def fill(vm: VM, nid: int) -> None:
    """Take all pages of a node that a user may have; without a recount for each."""
    level, vm.debug = vm.debug, 1
    fill_node(vm, nid)
    vm.debug = level


def nodes_of(process: Process, address: int, pages: int) -> list[int | None]:
    """The node of each page of a range, None where there is none."""
    found = [process.page(address + number * PAGE_SIZE) for number in range(pages)]
    return [None if page is None else page.nid for page in found]


def touched(process: Process, pages: int, address: int = LOW) -> list[int | None]:
    """Touch new anonymous memory, page by page; where the pages came from."""
    start = process.mmap(pages * PAGE_SIZE, address=address)
    process.touch(start, pages * PAGE_SIZE)
    return nodes_of(process, start, pages)


def placed(process: Process, nodes: Iterable[int], address: int = LOW) -> int:
    """An anonymous area without a policy, with a page on each of the nodes in turn; its address."""
    nodes = list(nodes)
    start = process.mmap(len(nodes) * PAGE_SIZE, address=address)
    for number, nid in enumerate(nodes):
        process.set_mempolicy(Mpol.PREFERRED, [nid])
        process.write(start + number * PAGE_SIZE, b"page %d" % number)
    process.set_mempolicy(Mpol.DEFAULT)
    process.vm.lru_add_drain_all()
    return start


def texts(process: Process) -> list[str]:
    """Of each area its policy, as numa_maps has it."""
    return [line.split()[1] for line in process.numa_maps().splitlines()]


def lengths(process: Process) -> list[tuple[int, str]]:
    """Of each area its pages and its policy."""
    return [(area.pages, str(area.policy)) for area in process.areas]


def inside(process: Process, mems: str, name: str = "A", *, migrate: bool = False) -> Cpuset:
    """A new cpuset of CPU 0 and some nodes, with the process in it."""
    cpuset = process.vm.cpusets.create(name, cpus="0", mems=mems)
    cpuset.memory_migrate = migrate
    cpuset.attach(process)
    return cpuset


def kept(process: Process, address: int, pages: int) -> None:
    """Fail unless the pages of `placed` hold what was written."""
    for number in range(pages):
        text = b"page %d" % number
        assert process.read(address + number * PAGE_SIZE, len(text)) == text


def refused(call: Callable[[], object], errno: int, match: str) -> None:
    """Fail unless the call is refused with this errno and a text that names the cause."""
    with pytest.raises(SystemCallError, match=match) as caught:
        call()
    assert caught.value.errno == errno
