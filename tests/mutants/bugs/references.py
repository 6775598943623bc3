"""Reference counts: B12 (in two halves) and B15. (B13 and B14 are races.)"""

from typing import Any

from movable import AddressSpace, MigrateMode, Page
from movable.conformance.power import wrong
from mutants.cells import Cells

KIND = "refcount"


@wrong("MIG-OLD-REF", "MIG-4", bug="B12", kind=KIND)
class B12KeepsTheOldReference(Cells):
    """It gives the old page up and keeps its reference: the page leaks."""

    def _give_up(self, oldpage: Page) -> None:
        oldpage.clear_movable()
        oldpage.private = 0


@wrong("MIG-NEW-REF", "MIG-3", "migrate-new-ref", bug="B12", kind=KIND)
class B12TakesNoReference(Cells):
    """It takes no reference on the new page, which is freed while in use."""

    def _take(self, newpage: Page, mapping: AddressSpace) -> None:
        newpage.set_movable(mapping)


@wrong("LIVE-SYNC", "LIVE-2", bug="B15", kind=KIND)
class B15PinsItself(Cells):
    """It pins the object for the move, and then finds it pinned."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        with self.pin(oldpage.private):
            return super()._migrate(mapping, newpage, oldpage, mode)
