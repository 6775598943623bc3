"""What a machine has, what its allocations were, and what accesses cost: numactl's and numastat's layouts."""

import pytest

from movable import PAGE_SIZE, VM
from movable.numa import Accesses, AccessMeter, NumaStat, hardware, numastat

NUMA4 = """\
available: 4 nodes (0-3)
node 0 cpus: 0
node 0 size: 256 MB
node 0 free: 252 MB
node 1 cpus: 1
node 1 size: 256 MB
node 1 free: 256 MB
node 2 cpus:
node 2 size: 256 MB
node 2 free: 256 MB
node 3 cpus:
node 3 size: 256 MB
node 3 free: 256 MB
node distances:
node   0   1   2   3\x20
  0:  10  15  20  30\x20
  1:  15  10  25  20\x20
  2:  20  25  10  15\x20
  3:  30  20  15  10\x20
"""


def test_hardware_is_numactls_layout() -> None:
    """CPUs, size and free memory of each node, then the distances, in numactl's layout; memory in use is not free."""
    with VM("numa4") as vm:
        assert vm.alloc_pages(10) is not None
        assert str(hardware(vm)) == NUMA4


def test_hardware_of_one_node() -> None:
    """A machine of one node is a list of one."""
    with VM("phone") as vm:
        lines = str(hardware(vm)).splitlines()
    assert lines[:3] == ["available: 1 nodes (0)", "node 0 cpus: 0 1 2 3", "node 0 size: 512 MB"]


def test_numastat_counts_by_node() -> None:
    """spec/compaction.md 2.13: a page of the CPU's node is a hit there, another one a miss, and foreign where asked."""
    with VM("numa4") as vm:
        for node in (0, 0, 2):
            assert vm.alloc_page(node=node) is not None
        found = numastat(vm)
    assert [node["numa_hit"] for node in found.nodes] == [2, 0, 0, 0]
    assert [node["local_node"] for node in found.nodes] == [2, 0, 0, 0]
    assert [node["numa_miss"] for node in found.nodes] == [0, 0, 1, 0]
    assert [node["numa_foreign"] for node in found.nodes] == [0, 0, 1, 0]


def test_numastat_is_a_table() -> None:
    """Names to the left, a column of 16 characters for each node."""
    names = ("numa_hit", "numa_miss", "numa_foreign", "interleave_hit", "local_node", "other_node")
    text = str(NumaStat(tuple(dict.fromkeys(names, nid * 10) for nid in range(2))))
    head, *rows = text.splitlines()
    assert head == "                           node0           node1"
    assert rows[0] == "numa_hit                       0              10"
    assert [row.split()[0] for row in rows] == list(names)


def test_latency_is_the_mean_distance() -> None:
    """Of two local accesses, one to distance 15 and one to 30 the mean costs (10 + 10 + 15 + 30) / 40 local ones."""
    table = ((10, 15, 30), (15, 10, 20), (30, 20, 10))
    accesses = Accesses({(0, 0): 1, (1, 1): 1, (0, 1): 1, (2, 0): 1})
    assert accesses.total == 4
    assert accesses.by_distance(table) == {10: 2, 15: 1, 30: 1}
    assert accesses.latency(table) == pytest.approx(1.625)
    assert Accesses().latency(table) == 1
    assert (accesses + accesses).by_distance(table) == {10: 4, 15: 2, 30: 2}


def test_the_meter_knows_every_access() -> None:
    """Accesses count by the node of the CPU and that of each page; the zero page is nowhere."""
    with VM("numa4") as vm:
        process = vm.process()
        address = process.mmap(3 * PAGE_SIZE)
        process.touch(address)
        with AccessMeter(vm) as meter:
            vm.cpu = 1
            process.read(address, 10)
            process.write(address + PAGE_SIZE - 4, b"12345678")
            process.read(address + 2 * PAGE_SIZE, 1)
            process.read(address + 5, 0)
            assert meter.take() == {process.pid: Accesses({(1, 0): 2, (1, 1): 1})}
            assert meter.take() == {}
        process.read(address, 1)
        assert meter.take() == {}
