"""Machines whose zones, nodes and holes matter, and a rig that moves a driver's pages to frames of its choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from movable.config import MachineConfig, NodeConfig, PfnRange, ZoneConfig
from movable.conformance.probe import Move
from movable.conformance.rig import Rig
from movable.drivers import DriverSpec
from movable.flags import GFP
from movable.page import Page
from movable.vm import NodeTarget, Zone

__all__ = ["BLOCK", "EdgeRig", "FarRig", "NodesRig", "PlaceRig", "ZonesRig"]

BLOCK = 512
"""Pages in a pageblock (spec/compaction.md 1.1)."""

_QUIET = GFP.HIGHMEM | GFP.MOVABLE | GFP.NOWARN
_BATCH = 32
_START = 0x1000
_PAGES = 2048

ZONES = MachineConfig(
    "three-zones",
    (
        NodeConfig(
            (
                ZoneConfig("DMA32", _START, _PAGES),
                ZoneConfig("Normal", _START + _PAGES, _PAGES),
                ZoneConfig("Movable", _START + 2 * _PAGES, _PAGES),
            ),
            (0,),
        ),
    ),
)
"""One node with three zones of 8 MiB; drivers' pages come from zone Movable first."""

NODES = MachineConfig(
    "four-nodes",
    tuple(
        NodeConfig((ZoneConfig("Normal", _START + nid * _PAGES, _PAGES),), (nid,) if nid < 2 else ())
        for nid in range(4)
    ),
    cpus=2,
    distances=((10, 15, 20, 30), (15, 10, 25, 20), (20, 25, 10, 15), (30, 20, 15, 10)),
)
"""Four nodes of 8 MiB, CPUs on the first two: the preset `numa4` with less memory."""

FAR = MachineConfig(
    "far-apart",
    (
        NodeConfig((ZoneConfig("Normal", _START, _PAGES),), (0,)),
        NodeConfig((ZoneConfig("Normal", _START + (1 << 24), _PAGES),)),
    ),
)
"""Two nodes of 8 MiB whose frame numbers differ in bit 24 alone: 64 GiB apart."""

EDGES = MachineConfig(
    "edges",
    (
        NodeConfig(
            (
                ZoneConfig(
                    "DMA32",
                    _START,
                    _PAGES + 200,
                    holes=(PfnRange(_START, 37), PfnRange(_START + 3 * BLOCK - 9, 20)),
                    reserved=(PfnRange(_START + 700, 30),),
                ),
                ZoneConfig(
                    "Normal",
                    _START + _PAGES + 200,
                    _PAGES - 200,
                    holes=(PfnRange(_START + 2 * _PAGES - 600, 300),),
                ),
            ),
            (0,),
        ),
    ),
)
"""Two zones that share a pageblock, with holes at the start, over the edge of a pageblock, and a reserved range."""


class PlaceRig(Rig):
    """A rig on a machine of its own kind; ``machine`` is what the subclass says."""

    place: MachineConfig | str = "tiny"

    def __init__(self, spec: DriverSpec, seed: str, **settings: Any) -> None:
        super().__init__(spec, seed, **{**settings, "machine": self.place})

    def move_to(self, target: NodeTarget | Callable[[Page], Page | None], clause: str) -> list[Move]:
        """Isolate every marked page, move it to the target's frames, put the rest back.

        Fails if some of the pages that are isolated do not move: they are idle, and there is a target for each.
        """
        seen = len(self.probe.calls)
        batch = self.isolate_some()
        result = self.vm.migrate_pages(batch.pages, target)
        self.putback(batch)
        moved = [call for call in self.probe.moves(seen) if call.answer == 0]
        self.expect(
            len(moved) == len(batch.taken),
            f"{len(batch.taken) - len(moved)} of {len(batch.taken)} idle pages did not move ({result})",
            clause=clause,
            where="migratepage",
        )
        return moved

    def all_must_move(self) -> None:
        """Move every marked page once, in batches as compaction has them.

        A driver that leaves some where they are has nothing to be judged by in this place.
        """
        pages = self.marked()
        seen = len(self.probe.calls)
        for first in range(0, len(pages), _BATCH):
            batch = self.isolate(pages[first : first + _BATCH])
            self.migrate(batch)
            self.putback(batch)
        left = len(pages) - sum(call.answer == 0 for call in self.probe.moves(seen))
        if left:
            self.nothing(f"{left} of {len(pages)} idle pages do not move anywhere (LIVE-3)")

    def allocator(self, gfp: GFP) -> Callable[[Page], Page | None]:
        """A target allocator with these flags."""
        return lambda _page: self.vm.alloc_page(gfp | GFP.NOWARN)

    @contextmanager
    def all_taken(self) -> Iterator[dict[int, Page]]:
        """Hold every frame that can be had for the time of the block, by frame number.

        What the block takes out of the dictionary is not given back.
        """
        taken: dict[int, Page] = {}
        while (page := self.vm.alloc_page(_QUIET | GFP.MEMALLOC)) is not None:
            taken[page.pfn] = page
        try:
            yield taken
        finally:
            for page in taken.values():
                page.put()

    def blocks_of(self, pages: Sequence[Page]) -> list[int]:
        """First frames of the pageblocks that hold these pages, ascending."""
        return sorted({page.pfn // BLOCK * BLOCK for page in pages})

    def marked_in(self, start: int, end: int) -> list[Page]:
        """Marked pages of a range of frames."""
        return [page for page in self.marked() if start <= page.pfn < end]

    def pages_at_rest(self, clause: str) -> None:
        """Demand that nothing is isolated, every marked page rests, and the VM's books are right."""
        self.expect(self.isolated_count() == 0, "pages still count as isolated", clause="ACC-1")
        for page in self.marked():
            self.at_rest(page, clause=clause)
        self.vm.recount()

    def all_at_rest(self, clause: str) -> None:
        """As pages_at_rest, and everything is read back."""
        self.pages_at_rest(clause)
        self.verify(clause)


class ZonesRig(PlaceRig):
    """A node with three zones."""

    place = ZONES


class NodesRig(PlaceRig):
    """Four nodes, CPUs on two of them."""

    place = NODES


class FarRig(PlaceRig):
    """Two nodes far apart."""

    place = FAR


class EdgeRig(PlaceRig):
    """Zones that share a pageblock, holes, and reserved frames."""

    place = EDGES

    def edges(self) -> list[int]:
        """Frames at the ends of zones and pageblocks, and beside holes and reserved ranges."""
        beside = [
            pfn
            for node in EDGES.nodes
            for zone in node.zones
            for gap in (*zone.holes, *zone.reserved)
            for pfn in (gap.start - 1, gap.end)
        ]
        ends = [pfn for zone in self.vm.zones for pfn in _ends(zone)]
        blocks = [pfn for zone in self.vm.zones for pfn in _block_ends(zone)]
        return sorted({*beside, *ends, *blocks})


def _ends(zone: Zone) -> tuple[int, int]:
    return zone.start_pfn, zone.end_pfn - 1


def _block_ends(zone: Zone) -> Iterator[int]:
    first = -(-zone.start_pfn // BLOCK) * BLOCK
    for start in range(first, zone.end_pfn, BLOCK):
        yield from (start, start + BLOCK - 1)
