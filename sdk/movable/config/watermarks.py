"""Watermarks and lowmem reserves that a configuration leads to (spec/compaction.md 2.9)."""

from __future__ import annotations

from math import isqrt

from attrs import frozen

from movable.config.model import PAGE_SIZE, ZONE_KINDS, MachineConfig, NodeConfig, ZoneConfig

_KIB_PER_PAGE = PAGE_SIZE // 1024
_MIN_FREE_KBYTES = (128, 65536)


@frozen
class ZoneMarks:
    """Free-page marks of one zone, in pages.

    `lowmem_reserve[j]` is what a request whose class zone has index j must leave free in this zone beyond
    the mark; it is 0 up to the zone's own index.
    """

    min: int
    low: int
    high: int
    lowmem_reserve: tuple[int, int, int, int]


def min_free_kbytes(config: MachineConfig) -> int:
    """`vm.min_free_kbytes` in KiB: the configured value, or 4 times the square root of memory in KiB.

    Memory of zone Movable does not count, as kernel requests cannot use it. The raise that transparent huge
    pages bring is not applied.
    """
    if config.min_free_kbytes is not None:
        return config.min_free_kbytes
    zones = (zone for node in config.nodes for zone in node.zones if zone.kind != "Movable")
    kbytes = sum(zone.managed_pages for zone in zones) * _KIB_PER_PAGE
    least, most = _MIN_FREE_KBYTES
    return max(least, min(most, isqrt(kbytes * 16)))


def zone_marks(config: MachineConfig) -> tuple[tuple[ZoneMarks, ...], ...]:
    """The marks of every zone, by node and in the order of its zones."""
    pages_min = min_free_kbytes(config) // _KIB_PER_PAGE
    lowmem = max(config.managed_pages, 1)
    return tuple(
        tuple(_marks(config, node, zone, pages_min * zone.managed_pages // lowmem) for zone in node.zones)
        for node in config.nodes
    )


def _marks(config: MachineConfig, node: NodeConfig, zone: ZoneConfig, share: int) -> ZoneMarks:
    reserve = _lowmem_reserve(config, node, zone)
    given = zone.watermarks or config.watermarks
    if given is not None:
        return ZoneMarks(given.min, given.low, given.high, reserve)
    delta = max(share // 4, zone.managed_pages * config.watermark_scale_factor // 10000)
    return ZoneMarks(share, share + delta, share + 2 * delta, reserve)


def _lowmem_reserve(config: MachineConfig, node: NodeConfig, zone: ZoneConfig) -> tuple[int, int, int, int]:
    own = ZONE_KINDS.index(zone.kind)
    managed = {ZONE_KINDS.index(each.kind): each.managed_pages for each in node.zones}
    ratios = config.lowmem_reserve_ratio

    def reserve(class_zone: int) -> int:
        if class_zone <= own:
            return 0
        return sum(managed.get(kind, 0) for kind in range(own + 1, class_zone + 1)) // ratios[own]

    return (reserve(0), reserve(1), reserve(2), reserve(3))
