"""The virtual machine and what it answers with."""

from movable.vm.compact_log import CompactEvent, CompactLog
from movable.vm.compaction import CompactRun, CompactSettings
from movable.vm.contig import RangeResult
from movable.vm.counters import VmEvent, ZoneItem
from movable.vm.lru import Lru
from movable.vm.migration import MigrateResult, NodeTarget
from movable.vm.steps import STEPS, MigrateCall, MigrationStep, StepLog
from movable.vm.vm import VM
from movable.vm.zones import MAX_ORDER, CompactState, Node, PerCpuPages, Zone

__all__ = [
    "MAX_ORDER",
    "STEPS",
    "VM",
    "CompactEvent",
    "CompactLog",
    "CompactRun",
    "CompactSettings",
    "CompactState",
    "Lru",
    "MigrateCall",
    "MigrateResult",
    "MigrationStep",
    "Node",
    "NodeTarget",
    "PerCpuPages",
    "RangeResult",
    "StepLog",
    "VmEvent",
    "Zone",
    "ZoneItem",
]
