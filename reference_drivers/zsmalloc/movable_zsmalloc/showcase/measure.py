"""Memory before and after a compaction, in the figures that people compare."""

from time import perf_counter

from attrs import frozen

from movable import GFP, VM, Page, PageMap, blocks_available, buddyinfo, page_map

__all__ = ["ORDERS", "Compaction", "Memory", "compact", "take_down"]

ORDERS = (9, 4)
"""Transparent huge pages, and kernel stacks or network buffers."""

_GFP = GFP.HIGHUSER_MOVABLE & ~GFP.RECLAIM | GFP.NOWARN


@frozen
class Memory:
    """The free memory of a machine. Lists are in the order of ``ORDERS``.

    ``in_blocks`` is the part of the free pages that lies in blocks of the order, ``counted`` how many blocks
    they come to, ``allocated`` how many an allocation that may not compact really got. ``index`` is the
    fragmentation index of each zone, the zones' names beside it.
    """

    buddyinfo: str
    free_pages: int
    in_blocks: list[float]
    counted: list[int]
    allocated: list[int]
    index: dict[str, list[int]]
    map: PageMap


@frozen
class Compaction:
    """What compacting all of memory did: pages, and seconds."""

    migrate_scanned: int
    free_scanned: int
    migrated: int
    failed: int
    seconds: float


def take_down(vm: VM) -> Memory:
    """Look at a machine's free memory. Blocks are allocated for a moment and given back."""
    free = sum(zone.free_pages for zone in vm.zones)
    counted = [sum(blocks_available(zone, order) for zone in vm.zones) for order in ORDERS]
    return Memory(
        buddyinfo=buddyinfo(vm),
        free_pages=free,
        in_blocks=[
            count * (1 << order) / free if free else 0.0 for order, count in zip(ORDERS, counted, strict=True)
        ],
        counted=counted,
        map=page_map(vm),
        index={zone.name: [zone.fragmentation_index(order) for order in ORDERS] for zone in vm.zones},
        allocated=[_allocate(vm, order) for order in ORDERS],
    )


def compact(vm: VM) -> Compaction:
    """Compact all nodes, as writing to /proc/sys/vm/compact_memory does."""
    start = perf_counter()
    runs = vm.compact_memory()
    seconds = perf_counter() - start
    return Compaction(
        migrate_scanned=sum(run.migrate_scanned for run in runs),
        free_scanned=sum(run.free_scanned for run in runs),
        migrated=sum(run.migrated for run in runs),
        failed=sum(run.failed for run in runs),
        seconds=seconds,
    )


def _allocate(vm: VM, order: int) -> int:
    """How many blocks of an order can be had now, above the watermarks and without compaction."""
    heads: list[Page] = []
    while (head := vm.alloc_pages(order, _GFP)) is not None:
        heads.append(head)
    for head in heads:
        vm.free_pages(head, order)
    return len(heads)
