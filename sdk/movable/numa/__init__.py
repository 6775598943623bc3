"""NUMA from user space: numactl's lists and policies, what a machine has, and scenarios of processes."""

from movable.numa.accesses import Accesses, AccessMeter, pages_of
from movable.numa.hardware import Hardware, NodeHardware, Show, hardware, show
from movable.numa.nodelist import NodeList
from movable.numa.policy import PolicyText
from movable.numa.scenario import (
    AreaSpec,
    CpusetSpec,
    FileSpec,
    ProcessSpec,
    Scenario,
    load_scenario,
    loads_scenario,
    scenario,
    workload_text,
    workloads,
)
from movable.numa.stat import NumaStat, numastat
from movable.numa.tasks import AreaState, Task
from movable.numa.world import Launch, Round, World

__all__ = [
    "AccessMeter",
    "Accesses",
    "AreaSpec",
    "AreaState",
    "CpusetSpec",
    "FileSpec",
    "Hardware",
    "Launch",
    "NodeHardware",
    "NodeList",
    "NumaStat",
    "PolicyText",
    "ProcessSpec",
    "Round",
    "Scenario",
    "Show",
    "Task",
    "World",
    "hardware",
    "load_scenario",
    "loads_scenario",
    "numastat",
    "pages_of",
    "scenario",
    "show",
    "workload_text",
    "workloads",
]
