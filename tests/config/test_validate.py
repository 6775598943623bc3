"""What `validate` accepts and what it refuses, with the field named."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movable.config import MachineConfig, NodeConfig, PfnRange, Watermarks, ZoneConfig, validate
from movable.errors import ConfigError


def zone(kind: Any = "Normal", start: Any = 0x1000, pages: Any = 0x1000, **more: Any) -> ZoneConfig:
    """A zone, by default the one of `tiny`."""
    return ZoneConfig(kind, start, pages, **more)


def machine(*nodes: Any, **settings: Any) -> MachineConfig:
    """A machine of the given nodes; a lone zone makes a node."""
    made = tuple(NodeConfig((each,)) if isinstance(each, ZoneConfig) else each for each in nodes or (zone(),))
    return MachineConfig(settings.pop("name", "test"), made, **settings)


def one_node(*zones: Any, **more: Any) -> MachineConfig:
    """A machine with one node of these zones."""
    return machine(NodeConfig(zones, **more))


def refusal(config: Any) -> str:
    """The message with which `validate` refuses `config`."""
    with pytest.raises(ConfigError) as caught:
        validate(config)
    return str(caught.value)


A, B = zone(start=0x1000), zone(start=0x2000)
THREE = (A, B, zone(start=0x3000))
MIB_16 = 0x1000

IMPOSSIBLE = {
    "wrong object": (3, "machine: must be a MachineConfig"),
    "name type": (machine(name=3), "name: must be a string, not 3"),
    "name empty": (machine(name=""), "name: must not be empty"),
    "cpus type": (machine(cpus="2"), "cpus: must be an integer, not '2'"),
    "cpus float": (machine(cpus=2.0), "cpus: must be an integer, not 2.0"),
    "cpus bool": (machine(cpus=True), "cpus: must be an integer, not True"),
    "poison type": (machine(poison=1), "poison: must be true or false, not 1"),
    "none for an integer": (machine(debug=None), "debug: must be an integer, not None"),
    "nodes type": (MachineConfig("x", 7), "nodes: must be a list, not 7"),
    "node type": (machine(7), "nodes[0]: must be a NodeConfig, not 7"),
    "zones type": (machine(NodeConfig("abc")), "nodes[0].zones: must be a list, not 'abc'"),
    "zone type": (one_node("abc"), "nodes[0].zones[0]: must be a ZoneConfig, not 'abc'"),
    "kind": (machine(zone("HighMem")), "nodes[0].zones[0].kind: must be one of DMA, DMA32, Normal, Movable"),
    "kind unhashable": (machine(zone([])), "nodes[0].zones[0].kind: must be one of"),
    "start type": (machine(zone(start=1.5)), "nodes[0].zones[0].start_pfn: must be an integer, not 1.5"),
    "hole type": (machine(zone(holes=(3,))), "nodes[0].zones[0].holes[0]: must be a PfnRange, not 3"),
    "hole pages type": (machine(zone(holes=(PfnRange(0x1000, True),))), "nodes[0].zones[0].holes[0].pages: "),
    "marks type": (machine(watermarks=(1, 2, 3)), "watermarks: must be a Watermarks, not (1, 2, 3)"),
    "ratio count": (
        machine(lowmem_reserve_ratio=(256, 32)),
        "lowmem_reserve_ratio: must have 3 entries, not 2",
    ),
    "ratio type": (
        machine(lowmem_reserve_ratio=(256, 32, "a")),
        "lowmem_reserve_ratio[2]: must be an integer",
    ),
    "distances type": (machine(distances=((10, 2.5),)), "distances[0][1]: must be an integer"),
    "no CPU": (machine(cpus=0), "cpus: must be 1 to 64, not 0"),
    "too many CPUs": (machine(cpus=65), "cpus: must be 1 to 64, not 65"),
    "debug": (machine(debug=3), "debug: must be 0 to 2, not 3"),
    "profile": (machine(profile="5.0"), "profile: must be one of 4.9, 6.1, not '5.0'"),
    "lists": (machine(per_cpu_lists=1), "per_cpu_lists: must be true or false, not 1"),
    "extfrag": (machine(extfrag_threshold=1001), "extfrag_threshold: must be 0 to 1000, not 1001"),
    "scale factor": (machine(watermark_scale_factor=0), "watermark_scale_factor: must be 1 to 1000, not 0"),
    "ratio": (
        machine(lowmem_reserve_ratio=(256, 0, 32)),
        "lowmem_reserve_ratio[1]: must be 1 or more, not 0",
    ),
    "min_free": (machine(min_free_kbytes=-1), "min_free_kbytes: must be 0 or more KiB, not -1"),
    "no nodes": (MachineConfig("x", ()), "nodes: a machine has 1 to 64 nodes, not 0"),
    "65 nodes": (
        machine(*(zone(start=n << 12) for n in range(65))),
        "nodes: a machine has 1 to 64 nodes, not 65",
    ),
    "no zones": (machine(A, NodeConfig(())), "nodes[1].zones: a node needs at least one zone"),
    "zero pages": (
        machine(A, zone(start=0x2000, pages=0)),
        "nodes[1].zones[0].pages: a zone needs at least one",
    ),
    "negative pages": (machine(zone(pages=-1024)), "nodes[0].zones[0].pages: a zone needs at least one page"),
    "negative start": (
        machine(zone(start=-1024)),
        "nodes[0].zones[0].start_pfn: must be 0 or more, not -1024",
    ),
    "above 2 TiB": (machine(zone(pages=2 << 28)), "nodes[0].zones[0].pages: ends at pfn 0x20001000, above"),
    "kind order": (
        one_node(zone("Normal"), zone("DMA32", 0x2000)),
        "nodes[0].zones[1].kind: DMA32 cannot follow",
    ),
    "kind twice": (one_node(A, B), "nodes[0].zones[1].kind: Normal cannot follow Normal"),
    "zones overlap": (one_node(zone("DMA32"), zone("Normal", 0x1FFF)), "nodes[0].zones[1].start_pfn: Normal"),
    "zones swapped": (
        one_node(zone("DMA32", 0x2000), zone("Normal", 0x1000)),
        "nodes[0].zones[1].start_pfn: ",
    ),
    "unaligned start": (
        machine(zone(start=0x1200)),
        "nodes[0].zones[0].start_pfn: the node starts at pfn 0x1200",
    ),
    "nodes overlap": (
        machine(A, zone(start=0x1C00)),
        "nodes[1].zones: [0x1c00, 0x2c00) overlaps [0x1000, 0x2000)",
    ),
    "node inside a gap": (
        machine(NodeConfig((zone("DMA32"), zone("Normal", 0x4000))), zone(start=0x2000)),
        "nodes[1].zones: [0x2000, 0x3000) overlaps [0x1000, 0x5000) of node 0",
    ),
    "hole outside": (
        machine(zone(holes=(PfnRange(0xFFF, 2),))),
        "nodes[0].zones[0].holes[0].start: [0xfff, 0x1001)",
    ),
    "hole past the end": (machine(zone(holes=(PfnRange(0x1FFF, 2),))), "nodes[0].zones[0].holes[0].start: "),
    "empty hole": (
        machine(zone(holes=(PfnRange(0x1000, 0),))),
        "nodes[0].zones[0].holes[0].pages: a range needs",
    ),
    "holes overlap": (
        machine(zone(holes=(PfnRange(0x1100, 4), PfnRange(0x1000, 0x101)))),
        "nodes[0].zones[0].holes[0].start: 0x1100 lies inside nodes[0].zones[0].holes[1], which",
    ),
    "reserved in a hole": (
        machine(zone(holes=(PfnRange(0x1100, 4),), reserved=(PfnRange(0x1103, 4),))),
        "nodes[0].zones[0].reserved[0].start: 0x1103 lies inside nodes[0].zones[0].holes[0]",
    ),
    "reserved outside": (machine(zone(reserved=(PfnRange(0, 1),))), "nodes[0].zones[0].reserved[0].start: "),
    "all hole": (
        machine(zone(holes=(PfnRange(0x1000, 0x1000),))),
        "nodes[0].zones[0].holes: they leave no page",
    ),
    "all reserved": (
        machine(zone(holes=(PfnRange(0x1000, 1),), reserved=(PfnRange(0x1001, 0xFFF),))),
        "nodes[0].zones[0].reserved: every page is reserved",
    ),
    "CPU on two nodes": (
        machine(NodeConfig((A,), (0, 1)), NodeConfig((B,), (2, 1)), cpus=3),
        "nodes[1].cpus[1]: CPU 1 is on node 0 already",
    ),
    "CPU twice": (machine(NodeConfig((A,), (0, 0))), "nodes[0].cpus[1]: CPU 0 is on node 0 already"),
    "CPU on no node": (machine(NodeConfig((A,), (0, 2)), B, cpus=3), "cpus: CPU 1 is on no node"),
    "no such CPU": (machine(NodeConfig((A,), (0, 1))), "nodes[0].cpus[1]: there is no CPU 1"),
    "negative CPU": (machine(NodeConfig((A,), (-1,))), "nodes[0].cpus[0]: there is no CPU -1"),
    "few rows": (machine(A, B, distances=((10, 20),)), "distances: needs one row per node, 2, not 1"),
    "long row": (
        machine(A, B, distances=((10, 20), (20, 10, 30))),
        "distances[1]: needs one distance per node, 2",
    ),
    "self": (
        machine(A, B, distances=((10, 20), (20, 11))),
        "distances[1][1]: a node is at distance 10 from itself",
    ),
    "as near as itself": (
        machine(A, B, distances=((10, 10), (10, 10))),
        "distances[0][1]: another node is at 11 to",
    ),
    "too far": (
        machine(A, B, distances=((10, 256), (256, 10))),
        "distances[0][1]: another node is at 11 to 255",
    ),
    "asymmetric": (
        machine(A, B, distances=((10, 20), (21, 10))),
        "distances[1][0]: 21 differs from distances[0][1]",
    ),
    "no metric": (
        machine(*THREE, distances=((10, 12, 40), (12, 10, 12), (40, 12, 10))),
        "distances[0][2]: not a metric: 40 is above 24 by way of node 1",
    ),
    "negative mark": (machine(watermarks=Watermarks(-1, 0, 0)), "watermarks.min: must be 0 or more, not -1"),
    "low below min": (machine(watermarks=Watermarks(5, 4, 9)), "watermarks.low: must be 5 or more, not 4"),
    "high below low": (
        machine(zone(watermarks=Watermarks(5, 6, 5))),
        "nodes[0].zones[0].watermarks.high: must be 6 or more, not 5",
    ),
    "marks above memory": (
        machine(watermarks=Watermarks(0, 0, 0x1001)),
        "nodes[0].zones[0].watermarks: the high mark of 4097 pages is above the 4096 managed pages",
    ),
    "min_free above memory": (
        machine(min_free_kbytes=16 << 10),
        "nodes[0].zones[0].watermarks: the high mark of 6144 pages is above the 4096 managed pages",
    ),
}


@pytest.mark.parametrize(("config", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_machines_are_refused(config: Any, message: str) -> None:
    """A machine that cannot exist is refused with a message that starts with the path of the field."""
    assert refusal(config).startswith(message)


POSSIBLE = {
    "limits": machine(
        zone(start=0x1FFFF000), cpus=64, debug=0, extfrag_threshold=0, watermark_scale_factor=1000
    ),
    "the other limits": machine(
        debug=2, extfrag_threshold=1000, min_free_kbytes=0, lowmem_reserve_ratio=(1, 1, 1)
    ),
    "64 nodes": machine(*(zone(start=nid << 12) for nid in range(64))),
    "farthest": machine(A, B, distances=((10, 255), (255, 10))),
    "a detour as long as the way": machine(*THREE, distances=((10, 12, 24), (12, 10, 12), (24, 12, 10))),
    "nodes in any order": machine(B, A),
    "a gap between zones": one_node(zone("DMA"), zone("Movable", 0x8000)),
    "zones that meet inside a block": one_node(zone("DMA32", 0x1000, 0x155), zone("Normal", 0x1155, 0xEAB)),
    "ranges that touch": machine(zone(holes=(PfnRange(0x1000, 8),), reserved=(PfnRange(0x1008, 8),))),
    "one managed page": machine(
        zone(reserved=(PfnRange(0x1001, 0xFFF),)), watermarks=Watermarks(0, 0, 1), min_free_kbytes=0
    ),
    "no watermarks": machine(watermarks=Watermarks(0, 0, 0)),
    "CPUs on the second node only": machine(A, NodeConfig((B,), (1, 0)), cpus=2),
}


@pytest.mark.parametrize("config", POSSIBLE.values(), ids=POSSIBLE)
def test_possible_machines_are_accepted(config: MachineConfig) -> None:
    """Machines at the limits are accepted."""
    assert validate(config) is None  # type: ignore[func-returns-value]


@st.composite
def block_spans(draw: st.DrawFn) -> list[range]:
    """A few ranges of blocks of 1024 pages, among the first sixteen."""
    starts = draw(st.lists(st.integers(0, 15), min_size=1, max_size=4))
    return [range(start, start + draw(st.integers(1, 5))) for start in starts]


@given(block_spans())
def test_nodes_are_accepted_exactly_if_no_block_has_two(spans: list[range]) -> None:
    """Nodes are refused for overlapping if and only if some frame would belong to two of them."""
    config = machine(*(zone(start=span.start * 1024, pages=len(span) * 1024) for span in spans))
    owned = [block for span in spans for block in span]
    if len(owned) == len(set(owned)):
        validate(config)
    else:
        assert "overlaps" in refusal(config)


@given(
    st.lists(st.tuples(st.integers(0, 1023), st.integers(1, 300)), max_size=3),
    st.lists(st.tuples(st.integers(0, 1023), st.integers(1, 300)), max_size=3),
)
def test_ranges_are_accepted_exactly_if_frames_are_counted_once(
    holes: list[tuple[int, int]], reserved: list[tuple[int, int]]
) -> None:
    """Holes and reserved ranges hold if and only if they lie in the zone, apart, and leave a managed page."""
    config = machine(
        zone(
            start=0,
            pages=1024,
            holes=tuple(PfnRange(*each) for each in holes),
            reserved=tuple(PfnRange(*each) for each in reserved),
        ),
        watermarks=Watermarks(0, 0, 0),
    )
    taken = [pfn for start, pages in holes + reserved for pfn in range(start, start + pages)]
    if len(taken) == len(set(taken)) and all(pfn < 1024 for pfn in taken) and len(taken) < 1024:
        validate(config)
        assert config.managed_pages == 1024 - len(taken)
    else:
        assert refusal(config).startswith("nodes[0].zones[0].")


@given(st.lists(st.lists(st.integers(9, 60), min_size=3, max_size=3), min_size=3, max_size=3))
def test_distances_are_accepted_exactly_if_they_are_a_metric(table: list[list[int]]) -> None:
    """A table holds if and only if it is a metric on the nodes whose zero is 10."""
    nodes = range(3)
    metric = (
        all(table[a][a] == 10 for a in nodes)
        and all(table[a][b] == table[b][a] > 10 for a in nodes for b in nodes if a != b)
        and all(table[a][c] <= table[a][b] + table[b][c] for a in nodes for b in nodes for c in nodes)
    )
    config = machine(*THREE, distances=table)
    if metric:
        validate(config)
    else:
        assert refusal(config).startswith("distances[")


@given(st.lists(st.integers(11, 30), min_size=3, max_size=3))
def test_near_symmetric_tables_are_metrics(row: list[int]) -> None:
    """Symmetric distances of at most twice the least one always hold."""
    a, b, c = (min(each, 2 * min(row)) for each in row)
    validate(machine(*THREE, distances=((10, a, b), (a, 10, c), (b, c, 10))))
    assert max(a, b, c) <= 2 * min(a, b, c)
