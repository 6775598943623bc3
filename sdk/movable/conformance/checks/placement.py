"""Where pages are: in other zones, on other nodes, far up, and at the edges of memory."""

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.places import BLOCK, EdgeRig, FarRig, NodesRig, ZonesRig
from movable.conformance.registry import check
from movable.conformance.rig import Batch
from movable.flags import GFP
from movable.page import Page

_NEEDS = (*MOVES, *RETURNS, "MIG-CHAIN", "UNLOAD-MOVED", "ACC-ZONES")
_DOWN = {"DMA32": GFP.USER | GFP.MOVABLE | GFP.DMA32, "Normal": GFP.USER | GFP.MOVABLE}


@check(
    "PLACE-ZONES",
    "pages move between zones",
    clauses=("PLACE-1",),
    needs=None,
    level="L4",
    requires=_NEEDS,
    rig=ZonesRig,
)
def zones(rig: ZonesRig) -> None:
    """From the zone of the first store down through the lower ones and back: all move, all is read back each time."""
    rig.fill()
    for kind, gfp in {**_DOWN, "Movable": GFP.HIGHUSER_MOVABLE}.items():
        moved = rig.move_to(rig.allocator(gfp), "PLACE-1")
        there = {rig.vm.zones[rig.vm.page(call.new_after.pfn).zone_id].kind for call in moved}
        rig.expect(there == {kind}, f"the targets were of {there}, not of zone {kind}")
        rig.all_at_rest("PLACE-1")
        for handle in rig.ledger.handles[::3]:
            rig.drop(handle)
        rig.fill(pages=len(rig.marked()) + 2, objects=16)
        rig.verify("PLACE-1")
    rig.unload()


@check(
    "PLACE-NODES",
    "pages move from node to node",
    clauses=("PLACE-2",),
    needs=None,
    level="L4",
    requires=("PLACE-ZONES",),
    rig=NodesRig,
)
def nodes(rig: NodesRig) -> None:
    """A tour over four nodes, twice: on each, all pages arrive, rest, and leave again."""
    rig.fill()
    for nid in (1, 2, 3, 0, 2, 1, 3):
        moved = rig.move_to(rig.vm.target_node(nid), "PLACE-2")
        there = {rig.vm.page(call.new_after.pfn).nid for call in moved}
        rig.expect(there == {nid}, f"the targets were on nodes {there}, not on node {nid}")
        rig.all_at_rest("PLACE-2")
        rig.putback(rig.isolate_some())
        rig.all_at_rest("PLACE-2")
    rig.drop_all()
    rig.unload()


@check(
    "PLACE-STORES",
    "new pages come from the CPU's node, and from others when that is full",
    clauses=("PLACE-3",),
    needs=None,
    level="L4",
    requires=("PLACE-NODES",),
    rig=NodesRig,
)
def stores(rig: NodesRig) -> None:
    """Each CPU stores; then node 0 is full and CPU 0 stores: what lies elsewhere than expected is told."""
    known: set[Page] = set()
    for cpu in (0, 1):
        rig.vm.cpu = cpu
        new = set(rig.fill(pages=len(known) + 8)) - known
        away = sum(page.nid != cpu for page in new)
        if away:
            rig.note(
                f"{away} of {len(new)} new pages of CPU {cpu} came from another node than its own: "
                "allocate without node=, unless the driver places its pages itself"
            )
        known |= new
    rig.vm.cpu = 0
    with rig.all_taken() as taken:
        for pfn in [pfn for pfn, page in taken.items() if page.nid]:
            taken.pop(pfn).put()
        new = set(rig.fill(pages=len(known) + 8)) - known
        if not new:
            rig.note(
                "store() took nothing that needs a page while its CPU's node is full and others are free"
            )
    rig.verify("PLACE-3")


@check(
    "PLACE-FAR",
    "frame numbers of 25 bits",
    clauses=("PLACE-4",),
    needs=None,
    level="L4",
    requires=("PLACE-NODES",),
    rig=FarRig,
)
def far(rig: FarRig) -> None:
    """Half of the objects lie 64 GiB above the others, at frames that differ in one bit: nobody mixes them up."""
    rig.fill()
    low = rig.move_to(rig.vm.target_node(0), "PLACE-4")
    rig.move_to(rig.vm.target_node(1), "PLACE-4")
    rig.all_at_rest("PLACE-4")
    rig.fill(pages=2 * len(low))
    with rig.tolerant() as raised:
        rig.verify("PLACE-4")
    rig.expect(not raised, f"with pages 64 GiB apart {''.join(raised)}", clause="PLACE-4")
    for nid in (0, 1):
        rig.move_to(rig.vm.target_node(nid), "PLACE-4")
        rig.all_at_rest("PLACE-4")
    rig.drop_all("PLACE-4")
    rig.unload()


@check(
    "PLACE-EDGES",
    "pages at the edges of zones, pageblocks and holes",
    clauses=("PLACE-5",),
    needs=None,
    level="L4",
    requires=("PLACE-ZONES",),
    rig=EdgeRig,
)
def edges(rig: EdgeRig) -> None:
    """Every frame at an edge is once a page of the driver: it arrives, is isolated, put back, and leaves."""
    rig.fill()
    rig.all_must_move()
    with rig.all_taken() as taken:
        places = [pfn for pfn in rig.edges() if pfn in taken]
        plain = [pfn for pfn in taken if pfn not in places]
        # Half of the plain frames stay free: a driver may need memory to move a page.
        for _ in range(len(plain) // 2):
            taken.pop(plain.pop()).put()
        count = len(rig.marked())
        for first in range(0, len(places), count):
            batch = places[first : first + count]
            _stand_on(rig, [taken.pop(pfn) for pfn in batch], [taken.pop(plain.pop()) for _ in batch])
    rig.vm.compact_memory()
    rig.all_at_rest("PLACE-5")
    rig.unload()


def _stand_on(rig: EdgeRig, edge: list[Page], plain: list[Page]) -> None:
    """Move pages to the frames at edges, try them there, and move them on to the plain ones."""
    there = rig.isolate_some(rig.marked()[: len(edge)])
    _go(rig, there, edge)
    missing = next((page for page in edge[: len(there.taken)] if page.mapping is not rig.mapping), None)
    rig.expect(
        missing is None,
        "a page did not move to a frame at an edge",
        clause="PLACE-5",
        pfn=missing.pfn if missing else None,
    )
    rig.all_at_rest("PLACE-5")
    again = rig.isolate([page for page in edge if page.mapping is rig.mapping])
    refused = next(iter(again.refused), None)
    rig.expect(
        refused is None,
        f"a page at an edge was not let go (frame {refused.pfn % BLOCK if refused else 0} of its pageblock)",
        clause="PLACE-5",
        pfn=refused.pfn if refused else None,
    )
    _go(rig, again, plain)
    rig.verify("PLACE-5")


def _go(rig: EdgeRig, batch: Batch, frames: list[Page]) -> None:
    """Move a batch to these frames; what is not needed of them is freed, what does not move is put back."""
    queue = list(frames)
    rig.vm.migrate_pages(batch.pages, lambda _page: queue.pop(0) if queue else None, queue.append)
    rig.putback(batch)
    for page in queue:
        page.put()
