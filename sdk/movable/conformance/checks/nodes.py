"""A driver on nodes: without memory, and with targets on several at once."""

from collections.abc import Callable
from itertools import cycle

from movable.conformance.places import BLOCK, NodesRig
from movable.conformance.registry import check
from movable.flags import GFP
from movable.page import Page


@check(
    "NUMA-EMPTY",
    "a node without memory",
    clauses=("NUMA-1",),
    needs=None,
    level="L4",
    requires=("PLACE-OFFLINE",),
    rig=NodesRig,
)
def empty(rig: NodesRig) -> None:
    """All of node 1 goes offline under the driver, and comes back: it stores, moves and drops with it and without."""
    rig.fill()
    rig.all_must_move()
    # What the driver has beside its marked pages lies on node 0, where it was loaded and filled.
    rig.move_to(rig.vm.target_node(1), "NUMA-1")
    blocks = [
        block
        for zone in rig.vm.zones
        if zone.nid == 1
        for block in range(zone.start_pfn, zone.end_pfn, BLOCK)
    ]
    for block in blocks:
        result = rig.vm.offline_pages(block, BLOCK, non_lru=True)
        rig.expect(result.ret == 0, f"a node's memory did not go offline: {result}", clause="PLACE-8")
    for cpu in (1, 0):
        rig.vm.cpu = cpu
        with rig.tolerant() as raised:
            rig.fill(pages=len(rig.marked()) + 8)
        rig.expect(not raised, f"with a node without memory {''.join(raised)}", clause="NUMA-1")
        rig.expect(
            all(page.nid != 1 for page in rig.marked()), "a page is on a node without memory", clause="NUMA-1"
        )
        rig.all_at_rest("NUMA-1")
    rig.move_to(rig.vm.target_node(2), "NUMA-1")
    for handle in rig.ledger.handles[::3]:
        rig.drop(handle)
    rig.putback(rig.isolate_some())
    rig.all_at_rest("NUMA-1")
    for block in blocks:
        rig.vm.online_pages(block, BLOCK)
    rig.vm.cpu = 1
    rig.move_to(rig.vm.target_node(1), "NUMA-1")
    rig.fill(pages=len(rig.marked()) + 8)
    rig.all_at_rest("NUMA-1")
    rig.unload()


@check(
    "NUMA-SPREAD",
    "one batch with targets on all nodes",
    clauses=("NUMA-2",),
    needs=None,
    level="L4",
    requires=("PLACE-NODES",),
    rig=NodesRig,
)
def spread(rig: NodesRig) -> None:
    """The targets of a batch come from each node in turn, three times, each time from another one first."""
    rig.fill(pages=13)
    for first in (1, 2, 0):
        moved = rig.move_to(_each_node_in_turn(rig, first), "NUMA-2")
        there = {rig.vm.page(call.new_after.pfn).nid for call in moved}
        rig.expect(len(there) == min(4, len(moved)), f"the targets were on nodes {there}")
        rig.all_at_rest("NUMA-2")
        rig.putback(rig.isolate_some())
        rig.all_at_rest("NUMA-2")
    for handle in rig.ledger.handles[::2]:
        rig.drop(handle)
    rig.all_at_rest("NUMA-2")
    rig.drop_all()
    rig.unload()


def _each_node_in_turn(rig: NodesRig, first: int) -> Callable[[Page], Page | None]:
    nodes = cycle([(first + nid) % 4 for nid in range(4)])
    return lambda _page: rig.vm.alloc_page(GFP.HIGHUSER_MOVABLE | GFP.THISNODE, next(nodes))
