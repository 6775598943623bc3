"""Locks, waiting and deferred work for drivers, on emulated CPUs.

The kernel's rules (spec/drivers.md 6.1): a lock is released by its holder, nobody waits for what he holds
himself, a try never waits. A broken rule is a violation of the machine the lock belongs to.

One CPU runs at a time. Under a schedule (`movable.sched`) a CPU that has to wait lets others run; without one it
cannot go on: that is a deadlock, and reported as one.
"""

from movable.sync.bitlock import BitLock
from movable.sync.lock import Mutex, SpinLock
from movable.sync.rwlock import RWLock
from movable.sync.waiting import LockMachine, Scheduling
from movable.sync.waitqueue import WaitQueue
from movable.sync.workqueue import WorkMachine, WorkQueue

__all__ = [
    "BitLock",
    "LockMachine",
    "Mutex",
    "RWLock",
    "Scheduling",
    "SpinLock",
    "WaitQueue",
    "WorkMachine",
    "WorkQueue",
]
