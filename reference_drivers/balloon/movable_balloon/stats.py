"""Statistics that the guest sends to its host (spec/drivers.md 4.8)."""

import struct
from enum import IntEnum

from attrs import frozen

from movable import PAGE_SIZE, VM

__all__ = ["Stat", "StatTag", "collect_stats", "pack_stats", "unpack_stats"]

_PAIR = struct.Struct("<HQ")


class StatTag(IntEnum):
    """What a number of the statistics buffer means; memory is in bytes, faults are counts."""

    SWAP_IN = 0
    SWAP_OUT = 1
    MAJFLT = 2
    MINFLT = 3
    MEMFREE = 4
    MEMTOT = 5
    AVAIL = 6


@frozen
class Stat:
    """One entry: 16 bits of tag, 64 bits of value."""

    tag: StatTag
    value: int


def collect_stats(vm: VM) -> tuple[Stat, ...]:
    """Take the machine's statistics, one entry for each tag. A counter that the machine lacks is 0."""
    counters = vm.vmstat()
    free = sum(zone.free_pages for zone in vm.zones)
    values = {
        StatTag.SWAP_IN: counters.get("pswpin", 0) * PAGE_SIZE,
        StatTag.SWAP_OUT: counters.get("pswpout", 0) * PAGE_SIZE,
        StatTag.MAJFLT: counters.get("pgmajfault", 0),
        StatTag.MINFLT: counters.get("pgfault", 0),
        StatTag.MEMFREE: free * PAGE_SIZE,
        StatTag.MEMTOT: sum(zone.managed for zone in vm.zones) * PAGE_SIZE,
        StatTag.AVAIL: _available(vm, counters, free) * PAGE_SIZE,
    }
    return tuple(Stat(tag, value) for tag, value in values.items())


def _available(vm: VM, counters: dict[str, int], free: int) -> int:
    """Pages that can be used without swapping: free ones above the high marks, and the cheap part of the
    cache.
    """
    cache = counters.get("nr_active_file", 0) + counters.get("nr_inactive_file", 0)
    kept = min(cache // 2, sum(zone.watermark.low for zone in vm.zones))
    return max(free - sum(zone.watermark.high for zone in vm.zones) + cache - kept, 0)


def pack_stats(stats: tuple[Stat, ...]) -> bytes:
    """Lay the entries out as the device wants them: packed, little-endian, 10 bytes each."""
    return b"".join(_PAIR.pack(stat.tag, stat.value) for stat in stats)


def unpack_stats(buffer: bytes) -> tuple[Stat, ...]:
    """Read a buffer of packed entries; ValueError if it is cut off or has an unknown tag."""
    if len(buffer) % _PAIR.size:
        raise ValueError(f"statistics: entries of {_PAIR.size} bytes expected, {len(buffer)} bytes came")
    return tuple(Stat(StatTag(tag), value) for tag, value in _PAIR.iter_unpack(buffer))
