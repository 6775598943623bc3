"""Counters: B43, B45, B46, B48. (B44 is a race.)"""

from collections import Counter
from typing import Any

from movable import GFP, VM, IsolateMode, Page, ZoneItem, hookimpl
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.spanning import HALF, Pairs

KIND = "accounting"
UNSIGNED = 1 << 32


@wrong("ACC-ZONES", "ACC-6", bug="B43", kind=KIND)
class B43CountsInTheOldZone(Cells):
    """It counts its pages for each zone when it allocates and frees them, and not when one changes zone."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.in_zone: Counter[int] = Counter()

    def _mark(self, page: Page, handle: int) -> None:
        self.in_zone[page.zone_id] += 1
        super()._mark(page, handle)

    def _release(self, page: Page) -> None:
        self.in_zone[page.zone_id] -= 1
        super()._release(page)

    def check(self) -> None:
        """The counts are those of the pages."""
        super().check()
        found = Counter(page.zone_id for page in self.cells.values())
        assert +self.in_zone == found, f"{dict(self.in_zone)} pages counted, {dict(found)} there"


@wrong("ACC-ITEMS", "ACC-5", bug="B45", kind=KIND)
class B45SubtractsUnsigned(Cells):
    """It counts isolated pages in 64 bits; its putback_page adds minus one in 32 bits, without a sign."""

    def _count(self, page: Page, delta: int) -> None:
        self.vm.mod_zone_page_state(page, ZoneItem.NR_ZSPAGES, delta)

    def _isolate(self, page: Page) -> Any:
        self._count(page, 1)
        return super()._isolate(page)

    def _redirect(self, handle: int, newpage: Page) -> None:
        self._count(newpage, -1)
        super()._redirect(handle, newpage)

    def _put_back(self, page: Page) -> Any:
        self._count(page, -1 % UNSIGNED)
        super()._put_back(page)

    def _release(self, page: Page) -> None:
        if page.isolated:
            self._count(page, -1)
        super()._release(page)


@wrong("STORE", "DATA-1", bug="B46", kind=KIND)
class B46FillsOneEntry(Pairs):
    """It collects the pages of an object in one entry of a batch: the index does not advance."""

    def store(self, data: bytes) -> int | None:
        """Allocate two pages and note them in the same place."""
        pages: list[Page] = []
        for _ in range(2):
            page = self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)
            if page is None:
                return None
            pages[:1] = [page]
        pages *= 2
        self.serial += 1
        for part, page in enumerate(pages):
            page.data[:HALF] = data[part * HALF : (part + 1) * HALF].ljust(HALF, b"\0")
        pages[0].lock()
        pages[0].private = 2 * self.serial
        pages[0].set_movable(self.mapping)
        pages[0].unlock()
        self.pairs[self.serial], self.lengths[self.serial] = pages, len(data)
        return self.serial


@wrong("PUT-AGAIN", "PUT-4", bug="B48", kind="wrong zone or counter")
class B48CountsRecords(Pairs):
    """It counts two pages for each page isolated, one when that is over, and refuses above a limit."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.away = 0

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Refuse while many are away."""
        if self.away >= 8:
            return False
        self.away += 2
        return True

    def _redirect(self, newpage: Page, oldpage: Page) -> None:
        self.away -= 2
        super()._redirect(newpage, oldpage)

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """Count one page."""
        self.away -= 1
