"""Machine configurations: value objects, ready machines, TOML files, and what boot derives from them."""

from movable.config.files import load, loads
from movable.config.model import (
    LOCAL_DISTANCE,
    MAX_ORDER_NR_PAGES,
    PAGE_SIZE,
    REMOTE_DISTANCE,
    ZONE_KINDS,
    CompactionProfile,
    MachineConfig,
    NodeConfig,
    PfnRange,
    Watermarks,
    ZoneConfig,
    ZoneKind,
)
from movable.config.presets import PRESETS, preset
from movable.config.validate import validate
from movable.config.watermarks import ZoneMarks, min_free_kbytes, zone_marks
from movable.config.zonelists import node_order

__all__ = [
    "LOCAL_DISTANCE",
    "MAX_ORDER_NR_PAGES",
    "PAGE_SIZE",
    "PRESETS",
    "REMOTE_DISTANCE",
    "ZONE_KINDS",
    "CompactionProfile",
    "MachineConfig",
    "NodeConfig",
    "PfnRange",
    "Watermarks",
    "ZoneConfig",
    "ZoneKind",
    "ZoneMarks",
    "load",
    "loads",
    "min_free_kbytes",
    "node_order",
    "preset",
    "validate",
    "zone_marks",
]
