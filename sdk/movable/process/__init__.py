"""Processes and files: address spaces, page tables, page caches."""

from movable.process.areas import Area, Entry, MemoryUse
from movable.process.cpuset import Cpuset
from movable.process.credentials import CAP_SYS_NICE, Credentials
from movable.process.file import File, MigrateMethod
from movable.process.hugetlb import HugetlbPool
from movable.process.nodemask import BAD_POINTER
from movable.process.policy import Policy
from movable.process.policy_calls import PolicyAnswer
from movable.process.process import AccessWatcher, Process

__all__ = [
    "BAD_POINTER",
    "CAP_SYS_NICE",
    "AccessWatcher",
    "Area",
    "Cpuset",
    "Credentials",
    "Entry",
    "File",
    "HugetlbPool",
    "MemoryUse",
    "MigrateMethod",
    "Policy",
    "PolicyAnswer",
    "Process",
]
