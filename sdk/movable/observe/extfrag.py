"""How scattered free memory is: the two files of debugfs (spec/compaction.md 9.5)."""

from collections.abc import Sequence

from movable.observe.proc import zone_line
from movable.vm import MAX_ORDER, VM

__all__ = ["extfrag_index", "extfrag_text", "fragmentation_indices", "unusable_index", "unusable_indices"]


def fragmentation_indices(nr_free: Sequence[int]) -> list[int]:
    """For each order -1000 if a block is free, else 0 (memory is short) to 1000 (it is scattered).

    ``nr_free`` are free blocks by order. With few but fairly large blocks an index is negative too.
    """
    return [_fragmentation_index(nr_free, order) for order in range(MAX_ORDER)]


def _fragmentation_index(nr_free: Sequence[int], order: int) -> int:
    blocks, free = sum(nr_free), sum(count << at for at, count in enumerate(nr_free))
    if not blocks:
        return 0
    if any(nr_free[order:]):
        return -1000
    return 1000 - (1000 + free * 1000 // (1 << order)) // blocks


def unusable_indices(nr_free: Sequence[int]) -> list[int]:
    """For each order the free pages in smaller blocks, in thousandths of all free pages; 1000 if none are free."""
    free = sum(count << order for order, count in enumerate(nr_free))
    usable = [sum(nr_free[at] << at for at in range(order, MAX_ORDER)) for order in range(MAX_ORDER)]
    return [(free - each) * 1000 // free if free else 1000 for each in usable]


def extfrag_text(indices: Sequence[int], width: int = 0) -> str:
    """Indices as the files print them: thousandths with three digits, a blank behind each.

    The whole part is padded to ``width``: 0 in Linux 4.9, 2 in extfrag_index of 6.1 (K07 of
    spec/differences-drivers.md). A remainder keeps its sign.
    """
    return "".join(_thousandths(each, width) for each in indices)


def _thousandths(index: int, width: int) -> str:
    whole = index // 1000 if index >= 0 else -(-index // 1000)
    return (
        f"{whole:{width}d}.{index - whole * 1000:03d} " if width else f"{whole}.{index - whole * 1000:03d} "
    )


def extfrag_index(vm: VM) -> str:
    """/sys/kernel/debug/extfrag/extfrag_index: the fragmentation index of each zone, by order."""
    width = 2 if vm.config.profile == "6.1" else 0
    return "".join(
        zone_line(zone.nid, zone.kind, ())
        + extfrag_text([zone.fragmentation_index(order) for order in range(MAX_ORDER)], width)
        + "\n"
        for zone in vm.zones
    )


def unusable_index(vm: VM) -> str:
    """/sys/kernel/debug/extfrag/unusable_index: the part of free memory that each order cannot use."""
    return "".join(
        zone_line(zone.nid, zone.kind, ()) + extfrag_text(unusable_indices(zone.nr_free)) + "\n"
        for zone in vm.zones
    )
