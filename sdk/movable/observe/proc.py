"""The allocator's state as /proc shows it (spec/compaction.md 9), and what follows from it."""

from collections.abc import Sequence

from movable.flags import MigrateType
from movable.vm import MAX_ORDER, VM, Zone

__all__ = ["blocks_available", "buddyinfo", "free_in_blocks", "pagetypeinfo", "zone_line"]

_PAGEBLOCK_ORDER = 9
_PAGEBLOCK_PAGES = 1 << _PAGEBLOCK_ORDER

_BLOCKS_WIDTH = 12

_TYPE_NAMES = {
    MigrateType.UNMOVABLE: "Unmovable",
    MigrateType.MOVABLE: "Movable",
    MigrateType.RECLAIMABLE: "Reclaimable",
    MigrateType.HIGHATOMIC: "HighAtomic",
    MigrateType.CMA: "CMA",
    MigrateType.ISOLATE: "Isolate",
}


def buddyinfo(vm: VM) -> str:
    """/proc/buddyinfo: free blocks by order, a line for each zone. spec/compaction.md 9.2."""
    return "".join(zone_line(zone.nid, zone.kind, zone.nr_free) + "\n" for zone in vm.zones)


def pagetypeinfo(vm: VM) -> str:
    """/proc/pagetypeinfo: free blocks by type and order, and pageblocks by type. spec/compaction.md 9.3."""
    parts = []
    for node in vm.nodes:
        parts.append(f"Page block order: {_PAGEBLOCK_ORDER}\nPages per block:  {_PAGEBLOCK_PAGES}\n\n")
        orders = "".join(f"{order:6d} " for order in range(MAX_ORDER))
        parts.append(f"{'Free pages count per migrate type at order':<43s} {orders}\n")
        parts += [
            zone_line(node.nid, zone.kind, zone.free_counts(kind), migratetype=name) + "\n"
            for zone in node.zones
            for kind, name in _TYPE_NAMES.items()
        ]
        parts.append(f"\n{'Number of blocks type ':<23s}" + _names() + "\n")
        for zone in node.zones:
            blocks = _block_types(vm, zone)
            parts.append(zone_line(zone.nid, zone.kind, list(blocks.values()), width=_BLOCKS_WIDTH) + "\n")
    return "".join(parts)


def zone_line(
    nid: int, kind: str, numbers: Sequence[int], *, migratetype: str | None = None, width: int = 6
) -> str:
    """A line of buddyinfo or pagetypeinfo, without its newline: the zone, then numbers of this width (12: blocks)."""
    columns = "".join(f"{number:{width}d} " for number in numbers)
    if migratetype is None:
        return f"Node {nid}, zone {kind:>8s} {columns}"
    return f"Node {nid:4d}, zone {kind:>8s}, type {migratetype:>12s} {columns}"


def blocks_available(zone: Zone, order: int) -> int:
    """How many blocks of this order the free blocks of a zone come to, larger ones divided."""
    return sum(count << larger - order for larger, count in enumerate(zone.nr_free) if larger >= order)


def free_in_blocks(zone: Zone, order: int) -> float:
    """The part of a zone's free pages that lies in blocks of this order or larger, 0 to 1."""
    free = sum(count << each for each, count in enumerate(zone.nr_free))
    return blocks_available(zone, order) * (1 << order) / free if free else 0.0


def _names() -> str:
    return "".join(f"{name:>{_BLOCKS_WIDTH}s} " for name in _TYPE_NAMES.values())


def _block_types(vm: VM, zone: Zone) -> dict[MigrateType, int]:
    """Pageblocks of a zone by type; one counts for the zone in which it starts."""
    blocks = dict.fromkeys(_TYPE_NAMES, 0)
    for pfn in range(zone.start_pfn, zone.end_pfn, _PAGEBLOCK_PAGES):
        if vm.has_page(pfn):
            blocks[vm.pageblock_migratetype(pfn)] += 1
    return blocks
