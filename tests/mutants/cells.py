"""A correct driver: every object has a page of its own. The wrong ones change one step of it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN
from typing import Any

from movable import GFP, VM, AddressSpace, Capabilities, MigrateMode, Page, hookimpl
from movable.conformance.power import correct
from movable.flags import IsolateMode


@correct(one_cpu=True)
class Cells:
    """Objects of up to a page; ``page.private`` holds the handle, ``page.index`` the object's length."""

    capabilities = Capabilities(pin=True)

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.mapping = AddressSpace(vm, self, "cells")
        self.idle = vm.page_list("cells")
        self.cells: dict[int, Page] = {}
        self.pins: Counter[int] = Counter()
        self.serial = 0

    def _allocate(self) -> Page | None:
        return self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)

    def store(self, data: bytes) -> int | None:
        """Put an object into a page of its own."""
        page = self._allocate()
        if page is None:
            return None
        page.data[: len(data)] = data
        self.serial += 1
        page.index = len(data)
        self._mark(page, self.serial)
        self.idle.add(page)
        self.cells[self.serial] = page
        return self.serial

    def _mark(self, page: Page, handle: int) -> None:
        page.lock()
        page.private = handle
        page.set_movable(self.mapping)
        page.unlock()

    def load(self, handle: int) -> bytes:
        """The object's bytes."""
        page = self.cells[handle]
        return bytes(page.data[: page.index])

    def drop(self, handle: int) -> bool:
        """Release the object's page, unless it is pinned."""
        if self.pins[handle]:
            return False
        self._release(self.cells.pop(handle))
        return True

    def _release(self, page: Page) -> None:
        page.lock()
        if not page.isolated:
            self.idle.remove(page)
        page.clear_movable()
        page.private = 0
        page.unlock()
        page.put()

    def pages(self, handle: int) -> list[Page]:
        """The one page of the object."""
        return [self.cells[handle]]

    @contextmanager
    def pin(self, handle: int) -> Iterator[None]:
        """Keep the object where it is."""
        self.pins[handle] += 1
        try:
            yield
        finally:
            self.pins[handle] -= 1

    def check(self) -> None:
        """Each page knows its object."""
        for handle, page in self.cells.items():
            assert page.private == handle, f"page {page.pfn:#x} lost its handle {handle}"

    def close(self) -> None:
        """Release all pages and close the mapping."""
        for handle in list(self.cells):
            self._release(self.cells.pop(handle))
        self.mapping.close()

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
        """Take the page off the list of idle ones."""
        return self._isolate(page)

    def _isolate(self, page: Page) -> Any:
        self.idle.remove(page)
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """Move the object unless it is pinned, by the numbered steps of the contract."""
        return self._migrate(mapping, newpage, oldpage, mode)

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        if self.pins[oldpage.private]:
            return -EAGAIN
        self._copy(newpage, oldpage)
        self._take(newpage, mapping)
        self._redirect(oldpage.private, newpage)
        self._give_up(oldpage)
        return 0

    def _copy(self, newpage: Page, oldpage: Page) -> None:
        newpage.copy_from(oldpage)
        newpage.private = oldpage.private
        newpage.index = oldpage.index

    def _take(self, newpage: Page, mapping: AddressSpace) -> None:
        newpage.get()
        newpage.set_movable(mapping)

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.cells[handle] = newpage
        self.idle.add(newpage)

    def _give_up(self, oldpage: Page) -> None:
        oldpage.clear_movable()
        oldpage.private = 0
        oldpage.put()

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """Put the page on the list of idle ones again."""
        return self._put_back(page)

    def _put_back(self, page: Page) -> Any:
        self.idle.add(page)
