"""What is freed too early or found too late: B35, B36, B37, B38. (B32, B33 and B34 are races.)"""

from typing import Any

from movable import GFP, VM, AddressSpace, MigrateMode, Page, WorkQueue, hookimpl
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.halves import Halves, Record

KIND = "free-while-isolated"


@wrong("FREE-WRITE", "FREE-4", "poison-overwritten", bug="B35", kind=KIND)
class B35WritesToFreedRecords(Cells):
    """It frees an object's record in a move and then clears a flag in it. Records have pages of their own."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.records: dict[int, Page] = {}

    def store(self, data: bytes) -> int | None:
        """Allocate a record, then store."""
        record = self.vm.alloc_page(GFP.KERNEL)
        handle = None if record is None else super().store(data)
        if record is not None and handle is not None:
            self.records[handle] = record
        elif record is not None:
            record.put()
        return handle

    def _release(self, page: Page) -> None:
        self.records.pop(page.private).put()
        super()._release(page)

    def _redirect(self, handle: int, newpage: Page) -> None:
        record = self.vm.alloc_page(GFP.KERNEL | GFP.NOWARN)
        if record is not None:
            old, self.records[handle] = self.records[handle], record
            old.put()
            old.data[:1] = b"\0"
        super()._redirect(handle, newpage)


@wrong("FREE-WORK", "LIVE-5", bug="B36", kind=KIND)
class B36QueuesBarePages(Cells):
    """It leaves pages to be freed to a worker that looks at the record of each; pages that moved have none."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.work = WorkQueue(vm, "release")
        self.waiting: list[Page] = []
        self.names: dict[Page, str] = {}

    def _mark(self, page: Page, handle: int) -> None:
        self.names[page] = f"object {handle}"
        super()._mark(page, handle)

    def drop(self, handle: int) -> bool:
        """Give the page to the worker, unless it is isolated."""
        if self.pins[handle]:
            return False
        page = self.cells.pop(handle)
        if page.isolated:
            self._release(page)
        else:
            self.waiting.append(page)
            self.work.queue(self._release_all)
        return True

    def _release_all(self) -> None:
        waiting, self.waiting = self.waiting, []
        for page in waiting:
            del self.names[page]
            self._release(page)

    def _redirect(self, handle: int, newpage: Page) -> None:
        if handle in self.cells:
            super()._redirect(handle, newpage)
        else:
            self.idle.add(newpage)
            self.waiting = [newpage if page.private == handle else page for page in self.waiting]

    def close(self) -> None:
        """Release what waits, without the worker."""
        self.work.cancel(self._release_all)
        for page in self.waiting:
            self._release(page)
        super().close()


@wrong("FREE-IDLE", "CALL-4", bug="B37", kind=KIND)
class B37FreesWhatItAsks(Halves):
    """It frees the slots of a record with the last object, and then finds its way through them."""

    def _relist(self, record: Record) -> None:
        if record.slots == [None, None]:
            record.slots = None  # type: ignore[assignment]
        super()._relist(record)


@wrong("FREE-RESET", "FREE-8", bug="B38", kind=KIND)
class B38LeavesAPointer(Cells):
    """It frees the record of a page and leaves the page's pointer to it."""

    def _release(self, page: Page) -> None:
        page.lock()
        if not page.isolated:
            self.idle.remove(page)
        page.clear_movable()
        page.unlock()
        page.put()


@wrong("FREE-EMPTIED", "FREE-6", bug="B52", kind="leak")
class B52ForgetsEmptiedPages(Halves):
    """It moves a page that was emptied while isolated, and forgets to have the new one released."""

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """Move the page and its record, empty or not; only putback_page cares whether it is."""
        mapping.replace_page(newpage, oldpage)
        record = self.records[newpage.pfn] = self.records.pop(oldpage.pfn)
        record.page, record.isolated = newpage, False
        if record.slots != [None, None]:
            self._relist(record)
        return 0


@wrong("PUT-ROOM", "PUT-6", bug="B53", kind="leak")
class B53ForgetsRoom(Halves):
    """A page with room that was put back is not used for new objects again."""

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """End the isolation, and leave it at that; an emptied page is released."""
        record = self.records[page.pfn]
        record.isolated = False
        if record.slots == [None, None]:
            self._relist(record)
