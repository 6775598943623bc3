"""A correct driver for several CPUs whose objects lie over a chain of pages, released together by queued work.

``page.index`` links a page to the next one of its chain (frame number plus 1, 0 at the end), ``page.private`` names the
chain. Locks, outermost first: page locks, then ``lock``, a spinlock over chains and tables. The work that
releases a chain holds the locks of all its pages, isolated ones too; it tries them, since ``lock`` is held.
"""

from itertools import pairwise
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

PART = 1366
LENGTH = 3


@define(eq=False)
class Chain:
    """An object: its first page, how long it is, and whether it was dropped."""

    first: Page
    length: int
    dead: bool = False


@correct()
class Chains:
    """Objects of up to 4096 bytes, each in a chain of three pages."""

    capabilities = Capabilities(spanning=True)

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = SpinLock(vm, "chains")
        self.drained = WaitQueue(vm, "chains drained")
        self.work = WorkQueue(vm, "chains release")
        self.chains: dict[int, Chain] = {}
        self.away = 0
        self.serial = 0
        self.closing = False
        self.mapping = AddressSpace(vm, self, "chains")

    # What users ask

    def store(self, data: bytes) -> int | None:
        """Put an object into three pages."""
        pages = [
            page for _ in range(LENGTH) if (page := self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)) is not None
        ]
        if len(pages) < LENGTH:
            for page in pages:
                page.put()
            return None
        for part, page in enumerate(pages):
            piece = data[part * PART : (part + 1) * PART]
            page.data[: len(piece)] = piece
            page.lock()
        with self.lock:
            self.serial += 1
            handle = self.serial
            self.chains[handle] = Chain(pages[0], len(data))
            self._link(pages)
            for page in pages:
                page.private = handle
                page.set_movable(self.mapping)
        for page in pages:
            page.unlock()
        return handle

    def _link(self, pages: list[Page]) -> None:
        """Join pages to a chain; lock held."""
        for page, following in pairwise(pages):
            page.index = following.pfn + 1
        pages[-1].index = 0

    def _walk(self, chain: Chain) -> list[Page]:
        """The pages of a chain; lock held."""
        pages = [chain.first]
        while pages[-1].index:
            pages.append(self.vm.page(pages[-1].index - 1))
        return pages

    def load(self, handle: int) -> bytes:
        """The object's bytes, put together."""
        with self.lock:
            chain = self.chains[handle]
            return b"".join(bytes(page.data[:PART]) for page in self._walk(chain))[: chain.length]

    def drop(self, handle: int) -> bool:
        """Have the chain released by the worker, isolated or not."""
        with self.lock:
            self.chains[handle].dead = True
        self.work.queue(self._release_dead)
        return True

    def pages(self, handle: int) -> list[Page]:
        """The pages of the object's chain."""
        with self.lock:
            return self._walk(self.chains[handle])

    def check(self) -> None:
        """Every page of a chain knows it."""
        with self.lock:
            for handle, chain in self.chains.items():
                owners = [page.private for page in self._walk(chain)]
                assert owners == [handle] * LENGTH, f"chain {handle} has pages of {owners}"

    def close(self) -> None:
        """Wait until nothing is isolated, release all chains, close the mapping."""
        with self.lock:
            self.closing = True
        self.drained.wait_event(lambda: self.away == 0)
        with self.lock:
            for chain in self.chains.values():
                chain.dead = True
        self.work.queue(self._release_dead)
        self.work.flush()
        self.work.destroy()
        self.mapping.close()

    # The worker

    def _release_dead(self) -> None:
        with self.lock:
            dead = [handle for handle, chain in self.chains.items() if chain.dead]
        for handle in dead:
            self._release(handle, self._lock_pages(self.chains[handle]))

    def _lock_pages(self, chain: Chain) -> list[Page]:
        """Lock all pages of a chain; none can move then."""
        while True:
            busy = None
            with self.lock:
                locked: list[Page] = []
                for page in self._walk(chain):
                    if not page.trylock():
                        busy = page
                        break
                    locked.append(page)
            if busy is None:
                return locked
            for page in locked:
                page.unlock()
            self._wait_for(busy)

    def _wait_for(self, page: Page) -> None:
        """Wait until a page is unlocked, moved or not: taking its lock needs a reference."""
        with self.lock:
            if not page.refcount:
                return
            page.get()
        page.lock()
        page.unlock()
        page.put()

    def _release(self, handle: int, pages: list[Page]) -> None:
        with self.lock:
            del self.chains[handle]
            self._end(sum(page.isolated for page in pages))
        for page in pages:
            page.clear_movable()
            page.private = page.index = 0
            page.unlock()
            page.put()

    def _end(self, count: int) -> None:
        """So many pages are not isolated any more; lock held."""
        self.away -= count
        if count and not self.away and self.closing:
            self.drained.wake_up()

    # What the VM asks

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
        """Let a page of a living chain go."""
        with self.lock:
            if self.chains[page.private].dead or self.closing:
                return False
            self.away += 1
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """Put the new page into the chain where the old one was."""
        with self.lock:
            chain = self.chains[oldpage.private]
            pages = [newpage if page is oldpage else page for page in self._walk(chain)]
            mapping.replace_page(newpage, oldpage)
            oldpage.index = 0
            self._link(pages)
            chain.first = pages[0]
            self._end(1)
        return 0

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """The page is in its chain as before."""
        with self.lock:
            self._end(1)
