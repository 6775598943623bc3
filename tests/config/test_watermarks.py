"""Watermarks and reserves computed from a configuration (spec/compaction.md 2.9)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movable.config import (
    MachineConfig,
    NodeConfig,
    PfnRange,
    Watermarks,
    ZoneConfig,
    ZoneKind,
    ZoneMarks,
    min_free_kbytes,
    zone_marks,
)


def machine(*sizes: tuple[ZoneKind, int], **settings: Any) -> MachineConfig:
    """A machine with one node whose zones have these kinds and managed pages."""
    zones = []
    start = 0
    for kind, managed in sizes:
        span = -(-managed // 1024) * 1024
        rest = (PfnRange(start + managed, span - managed),) if span > managed else ()
        zones.append(ZoneConfig(kind, start, span, reserved=rest))
        start += span
    return MachineConfig("test", (NodeConfig(tuple(zones)),), **settings)


def test_the_published_example() -> None:
    """One zone of 262144 managed pages has min_free_kbytes 4096 and marks 1024, 1286, 1548 (2.9)."""
    config = machine(("Normal", 262144))
    assert min_free_kbytes(config) == 4096
    assert zone_marks(config) == ((ZoneMarks(1024, 1286, 1548, (0, 0, 0, 0)),),)


def test_the_published_reserves() -> None:
    """Zones of 3977, 765000 and 1288000 pages reserve 0, 2988, 8019, 8019 pages in DMA (2.9)."""
    dma, dma32, normal = zone_marks(machine(("DMA", 3977), ("DMA32", 765000), ("Normal", 1288000)))[0]
    assert dma.lowmem_reserve == (0, 2988, 8019, 8019)
    assert dma32.lowmem_reserve == (0, 0, 1288000 // 256, 1288000 // 256)
    assert normal.lowmem_reserve == (0, 0, 0, 0)


def test_normal_is_protected_from_requests_that_can_use_movable() -> None:
    """Zone Normal reserves a 32nd of zone Movable against requests of that class (2.9)."""
    normal, movable = zone_marks(machine(("Normal", 4096), ("Movable", 8192)))[0]
    assert normal.lowmem_reserve == (0, 0, 0, 256)
    assert movable.lowmem_reserve == (0, 0, 0, 0)


def test_ratios_scale_the_reserves() -> None:
    """Each kind has a ratio of its own."""
    config = machine(("DMA", 1024), ("DMA32", 2048), ("Normal", 4096), lowmem_reserve_ratio=(2, 4, 8))
    assert [marks.lowmem_reserve for marks in zone_marks(config)[0]] == [
        (0, 1024, 3072, 3072),
        (0, 0, 1024, 1024),
        (0, 0, 0, 0),
    ]


def test_reserves_look_at_their_own_node_only() -> None:
    """Zones of another node do not raise a reserve (2.9)."""
    low, high = machine(("DMA", 1024)), ZoneConfig("Normal", 4096, 8192)
    config = MachineConfig("test", (*low.nodes, NodeConfig((high,))))
    assert zone_marks(config)[0][0].lowmem_reserve == (0, 0, 0, 0)


@pytest.mark.parametrize(("pages", "kbytes"), [(256, 128), (257, 128), (1024, 256), (1 << 28, 65536)])
def test_min_free_kbytes_is_a_square_root_within_bounds(pages: int, kbytes: int) -> None:
    """The default is the integer root of 16 times the memory in KiB, between 128 and 65536 (2.9)."""
    assert min_free_kbytes(machine(("Normal", pages))) == kbytes


def test_zone_movable_does_not_raise_min_free_kbytes() -> None:
    """Kernel requests cannot use zone Movable, so min_free_kbytes does not count it (2.9)."""
    assert min_free_kbytes(machine(("Normal", 4096), ("Movable", 65536))) == min_free_kbytes(
        machine(("Normal", 4096))
    )


def test_zone_movable_has_its_share_of_the_marks() -> None:
    """Zone Movable is lowmem on 64 bits: min_free_kbytes is shared with it by size (2.9)."""
    normal, movable = zone_marks(machine(("Normal", 4096), ("Movable", 12288), min_free_kbytes=1600))[0]
    assert (normal.min, movable.min) == (100, 300)


def test_a_configured_min_free_kbytes_is_not_clamped() -> None:
    """The configured value is taken as it is, shared by managed pages (2.9)."""
    config = machine(("DMA", 1000), ("Normal", 3000), min_free_kbytes=64)
    assert min_free_kbytes(config) == 64
    assert [marks.min for marks in zone_marks(config)[0]] == [4, 12]


def test_the_scale_factor_widens_the_gaps() -> None:
    """The gap between marks is a quarter of min or the scaled share of the zone, the greater one (2.9)."""
    small, large = (
        zone_marks(machine(("Normal", 10000), min_free_kbytes=160, watermark_scale_factor=factor))[0][0]
        for factor in (1, 100)
    )
    assert (small.min, small.low, small.high) == (40, 50, 60)
    assert (large.min, large.low, large.high) == (40, 140, 240)


def test_marks_of_a_zone_come_first() -> None:
    """Marks of a zone beat marks of the machine, and both beat the formula; the reserves stay computed."""
    own = ZoneConfig("DMA", 0, 1024, watermarks=Watermarks(1, 2, 3))
    config = MachineConfig(
        "test", (NodeConfig((own, ZoneConfig("Normal", 1024, 1024))),), watermarks=Watermarks(4, 5, 6)
    )
    assert zone_marks(config) == ((ZoneMarks(1, 2, 3, (0, 0, 4, 4)), ZoneMarks(4, 5, 6, (0, 0, 0, 0))),)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=4), st.integers(0, 20000), st.integers(1, 1000))
def test_marks_are_ordered_and_sum_to_min_free(sizes: list[int], kbytes: int, factor: int) -> None:
    """Marks never fall from min to high, and the min marks share min_free_kbytes but for rounding."""
    kinds: tuple[ZoneKind, ...] = ("DMA", "DMA32", "Normal", "Movable")
    config = machine(*zip(kinds, sizes, strict=False), min_free_kbytes=kbytes, watermark_scale_factor=factor)
    marks = zone_marks(config)[0]
    assert all(0 <= each.min <= each.low <= each.high for each in marks)
    assert 0 <= kbytes // 4 - sum(each.min for each in marks) < len(marks)
