"""The counters that tell where allocations were served."""

import pytest
from allocator.machines import boot, exhaust, must

from movable import GFP, VM, preset

NAMES = ("numa_hit", "numa_miss", "numa_foreign", "numa_local", "numa_other")


@pytest.fixture
def vm() -> VM:
    """Four nodes; the CPUs 0 and 1 are on the nodes 0 and 1."""
    return boot(preset("numa4"), debug=0)


def counters(vm: VM) -> tuple[int, ...]:
    """Hits, misses, foreign, local and other allocations of all zones."""
    stat = vm.vmstat()
    return tuple(stat[name] for name in NAMES)


@pytest.mark.parametrize("cpu", [0, 1])
def test_memory_of_the_running_cpus_node_is_a_local_hit(vm: VM, cpu: int) -> None:
    """A page on the local node counts as hit and local (spec/compaction.md 2.13)."""
    vm.cpu = cpu
    assert must(vm.alloc_page()).nid == cpu
    assert counters(vm) == (1, 0, 0, 1, 0)


def test_a_block_counts_once(vm: VM) -> None:
    """The counters count allocations, not pages (spec/compaction.md 2.13)."""
    must(vm.alloc_pages(6))
    assert counters(vm) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("node", [1, 2, 3])
def test_memory_of_another_node_is_a_miss(vm: VM, node: int) -> None:
    """A page that is not on the local node is a miss there and foreign to the preferred zone (2.13)."""
    assert must(vm.alloc_page(node=node)).nid == node
    assert counters(vm) == (0, 1, 1, 0, 0)


def test_falling_back_is_a_miss(vm: VM) -> None:
    """When the local node is full the page comes from another one, which is a miss (2.13)."""
    exhaust(vm, GFP.KERNEL | GFP.THISNODE, order=10)
    before = counters(vm)
    assert must(vm.alloc_pages(10)).nid == 1
    assert [now - was for now, was in zip(counters(vm), before, strict=True)] == [0, 1, 1, 0, 0]


def test_falling_back_to_the_running_cpu_is_a_hit(vm: VM) -> None:
    """A page of the local node is a hit also when another node was asked for first (2.13)."""
    exhaust(vm, GFP.KERNEL | GFP.THISNODE, order=10, node=1)
    before = counters(vm)
    assert must(vm.alloc_pages(10, node=1)).nid == 0
    assert [now - was for now, was in zip(counters(vm), before, strict=True)] == [1, 0, 0, 1, 0]


def test_failures_count_nowhere(vm: VM) -> None:
    """A request that fails changes no counter (spec/compaction.md 2.13)."""
    assert vm.alloc_page(GFP.KERNEL | GFP.DMA) is None
    assert counters(vm) == (0, 0, 0, 0, 0)
