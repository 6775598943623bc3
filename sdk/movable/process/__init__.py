"""Processes and files: address spaces, page tables, page caches."""

from movable.process.areas import Area, Entry, MemoryUse
from movable.process.file import File, MigrateMethod
from movable.process.process import AccessWatcher, Process

__all__ = ["AccessWatcher", "Area", "Entry", "File", "MemoryUse", "MigrateMethod", "Process"]
