"""A correct driver for several CPUs: four objects to a page, and locks around everything that is shared.

Locks, outermost first: page lock, then ``lock``, a spinlock over all tables and records. An isolated page, one that is
pinned, and one that waits to be released are not allocated from. Pages that ran empty are released by queued
work, which takes their page lock; a page that ran empty while isolated is queued when its isolation ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN, EBUSY
from typing import Any

from attrs import define

from movable import (
    GFP,
    VM,
    AddressSpace,
    Capabilities,
    MigrateMode,
    Page,
    SpinLock,
    WaitQueue,
    WorkQueue,
    hookimpl,
)
from movable.conformance.power import correct
from movable.flags import IsolateMode


@define(eq=False)
class Shelf:
    """What the driver knows about one page. ``isolated``: the VM has it; ``doomed``: work will release it."""

    page: Page
    slots: list[int | None]
    isolated: bool = False
    doomed: bool = False
    pins: int = 0

    @property
    def empty(self) -> bool:
        """True if no object is left."""
        return not any(self.slots)


@correct()
class Shelves:
    """Objects of up to a quarter of a page; a handle is a number, its shelf and slot are looked up."""

    slots = 4
    size = 1024
    capabilities = Capabilities(pin=True, concurrent=True, max_object=size)

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = SpinLock(vm, "shelves")
        self.drained = WaitQueue(vm, "shelves drained")
        self.work = WorkQueue(vm, "shelves release")
        self.shelves: dict[int, Shelf] = {}
        self.objects: dict[int, tuple[Shelf, int, int]] = {}
        self.away = 0
        self.serial = 0
        self.closing = False
        self.mapping = AddressSpace(vm, self, "shelves")

    # What users ask

    def store(self, data: bytes) -> int | None:
        """Put an object where there is room, else into a new page."""
        with self.lock:
            shelf = self._shelf_with_room()
            if shelf is not None:
                return self._place(shelf, data)
        page = self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        return None if page is None else self._store_new(page, data)

    def _store_new(self, page: Page, data: bytes) -> int:
        page.lock()
        with self.lock:
            shelf = self.shelves[page.pfn] = Shelf(page, [None] * self.slots)
            handle = self._place(shelf, data)
            page.set_movable(self.mapping)
        page.unlock()
        return handle

    def _shelf_with_room(self) -> Shelf | None:
        for shelf in self.shelves.values():
            if None in shelf.slots and not shelf.isolated and not shelf.doomed:
                return shelf
        return None

    def _place(self, shelf: Shelf, data: bytes) -> int:
        slot = shelf.slots.index(None)
        self.serial += 1
        shelf.slots[slot] = self.serial
        self.objects[self.serial] = shelf, slot, len(data)
        self._write(shelf, slot, data)
        return self.serial

    def _write(self, shelf: Shelf, slot: int, data: bytes) -> None:
        shelf.page.data[slot * self.size : slot * self.size + len(data)] = data

    def load(self, handle: int) -> bytes:
        """The object's bytes."""
        with self.lock:
            shelf, slot, length = self.objects[handle]
            return bytes(shelf.page.data[slot * self.size : slot * self.size + length])

    def drop(self, handle: int) -> bool:
        """Free the object's slot; its page is released later if that was the last one."""
        with self.lock:
            shelf, slot, _ = self.objects.pop(handle)
            shelf.slots[slot] = None
            self._doom_if_empty(shelf)
        return True

    def _doom_if_empty(self, shelf: Shelf) -> None:
        """Have an empty page that is not isolated released; lock held."""
        if shelf.empty and not shelf.isolated and not shelf.doomed:
            shelf.doomed = True
            self.work.queue(self._release_doomed)

    def _release_doomed(self) -> None:
        with self.lock:
            doomed = [shelf for shelf in self.shelves.values() if shelf.doomed]
        for shelf in doomed:
            self._release(shelf)

    def _release(self, shelf: Shelf) -> None:
        """Give a page up. A doomed page is isolated by nobody any more, so it is where it was."""
        page = shelf.page
        page.lock()
        with self.lock:
            del self.shelves[page.pfn]
        page.clear_movable()
        page.unlock()
        page.put()

    def pages(self, handle: int) -> list[Page]:
        """The page that the object is in."""
        with self.lock:
            return [self.objects[handle][0].page]

    @contextmanager
    def pin(self, handle: int) -> Iterator[None]:
        """Keep the object's page where it is."""
        shelf = self._pin(handle)
        try:
            yield
        finally:
            self._unpin(shelf)

    def _pin(self, handle: int) -> Shelf:
        with self.lock:
            shelf = self.objects[handle][0]
            shelf.pins += 1
        return shelf

    def _unpin(self, shelf: Shelf) -> None:
        with self.lock:
            shelf.pins -= 1

    def check(self) -> None:
        """Records, objects and counts fit together."""
        with self.lock:
            away = sum(shelf.isolated for shelf in self.shelves.values())
            assert self.away == away, f"{self.away} counted as isolated, {away} are"
            for handle, (shelf, slot, _) in self.objects.items():
                assert self.shelves.get(shelf.page.pfn) is shelf, f"object {handle} is in a page that is gone"
                assert shelf.slots[slot] == handle, f"slot {slot} is not object {handle}'s"

    def close(self) -> None:
        """Wait until nothing is isolated, release all pages, close the mapping."""
        with self.lock:
            self.closing = True
        self._drain()
        self.work.flush()
        for shelf in list(self.shelves.values()):
            self._release(shelf)
        self.objects.clear()
        self.work.destroy()
        self.mapping.close()

    def _drain(self) -> None:
        self.drained.wait_event(lambda: self.away == 0)

    # What the VM asks

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
        """Let a page go unless it is pinned, empty, or the driver is being unloaded."""
        return self._isolate(page)

    def _isolate(self, page: Page) -> Any:
        with self.lock:
            shelf = self.shelves[page.pfn]
            if shelf.pins or shelf.empty or self.closing:
                return False
            shelf.isolated = True
            self.away += 1
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """Move the page and its record, unless it is pinned or has run empty."""
        return self._migrate(mapping, newpage, oldpage, mode)

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        with self.lock:
            shelf = self.shelves[oldpage.pfn]
            if shelf.empty:
                return -EBUSY
            if shelf.pins:
                return -EAGAIN
            mapping.replace_page(newpage, oldpage)
            self._redirect(shelf, newpage)
            self._settle(shelf)
        return 0

    def _redirect(self, shelf: Shelf, newpage: Page) -> None:
        """Enter the new page in the tables; lock held."""
        del self.shelves[shelf.page.pfn]
        self.shelves[newpage.pfn] = shelf
        shelf.page = newpage

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """Take a page back."""
        return self._put_back(page)

    def _put_back(self, page: Page) -> Any:
        with self.lock:
            self._settle(self.shelves[page.pfn])

    def _settle(self, shelf: Shelf) -> None:
        """The isolation is over; lock held."""
        shelf.isolated = False
        self._doom_if_empty(shelf)
        self._count_down()

    def _count_down(self) -> None:
        self.away -= 1
        if self.away == 0 and self.closing:
            self.drained.wake_up()
