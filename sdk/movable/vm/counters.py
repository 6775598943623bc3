"""The machine's counters, under the names of /proc/vmstat."""

import enum

from movable._core import ffi, lib
from movable.machine import Machine

_NAMES = [ffi.string(lib.mv_counter_name(index)).decode() for index in range(lib.mv_nr_counters())]


class VmEvent(enum.IntEnum):
    """The events of /proc/vmstat; a driver counts its own (spec/drivers.md 4.4), the VM the others."""

    PGALLOC_DMA = _NAMES.index("pgalloc_dma")
    PGALLOC_DMA32 = _NAMES.index("pgalloc_dma32")
    PGALLOC_NORMAL = _NAMES.index("pgalloc_normal")
    PGALLOC_MOVABLE = _NAMES.index("pgalloc_movable")
    PGFREE = _NAMES.index("pgfree")
    PGMIGRATE_SUCCESS = _NAMES.index("pgmigrate_success")
    PGMIGRATE_FAIL = _NAMES.index("pgmigrate_fail")
    COMPACT_MIGRATE_SCANNED = _NAMES.index("compact_migrate_scanned")
    COMPACT_FREE_SCANNED = _NAMES.index("compact_free_scanned")
    COMPACT_ISOLATED = _NAMES.index("compact_isolated")
    COMPACT_STALL = _NAMES.index("compact_stall")
    COMPACT_FAIL = _NAMES.index("compact_fail")
    COMPACT_SUCCESS = _NAMES.index("compact_success")
    BALLOON_INFLATE = _NAMES.index("balloon_inflate")
    BALLOON_DEFLATE = _NAMES.index("balloon_deflate")
    BALLOON_MIGRATE = _NAMES.index("balloon_migrate")


class ZoneItem(enum.IntEnum):
    """The counters of a zone that belong to drivers (spec/drivers.md 1.9)."""

    NR_ZSPAGES = lib.mv_nr_zspages_item()


def read(machine: Machine) -> dict[str, int]:
    """All counters, in the order of /proc/vmstat. spec/compaction.md 9.1."""
    values = ffi.new("long[]", len(_NAMES))
    lib.mv_counters(machine.c, values)
    return dict(zip(_NAMES, values, strict=True))


def read_zone(machine: Machine, zone: int) -> dict[str, int]:
    """The counters of one zone, in the order of /proc/zoneinfo."""
    count = lib.mv_nr_zone_counters()
    values = ffi.new("long[]", count)
    lib.mv_zone_counters(machine.c, zone, values)
    return dict(zip(_NAMES[:count], values, strict=True))
