"""Return codes: B06, B07, B11. (B08 to B10 are the core's.)"""

from errno import EAGAIN, ENOMEM
from typing import Any

from movable import VM, AddressSpace, MigrateMode, Page, WorkQueue
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.halves import Halves, Record

KIND = "return code"


@wrong("MIG-UNTOUCHED", "MIG-6", bug="B06", kind=KIND)
class B06GivesUpThenFails(Cells):
    """Its migratepage lets go of the old page's record, then finds a pin and answers an error."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        handle, oldpage.private = oldpage.private, 0
        if self.pins[handle]:
            return -ENOMEM
        oldpage.private = handle
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("FREE-EMPTIED", "FREE-6", bug="B07", kind=KIND)
class B07ParksEmptiedPages(Halves):
    """It neither isolates nor moves an empty page, and does not free one that was emptied while isolated."""

    def _settle(self, record: Record) -> None:
        record.isolated = False
        if record.slots != [None, None]:
            self._relist(record)


@wrong("MIG-ANSWER", "CALL-2", "hook-raised", bug="B11", kind=KIND)
class B11NotRestartable(Cells):
    """Its migratepage starts a write-out, answers -EAGAIN, and takes for granted that it is over next time."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.work = WorkQueue(vm, "write-out")
        self.writing: set[int] = set()
        self.written: set[int] = set()

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        handle = oldpage.private
        assert handle not in self.writing, "the page is under write-back"
        if handle not in self.written:
            self.writing.add(handle)
            self.work.queue(self._write)
            return -EAGAIN
        return super()._migrate(mapping, newpage, oldpage, mode)

    def _write(self) -> None:
        self.written |= self.writing
        self.writing.clear()

    def close(self) -> None:
        """Finish writing first."""
        self.work.flush()
        super().close()
