"""The machines of level L4 are what their checks take them for."""

import pytest
from mutants.cells import Cells

from movable import GFP, VM, DriverSpec, MachineConfig
from movable.config import validate
from movable.conformance.places import BLOCK, EDGES, FAR, NODES, ZONES, EdgeRig, NodesRig, PlaceRig


def rig(kind: type[PlaceRig]) -> PlaceRig:
    """A rig with a correct driver."""
    return kind(DriverSpec("cells", Cells, lambda driver: driver, Cells.capabilities), "seed")


@pytest.mark.parametrize("config", [ZONES, NODES, FAR, EDGES], ids=lambda config: config.name)
def test_the_machines_can_exist(config: MachineConfig) -> None:
    """Each boots, and its books are right."""
    validate(config)
    with VM(config, debug=2) as vm:
        assert vm.config is config
        vm.recount()


def test_two_nodes_differ_in_one_bit() -> None:
    """The frames of the two nodes that are far apart differ in bit 24 alone."""
    low, high = (zone.start_pfn for node in FAR.nodes for zone in node.zones)
    assert low ^ high == 1 << 24


def test_edges_are_where_something_ends() -> None:
    """Each edge begins or ends a zone or a pageblock, or has a frame beside it that cannot be had."""
    place = rig(EdgeRig)
    assert isinstance(place, EdgeRig)
    with place.all_taken() as taken:
        edges = [pfn for pfn in place.edges() if pfn in taken]
        alone = [pfn for pfn in edges if {pfn - 1, pfn + 1} <= taken.keys()]
    shared = EDGES.nodes[0].zones[1].start_pfn
    assert len(edges) == 20
    assert {pfn for pfn in alone if pfn % BLOCK not in (0, BLOCK - 1)} == {shared - 1, shared}


def test_all_memory_is_taken_and_given_back() -> None:
    """In the block nothing is free; what it took out of the book is not given back."""
    place = rig(NodesRig)
    before = place.free_pages()
    with place.all_taken() as taken:
        assert len(taken) == before
        assert place.vm.alloc_page(GFP.HIGHUSER_MOVABLE | GFP.MEMALLOC) is None
        _, page = taken.popitem()
    assert place.free_pages() == before - 1
    page.put()


def test_every_page_moves_to_the_target() -> None:
    """What move_to() reports has arrived, and rests there."""
    place = rig(NodesRig)
    pages = place.fill()
    moved = place.move_to(place.vm.target_node(3), "PLACE-2")
    assert len(moved) == len(pages)
    assert {page.nid for page in place.marked()} == {3}
    place.all_at_rest("PLACE-2")
