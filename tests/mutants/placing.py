"""Mistakes that show only where pages are in other places: zones, nodes, edges, ranges that must be empty."""

from collections import Counter
from errno import EAGAIN, EINVAL
from typing import Any

from movable import GFP, VM, AddressSpace, MigrateMode, Page
from movable.conformance.power import wrong
from mutants.cells import Cells

BLOCK = 512
FEW = 64


@wrong("PLACE-ZONES", "PLACE-1")
class StaysInItsZone(Cells):
    """It moves no page to another zone."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        if newpage.zone_id != oldpage.zone_id:
            return -EINVAL
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("PLACE-NODES", "PLACE-2", "list-corrupt")
class ListsByNode(Cells):
    """It has a list for each node, and goes on using the one of the node where a page was allocated."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.lists = [vm.page_list(f"node {node.nid}") for node in vm.nodes]

    def _allocate(self) -> Page | None:
        page = super()._allocate()
        if page is not None:
            self.idle = self.lists[page.nid]
        return page

    def _isolate(self, page: Page) -> Any:
        self.lists[page.nid].remove(page)
        return True

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        self.idle = self.lists[oldpage.nid]
        return super()._migrate(mapping, newpage, oldpage, mode)

    def _put_back(self, page: Page) -> Any:
        self.lists[page.nid].add(page)

    def _release(self, page: Page) -> None:
        self.idle = self.lists[page.nid]
        super()._release(page)


@wrong("PLACE-STORES", "PLACE-3", advisory=True)
class AllocatesOnNodeZero(Cells):
    """It asks for pages of node 0, whatever CPU it runs on."""

    def _allocate(self) -> Page | None:
        return self.vm.alloc_page(GFP.HIGHUSER_MOVABLE, node=0)


@wrong("PLACE-STORES", "PLACE-3", advisory=True)
class StaysAtHome(Cells):
    """It takes pages of its CPU's node and of no other, and is full when that is."""

    def _allocate(self) -> Page | None:
        return self.vm.alloc_page(GFP.HIGHUSER_MOVABLE | GFP.THISNODE)


@wrong("PLACE-FAR", "PLACE-4")
class ShortFrameNumbers(Cells):
    """It finds an object by the low 20 bits of its page's frame number."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.frames: dict[int, int] = {}

    def _mark(self, page: Page, handle: int) -> None:
        super()._mark(page, handle)
        self.frames[handle] = page.pfn % (1 << 20)

    def _redirect(self, handle: int, newpage: Page) -> None:
        super()._redirect(handle, newpage)
        self.frames[handle] = newpage.pfn % (1 << 20)

    def load(self, handle: int) -> bytes:
        """The bytes of the page with this frame number."""
        page = self.vm.page(self.frames[handle])
        return bytes(page.data[: self.cells[handle].index])


@wrong("PLACE-EDGES", "PLACE-5")
class SkipsTheLastFrame(Cells):
    """It takes the last frame of a pageblock for the next one's."""

    def _isolate(self, page: Page) -> Any:
        if page.pfn % BLOCK == BLOCK - 1:
            return False
        return super()._isolate(page)


@wrong("PLACE-EDGES", "PLACE-5")
class DreadsTheLastFrame(Cells):
    """It moves nothing to the last frame of a pageblock, for fear of what comes behind it."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        if newpage.pfn % BLOCK == BLOCK - 1:
            return -EINVAL
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("PLACE-CONTIG", "PLACE-6")
class PinsItsDirectory(Cells):
    """It keeps a directory in a page allocated as movable, and never marks that."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.directory = vm.alloc_page(GFP.HIGHUSER_MOVABLE)

    def close(self) -> None:
        """Release the directory too."""
        super().close()
        if self.directory is not None:
            self.directory.put()


@wrong("PLACE-PINNED", "PLACE-7")
class GivesUpForGood(Cells):
    """An object that could not be moved 45 times it never lets go again."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.tries: Counter[int] = Counter()

    def _isolate(self, page: Page) -> Any:
        if self.tries[page.private] >= 45:
            return False
        return super()._isolate(page)

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        handle = oldpage.private
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        if answer == -EAGAIN:
            self.tries[handle] += 1
        return answer


class Table(Cells):
    """A correct driver that knows which of its pages are isolated."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.away: set[Page] = set()

    def _isolate(self, page: Page) -> Any:
        self.away.add(page)
        return super()._isolate(page)

    def _give_up(self, oldpage: Page) -> None:
        self.away.discard(oldpage)
        super()._give_up(oldpage)

    def _release(self, page: Page) -> None:
        self.away.discard(page)
        super()._release(page)

    def _put_back(self, page: Page) -> Any:
        self.away.discard(page)
        super()._put_back(page)


@wrong("PLACE-OFFLINE", "PLACE-8")
class SmallTable(Table):
    """It has room for 64 isolated pages, and lets no more go."""

    def _isolate(self, page: Page) -> Any:
        if len(self.away) >= FEW:
            return False
        return super()._isolate(page)


@wrong("PLACE-ROLLBACK", "PLACE-9", "list-corrupt")
class ForgetsTheRest(Table):
    """It has room for 64 isolated pages, and does not put back what it has not written down."""

    def _isolate(self, page: Page) -> Any:
        room = len(self.away) < FEW
        answer = super()._isolate(page)
        if not room:
            self.away.remove(page)
        return answer

    def _put_back(self, page: Page) -> Any:
        if page in self.away:
            super()._put_back(page)
