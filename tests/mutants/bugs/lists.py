"""Lists: B24, B25 (at the top of putback_page and of migratepage). (B26 is a race.)"""

from typing import Any

from movable import VM, AddressSpace, MigrateMode, Page
from movable.conformance.power import wrong
from mutants.cells import Cells


@wrong("PUT-AGAIN", "PUT-4", "list-corrupt", bug="B24", kind="list corruption")
class B24PutsOnAnotherList(Cells):
    """Its putback_page adds the page to a list of recently used ones, not to the one it was taken from."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.recent = vm.page_list("recent")

    def _put_back(self, page: Page) -> Any:
        self.recent.add(page)


@wrong("PUT-REST", "PUT-4", "list-corrupt", bug="B25", kind="touching lru")
class B25PutbackUnlinks(Cells):
    """Its putback_page first takes the page off a list that it is not on."""

    def _put_back(self, page: Page) -> Any:
        self.idle.remove(page)
        self.idle.add(page)


@wrong("LIVE-SYNC", "ISO-7", "lru-while-isolated", bug="B25", kind="touching lru")
class B25MigrateUnlinks(Cells):
    """Its migratepage takes the old page off its list, where isolate_page did so before."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        self.idle.remove(oldpage)
        return super()._migrate(mapping, newpage, oldpage, mode)
