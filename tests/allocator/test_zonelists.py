"""Which zones and nodes a request may use, and in which order."""

from itertools import groupby

import pytest
from allocator.machines import BLOCK, MOVABLE, NO_MARKS, boot, exhaust, must, one_node

from movable import GFP, VM, MachineConfig, NodeConfig, Watermarks, ZoneConfig, preset
from movable.config import ZoneKind

KINDS: tuple[ZoneKind, ...] = ("DMA", "DMA32", "Normal", "Movable")


def four_kinds() -> VM:
    """One node with all four kinds of zones, 1024 pages each."""
    zones = (ZoneConfig(kind, index * 1024, 1024) for index, kind in enumerate(KINDS))
    return boot(one_node(*zones), debug=1)


def kinds_used(vm: VM, gfp: GFP) -> list[str]:
    """The kinds of zones that a request uses up, one after the other."""
    zones = [vm.zones[page.zone_id].kind for page in exhaust(vm, gfp, order=3)]
    return [kind for kind, _ in groupby(zones)]


@pytest.mark.parametrize(
    ("gfp", "kinds"),
    [
        (GFP.KERNEL, ["Normal", "DMA32", "DMA"]),
        (GFP.HIGHUSER, ["Normal", "DMA32", "DMA"]),
        (GFP.KERNEL | GFP.MOVABLE, ["Normal", "DMA32", "DMA"]),
        (GFP.HIGHUSER_MOVABLE, ["Movable", "Normal", "DMA32", "DMA"]),
        (GFP.KERNEL | GFP.DMA32, ["DMA32", "DMA"]),
        (GFP.KERNEL | GFP.DMA, ["DMA"]),
    ],
)
def test_gfp_flags_choose_the_zones(gfp: GFP, kinds: list[str]) -> None:
    """A request begins at its highest zone and falls back downwards (spec/compaction.md 2.11, 12 fact 16)."""
    assert kinds_used(four_kinds(), gfp) == kinds


def test_movable_requests_begin_at_normal_without_a_zone_movable() -> None:
    """GFP_HIGHUSER_MOVABLE starts at Normal, then DMA32, DMA if there is no zone Movable (12 fact 16)."""
    zones = ZoneConfig("DMA", 0, 1024), ZoneConfig("DMA32", 1024, 1024), ZoneConfig("Normal", 2048, 1024)
    vm = boot(one_node(*zones), debug=1)
    assert kinds_used(vm, MOVABLE) == ["Normal", "DMA32", "DMA"]


def test_a_request_without_a_zone_fails() -> None:
    """DMA memory cannot come from elsewhere (spec/compaction.md 2.11)."""
    vm = boot(one_node(ZoneConfig("Normal", 0x1000, 1024)))
    assert vm.alloc_page(GFP.KERNEL | GFP.DMA) is None


def nodes_used(vm: VM, node: int, gfp: GFP = GFP.KERNEL) -> list[int]:
    """The nodes that a request for a node uses up, one after the other."""
    return [nid for nid, _ in groupby(page.nid for page in exhaust(vm, gfp, order=10, node=node))]


@pytest.mark.parametrize(
    ("node", "order"), [(0, [0, 1, 2, 3]), (1, [1, 0, 3, 2]), (2, [2, 3, 0, 1]), (3, [3, 2, 1, 0])]
)
def test_numa4_falls_back_by_distance(node: int, order: list[int]) -> None:
    """Own node first, then the next best: distance, a penalty for lower nodes and for CPUs (2.11)."""
    assert nodes_used(boot(preset("numa4"), debug=0), node) == order


@pytest.mark.parametrize("node", range(4))
def test_thisnode_stays(node: int) -> None:
    """With `__GFP_THISNODE` no other node appears (spec/compaction.md 12 fact 16)."""
    vm = boot(preset("numa4"), debug=0)
    assert nodes_used(vm, node, GFP.KERNEL | GFP.THISNODE) == [node]
    assert must(vm.alloc_pages(10, node=node)).nid != node


def test_node_order_goes_before_zone_order() -> None:
    """All zones of a node, highest first, come before those of the next (spec/compaction.md 2.11)."""
    first = NodeConfig((ZoneConfig("DMA32", 0x1000, 1024), ZoneConfig("Normal", 0x1400, 1024)), (0,))
    second = NodeConfig((ZoneConfig("DMA32", 0x2000, 1024), ZoneConfig("Normal", 0x2400, 1024)))
    vm = VM(
        MachineConfig("two nodes", (first, second), watermarks=NO_MARKS, lowmem_reserve_ratio=(1 << 20,) * 3)
    )
    zones = [page.zone_id for page in exhaust(vm, GFP.KERNEL, order=2)]
    assert [zone for zone, _ in groupby(zones)] == [1, 0, 3, 2]


def test_the_server_begins_at_the_running_cpus_node() -> None:
    """A request for no node in particular begins at Normal of the running CPU's node (2.11)."""
    vm = boot(preset("server"), debug=0)
    found = []
    for vm.cpu in (0, 3, 4, 7):
        page = must(vm.alloc_page())
        found.append((page.nid, vm.zones[page.zone_id].kind))
    assert found == [(0, "Normal"), (0, "Normal"), (1, "Normal"), (1, "Normal")]


@pytest.mark.parametrize(("gfp", "kind"), [(GFP.DMA, "DMA"), (GFP.DMA32, "DMA32")])
def test_the_server_has_low_memory_on_node_0_only(gfp: GFP, kind: str) -> None:
    """A DMA request from node 1 is served from the other node's zone (spec/compaction.md 2.11)."""
    vm = boot(preset("server"), debug=0)
    page = must(vm.alloc_page(GFP.KERNEL | gfp, node=1))
    assert (page.nid, vm.zones[page.zone_id].kind) == (0, kind)
    assert vm.alloc_page(GFP.KERNEL | gfp | GFP.THISNODE, node=1) is None


def test_a_zone_below_its_mark_is_passed_over() -> None:
    """The first zone that passes its mark wins; the others are skipped (2.13 fast path)."""
    low = ZoneConfig("DMA32", 0x1000, 1024, watermarks=NO_MARKS)
    normal = ZoneConfig("Normal", 0x1400, 1024, watermarks=Watermarks(0, 1024, 1024))
    vm = boot(one_node(low, normal, watermarks=None))
    assert must(vm.alloc_page()).zone_id == 0


def test_a_zone_without_a_block_large_enough_is_passed_over() -> None:
    """An order that the preferred zone cannot serve is served by the next one (2.13 fast path)."""
    vm = boot(one_node(ZoneConfig("DMA32", 0x1000, 1024), ZoneConfig("Normal", 0x1400, 1024)), debug=1)
    for page in [
        page for page in exhaust(vm) if vm.zones[page.zone_id].kind == "Normal" or page.pfn < 0x1200
    ]:
        if page.pfn % 2 or page.zone_id == 0:
            vm.free_pages(page)
    assert vm.zones[1].free_pages == BLOCK
    assert must(vm.alloc_pages(9)).zone_id == 0
