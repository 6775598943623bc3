"""The value objects that describe a machine: nodes, zones, CPUs, distances and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from attrs import field, frozen, resolve_types

PAGE_SIZE = 4096
"""Bytes in a page frame."""

MAX_ORDER_NR_PAGES = 1024
"""Pages in the largest buddy block (spec/compaction.md 1.1); nodes start at multiples of it."""

LOCAL_DISTANCE = 10
"""Distance of a node to itself (spec/compaction.md 2.11)."""

REMOTE_DISTANCE = 20
"""Distance between two nodes where the configuration gives none (spec/compaction.md 2.11)."""

ZONE_KINDS = ("DMA", "DMA32", "Normal", "Movable")
"""Zone kinds in index order (spec/compaction.md 1.2)."""

ZoneKind = Literal["DMA", "DMA32", "Normal", "Movable"]
CompactionProfile = Literal["4.9", "6.1"]
"""The kernels whose compaction a machine can have."""

Pfn = Annotated[int, "page frame number"]
Pages = Annotated[int, "number of 4 KiB pages"]


def _to_tuple(value: Any) -> Any:
    """Make lists and iterators tuples; leave anything else for `validate` to refuse."""
    return (
        tuple(value)
        if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
        else value
    )


def _to_table(value: Any) -> Any:
    """Make a nested sequence a tuple of tuples."""
    value = _to_tuple(value)
    return tuple(_to_tuple(row) for row in value) if isinstance(value, tuple) else value


@frozen
class PfnRange:
    """Page frames `start` up to, but not including, `start + pages`."""

    start: Pfn
    pages: Pages

    @property
    def end(self) -> int:
        """The first pfn after the range."""
        return self.start + self.pages


@frozen
class Watermarks:
    """Free-page marks of a zone, in pages: `min <= low <= high` (spec/compaction.md 2.9)."""

    min: Pages
    low: Pages
    high: Pages


@frozen
class ZoneConfig:
    """One zone of a node: `pages` frames from `start_pfn`, holes included.

    Frames in `holes` do not exist; frames in `reserved` exist but never reach the allocator.
    `watermarks` replaces the marks that would be computed for this zone.
    """

    kind: ZoneKind
    start_pfn: Pfn
    pages: Pages
    holes: tuple[PfnRange, ...] = field(default=(), converter=_to_tuple)
    reserved: tuple[PfnRange, ...] = field(default=(), converter=_to_tuple)
    watermarks: Watermarks | None = None

    @property
    def end_pfn(self) -> int:
        """The first pfn after the zone."""
        return self.start_pfn + self.pages

    @property
    def present_pages(self) -> int:
        """Frames that exist: the span minus the holes (spec/compaction.md 1.2)."""
        return self.pages - sum(hole.pages for hole in self.holes)

    @property
    def managed_pages(self) -> int:
        """Frames handed to the allocator: present minus reserved (spec/compaction.md 1.2)."""
        return self.present_pages - sum(each.pages for each in self.reserved)


@frozen
class NodeConfig:
    """A NUMA node: its zones in address order and the CPUs that are local to it."""

    zones: tuple[ZoneConfig, ...] = field(converter=_to_tuple)
    cpus: tuple[int, ...] = field(default=(), converter=_to_tuple)

    @property
    def start_pfn(self) -> int:
        """The first pfn of the node's span."""
        return self.zones[0].start_pfn

    @property
    def end_pfn(self) -> int:
        """The first pfn after the node's span."""
        return self.zones[-1].end_pfn

    @property
    def managed_pages(self) -> int:
        """Frames of all zones that are handed to the allocator."""
        return sum(zone.managed_pages for zone in self.zones)


@frozen
class MachineConfig:
    """A whole machine. `movable.config.validate` says whether it can exist.

    `cpus` is the number of CPUs; where no node names its CPUs, node 0 has them all. `distances` is a square
    table by node, or None for 10 to oneself and 20 to others. `poison` fills freed frames with a pattern that
    is checked when they are allocated again. `debug` is 0 (off), 1 (contract checks around every callback) or
    2 (a full recount after every operation as well). `watermarks` holds for every zone that has none of its
    own; None computes them from `min_free_kbytes` (KiB; None: computed too), `watermark_scale_factor`
    (1/10000 of a zone) and `lowmem_reserve_ratio` (DMA, DMA32, Normal), see spec/compaction.md 2.9.
    `extfrag_threshold` (0..1000) and `compact_unevictable_allowed` are the sysctls of the same names.
    `profile` is the kernel whose compaction (and whose sizes of per-CPU page lists) the machine has: "4.9", or
    "6.1" by spec/differences-drivers.md 3. `per_cpu_lists` keeps freed single pages on per-CPU lists before they
    reach the buddy allocator, as kernels do (spec/compaction.md 2.8); without, they are in the buddy at once.
    """

    name: str
    nodes: tuple[NodeConfig, ...] = field(converter=_to_tuple)
    cpus: int = 1
    distances: tuple[tuple[int, ...], ...] | None = field(default=None, converter=_to_table)
    poison: bool = True
    debug: int = 1
    watermarks: Watermarks | None = None
    extfrag_threshold: int = 500
    compact_unevictable_allowed: bool = True
    min_free_kbytes: int | None = None
    watermark_scale_factor: int = 10
    lowmem_reserve_ratio: tuple[int, int, int] = field(default=(256, 256, 32), converter=_to_tuple)
    profile: CompactionProfile = "4.9"
    per_cpu_lists: bool = False

    @property
    def node_cpus(self) -> tuple[tuple[int, ...], ...]:
        """The CPUs of each node; all on node 0 where no node names any."""
        if any(node.cpus for node in self.nodes):
            return tuple(node.cpus for node in self.nodes)
        return (tuple(range(self.cpus)), *(() for _ in self.nodes[1:]))

    @property
    def distance_table(self) -> tuple[tuple[int, ...], ...]:
        """`distances`, or the default table of 10 and 20."""
        if self.distances is not None:
            return self.distances
        nodes = range(len(self.nodes))
        return tuple(tuple(LOCAL_DISTANCE if a == b else REMOTE_DISTANCE for b in nodes) for a in nodes)

    @property
    def end_pfn(self) -> int:
        """The first pfn after all memory."""
        return max(node.end_pfn for node in self.nodes)

    @property
    def managed_pages(self) -> int:
        """Frames of all nodes that are handed to the allocator."""
        return sum(node.managed_pages for node in self.nodes)


for _cls in (PfnRange, Watermarks, ZoneConfig, NodeConfig, MachineConfig):
    resolve_types(_cls)
