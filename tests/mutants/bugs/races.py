"""Races in bookkeeping, marking and teardown: B01, B02, B18, B20, B21, B44, B56, B58, B59.

Each is the correct driver with one step that is not atomic any more. The locks stay points at which CPUs switch.
"""

from typing import Any

from movable import VM, AddressSpace, Capabilities, MigrateMode, Page, SpinLock
from movable.conformance.power import wrong
from mutants.shelves import Shelf, Shelves

BOOKS = "isolated bookkeeping"
CLEAR = "missing clear movable"
TEARDOWN = "teardown or lifetime"
FILL = 32


@wrong("RACE-PUTBACK", bug="B01", kind=BOOKS, race=True)
class B01PacksTwoCounts(Shelves):
    """It keeps a shelf's isolated pages and its objects in one word, and changes them under two locks."""

    slots = 16
    size = 256
    capabilities = Capabilities(pin=True, max_object=size)

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.migration = SpinLock(vm, "migration")
        self.events = SpinLock(vm, "events")
        self.nr_events = 0
        self.words: dict[Shelf, int] = {}

    def _place(self, shelf: Shelf, data: bytes) -> int:
        self.words[shelf] = self.words.get(shelf, 0) + FILL
        return super()._place(shelf, data)

    def drop(self, handle: int) -> bool:
        """Change the fill state under the pool lock."""
        with self.lock:
            self.words[self.objects[handle][0]] -= FILL
        return super().drop(handle)

    def _change_isolated(self, page: Page, delta: int) -> None:
        with self.migration:
            shelf = self.shelves[page.pfn]
            word = self.words[shelf]
            with self.events:
                self.nr_events += 1
            assert word % FILL + delta >= 0, "no page is isolated"
            self.words[shelf] = word + delta

    def _isolate(self, page: Page) -> Any:
        granted = super()._isolate(page)
        if granted:
            self._change_isolated(page, 1)
        return granted

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        if answer == 0:
            self._change_isolated(newpage, -1)
        return answer

    def _put_back(self, page: Page) -> Any:
        self._change_isolated(page, -1)
        super()._put_back(page)

    def check(self) -> None:
        """Both halves of each word are right."""
        super().check()
        for shelf in self.shelves.values():
            objects = sum(slot is not None for slot in shelf.slots)
            want = shelf.isolated + FILL * objects
            assert self.words[shelf] == want, f"word {self.words[shelf]:#x}, not {want:#x}"


@wrong("RACE-UNLOAD", bug="B02", kind=BOOKS, race=True)
class B02WakesByAnOldFlag(Shelves):
    """It looks whether it is being unloaded before it counts an isolation as over, and wakes nobody then."""

    slots = 16
    size = 256
    capabilities = Capabilities(pin=True, max_object=size)

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.events = SpinLock(vm, "events")
        self.nr_events = 0

    def _count_down(self) -> None:
        self.away -= 1

    def _closing(self) -> bool:
        closing = self.closing
        with self.events:
            self.nr_events += 1
        return closing

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        closing = self._closing()
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        self._wake(closing)
        return answer

    def _put_back(self, page: Page) -> Any:
        closing = self._closing()
        super()._put_back(page)
        self._wake(closing)

    def _wake(self, closing: bool) -> None:
        if closing and self.away == 0:
            self.drained.wake_up()


@wrong("RACE-DROP", bug="B18", kind="page lock", race=True)
class B18ClearsItsClaimLate(Shelves):
    """Its drop claims the shelf with the bit that isolation uses, and clears it after it released the lock."""

    def drop(self, handle: int) -> bool:
        """Claim, free the slot, unlock, clear the claim."""
        with self.lock:
            shelf, slot, _ = self.objects.pop(handle)
            shelf.slots[slot] = None
            mine = not shelf.isolated
            self._doom_if_empty(shelf)
            shelf.isolated = True
        if mine:
            shelf.isolated = False
        return True


@wrong("RACE-DROP", bug="B20", kind=CLEAR, race=True)
class B20LooksAfterUnlock(Shelves):
    """Its migratepage lets go of the new page's lock, and then asks the page whose it is to list it."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.recent = vm.page_list("recent")

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        if answer == 0:
            newpage.unlock()
            newpage.lock()
            if newpage.mapping is not mapping:
                self.recent.add(newpage)
        return answer


@wrong("RACE-STORE", bug="B21", kind=CLEAR, race=True)
class B21AdvertisesEarly(Shelves):
    """It marks a new page before it enters it in its tables; a page that is in no table may move."""

    slots = 1
    size = 4096
    capabilities = Capabilities(pin=True)

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.setup = SpinLock(vm, "set-up of shelves")
        self.nr_set_up = 0

    def _store_new(self, page: Page, data: bytes) -> int:
        page.lock()
        page.set_movable(self.mapping)
        page.unlock()
        with self.setup:
            shelf = Shelf(page, [None] * self.slots)
        with self.setup:
            self.nr_set_up += 1
        with self.lock:
            self.shelves[page.pfn] = shelf
            return self._place(shelf, data)

    def _isolate(self, page: Page) -> Any:
        with self.lock:
            fresh = page.pfn not in self.shelves
        return fresh or super()._isolate(page)

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        with self.lock:
            fresh = oldpage.pfn not in self.shelves
            if fresh:
                mapping.replace_page(newpage, oldpage)
        return 0 if fresh else super()._migrate(mapping, newpage, oldpage, mode)

    def _put_back(self, page: Page) -> Any:
        with self.lock:
            fresh = page.pfn not in self.shelves
        if not fresh:
            super()._put_back(page)


@wrong("RACE-TWO", bug="B44", kind="accounting", race=True)
class B44AddsWithoutALock(Shelves):
    """It adds up moved pages in one plain number, under whatever lock the mover happens to hold."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.moved = 0
        self.recounted = 0
        self.report = SpinLock(vm, "report")

    def _redirect(self, shelf: Shelf, newpage: Page) -> None:
        super()._redirect(shelf, newpage)
        self.recounted += 1

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        before = self.moved
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        if answer == 0:
            self.moved = before + 1
        return answer

    def check(self) -> None:
        """The number is that of a recount."""
        super().check()
        assert self.moved == self.recounted, f"{self.moved} moves counted, {self.recounted} made"


@wrong("RACE-UNLOAD", bug="B56", kind=TEARDOWN, race=True)
class B56FlushesOnce(Shelves):
    """It runs the release work once at unload, and does not wait for what the VM holds isolated."""

    def _drain(self) -> None:
        """Wait for nothing."""


@wrong("RACE-UNLOAD", bug="B58", kind=TEARDOWN, race=True)
class B58FreesItsContext(Shelves):
    """Its callbacks find their context through a pointer that unload clears without waiting for them."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.context: dict[int, Shelf] | None = self.shelves

    def close(self) -> None:
        """Clear the pointer, then wait."""
        self.context = None
        super().close()

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        assert self.context is not None, "the context is gone"
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("RACE-STORE", bug="B59", kind=TEARDOWN, race=True)
class B59PublishesUnfinished(Shelves):
    """It marks a new page before the record that the callbacks look up is filled in."""

    slots = 1
    size = 4096
    capabilities = Capabilities(pin=True)

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.setup = SpinLock(vm, "set-up of shelves")

    def _store_new(self, page: Page, data: bytes) -> int:
        page.lock()
        page.set_movable(self.mapping)
        page.unlock()
        with self.setup:
            shelf = Shelf(page, [None] * self.slots)
        with self.lock:
            self.shelves[page.pfn] = shelf
            return self._place(shelf, data)
