"""The machine's counters, under the names of /proc/vmstat."""

import enum

from movable._core import ffi, lib
from movable.machine import Machine

_NAMES = [ffi.string(lib.mv_counter_name(index)).decode() for index in range(lib.mv_nr_counters())]


class VmEvent(enum.IntEnum):
    """Events that drivers count themselves. spec/drivers.md 4.4."""

    BALLOON_INFLATE = _NAMES.index("balloon_inflate")
    BALLOON_DEFLATE = _NAMES.index("balloon_deflate")
    BALLOON_MIGRATE = _NAMES.index("balloon_migrate")


def read(machine: Machine) -> dict[str, int]:
    """All counters, in the order of /proc/vmstat. spec/compaction.md 9.1."""
    values = ffi.new("long[]", len(_NAMES))
    lib.mv_counters(machine.c, values)
    return dict(zip(_NAMES, values, strict=True))
