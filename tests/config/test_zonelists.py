"""The order in which nodes fall back to each other (spec/compaction.md 2.11)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movable.config import MachineConfig, NodeConfig, ZoneConfig, node_order, preset


def machine(
    distances: tuple[tuple[int, ...], ...] | None, count: int, cpus: tuple[tuple[int, ...], ...] | None = None
) -> MachineConfig:
    """A machine of `count` equal nodes; each has one CPU unless `cpus` says otherwise."""
    local = cpus or tuple((nid,) for nid in range(count))
    nodes = tuple(NodeConfig((ZoneConfig("Normal", nid << 10, 1024),), local[nid]) for nid in range(count))
    return MachineConfig("test", nodes, cpus=sum(map(len, local)), distances=distances)


def test_one_node_falls_back_to_itself() -> None:
    """The list of a lone node has that node alone."""
    assert node_order(preset("tiny")) == ((0,),)


def test_a_linux_guest_with_these_distances_has_this_order() -> None:
    """The order of `numa4` is the one that Linux prints at boot for the same table."""
    assert node_order(preset("numa4")) == ((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0))


def test_among_equals_higher_nodes_come_first() -> None:
    """A node with a lower number costs one more, so equal neighbours are taken upwards and around (2.11)."""
    assert node_order(machine(None, 4))[2] == (2, 3, 0, 1)


def test_a_node_without_cpus_is_preferred() -> None:
    """A node that has CPUs costs one more than an equal one that has none (2.11)."""
    assert node_order(machine(None, 3, ((0,), (1,), ())))[0] == (0, 2, 1)


def test_load_rotates_the_first_neighbour() -> None:
    """A node that started a distance group is loaded, so the next node starts with another one (2.11)."""
    pairs = ((10, 30, 20, 20), (30, 10, 20, 20), (20, 20, 10, 30), (20, 20, 30, 10))
    order = node_order(machine(pairs, 4))
    assert order[0] == (0, 2, 3, 1)
    assert order[1] == (1, 3, 2, 0)


def test_the_load_of_one_list_is_set_not_added() -> None:
    """Loads are set to a number that drops with every node picked (2.11)."""
    flat = machine(None, 3, ((0,), (), ()))
    assert node_order(flat) == ((0, 1, 2), (1, 2, 0), (2, 1, 0))


@pytest.mark.parametrize("count", [2, 5, 64])
def test_every_node_is_in_every_list(count: int) -> None:
    """Each list has every node once and starts with its own."""
    for nid, order in enumerate(node_order(machine(None, count))):
        assert order[0] == nid
        assert sorted(order) == list(range(count))


@st.composite
def symmetric_tables(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    """A symmetric table of 2 to 6 nodes with 10 on the diagonal."""
    count = draw(st.integers(2, 6))
    upper = {(a, b): draw(st.integers(11, 60)) for a in range(count) for b in range(a + 1, count)}
    return tuple(
        tuple(10 if a == b else upper[min(a, b), max(a, b)] for b in range(count)) for a in range(count)
    )


@given(symmetric_tables())
def test_distance_outweighs_everything_but_two(distances: tuple[tuple[int, ...], ...]) -> None:
    """Penalties come to at most two, so a node that is nearer by more than that always comes first."""
    for local, order in enumerate(node_order(machine(distances, len(distances)))):
        ways = [distances[local][nid] for nid in order]
        assert all(later >= way - 2 for index, way in enumerate(ways) for later in ways[index:])
