"""A machine of two nodes with room for huge pages, and a process on it."""

from collections.abc import Iterator

import pytest

from movable import VM, MachineConfig, NodeConfig, Process, ZoneConfig

TWO_NODES = MachineConfig(
    "two",
    (
        NodeConfig((ZoneConfig("Normal", 0x1000, 8192),), (0, 1)),
        NodeConfig((ZoneConfig("Normal", 0x4000, 8192),), (2, 3)),
    ),
    cpus=4,
)


@pytest.fixture
def vm() -> Iterator[VM]:
    """Two nodes of 32 MiB, swap space, a full recount after each call; at the end nothing is lost."""
    with VM(TWO_NODES, debug=2) as machine:
        machine.swapon(2048)
        yield machine
        if not machine.machine.closed:
            for process in machine.processes:
                process.exit()
            for nid in range(2):
                machine.hugetlb.set(nid, 0)
            machine.lru_add_drain_all()
            machine.recount()


@pytest.fixture
def process(vm: VM) -> Process:
    """A process without memory."""
    return vm.process()
