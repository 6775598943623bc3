"""Isolated bookkeeping: B03, B04, B05. (B01 and B02 are races.)"""

from typing import Any

from movable import VM, AddressSpace, IsolateMode, MigrateMode, Page, PageList, hookimpl
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.halves import Halves, Record

KIND = "isolated bookkeeping"


@wrong("ACC-ISOLATED", "ACC-1", bug="B03", kind=KIND)
class B03CountsTheVmsIsolated(Cells):
    """It raises the VM's count of isolated pages with each move, and lowers it in putback_page only.

    It does so by isolating a spare page of its own, which is out of anybody else's reach.
    """

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.spare: Page | None = None
        self.mine = False
        self.taken: PageList = vm.page_list("taken")

    def store(self, data: bytes) -> int | None:
        """Keep a spare page."""
        if self.spare is None:
            handle = super().store(b"spare")
            if handle is None:
                return None
            self.spare = self.cells.pop(handle)
        return super().store(data)

    def _isolate(self, page: Page) -> Any:
        return (page is not self.spare or self.mine) and super()._isolate(page)

    def _redirect(self, handle: int, newpage: Page) -> None:
        super()._redirect(handle, newpage)
        if self.spare is not None and not self.spare.isolated:
            self.mine = True
            self.taken.isolate(self.spare)
            self.mine = False

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        if page is not self.spare:
            self.vm.putback_movable_pages(self.taken)

    def close(self) -> None:
        """Release the spare page too."""
        self.vm.putback_movable_pages(self.taken)
        if self.spare is not None:
            self._release(self.spare)
        super().close()


@wrong("FREE-ISO-MIGRATE", "LIVE-1", bug="B04", kind=KIND)
class B04NeverDrains(Halves):
    """It counts isolated pages, forgets to when one was emptied meanwhile, and waits for zero at unload."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.away = 0

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
        """Count up."""
        granted = super().isolate_page(page, mode)
        self.away += granted
        return granted

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """Move an empty page without further ado."""
        if self.records[oldpage.pfn].slots == [None, None]:
            mapping.replace_page(newpage, oldpage)
            record = self.records[newpage.pfn] = self.records.pop(oldpage.pfn)
            record.page, record.isolated = newpage, False
            self._relist(record)
            return 0
        return super().migratepage(mapping, newpage, oldpage, mode)

    def _settle(self, record: Record) -> None:
        self.away -= 1
        super()._settle(record)

    def close(self) -> None:
        """Wait until no page is away."""
        while self.away:
            pass
        super().close()


@wrong("FREE-IDLE", "FREE-7", bug="B05", kind=KIND)
class B05OwnedOnceMoved(Cells):
    """It takes every page without its "owned" flag for isolated, and only its migration code sets the flag."""

    capabilities = Cells.capabilities

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.owned: set[Page] = set()

    def drop(self, handle: int) -> bool:
        """Leave what looks isolated."""
        page = self.cells[handle]
        return (page.isolated or page in self.owned) and super().drop(handle)

    def _isolate(self, page: Page) -> Any:
        self.owned.discard(page)
        return super()._isolate(page)

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.owned.add(newpage)
        super()._redirect(handle, newpage)

    def _put_back(self, page: Page) -> Any:
        self.owned.add(page)
        super()._put_back(page)
