"""Races over references, contents and frees: B13, B14, B27, B28, B32, B33, B34."""

from collections import Counter
from errno import EAGAIN, EBUSY
from typing import Any

from movable import GFP, VM, AddressSpace, Capabilities, MigrateMode, Page, SpinLock
from movable.conformance.power import correct, wrong
from mutants.shelves import Shelf, Shelves

COUNT = "refcount"
LOST = "lost update while migrating"
FREED = "free-while-isolated"
RESERVE = 4


@correct()
class Spares(Shelves):
    """Correct: one object to a page; some empty pages are kept in reserve, and used again.

    A spare page may be isolated and moved like any other; it is used again only if nobody but the driver holds a
    reference, so that the VM does not have it.
    """

    slots = 1
    size = 4096
    capabilities = Capabilities(pin=True)

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.lent: set[Shelf] = set()

    def store(self, data: bytes) -> int | None:
        """Store, and fill up the reserve."""
        handle = super().store(data)
        while self._nr_spares() < RESERVE and self._add_spare():
            pass
        return handle

    def _nr_spares(self) -> int:
        with self.lock:
            return sum(shelf.empty for shelf in self.shelves.values())

    def _add_spare(self) -> bool:
        page = self.vm.alloc_page(GFP.HIGHUSER_MOVABLE | GFP.NORETRY | GFP.NOWARN)
        if page is None:
            return False
        page.lock()
        with self.lock:
            self.shelves[page.pfn] = Shelf(page, [None])
            page.set_movable(self.mapping)
        page.unlock()
        return True

    def _shelf_with_room(self) -> Shelf | None:
        for shelf in self.shelves.values():
            if shelf.empty and shelf.page.refcount == 1:
                return shelf
        return None

    def _doom_if_empty(self, shelf: Shelf) -> None:
        """Keep the page."""

    def _isolate(self, page: Page) -> Any:
        with self.lock:
            shelf = self.shelves[page.pfn]
            spare = shelf.empty and not self.closing
            if spare:
                self.lent.add(shelf)
                self.away += 1
        return spare or super()._isolate(page)

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        with self.lock:
            spare = self._move_spare(mapping, newpage, oldpage)
        return 0 if spare else super()._migrate(mapping, newpage, oldpage, mode)

    def _move_spare(self, mapping: AddressSpace, newpage: Page, oldpage: Page) -> bool:
        """Replace a page without copying it, if it is empty; lock held."""
        shelf = self.shelves[oldpage.pfn]
        if not shelf.empty:
            return False
        self._replace_spare(shelf, mapping, newpage, oldpage)
        return True

    def _replace_spare(self, shelf: Shelf, mapping: AddressSpace, newpage: Page, oldpage: Page) -> None:
        newpage.get()
        newpage.set_movable(mapping)
        self._redirect(shelf, newpage)
        self._settle(shelf)
        oldpage.clear_movable()
        oldpage.put()

    def _settle(self, shelf: Shelf) -> None:
        self.lent.discard(shelf)
        super()._settle(shelf)

    def check(self) -> None:
        """As many pages are away as are isolated or lent."""
        with self.lock:
            away = sum(shelf.isolated or shelf in self.lent for shelf in self.shelves.values())
            assert self.away == away, f"{self.away} counted as isolated, {away} are"


@wrong("RACE-STORE", bug="B13", kind=COUNT, race=True)
class B13DropsItsReference(Spares):
    """Its migratepage drops the driver's reference first, to see whether anybody but the VM has one."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.statistics = SpinLock(vm, "statistics")
        self.nr_moves = 0
        self.places: Counter[int] = Counter()

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        with self.lock:
            shelf = self.shelves[oldpage.pfn]
            spare = shelf.empty
        oldpage.put()
        with self.statistics:
            self.nr_moves += 1
        if oldpage.refcount > 1 or not spare:
            oldpage.get()
            return super()._migrate(mapping, newpage, oldpage, mode)
        newpage.get()
        newpage.set_movable(mapping)
        for place in (oldpage, newpage):
            with self.statistics:
                self.places[place.pfn] += 1
        with self.lock:
            self._redirect(shelf, newpage)
            self._settle(shelf)
        oldpage.clear_movable()
        return 0


@wrong("RACE-LOAD", bug="B14", kind=COUNT, race=True)
class B14LooksUpUnpinned(Shelves):
    """Its load finds the page under the lock, and takes a reference only when it has released the lock."""

    def load(self, handle: int) -> bytes:
        """Find the page, unlock, hold the page, read."""
        with self.lock:
            shelf, slot, length = self.objects[handle]
            page = shelf.page
        page.get()
        data = bytes(page.data[slot * self.size : slot * self.size + length])
        page.put()
        return data


@wrong("RACE-STORE", bug="B27", kind=LOST, race=True)
class B27WritesUnlocked(Shelves):
    """It looks up where a new object goes under the lock, and writes there, to a page it holds, afterwards."""

    slots = 16
    size = 256
    capabilities = Capabilities(pin=True, max_object=size)

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.targets: list[tuple[Page, int]] = []
        self.statistics = SpinLock(vm, "statistics")
        self.nr_bytes = 0

    def store(self, data: bytes) -> int | None:
        """Reserve room, unlock, write."""
        handle = super().store(data)
        while self.targets:
            page, slot = self.targets.pop()
            with self.statistics:
                self.nr_bytes += len(data)
            page.data[slot * self.size : slot * self.size + len(data)] = data
            page.put()
        return handle

    def _write(self, shelf: Shelf, slot: int, data: bytes) -> None:
        shelf.page.get()
        self.targets.append((shelf.page, slot))


@wrong("RACE-DROP", bug="B28", kind=LOST, race=True)
class B28ThreadsThroughHandles(Shelves):
    """It keeps handles dropped while isolated in a chain through their table entries, which a move still reads."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.chains: dict[Shelf, int] = {}
        self.slots_of: dict[int, int] = {}

    def drop(self, handle: int) -> bool:
        """While the page is isolated turn the handle's entry into a link of the chain."""
        with self.lock:
            shelf, slot, _ = self.objects[handle]
            if shelf.isolated:
                self.slots_of[handle] = slot
                self.objects[handle] = shelf, self.chains.get(shelf, 0), -1
                self.chains[shelf] = handle
                return True
        return super().drop(handle)

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        with self.lock:
            shelf = self.shelves[oldpage.pfn]
            live = [handle for handle in shelf.slots if handle is not None and self.objects[handle][2] >= 0]
        if not live:
            return -EBUSY
        with self.lock:
            for handle in live:
                assert self.objects[handle][2] >= 0, f"the entry of handle {handle} is no place of an object"
        return super()._migrate(mapping, newpage, oldpage, mode)

    def _settle(self, shelf: Shelf) -> None:
        handle = self.chains.pop(shelf, 0)
        while handle:
            following = self.objects.pop(handle)[1]
            shelf.slots[self.slots_of.pop(handle)] = None
            handle = following
        super()._settle(shelf)

    def check(self) -> None:
        """No chain is left once nothing is isolated."""
        assert self.away or not self.chains, "handles dropped while isolated are still there"
        if not self.chains:
            super().check()


@wrong("RACE-PIN", bug="B32", kind=FREED, race=True)
class B32RedirectsLate(Shelves):
    """Its migratepage copies the page, releases the lock, and redirects the handles afterwards."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        with self.lock:
            shelf = self.shelves[oldpage.pfn]
            if shelf.empty:
                return -EBUSY
            if shelf.pins:
                return -EAGAIN
            newpage.copy_from(oldpage)
        newpage.get()
        newpage.set_movable(mapping)
        with self.lock:
            self._redirect(shelf, newpage)
            self._settle(shelf)
        oldpage.clear_movable()
        oldpage.put()
        return 0


@wrong("RACE-DROP", bug="B33", kind=FREED, race=True)
class B33TestsThenActs(Shelves):
    """Its drop looks whether the page is isolated, and has it released later without looking again."""

    slots = 1
    size = 4096
    capabilities = Capabilities(pin=True)

    def drop(self, handle: int) -> bool:
        """Look whether the page goes with the object; free the slot; release the page if so."""
        with self.lock:
            shelf, slot, _ = self.objects[handle]
            page = None if shelf.isolated else shelf.page
        with self.lock:
            del self.objects[handle]
            shelf.slots[slot] = None
            shelf.doomed = page is not None
            self._doom_if_empty(shelf)
        if page is not None:
            self._release_page(page)
        return True

    def _release_page(self, page: Page) -> None:
        page.lock()
        with self.lock:
            del self.shelves[page.pfn]
        page.clear_movable()
        page.unlock()
        page.put()


@wrong("RACE-DROP", bug="B34", kind=FREED, race=True)
class B34BigOnesUnlocked(Shelves):
    """Objects of a whole page have no slots to guard, so their release tests for isolation without the lock."""

    capabilities = Capabilities(pin=True)

    def _shelf_with_room(self) -> Shelf | None:
        return None if self.big else super()._shelf_with_room()

    def store(self, data: bytes) -> int | None:
        """Give a big object a page of its own."""
        self.big = len(data) > self.size
        return super().store(data)

    def _place(self, shelf: Shelf, data: bytes) -> int:
        handle = super()._place(shelf, data)
        if self.big:
            shelf.slots = [handle]
        return handle

    def drop(self, handle: int) -> bool:
        """Release the page of a big object at once unless it is isolated."""
        shelf = self.objects[handle][0]
        if len(shelf.slots) > 1 or shelf.isolated:
            return super().drop(handle)
        del self.objects[handle]
        self._release(shelf)
        return True
