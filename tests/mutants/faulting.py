"""Mistakes that show only when something goes wrong around the driver."""

from errno import EBUSY, ENOMEM
from typing import Any

from movable import GFP, VM, AddressSpace, MigrateMode, Page
from movable.conformance.power import wrong
from mutants.batches import Batches, Bounces
from mutants.cells import Cells
from mutants.shelves import Shelf, Shelves


@wrong("FAULT-ALLOC-STORE", "FAULT-1")
class RecordsBeforeItAllocates(Cells):
    """It enters an object in its tables, then allocates the page, and leaves the entry if there is none."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.entered = 0

    def store(self, data: bytes) -> int | None:
        """Count the object, then store."""
        self.entered += 1
        return super().store(data)

    def drop(self, handle: int) -> bool:
        """Drop, and count down."""
        done = super().drop(handle)
        self.entered -= done
        return done

    def check(self) -> None:
        """As many objects as were entered."""
        super().check()
        assert self.entered == len(self.cells), f"{self.entered} entered, {len(self.cells)} there"


@wrong("FAULT-ALLOC-STORE", "FAULT-1")
class LeaksTheLabel(Cells):
    """Each object has a page for its label too, which is lost if there is no memory for the object."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.labels: dict[int, Page] = {}

    def store(self, data: bytes) -> int | None:
        """Allocate the label, then store."""
        label = self._allocate()
        if label is None:
            return None
        handle = super().store(data)
        if handle is not None:
            self.labels[handle] = label
        return handle

    def _release(self, page: Page) -> None:
        self.labels.pop(page.private).put()
        super()._release(page)


@wrong("FAULT-ALLOC-LOAD", "FAULT-3")
class ForgetsItsFirstPage(Bounces):
    """Without memory for its second page it does not load, and keeps the first."""

    def _own_pages(self, vm: VM) -> list[Page]:
        pages = [page for _ in range(2) if (page := vm.alloc_page(GFP.KERNEL)) is not None]
        if len(pages) < 2:
            raise MemoryError("no memory")
        return pages


@wrong("FAULT-ALLOC-LOAD", "FAULT-3")
class KeepsItsMapping(Cells):
    """It allocates when its mapping is open already, and does not close it if that fails."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        page = vm.alloc_page(GFP.KERNEL)
        if page is None:
            raise MemoryError("no memory")
        self.own = page

    def close(self) -> None:
        """Give its own page back too."""
        super().close()
        self.own.put()


@wrong("FAULT-ALLOC-LOAD", "FAULT-3")
class TakesMemoryForGranted(Bounces):
    """It uses its pages without a look whether it got them."""

    def _own_pages(self, vm: VM) -> list[Page]:
        pages: list[Any] = [vm.alloc_page(GFP.KERNEL), vm.alloc_page(GFP.KERNEL)]
        for number, page in enumerate(pages):
            page.private = number
        return pages


@wrong("FAULT-ALLOC-MIGRATE", "FAULT-2")
class UnlinksThenAllocates(Bounces):
    """It takes the object out of its table before it allocates, and does not put it back if that fails."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        handle = oldpage.private
        page = self.cells.pop(handle, None)
        if page is None:
            return -EBUSY
        record = self.vm.alloc_page(GFP.NOIO)
        if record is None:
            return -ENOMEM
        record.put()
        self.cells[handle] = page
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("FAULT-EAGAIN", "FAULT-5")
class MovesInLine(Cells):
    """It takes each page that moves for the next in the line of isolated ones, from one end or the other."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.line: list[int] = []

    def _isolate(self, page: Page) -> Any:
        self.line.append(page.private)
        return super()._isolate(page)

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        if answer != 0:
            self.line.append(self.line.pop(0))
        return answer

    def _redirect(self, handle: int, newpage: Page) -> None:
        super()._redirect(self.line.pop(-1 if self.line[-1] == handle else 0), newpage)

    def _put_back(self, page: Page) -> Any:
        self.line.remove(page.private)
        return super()._put_back(page)

    def _release(self, page: Page) -> None:
        if page.isolated:
            self.line.remove(page.private)
        super()._release(page)


@wrong("FAULT-EBUSY", "FAULT-6")
class LosesWhatComesBackAmongMoves(Batches):
    """A page that comes back between two moves of its batch is taken for one that has moved."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.between = 0

    def _keep(self, handle: int, page: Page) -> None:
        super()._keep(handle, page)
        self.between = handle if self.moved else 0

    def _redirect(self, handle: int, newpage: Page) -> None:
        if self.returned.pop(self.between, None) is not None:
            del self.cells[self.between]
        super()._redirect(handle, newpage)


@wrong("FAULT-ENOMEM", "FAULT-6")
class RestoresTheOldPage(Batches):
    """When a batch is over, what came back during it is entered again, though it has moved since."""

    def _unlist(self, page: Page) -> None:
        if page.private not in self.returned:
            self.idle.remove(page)

    def _over(self) -> None:
        for handle, page in self.returned.items():
            if handle in self.cells:
                self.cells[handle] = page
                if page.private == handle:
                    self.idle.add(page)
        self.returned.clear()
        self.moved = 0


@wrong("FAULT-TARGET", "FAULT-4")
class KeepsOneReturn(Batches):
    """Of a small batch, of which pages have moved, it remembers only one page that comes back."""

    def _keep(self, handle: int, page: Page) -> None:
        if self.moved and self.size < 10 and self.returned:
            del self.cells[self.returned.popitem()[0]]
        super()._keep(handle, page)


@wrong("FAULT-REFUSE", "FAULT-7")
class CountsInsteadOfMarking(Shelves):
    """It knows how many pages are isolated, and takes them for the first in memory."""

    def _shelf_with_room(self) -> Shelf | None:
        shelves = sorted(self.shelves.values(), key=lambda shelf: shelf.page.pfn)
        for shelf in shelves[self.away :]:
            if None in shelf.slots and not shelf.doomed:
                return shelf
        return None


@wrong("FAULT-INTERRUPT", "FAULT-8")
class DropsByNumberLater(Batches):
    """Between the moves of a batch it puts drops off, but gives the number of the object away at once."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.late: list[int] = []
        self.free_numbers: list[int] = []

    def store(self, data: bytes) -> int | None:
        """Store under a number that is free."""
        newest = self.serial
        if self.free_numbers:
            self.serial = self.free_numbers.pop() - 1
        handle = super().store(data)
        self.serial = max(newest, self.serial)
        return handle

    def drop(self, handle: int) -> bool:
        """Drop now, or when the batch is over."""
        if not self.moved:
            return super().drop(handle)
        self.late.append(handle)
        self.free_numbers.append(handle)
        return True

    def _over(self) -> None:
        super()._over()
        while self.late:
            self._release(self.cells.pop(self.late.pop()))


@wrong("FAULT-LOCKED", "FAULT-9")
class PassesLockedPagesBy(Cells):
    """It forgets a page without giving it up if somebody has it locked."""

    def _release(self, page: Page) -> None:
        if not page.trylock():
            return
        page.unlock()
        super()._release(page)


@wrong("FAULT-PINNED", "MIG-4", "migrate-old-ref")
class DropsForeignReferences(Cells):
    """It drops references on the old page until only the VM's is left."""

    def _give_up(self, oldpage: Page) -> None:
        while oldpage.refcount > 2:
            oldpage.put()
        super()._give_up(oldpage)


@wrong("FAULT-COMPACT", "FAULT-11")
class RemembersOneAmongMoves(Batches):
    """It has room for one page that came back while others still move; an older one is forgotten."""

    def _redirect(self, handle: int, newpage: Page) -> None:
        if len(self.returned) > 1:
            oldest = next(iter(self.returned))
            del self.returned[oldest], self.cells[oldest]
        super()._redirect(handle, newpage)
