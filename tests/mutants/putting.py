"""Mistakes in putback_page, and with pages that were put back."""

from errno import EBUSY
from typing import Any

from movable import VM, AddressSpace, Capabilities, MigrateMode, Page, PageFlag
from movable.conformance.power import wrong
from mutants.cells import Cells


@wrong("PUT-ANSWER", "CALL-1", "hook-bad-type")
class PutbackAnswersTrue(Cells):
    """Its putback_page answers True."""

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        return True


@wrong("PUT-ANSWER", "CALL-2", "hook-raised")
class PutbackRaises(Cells):
    """Its putback_page raises when its work is done."""

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        raise RuntimeError("back again")


@wrong("PUT-ANSWER", "CALL-2", "hook-raised")
class PutbackNeedsMigrate(Cells):
    """Its putback_page undoes what migratepage did, also where migratepage was never called."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.moving: set[int] = set()

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        self.moving.add(oldpage.pfn)
        return super()._migrate(mapping, newpage, oldpage, mode)

    def _put_back(self, page: Page) -> Any:
        self.moving.remove(page.pfn)
        self.idle.add(page)


@wrong("PUT-LOCKED", "PUT-1", "putback-unlocked")
class PutbackUnlocks(Cells):
    """Its putback_page drops the VM's page lock."""

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        page.unlock()


@wrong("PUT-FLAG", "PUT-2", "putback-isolated-written")
class PutbackClearsTheFlag(Cells):
    """Its putback_page clears PG_isolated itself."""

    def _put_back(self, page: Page) -> Any:
        page.clear_flag(PageFlag.RECLAIM)
        super()._put_back(page)


@wrong("PUT-REFS", "PUT-3", "putback-ref-changed")
class PutbackDropsAReference(Cells):
    """Its putback_page drops the isolation reference, which is the VM's."""

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        page.put()


@wrong("PUT-REFS", "PUT-3")
class PutbackTakesAReference(Cells):
    """Its putback_page takes a reference although it never dropped one."""

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        page.get()


@wrong("PUT-MOVABLE", "PUT-5", "putback-lost-movable")
class PutbackGivesUp(Cells):
    """It makes a page unmovable when it could not be moved."""

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        page.clear_movable()


@wrong("PUT-REST", "PUT-4")
class PutbackActivates(Cells):
    """It marks a page that came back as active, a flag of the LRU."""

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        page.set_flag(PageFlag.ACTIVE)


@wrong("PUT-AGAIN", "PUT-4", "list-corrupt")
class LosesPutback(Cells):
    """Its putback_page does nothing, so the page is on no list when it is wanted again."""

    def _put_back(self, page: Page) -> Any:
        return


@wrong("PUT-AGAIN", "PUT-4")
class StaysIsolatedInItsBooks(Cells):
    """It remembers which pages are isolated and forgets to strike them off when they come back."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.away: set[int] = set()

    def _isolate(self, page: Page) -> Any:
        if page.pfn in self.away:
            return False
        self.away.add(page.pfn)
        self.idle.remove(page)
        return True


@wrong("PUT-USED", "FREE-3")
class BusyForEver(Cells):
    """It refuses to drop an object whose page was ever isolated."""

    capabilities = Capabilities(pin=True, drop_isolated=False)

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.away: set[int] = set()

    def drop(self, handle: int) -> bool:
        """Refuse what was ever away."""
        return handle not in self.away and super().drop(handle)

    def _isolate(self, page: Page) -> Any:
        self.away.add(page.private)
        self.idle.remove(page)
        return True


@wrong("FREE-LATER", "FREE-3")
class DropAsksOnce(Cells):
    """A drop refused while the page is isolated is refused ever after."""

    capabilities = Capabilities(pin=True, drop_isolated=False)

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.refused: set[int] = set()

    def drop(self, handle: int) -> bool:
        """Refuse what was ever refused."""
        if self.cells[handle].isolated:
            self.refused.add(handle)
        return handle not in self.refused and super().drop(handle)


@wrong("PUT-DATA", "DATA-2")
class PutbackWipes(Cells):
    """It gives the memory of a page that came back to the operating system."""

    def _put_back(self, page: Page) -> Any:
        super()._put_back(page)
        page.discard()


@wrong("MIG-RETRY", "LIVE-4")
class NeverTriesAgain(Cells):
    """It calls a page that came back once unmovable for good."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.unlucky: set[int] = set()

    def _put_back(self, page: Page) -> Any:
        self.unlucky.add(page.private)
        super()._put_back(page)

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        if oldpage.private in self.unlucky:
            return -EBUSY
        return super()._migrate(mapping, newpage, oldpage, mode)
