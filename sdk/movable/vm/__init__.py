"""The virtual machine and what it answers with."""

from movable.vm.compaction import CompactRun, CompactSettings
from movable.vm.contig import RangeResult
from movable.vm.counters import VmEvent, ZoneItem
from movable.vm.migration import MigrateResult, NodeTarget
from movable.vm.vm import VM
from movable.vm.zones import MAX_ORDER, CompactState, Node, Zone

__all__ = [
    "MAX_ORDER",
    "VM",
    "CompactRun",
    "CompactSettings",
    "CompactState",
    "MigrateResult",
    "Node",
    "NodeTarget",
    "RangeResult",
    "VmEvent",
    "Zone",
    "ZoneItem",
]
