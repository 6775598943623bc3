"""The LRU of a machine: lists per node, and the vectors in front of them."""

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.flags import LruList, member
from movable.machine import Machine
from movable.page import Page


class Lru:
    """What the kernel's LRU functions do, as ``vm.lru``. spec/migration.md 7."""

    def __init__(self, machine: Machine, nodes: int) -> None:
        self._machine = machine
        self._nodes = nodes

    def pages(self, nid: int, lru: LruList) -> tuple[Page, ...]:
        """The pages of a node's list, head first: reclaim takes from the tail."""
        if not 0 <= nid < self._nodes:
            raise MovableError(f"nid: this machine has nodes 0 to {self._nodes - 1}, not {nid}")
        machine, lru = self._machine, member(LruList, lru, "lru")
        count = machine.check(lib.mv_lru_pages(machine.c, nid, lru, ffi.NULL, 0))
        pfns = ffi.new("unsigned long[]", count)
        lib.mv_lru_pages(machine.c, nid, lru, pfns, count)
        return tuple(machine.page(int(pfn)) for pfn in pfns)

    def isolate(self, page: Page) -> int:
        """Take a page off its list, with a reference (``isolate_lru_page``): 0, or -EBUSY if it is on none.

        The page is on no list and not counted: ``PageList.isolate`` does that too.
        """
        return self._machine.check(lib.mv_isolate_lru_page(self._machine.c, self._machine.own(page)))

    def putback(self, page: Page) -> None:
        """Give an isolated page back and drop the isolation reference (``putback_lru_page``)."""
        self._machine.check(lib.mv_putback_lru_page(self._machine.c, self._machine.own(page)))

    def drain(self) -> None:
        """Move the pages in this CPU's vector to their lists (``lru_add_drain``)."""
        self._machine.check(lib.mv_lru_add_drain(self._machine.c))

    def mark_accessed(self, page: Page) -> None:
        """Note a use of the page: referenced, active the second time (``mark_page_accessed``)."""
        self._machine.check(lib.mv_mark_page_accessed(self._machine.c, self._machine.own(page)))
