"""Drivers that say something wrong about themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from movable import Capabilities
from movable.conformance.power import wrong
from mutants.cells import Cells


@wrong("CAP-CONTENTS", "CAP-1")
class HidesItsContents(Cells):
    """It keeps contents and claims that it does not."""

    capabilities = Capabilities(contents=False, pin=True)


@wrong("CAP-MAX-OBJECT", "CAP-1")
class TakesSmallObjects(Cells):
    """It takes objects of up to 4000 bytes and claims 4096."""

    def store(self, data: bytes) -> int | None:
        """Refuse large objects."""
        return super().store(data) if len(data) <= 4000 else None


@wrong("CAP-PIN", "CAP-1")
class HidesItsPin(Cells):
    """It can pin and claims that it cannot."""

    capabilities = Capabilities()


@wrong("CAP-LARGER", "CAP-1", advisory=True)
class ClaimsTooLittle(Cells):
    """It takes objects of a whole page and claims half of that."""

    capabilities = Capabilities(pin=True, max_object=2048)


@wrong("CAP-DROP-ISOLATED", "CAP-1")
class CannotDropIsolated(Cells):
    """It claims that it can drop isolated objects, and cannot."""

    def drop(self, handle: int) -> bool:
        """Refuse what is isolated."""
        return not self.cells[handle].isolated and super().drop(handle)


@wrong("PIN-HELD", "CAP-3")
class PinsNothing(Cells):
    """Its pin does nothing."""

    @contextmanager
    def pin(self, handle: int) -> Iterator[None]:
        """Do nothing."""
        yield


@wrong("PIN-RELEASED", "CAP-3")
class PinsForEver(Cells):
    """It forgets to take a pin away."""

    @contextmanager
    def pin(self, handle: int) -> Iterator[None]:
        """Pin, and leave it at that."""
        self.pins[handle] += 1
        yield
