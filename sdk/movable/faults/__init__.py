"""Faults on purpose: allocations that fail, answers given in a driver's stead, locks and references of others.

Each is exact, not random: it names the call, the page or the pass that it strikes.
"""

from movable.faults.allocations import AllocFaults, Inside
from movable.faults.holds import Hold, LockHold, PinHold
from movable.faults.hooks import HookFault, HookFaults
from movable.faults.targets import Targets

__all__ = ["AllocFaults", "Hold", "HookFault", "HookFaults", "Inside", "LockHold", "PinHold", "Targets"]
