"""Mistakes that show in the company of others: pages of processes and files, empty nodes, targets on several nodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN
from typing import Any

from movable import GFP, VM, AddressSpace, MigrateMode, Page, PageFlag
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.placing import Table


@wrong("LRU-BESIDE", "LRU-1")
class BorrowsAFrame(Cells):
    """It takes the frame beside the new page for a free one, unless that is marked, and copies through it."""

    def _copy(self, newpage: Page, oldpage: Page) -> None:
        super()._copy(newpage, oldpage)
        if not self.vm.has_page(newpage.pfn ^ 1):
            return
        beside = self.vm.page(newpage.pfn ^ 1)
        if beside.refcount == 1 and not beside.has_movable_tag and not beside.on_list:
            beside.data[:64] = newpage.data[:64]


@wrong("LRU-FLAGS", "LRU-2")
class CountsAsAnonymous(Cells):
    """It says of its pages that swap space is behind them."""

    def _mark(self, page: Page, handle: int) -> None:
        page.set_flag(PageFlag.SWAPBACKED)
        super()._mark(page, handle)

    def _take(self, newpage: Page, mapping: AddressSpace) -> None:
        newpage.set_flag(PageFlag.SWAPBACKED)
        super()._take(newpage, mapping)

    def _give_up(self, oldpage: Page) -> None:
        oldpage.clear_flag(PageFlag.SWAPBACKED)
        super()._give_up(oldpage)

    def _release(self, page: Page) -> None:
        page.clear_flag(PageFlag.SWAPBACKED)
        super()._release(page)


@wrong("LRU-FLAGS", "LRU-2")
class PinsByWriteback(Cells):
    """It holds a pinned page where it is by PG_writeback, for which migration waits."""

    @contextmanager
    def pin(self, handle: int) -> Iterator[None]:
        """The flag is set meanwhile."""
        page = self.cells[handle]
        page.set_flag(PageFlag.WRITEBACK)
        try:
            with super().pin(handle):
                yield
        finally:
            page.clear_flag(PageFlag.WRITEBACK)


@wrong("LRU-MIXED", "LRU-3")
class WaitsForAll(Table):
    """It moves nothing while more pages are isolated than it has let go: it takes them all for its own."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        counters = self.vm.vmstat()
        if counters["nr_isolated_file"] + counters["nr_isolated_anon"] > len(self.away):
            return -EAGAIN
        return super()._migrate(mapping, newpage, oldpage, mode)

    def _release(self, page: Page) -> None:
        # Counted until whoever isolated it is done with it.
        away = page in self.away
        super()._release(page)
        if away:
            self.away.add(page)


@wrong("LRU-RECLAIM", "LRU-4", advisory=True)
class NeverReclaims(Cells):
    """It allocates as if its callers could not sleep."""

    def _allocate(self) -> Page | None:
        return self.vm.alloc_page(GFP.HIGHMEM | GFP.MOVABLE | GFP.KSWAPD_RECLAIM | GFP.NOWARN)


@wrong("NUMA-EMPTY", "NUMA-1")
class DividesByMemory(Cells):
    """It has an object take a share of its node's memory."""

    def store(self, data: bytes) -> int | None:
        """Not more than a node's memory holds, by its share."""
        nid = self.vm.nodes[self.vm.cpu % len(self.vm.nodes)].nid
        managed = sum(zone.managed for zone in self.vm.zones if zone.nid == nid)
        if len(self.cells) / managed > 1:
            return None
        return super().store(data)


@wrong("NUMA-SPREAD", "NUMA-2", "list-corrupt")
class TrustsTheFirstTarget(Cells):
    """It has a list for each node, and takes all targets of a batch to be of the first one's node."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.lists = [vm.page_list(f"node {node.nid}") for node in vm.nodes]
        self.nid: int | None = None

    def _allocate(self) -> Page | None:
        page = super()._allocate()
        if page is not None:
            self.idle = self.lists[page.nid]
        return page

    def _isolate(self, page: Page) -> Any:
        self.nid = None
        self.lists[page.nid].remove(page)
        return True

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        if self.nid is None:
            self.nid = newpage.nid
        self.idle = self.lists[self.nid]
        return super()._migrate(mapping, newpage, oldpage, mode)

    def _put_back(self, page: Page) -> Any:
        self.lists[page.nid].add(page)

    def _release(self, page: Page) -> None:
        self.idle = self.lists[page.nid]
        super()._release(page)
