"""movable: the driver SDK for movable non-LRU pages."""

from movable.benchmark import BenchReport, BenchRow, bench
from movable.config import MachineConfig, NodeConfig, PfnRange, Watermarks, ZoneConfig, load, preset
from movable.conformance import CheckResult, Report, check, check_all
from movable.drivers import (
    AddressSpace,
    Capabilities,
    Driver,
    DriverSpec,
    Expectation,
    Handle,
    Workload,
    broken_providers,
    find_driver,
    hookimpl,
    installed_drivers,
)
from movable.errors import (
    RULES,
    ConfigError,
    ContractViolation,
    DeadVM,
    DriverError,
    KernelAssertion,
    MovableError,
    Rule,
    Violation,
)
from movable.flags import (
    GFP,
    AllocFlags,
    CompactPriority,
    CompactResult,
    IsolateMode,
    MigrateMode,
    MigrateReason,
    MigrateType,
    PageFlag,
    PageType,
    ZoneType,
)
from movable.lists import PageList
from movable.machine import PAGE_SIZE
from movable.page import Page
from movable.sync import Mutex, SpinLock
from movable.vm import VM, CompactRun, CompactSettings, MigrateResult, Node, VmEvent, Zone

__version__ = "0.1.0"

__all__ = [
    "GFP",
    "PAGE_SIZE",
    "RULES",
    "VM",
    "AddressSpace",
    "AllocFlags",
    "BenchReport",
    "BenchRow",
    "Capabilities",
    "CheckResult",
    "CompactPriority",
    "CompactResult",
    "CompactRun",
    "CompactSettings",
    "ConfigError",
    "ContractViolation",
    "DeadVM",
    "Driver",
    "DriverError",
    "DriverSpec",
    "Expectation",
    "Handle",
    "IsolateMode",
    "KernelAssertion",
    "MachineConfig",
    "MigrateMode",
    "MigrateReason",
    "MigrateResult",
    "MigrateType",
    "MovableError",
    "Mutex",
    "Node",
    "NodeConfig",
    "Page",
    "PageFlag",
    "PageList",
    "PageType",
    "PfnRange",
    "Report",
    "Rule",
    "SpinLock",
    "Violation",
    "VmEvent",
    "Watermarks",
    "Workload",
    "Zone",
    "ZoneConfig",
    "ZoneType",
    "bench",
    "broken_providers",
    "check",
    "check_all",
    "find_driver",
    "hookimpl",
    "installed_drivers",
    "load",
    "preset",
]
