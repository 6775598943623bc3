"""Level L2: one life of the driver for each place at which something can go wrong."""

from movable.conformance.faults.rig import FaultRig

__all__ = ["FaultRig"]
