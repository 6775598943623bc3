"""The value objects that describe a machine."""

import attrs
import pytest

from movable.config import MachineConfig, NodeConfig, PfnRange, ZoneConfig


def two_nodes(**settings: object) -> MachineConfig:
    """A machine of two nodes of 4 MiB each, with the given settings."""
    nodes = [NodeConfig([ZoneConfig("Normal", start, 1024)]) for start in (1024, 2048)]
    return attrs.evolve(MachineConfig("two", nodes), **settings)  # type: ignore[arg-type]


def test_a_range_ends_after_its_last_page() -> None:
    """The end of a range is its start plus its length."""
    assert PfnRange(0x1000, 16).end == 0x1010


def test_present_is_the_span_without_holes() -> None:
    """Present pages are spanned minus holes, managed ones present minus reserved (spec/compaction.md 1.2)."""
    zone = ZoneConfig(
        "DMA", 0, 4096, holes=(PfnRange(0, 1), PfnRange(0x9F, 97)), reserved=(PfnRange(1, 158),)
    )
    assert (zone.end_pfn, zone.present_pages, zone.managed_pages) == (4096, 3998, 3840)


def test_a_node_spans_its_zones() -> None:
    """A node reaches from the start of its first zone to the end of its last."""
    zones = (ZoneConfig("DMA32", 1024, 512), ZoneConfig("Normal", 2048, 1024, reserved=(PfnRange(2048, 24),)))
    node = NodeConfig(zones)
    assert (node.start_pfn, node.end_pfn, node.managed_pages) == (1024, 3072, 1512)


def test_a_machine_sums_its_nodes() -> None:
    """A machine ends where its highest node ends and manages what all nodes manage."""
    assert (two_nodes().end_pfn, two_nodes().managed_pages) == (3072, 2048)


def test_lists_become_tuples() -> None:
    """Every sequence of a configuration is stored as a tuple, so that the whole is hashable."""
    config = two_nodes(distances=[[10, 20], [20, 10]])
    assert config.distances == ((10, 20), (20, 10))
    assert isinstance(hash(config), int)


def test_a_configuration_cannot_be_changed() -> None:
    """Configurations are frozen."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        two_nodes().cpus = 2  # type: ignore[misc]


def test_node_0_has_the_cpus_that_nobody_lists() -> None:
    """Where no node names a CPU, all CPUs are local to node 0."""
    assert two_nodes(cpus=3).node_cpus == ((0, 1, 2), ())


def test_listed_cpus_stay_where_they_are() -> None:
    """Where a node names CPUs, the lists hold as they are."""
    config = two_nodes(cpus=2)
    config = attrs.evolve(config, nodes=(config.nodes[0], attrs.evolve(config.nodes[1], cpus=(1, 0))))
    assert config.node_cpus == ((), (1, 0))


def test_distances_default_to_10_and_20() -> None:
    """A node is at 10 from itself and at 20 from others unless the table says otherwise (2.11)."""
    assert two_nodes().distance_table == ((10, 20), (20, 10))
    assert two_nodes(distances=((10, 31), (31, 10))).distance_table == ((10, 31), (31, 10))
