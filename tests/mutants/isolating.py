"""Mistakes in isolate_page, and with pages that are isolated."""

from itertools import count
from typing import Any

from movable import Capabilities, IsolateMode, Page, PageFlag, hookimpl
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.halves import SIZE, Halves, Record


@wrong("ISO-ANSWER", "CALL-1", "hook-bad-type")
class IsolateAnswersNone(Cells):
    """Its isolate_page has no return."""

    def _isolate(self, page: Page) -> Any:
        self.idle.remove(page)


@wrong("ISO-ANSWER", "CALL-1", "hook-bad-type")
class IsolateAnswersOne(Cells):
    """Its isolate_page answers 1 for yes."""

    def _isolate(self, page: Page) -> Any:
        return int(super()._isolate(page))


@wrong("ISO-ANSWER", "CALL-1", "hook-bad-type")
class IsolateAnswersText(Cells):
    """Its isolate_page answers a text."""

    def _isolate(self, page: Page) -> Any:
        return "isolated" if super()._isolate(page) else ""


@wrong("ISO-ANSWER", "CALL-2", "hook-raised")
class IsolateRaises(Cells):
    """Its isolate_page raises."""

    def _isolate(self, page: Page) -> Any:
        return self.cells[page.index + 1000000]


@wrong("ISO-ANSWER", "LIVE-1")
class IsolateLoops(Cells):
    """Its isolate_page waits for ever."""

    def _isolate(self, page: Page) -> Any:
        for _ in count():
            pass
        return True


@wrong("ISO-ANSWER", "LIVE-1")
class IsolateLoopsAndCatches(Cells):
    """Its isolate_page waits for ever, whatever is raised meanwhile."""

    def _isolate(self, page: Page) -> Any:
        for _ in range(3):
            try:
                for _ in count():
                    pass
            except BaseException:
                continue
        return True


@wrong("ISO-GRANTED", "LIVE-2")
class NeverIsolates(Cells):
    """It refuses every page."""

    def _isolate(self, page: Page) -> Any:
        return False


@wrong("ISO-LOCKED", "ISO-1", "isolate-unlocked")
class IsolateUnlocks(Cells):
    """Its isolate_page drops the VM's page lock."""

    def _isolate(self, page: Page) -> Any:
        page.unlock()
        return super()._isolate(page)


@wrong("ISO-REFS", "ISO-2")
class IsolateTakesAReference(Cells):
    """Its isolate_page takes a reference for the VM, which has one already."""

    def _isolate(self, page: Page) -> Any:
        page.get()
        return super()._isolate(page)


@wrong("ISO-REFS", "ISO-2", "isolate-ref-changed")
class IsolateDropsItsReference(Cells):
    """Its isolate_page hands its own reference to the VM."""

    def _isolate(self, page: Page) -> Any:
        page.put()
        return super()._isolate(page)


@wrong("ISO-LISTS", "ISO-3", "isolate-left-on-list")
class IsolateKeepsItsList(Cells):
    """It leaves isolated pages on its list."""

    def _isolate(self, page: Page) -> Any:
        return True


@wrong("ISO-MOVABLE", "ISO-5", "isolate-lost-movable")
class IsolateGivesUp(Cells):
    """It gives a page up as soon as it is isolated."""

    def _isolate(self, page: Page) -> Any:
        page.clear_movable()
        return super()._isolate(page)


@wrong("ISO-FLAG", "ISO-8", "isolate-set-flag")
class IsolateSetsTheFlag(Cells):
    """It sets PG_isolated itself."""

    def _isolate(self, page: Page) -> Any:
        answer = super()._isolate(page)
        page.set_flag(PageFlag.RECLAIM)
        return answer


@wrong("ISO-REFUSED", "ISO-6", "isolate-false-changed")
class UnlinksThenRefuses(Cells):
    """It takes a pinned page off its list before it finds that it must refuse."""

    def _isolate(self, page: Page) -> Any:
        self.idle.remove(page)
        return not self.pins[page.private]


@wrong("ISO-REFUSED", "ISO-6", "isolate-false-changed")
class MarksThenRefuses(Cells):
    """It notes in a pinned page's flags that somebody asked, and refuses."""

    def _isolate(self, page: Page) -> Any:
        if self.pins[page.private]:
            page.set_flag(PageFlag.REFERENCED)
            return False
        return super()._isolate(page)


@wrong("ISO-TWICE", "ISO-8")
class FreesThePreviousPage(Cells):
    """With each isolation it clears PG_isolated of the page isolated before."""

    previous: Page | None = None

    def _isolate(self, page: Page) -> Any:
        if self.previous is not None:
            self.previous.clear_flag(PageFlag.RECLAIM)
        self.previous = page
        return super()._isolate(page)


@wrong("ISO-FLAG-KEPT", "MARK-4")
class ReadingClearsTheFlag(Cells):
    """It uses the bit of PG_isolated for a mark of its own, cleared by each read."""

    def load(self, handle: int) -> bytes:
        """Clear the mark, and read."""
        self.cells[handle].clear_flag(PageFlag.RECLAIM)
        return super().load(handle)


@wrong("ISO-LRU", "ISO-7")
class ReadingRotatesTheList(Cells):
    """It moves each page read to the front of its list, isolated or not."""

    def load(self, handle: int) -> bytes:
        """Move the page to the front, and read."""
        page = self.cells[handle]
        self.idle.remove(page)
        self.idle.add(page)
        return super().load(handle)


@wrong("ISO-NOT-REUSED", "ISO-4")
class FillsIsolatedPages(Halves):
    """It keeps a page with room on the list it allocates from while the page is isolated."""

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
        """Note the isolation, and nothing else."""
        record = self.records[page.pfn]
        record.isolated = not record.pins and record.slots != [None, None]
        return record.isolated


@wrong("ISO-NOT-REUSED", "ISO-4")
class WritesToIsolatedPages(Halves):
    """It counts stores in the last byte of every page it has, isolated ones too."""

    capabilities = Capabilities(pin=True, max_object=SIZE - 1)

    def _record_with_room(self) -> Record | None:
        for record in self.records.values():
            record.page.data[4095] = (record.page.data[4095] + 1) % 256
        return super()._record_with_room()


@wrong("CAP-DROP-ISOLATED", "CAP-1")
class HidesThatDropWorks(Cells):
    """It can drop isolated objects and does not say so."""

    capabilities = Capabilities(pin=True, drop_isolated=False)
