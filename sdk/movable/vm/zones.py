"""Zones and nodes of a running machine, as handles that read it anew each time."""

from typing import Any

from attrs import field, frozen

from movable._core import ffi, lib
from movable.config import ZONE_KINDS, Watermarks
from movable.errors import MovableError
from movable.flags import AllocFlags, CompactResult, MigrateType, ZoneType, member
from movable.machine import Machine
from movable.vm.counters import read_zone

MAX_ORDER = 11
"""Orders run from 0 to MAX_ORDER - 1. spec/compaction.md 1.1."""


@frozen
class CompactState:
    """What a zone remembers between compactions. spec/compaction.md 3.4, 3.6."""

    cached_migrate_pfn: tuple[int, int]
    cached_free_pfn: int
    considered: int
    defer_shift: int
    order_failed: int
    blockskip_flush: bool


@frozen
class PerCpuPages:
    """The lists of free pages of one CPU for one zone, a ``pagesets`` entry of zoneinfo, in pages.

    ``count`` wait there; when they are ``high``, some go back; ``batch`` move at once. spec/compaction.md 2.8.
    """

    count: int
    high: int
    batch: int


@frozen
class Zone:
    """A zone. Numbers are pages and pfns; the range is half open."""

    id: int
    nid: int
    type: ZoneType
    start_pfn: int
    spanned: int
    contiguous: bool
    _machine: Machine = field(repr=False, eq=False)

    @property
    def kind(self) -> str:
        """The kernel's display name."""
        return ZONE_KINDS[self.type]

    @property
    def name(self) -> str:
        """Node and kind, for people."""
        return f"Node {self.nid} {self.kind}"

    @property
    def end_pfn(self) -> int:
        """The first pfn after the zone."""
        return self.start_pfn + self.spanned

    def _info(self) -> Any:
        info = ffi.new("struct mv_zone *")
        lib.mv_zone(self._machine.c, self.id, info)
        return info

    @property
    def present(self) -> int:
        """Pages that exist: the span without holes and without what is offline."""
        return int(self._info().present)

    @property
    def watermark(self) -> Watermarks:
        """The zone's marks, in pages; memory that goes offline or online changes them."""
        return Watermarks(*self._info().watermark)

    @property
    def nr_isolate_pageblock(self) -> int:
        """Pageblocks of type ISOLATE, from which nothing is allocated. spec/compaction.md 8.1."""
        return int(self._info().nr_isolate_pageblock)

    @property
    def managed(self) -> int:
        """Pages that belong to the allocator; a balloon takes its pages out of this number."""
        return int(self._info().managed)

    @property
    def free_pages(self) -> int:
        """NR_FREE_PAGES."""
        return int(self._info().free_pages)

    @property
    def nr_zspages(self) -> int:
        """NR_ZSPAGES: pages of the zone that are parts of zspages."""
        return int(self._info().zspages)

    def vmstat(self) -> dict[str, int]:
        """The zone's own counters, under the names of /proc/zoneinfo. spec/compaction.md 9.1."""
        return read_zone(self._machine, self.id)

    @property
    def nr_free(self) -> list[int]:
        """Free blocks by order, all migrate types together: a line of /proc/buddyinfo."""
        return list(self._info().nr_free)

    def free_counts(self, migratetype: MigrateType) -> list[int]:
        """Free blocks by order on the lists of one migrate type: a line of /proc/pagetypeinfo."""
        migratetype = member(MigrateType, migratetype, "migratetype")
        machine = self._machine
        return [
            machine.check(lib.mv_free_count(machine.c, self.id, order, migratetype))
            for order in range(MAX_ORDER)
        ]

    def fragmentation_index(self, order: int) -> int:
        """-1000 if a block of this order is free, else 0 (memory is short) to 1000 (it is scattered).

        spec/compaction.md 9.5
        """
        index: int = lib.mv_fragmentation_index(self._machine.c, self.id, _check_order(order))
        return index

    def compaction_suitable(
        self, order: int, alloc_flags: AllocFlags = AllocFlags(0), classzone: ZoneType | None = None
    ) -> CompactResult:
        """Whether compacting for this order makes sense (spec/compaction.md 3.3): SUCCESS, SKIPPED, CONTINUE."""
        classzone = self.type if classzone is None else member(ZoneType, classzone, "classzone")
        order = order if order == -1 else _check_order(order)
        flags = one_mark(alloc_flags)
        return CompactResult(lib.mv_compaction_suitable(self._machine.c, self.id, order, flags, classzone))

    @property
    def compact_state(self) -> CompactState:
        """Cached scanner positions and deferral."""
        state = ffi.new("struct mv_compact_state *")
        lib.mv_compact_state(self._machine.c, self.id, state)
        return CompactState(
            cached_migrate_pfn=(state.cached_migrate_pfn[0], state.cached_migrate_pfn[1]),
            cached_free_pfn=state.cached_free_pfn,
            considered=state.considered,
            defer_shift=state.defer_shift,
            order_failed=state.order_failed,
            blockskip_flush=state.blockskip_flush,
        )

    def per_cpu_pages(self, cpu: int) -> PerCpuPages:
        """A CPU's lists of the zone's free pages; all numbers are 0 on a machine without such lists."""
        sizes = ffi.new("unsigned long[2]")
        lib.mv_pcp_sizes(self._machine.c, self.id, sizes, sizes + 1)
        return PerCpuPages(lib.mv_pcp_count(self._machine.c, self.id, cpu), sizes[0], sizes[1])

    def reset_isolation_suitable(self) -> None:
        """Clear skip hints and cached positions, as kswapd does before it sleeps. spec/compaction.md 3.5."""
        self._machine.check(lib.mv_reset_isolation_suitable(self._machine.c, self.id))


@frozen
class Node:
    """A NUMA node, its zones from the lowest up, and its CPUs."""

    nid: int
    zones: tuple[Zone, ...]
    cpus: tuple[int, ...]


def one_mark(flags: AllocFlags) -> AllocFlags:
    """Flags that name one watermark at most; MovableError for two."""
    both = AllocFlags.WMARK_LOW | AllocFlags.WMARK_HIGH
    if flags & both == both:
        raise MovableError(
            "alloc_flags: WMARK_LOW and WMARK_HIGH are two watermarks; give one, or none for min"
        )
    return flags


def _check_order(order: int) -> int:
    if not 0 <= order < MAX_ORDER:
        raise ValueError(f"order: must be 0 to {MAX_ORDER - 1}, not {order}")
    return order


def read_zones(machine: Machine, count: int) -> tuple[Zone, ...]:
    """Handles for the machine's zones, in pfn order of their nodes."""
    zones = []
    info = ffi.new("struct mv_zone *")
    for index in range(count):
        lib.mv_zone(machine.c, index, info)
        zones.append(
            Zone(
                id=index,
                nid=info.nid,
                type=ZoneType(info.type),
                start_pfn=info.start_pfn,
                spanned=info.spanned,
                contiguous=info.contiguous,
                machine=machine,
            )
        )
    return tuple(zones)
