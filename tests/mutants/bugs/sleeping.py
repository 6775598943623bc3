"""Locks held for too long: B41, and B39, B40, B42, which show on several CPUs."""

from typing import Any

from movable import GFP, VM, AddressSpace, MigrateMode, Mutex, Page, WaitQueue
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.shelves import Shelf, Shelves

KIND = "sleep in atomic or ASYNC"


@wrong("LIVE-SHORT", "LIVE-6", "self-deadlock", bug="B41", kind="lock order deadlock")
class B41AllocatesUnderItsLock(Cells):
    """It allocates with its mutex held, which the callbacks need that memory shortage makes the VM call."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.mutex = Mutex(vm, "cells")

    def _allocate(self) -> Page | None:
        with self.mutex:
            return self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)

    def _isolate(self, page: Page) -> Any:
        with self.mutex:
            return super()._isolate(page)


@wrong("RACE-STORE", rule="sleep-in-atomic", bug="B39", kind=KIND, race=True)
class B39AllocatesUnderASpinlock(Shelves):
    """It allocates a page, which may sleep, with its spinlock held."""

    def store(self, data: bytes) -> int | None:
        """Find room or allocate, under one lock."""
        with self.lock:
            shelf = self._shelf_with_room()
            if shelf is not None:
                return self._place(shelf, data)
            page = self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        return None if page is None else self._store_new(page, data)


@wrong("RACE-STORE", rule="sleep-in-atomic", bug="B40", kind=KIND, race=True)
class B40CopiesUnderASpinlock(Shelves):
    """It copies pages with its spinlock held, through a routine that takes a mutex."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.copying = Mutex(vm, "copying")

    def _redirect(self, shelf: Shelf, newpage: Page) -> None:
        with self.copying:
            newpage.copy_from(shelf.page)
        super()._redirect(shelf, newpage)


@wrong("RACE-PIN", bug="B42", kind="lock order deadlock", race=True)
class B42WaitsWithThePageLocked(Shelves):
    """Its migratepage waits, in MIGRATE_SYNC, for users whose way out needs the page lock that is held."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.unpinned = WaitQueue(vm, "unpinned")

    def _unpin(self, shelf: Shelf) -> None:
        page = shelf.page
        page.lock()
        super()._unpin(shelf)
        page.unlock()
        self.unpinned.wake_up()

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        shelf = self.shelves[oldpage.pfn]
        if mode is MigrateMode.SYNC:
            self.unpinned.wait_event(lambda: not shelf.pins)
        return super()._migrate(mapping, newpage, oldpage, mode)
