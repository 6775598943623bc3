"""What holds after any sequence of allocations and frees, recounted after every single one."""

import pytest
from allocator.machines import NO_MARKS, boot
from hypothesis import given, settings
from hypothesis import strategies as st

from movable import GFP, VM, MachineConfig, MigrateType, NodeConfig, PfnRange, Watermarks, ZoneConfig

HOLES = (PfnRange(0x1700, 0x300),)
RESERVED = (PfnRange(0x1111, 0x11),)


def machine(marks: Watermarks | None) -> MachineConfig:
    """Two nodes with odd zone boundaries, a hole and a reserved range."""
    first = (
        ZoneConfig("DMA32", 0x1000, 0x405, reserved=RESERVED),
        ZoneConfig("Normal", 0x1405, 0x7FB, holes=HOLES),
    )
    second = ZoneConfig("Normal", 0x2000, 0x600), ZoneConfig("Movable", 0x2600, 0x200)
    nodes = NodeConfig(first, (0,)), NodeConfig(second, (1,))
    return MachineConfig("random", nodes, cpus=2, watermarks=marks)


GFPS = (
    GFP.KERNEL,
    GFP.HIGHUSER_MOVABLE,
    GFP.KERNEL | GFP.RECLAIMABLE,
    GFP.ATOMIC,
    GFP.TRANSHUGE,
    GFP.KERNEL | GFP.DMA32,
    GFP.KERNEL | GFP.THISNODE,
    GFP.KERNEL | GFP.MEMALLOC | GFP.ZERO,
    GFP.KERNEL | GFP.COMP,
)

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(GFPS), st.integers(0, 10), st.integers(0, 1)),
        st.tuples(st.none(), st.integers(0, 1 << 16), st.just(0)),
    ),
    max_size=60,
)


def used_pages(vm: VM) -> int:
    """Managed pages that are not free."""
    return sum(zone.managed - zone.free_pages for zone in vm.zones)


@pytest.mark.parametrize("marks", [NO_MARKS, Watermarks(20, 200, 400), None])
@settings(deadline=None)
@given(steps=steps)
def test_free_and_used_are_managed(
    marks: Watermarks | None, steps: list[tuple[GFP | None, int, int]]
) -> None:
    """Free and used pages add up to managed ones, every structure agrees, and all memory merges again (1.2, 2.2)."""
    vm = boot(machine(marks))
    booted = [zone.nr_free for zone in vm.zones]
    used = []
    for gfp, number, node in steps:
        if gfp is not None:
            page = vm.alloc_pages(number, gfp, node)
            if page is not None:
                used.append((page, number))
        elif used:
            page, order = used.pop(number % len(used))
            vm.free_pages(page, order)
        assert used_pages(vm) == sum(1 << order for _, order in used)
    for page, order in used:
        vm.free_pages(page, order)
    assert [zone.nr_free for zone in vm.zones] == booted


changes = st.lists(st.tuples(st.integers(0, 7), st.sampled_from(MigrateType)), max_size=30)


@settings(deadline=None)
@given(changes=changes, orders=st.lists(st.integers(0, 10), max_size=20))
def test_types_can_change_at_any_time(changes: list[tuple[int, MigrateType]], orders: list[int]) -> None:
    """However blocks change their types, the counters equal the lists and no page is lost (2.1)."""
    vm = boot(
        MachineConfig("types", (NodeConfig((ZoneConfig("Normal", 0x1000, 0x1000),)),), watermarks=NO_MARKS)
    )
    booted = vm.zones[0].nr_free
    pages = [(vm.alloc_pages(order, GFP.HIGHUSER_MOVABLE), order) for order in orders]
    for block, migratetype in changes:
        vm.set_pageblock_migratetype(0x1000 + block * 512, migratetype)
    for page, order in pages:
        if page is not None:
            vm.free_pages(page, order)
    for block in range(8):
        vm.set_pageblock_migratetype(0x1000 + block * 512, MigrateType.MOVABLE)
    assert vm.zones[0].nr_free == booted
    assert vm.vmstat()["nr_free_pages"] == 0x1000
