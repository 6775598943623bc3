"""Drivers whose pages do not move, or that lose things when pages move often."""

from collections import Counter
from errno import EAGAIN, EBUSY
from typing import Any

from movable import VM, AddressSpace, MigrateMode, Page, hookimpl
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.halves import Halves


@wrong("LIVE-SYNC", "LIVE-2")
class AlwaysAgain(Cells):
    """It always answers -EAGAIN."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        return -EAGAIN


@wrong("LIVE-SYNC", "LIVE-2")
class AlwaysBusy(Cells):
    """It always answers -EBUSY."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        return -EBUSY


@wrong("LIVE-EVERY", "LIVE-3", advisory=True)
class MovesEvenPages(Cells):
    """It refuses every second page for ever."""

    def _isolate(self, page: Page) -> Any:
        return page.pfn % 2 == 0 and super()._isolate(page)


@wrong("MIG-DATA", "DATA-1")
class ForwardsForEver(Cells):
    """It leaves a forwarding note for every page that moved, and follows notes of pages used anew."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.first: dict[int, Page] = {}
        self.moved: dict[Page, Page] = {}

    def load(self, handle: int) -> bytes:
        """Follow the notes from the page where the object was first read."""
        page = self.first.setdefault(handle, self.cells[handle])
        for _ in range(len(self.moved)):
            page = self.moved.get(page, page)
        return bytes(page.data[: self.cells[handle].index])

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.moved[self.cells[handle]] = newpage
        super()._redirect(handle, newpage)


@wrong("COMPACT-STORE", "CALL-4")
class RunsOutOfMoves(Cells):
    """It takes a number out of a fixed supply for each move, and needs one for each store."""

    supply = 200

    def store(self, data: bytes) -> int | None:
        """Take nothing once the supply is used up."""
        return super().store(data) if self.supply else None

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.supply = max(self.supply - 2, 0)
        super()._redirect(handle, newpage)


@wrong("COMPACT-NODE", "DATA-4")
class WorksInSmallBatches(Cells):
    """It has room for the names of thirty pages that are isolated, and confuses the others' contents."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.away = 0

    def _isolate(self, page: Page) -> Any:
        self.away += 1
        return super()._isolate(page)

    def _redirect(self, handle: int, newpage: Page) -> None:
        if self.away > 30:
            newpage.data[:1] = b"?"
        self.away -= 1
        super()._redirect(handle, newpage)

    def _put_back(self, page: Page) -> Any:
        self.away -= 1
        super()._put_back(page)


@wrong("MIG-DATA", "DATA-1")
class ReusesOldNumbers(Cells):
    """It names objects by the pages they were stored in, and does not expect to see a page again."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.names: dict[int, int] = {}

    def store(self, data: bytes) -> int | None:
        """Note the name of the page."""
        handle = super().store(data)
        if handle is not None:
            self.names.setdefault(self.cells[handle].pfn, handle)
        return handle

    def load(self, handle: int) -> bytes:
        """Read the object that the page was named for."""
        other = self.names.get(self.cells[handle].pfn, handle)
        return super().load(other if other in self.cells else handle)


@wrong("MIG-CHAIN", "DATA-1")
class WearsOut(Cells):
    """It counts the moves of an object in two bits, and loses it when they overflow."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.moves: Counter[int] = Counter()

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.moves[handle] += 1
        if self.moves[handle] == 4:
            newpage.data[:1] = bytes([newpage.data[0] ^ 1])
        super()._redirect(handle, newpage)


@wrong("COMPACT-NODE", "DATA-4")
class CountsInAByte(Cells):
    """It numbers all its moves in one byte, and loses the object whose number is used again."""

    moves = 0

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.moves += 1
        if self.moves > 255:
            newpage.data[:1] = bytes([newpage.data[0] ^ 1])
        super()._redirect(handle, newpage)


@wrong("DATA-ISOLATED", "DATA-3", advisory=True)
class ReadsIdlePagesOnly(Cells):
    """It cannot read an object while its page is isolated."""

    def load(self, handle: int) -> bytes:
        """Read, if the page is there."""
        if self.cells[handle].isolated:
            raise BlockingIOError("the page is away")
        return super().load(handle)


@wrong("FREE-RETURNED", "FREE-6")
class NeverTakesBack(Halves):
    """It goes on thinking of pages as isolated that were put back."""

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """Forget to note it."""
