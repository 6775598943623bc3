"""A correct driver of another kind: two objects to a page, no use of page.lru, pages freed later.

It refuses to isolate a page with a pinned object; a page that was emptied while isolated it frees when
next asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN, EBUSY
from typing import Any

from attrs import define, field

from movable import GFP, VM, AddressSpace, Capabilities, DriverSpec, MigrateMode, Page, hookimpl
from movable.conformance.power import correct
from movable.flags import IsolateMode

SIZE = 2048


@define(eq=False)
class Record:
    """What the driver knows about one page."""

    page: Page
    slots: list[int | None] = field(factory=lambda: [None, None])
    isolated: bool = False
    pins: int = 0


@correct(one_cpu=True)
class Halves:
    """Objects of up to half a page; a handle is a number, its record and slot are looked up."""

    capabilities = Capabilities(pin=True, max_object=SIZE)

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.mapping = AddressSpace(vm, self, "halves")
        self.records: dict[int, Record] = {}
        self.objects: dict[int, tuple[Record, int, int]] = {}
        self.room: list[Record] = []
        self.later: list[Record] = []
        self.serial = 0

    def store(self, data: bytes) -> int | None:
        """Put an object into a page with room."""
        self._dispose()
        record = self._record_with_room()
        if record is None:
            return None
        slot = record.slots.index(None)
        self.serial += 1
        record.slots[slot] = self.serial
        if None not in record.slots:
            self.room.remove(record)
        record.page.data[slot * SIZE : slot * SIZE + len(data)] = data
        self.objects[self.serial] = record, slot, len(data)
        return self.serial

    def _record_with_room(self) -> Record | None:
        if self.room:
            return self.room[-1]
        page = self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        if page is None:
            return None
        record = self.records[page.pfn] = Record(page)
        page.lock()
        page.set_movable(self.mapping)
        page.unlock()
        self.room.append(record)
        return record

    def load(self, handle: int) -> bytes:
        """The object's bytes."""
        record, slot, length = self.objects[handle]
        return bytes(record.page.data[slot * SIZE : slot * SIZE + length])

    def drop(self, handle: int) -> bool:
        """Free the object's slot, and its page when that is empty and not isolated."""
        record, slot, _ = self.objects.pop(handle)
        record.slots[slot] = None
        if not record.isolated:
            self._relist(record)
        self._dispose()
        return True

    def _relist(self, record: Record) -> None:
        """Enter a record that is not isolated where its fill level belongs."""
        if record in self.room:
            self.room.remove(record)
        if record.slots == [None, None]:
            self.later.append(record)
        elif None in record.slots:
            self.room.append(record)

    def _dispose(self) -> None:
        """Free pages that are empty and not isolated."""
        waiting, self.later = self.later, []
        for record in waiting:
            if record.isolated:
                continue
            del self.records[record.page.pfn]
            self._free(record.page)

    def _free(self, page: Page) -> None:
        page.lock()
        page.clear_movable()
        page.unlock()
        page.put()

    def pages(self, handle: int) -> list[Page]:
        """The page that the object is in."""
        return [self.objects[handle][0].page]

    @contextmanager
    def pin(self, handle: int) -> Iterator[None]:
        """Have the page refused for isolation."""
        record = self.objects[handle][0]
        record.pins += 1
        try:
            yield
        finally:
            record.pins -= 1

    def check(self) -> None:
        """No full page is listed as having room."""
        for record in self.records.values():
            assert (record in self.room) <= (None in record.slots), "a full page is listed as having room"

    def close(self) -> None:
        """Release all pages and close the mapping."""
        for record in self.records.values():
            self._free(record.page)
        self.mapping.close()

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
        """Take the page's record out of allocation; refuse an empty page, which is going away."""
        record = self.records[page.pfn]
        if record.pins or record.slots == [None, None]:
            return False
        if record in self.room:
            self.room.remove(record)
        record.isolated = True
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """Move the page and its record; give up on an empty page, wait for one that was pinned since."""
        if self.records[oldpage.pfn].slots == [None, None]:
            return -EBUSY
        if self.records[oldpage.pfn].pins:
            return -EAGAIN
        mapping.replace_page(newpage, oldpage)
        record = self.records[newpage.pfn] = self.records.pop(oldpage.pfn)
        record.page = newpage
        self._settle(record)
        return 0

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """The record is in use again."""
        self._settle(self.records[page.pfn])

    def _settle(self, record: Record) -> None:
        """The isolation is over."""
        record.isolated = False
        self._relist(record)


SPEC = DriverSpec(
    "halves", Halves, lambda driver: driver, Halves.capabilities, summary="Two objects to a page."
)
