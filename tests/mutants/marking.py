"""Mistakes at rest: loading, storing, marking, unloading."""

from typing import ClassVar

from movable import GFP, VM, AddressSpace, Capabilities, Page
from movable.conformance.power import wrong
from mutants.cells import Cells


@wrong("LOAD", "MARK-1")
class RaisesAtLoad(Cells):
    """Its constructor raises."""

    def __init__(self, vm: VM) -> None:
        raise OSError("no such device")


@wrong("LOAD", "MARK-1")
class HidesItsMapping(Cells):
    """It keeps its mapping where nobody finds it."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.mapping = None  # type: ignore[assignment]


@wrong("LOAD", "CAP-1")
class ClaimsPinWithoutPin:
    """It claims a capability that its workload has no call for."""

    capabilities = Capabilities(pin=True)

    def __init__(self, vm: VM) -> None:
        self.inner = Cells(vm)
        self.mapping = self.inner.mapping
        for name in ("store", "load", "drop", "pages", "check", "close"):
            setattr(self, name, getattr(self.inner, name))


@wrong("STORE", "MARK-2")
class NeverMarks(Cells):
    """It keeps objects in pages that it never marks."""

    def _mark(self, page: Page, handle: int) -> None:
        page.private = handle


@wrong("STORE", "CALL-4")
class StoreRaises(Cells):
    """It raises from store() when an object is odd."""

    def store(self, data: bytes) -> int | None:
        """Raise for odd lengths."""
        if len(data) % 2:
            raise ValueError("odd length")
        return super().store(data)


@wrong("STORE", "DATA-1")
class CutsObjects(Cells):
    """It stores one byte less than it was given."""

    def store(self, data: bytes) -> int | None:
        """Lose the last byte."""
        return super().store(data[:-1])


@wrong("MARK-REST", "MARK-3")
class KeepsTwoReferences(Cells):
    """It takes a second reference on each page it stores in."""

    def _mark(self, page: Page, handle: int) -> None:
        super()._mark(page, handle)
        page.get()

    def _release(self, page: Page) -> None:
        page.put()
        super()._release(page)


@wrong("MARK-REST", "MARK-3")
class LeavesPagesLocked(Cells):
    """It forgets an unlock after reading."""

    def load(self, handle: int) -> bytes:
        """Lock, and read."""
        self.cells[handle].trylock()
        return super().load(handle)


@wrong("MARK-REST", "MARK-3")
class IsolatesItsOwnPages(Cells):
    """It isolates a page itself to keep the VM off it, and forgets that."""

    def store(self, data: bytes) -> int | None:
        """Isolate the third object's page."""
        handle = super().store(data)
        if handle == 3:
            self.kept = self.vm.page_list("kept")
            self.kept.isolate(self.cells[handle])
        return handle


@wrong("MARK-BLOCKS", "MARK-5", advisory=True)
class AllocatesUnmovable(Cells):
    """It allocates movable pages among the unmovable ones."""

    def _allocate(self) -> Page | None:
        return self.vm.alloc_page(GFP.KERNEL)


@wrong("PAGES", "CAP-2")
class NamesNoPages(Cells):
    """Its workload never says where an object is."""

    def pages(self, handle: int) -> list[Page]:
        """None."""
        return []


@wrong("PAGES", "CAP-2")
class NamesForeignPages(Cells):
    """Its workload names a page that it does not own."""

    def pages(self, handle: int) -> list[Page]:
        """Some other page."""
        return [self.vm.page(self.cells[handle].pfn ^ 1024)]


@wrong("UNLOAD", "LIFE-1", "teardown-pages-left")
class ClosesOverItsPages(Cells):
    """It closes its mapping and leaves the pages where they are."""

    def close(self) -> None:
        """Unload in the way that this driver does."""
        self.mapping.close()


@wrong("UNLOAD", "LIFE-1", "teardown-pages-left")
class ClosesItsMappingFirst(Cells):
    """It closes its mapping and releases its pages afterwards."""

    def close(self) -> None:
        """Close, then release."""
        self.mapping.close()
        for handle in list(self.cells):
            self._release(self.cells.pop(handle))


@wrong("RELOAD", "LIFE-1")
class LeavesAMapping(Cells):
    """It opens a second mapping for statistics and forgets to close it."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.statistics = AddressSpace(vm, self, "statistics")


@wrong("UNLOAD", "LIFE-1")
class ForgetsAReferenceAtUnload(Cells):
    """At unload it gives pages up without dropping its reference."""

    def close(self) -> None:
        """Unload in the way that this driver does."""
        for page in self.cells.values():
            page.lock()
            page.clear_movable()
            page.unlock()
        self.mapping.close()


@wrong("UNLOAD", "CALL-4")
class RaisesAtUnload(Cells):
    """It raises from close() after its work is done."""

    def close(self) -> None:
        """Unload in the way that this driver does."""
        super().close()
        raise RuntimeError("still busy")


@wrong("UNLOAD-MOVED", "LIFE-1", "list-corrupt")
class UnloadsWhatItStored(Cells):
    """At unload it releases the pages it once stored in, not those its objects moved to."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.first: dict[int, Page] = {}

    def store(self, data: bytes) -> int | None:
        """Remember where the object is now."""
        handle = super().store(data)
        if handle is not None:
            self.first[handle] = self.cells[handle]
        return handle

    def close(self) -> None:
        """Unload in the way that this driver does."""
        self.cells = {handle: self.first[handle] for handle in self.cells}
        super().close()


@wrong("RELOAD", "LIFE-2")
class LoadsOnce(Cells):
    """It refuses to load again on a machine it was on."""

    machines: ClassVar[list[VM]] = []

    def __init__(self, vm: VM) -> None:
        if any(one is vm for one in self.machines):
            raise RuntimeError("the device is taken")
        super().__init__(vm)
        self.machines.append(vm)


@wrong("TWO-MACHINES", "LIFE-3")
class SharesItsTable(Cells):
    """Its table of objects belongs to the class."""

    table: ClassVar[dict[int, Page]] = {}

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.cells = self.table

    def close(self) -> None:
        """Unload in the way that this driver does."""
        mine = [handle for handle, page in self.cells.items() if page.mapping is self.mapping]
        for handle in mine:
            self._release(self.cells.pop(handle))
        self.mapping.close()


@wrong("ACC-MANAGED", "ACC-4")
class KeepsManagedPages(Cells):
    """It takes pages out of the managed count and never puts them back."""

    def _mark(self, page: Page, handle: int) -> None:
        super()._mark(page, handle)
        self.vm.adjust_managed_page_count(page, -1)
