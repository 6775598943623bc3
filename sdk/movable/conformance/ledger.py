"""The suite's own book of what it stored: judged against, never filled from what the driver says is right."""

from collections.abc import Hashable
from random import Random

from attrs import define, field

__all__ = ["Ledger"]

Handle = Hashable


@define
class Ledger:
    """Handle to bytes for every object stored and not dropped. Every object is unique."""

    rng: Random
    objects: dict[Handle, bytes] = field(factory=dict)
    written: int = 0

    def fresh(self, size: int) -> bytes:
        """Return ``size`` bytes, a serial number and noise: never stored before, as far as size allows."""
        self.written += 1
        return (self.written.to_bytes(4, "little") + self.rng.randbytes(size))[:size]

    def enter(self, handle: Handle, data: bytes) -> None:
        """Write down that ``handle`` holds ``data``."""
        self.objects[handle] = data

    def strike(self, handle: Handle) -> None:
        """Write down that ``handle`` was dropped."""
        del self.objects[handle]

    @property
    def handles(self) -> list[Handle]:
        """Handles in the order stored."""
        return list(self.objects)
