"""The page lock: B16, B17. The movable mark: B19, B22. Misread pages: B23. (B18, B20, B21 are races.)"""

from errno import EAGAIN
from typing import Any, ClassVar

from movable import VM, AddressSpace, MigrateMode, Page
from movable.conformance.power import wrong
from mutants.cells import Cells


@wrong("STORE", "MARK-2", "page-not-locked", bug="B16", kind="page lock")
class B16MarksUnlocked(Cells):
    """It marks a page as soon as it is allocated, without its lock."""

    def _mark(self, page: Page, handle: int) -> None:
        page.private = handle
        page.set_movable(self.mapping)


@wrong("LIVE-SYNC", "LIVE-2", bug="B17", kind="page lock")
class B17TriesTheOldLock(Cells):
    """Its migratepage tries the lock of the old page, which its caller holds."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        if not oldpage.trylock():
            return -EAGAIN
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        oldpage.unlock()
        return answer


@wrong("ISO-NOT-REUSED", "ISO-4", bug="B19", kind="missing clear movable")
class B19RecyclesMarkedPages(Cells):
    """It stores into pages that wait to be released and are still marked, isolated ones too."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.stale: list[Page] = []

    def drop(self, handle: int) -> bool:
        """Release the page later, unless that is the VM's business already."""
        if self.pins[handle] or self.cells[handle].isolated:
            return super().drop(handle)
        self.stale.append(self.cells.pop(handle))
        return True

    def store(self, data: bytes) -> int | None:
        """Take a page that waits, if there is one."""
        if not self.stale:
            return super().store(data)
        page = self.stale.pop()
        self.serial += 1
        page.data[: len(data)] = data
        page.private, page.index = self.serial, len(data)
        self.cells[self.serial] = page
        return self.serial

    def _redirect(self, handle: int, newpage: Page) -> None:
        if handle in self.cells:
            super()._redirect(handle, newpage)
        else:
            self.idle.add(newpage)
            self.stale = [newpage if page.private == handle else page for page in self.stale]

    def close(self) -> None:
        """Release what waits too."""
        for page in self.stale:
            self._release(page)
        super().close()


@wrong("FREE-CLEARED", "FREE-1", "clear-not-movable", bug="B22", kind="missing clear movable")
class B22ClearsTwice(Cells):
    """It clears the movable mark in the helper that unlinks a page, and in the routine that frees it."""

    def _unlink(self, page: Page) -> None:
        if not page.isolated:
            self.idle.remove(page)
        page.clear_movable()

    def _release(self, page: Page) -> None:
        page.lock()
        self._unlink(page)
        page.clear_movable()
        page.private = 0
        page.unlock()
        page.put()


@wrong("TWO-MACHINES", "LIFE-3", bug="B23", kind="misidentified page")
class B23ReadsForeignRecords(Cells):
    """It reads what a page's private field names without asking whether the page is its own."""

    LENGTHS: ClassVar[dict[int, int]] = {}

    def store(self, data: bytes) -> int | None:
        """Enter the object's length in the table of all instances."""
        handle = super().store(data)
        if handle is not None:
            self.LENGTHS[handle] = len(data)
        return handle

    def _copy(self, newpage: Page, oldpage: Page) -> None:
        super()._copy(newpage, oldpage)
        newpage.index = self.LENGTHS[oldpage.private]
