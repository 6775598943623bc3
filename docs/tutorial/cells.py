"""A driver of movable pages: every object has a page of its own, which may move at any time."""

from collections.abc import Sequence
from itertools import count

import movable
from movable import GFP, AddressSpace, IsolateMode, MigrateMode, Page, SpinLock, hookimpl


class Cells:
    """Stores byte strings of up to 4096 bytes."""

    def __init__(self, vm: movable.VM) -> None:
        self.vm = vm
        self.mapping = AddressSpace(vm, self, "cells")
        self.lock = SpinLock(vm, "cells")
        self.idle = vm.page_list("cells")
        self.cells: dict[int, tuple[Page, int]] = {}
        self.handles = count(1)

    def store(self, data: bytes) -> int | None:
        """Store data and return its handle; None if there is no memory."""
        page = self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        if page is None:
            return None
        handle = next(self.handles)
        page.data[: len(data)] = data
        page.private = handle
        page.lock()
        with self.lock:
            page.set_movable(self.mapping)
            self.cells[handle] = page, len(data)
            self.idle.add(page)
        page.unlock()
        return handle

    def load(self, handle: int) -> bytes:
        """Read what was stored."""
        with self.lock:
            page, size = self.cells[handle]
            return bytes(page.data[:size])

    def drop(self, handle: int) -> bool:
        """Forget an object and give its page back."""
        page = self.lock_page(handle)
        with self.lock:
            del self.cells[handle]
            if not page.isolated:
                self.idle.remove(page)
        page.private = 0
        page.clear_movable()
        page.unlock()
        page.put()
        return True

    def lock_page(self, handle: int) -> Page:
        """Lock the page that an object is in; it may move until that is done."""
        while True:
            with self.lock:
                page, _ = self.cells[handle]
                page.get()
            page.lock()
            with self.lock:
                moved = self.cells[handle][0] is not page
            if not moved:
                page.put()
                return page
            page.unlock()
            page.put()

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Let go of the page: from here on its list link belongs to the VM."""
        with self.lock:
            self.idle.remove(page)
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Move the object to the new page."""
        handle = oldpage.private
        with self.lock:
            mapping.replace_page(newpage, oldpage)
            self.cells[handle] = newpage, self.cells[handle][1]
            self.idle.add(newpage)
        return 0

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Take the page back: it did not move."""
        with self.lock:
            self.idle.add(page)

    def pages(self, handle: int) -> Sequence[Page]:
        """The pages that hold an object."""
        with self.lock:
            return [self.cells[handle][0]]

    def check(self) -> None:
        """Every object's page knows its handle, and carries our mapping."""
        for handle, (page, _) in self.cells.items():
            assert page.private == handle
            assert page.mapping is self.mapping

    def close(self) -> None:
        """Free everything."""
        for handle in list(self.cells):
            self.drop(handle)
        self.mapping.close()
