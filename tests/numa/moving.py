"""Machines and processes that the tests of migrate_pages and move_pages share."""

from collections.abc import Callable, Sequence

import pytest

from movable import (
    GFP,
    PAGE_SIZE,
    VM,
    Credentials,
    MachineConfig,
    NodeConfig,
    Process,
    SystemCallError,
    ZoneConfig,
)

USER = 1000
NODE_PAGES = 1024


def machine(nodes: int, pages: int = NODE_PAGES) -> MachineConfig:
    """So many nodes of so many pages; two CPUs on each of the first two."""
    return MachineConfig(
        f"nodes{nodes}",
        tuple(
            NodeConfig(
                (ZoneConfig("Normal", (1 + nid) * 0x1000, pages),), (2 * nid, 2 * nid + 1) if nid < 2 else ()
            )
            for nid in range(nodes)
        ),
        cpus=4 if nodes > 1 else 2,
    )


def spread(process: Process, nodes: Sequence[int]) -> list[int]:
    """An anonymous page on each of the nodes named, in this order, each holding its number; their addresses."""
    start = process.mmap(len(nodes) * PAGE_SIZE)
    addresses = [start + number * PAGE_SIZE for number in range(len(nodes))]
    for number, address in enumerate(addresses):
        process.write(address, b"page %d" % number)
    process.vm.lru_add_drain_all()
    assert process.move_pages(0, addresses, nodes) == list(nodes)
    process.vm.lru_add_drain_all()
    return addresses


def where(process: Process, addresses: Sequence[int]) -> list[int]:
    """The node of each page, or the -errno that move_pages gives."""
    statuses: list[int] = process.vm.process().move_pages(process.pid, addresses)
    return statuses


def fill_node(vm: VM, nid: int, leave: int = 0) -> None:
    """Take all pages of a node that a user may have, but for so many."""
    gfp = GFP.HIGHUSER_MOVABLE | GFP.THISNODE | GFP.NORETRY
    taken = []
    while (page := vm.alloc_page(gfp, nid)) is not None:
        taken.append(page)
    for page in taken[:leave]:
        page.put()


def unprivileged(vm: VM) -> Process:
    """A process of an ordinary user."""
    return vm.process(uid=USER)


def drop_privileges(process: Process) -> None:
    """All user ids 1000, no capability."""
    process.credentials = Credentials.of_user(USER)


def error_of(call: Callable[[], object]) -> int:
    """The errno of a call that fails."""
    with pytest.raises(SystemCallError) as caught:
        call()
    assert caught.value.errno is not None
    return caught.value.errno


def unchanged(process: Process, addresses: Sequence[int]) -> None:
    """Every page that `spread` made holds its number."""
    for number, address in enumerate(addresses):
        text = b"page %d" % number
        assert process.read(address, len(text)) == text
