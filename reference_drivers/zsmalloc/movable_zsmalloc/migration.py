"""The three callbacks of zsmalloc (spec/drivers.md 2), with later versions' mends of its races.

Locks, outermost first: page locks, handle pin, zspage lock, class lock. What is taken against that order is
only tried: pins while the class lock is held.
"""

import errno

from movable import PAGE_SIZE, AddressSpace, IsolateMode, MigrateMode, Page, WaitQueue, ZoneItem, hookimpl
from movable_zsmalloc.classes import ClassShape
from movable_zsmalloc.encoding import OBJ_ALLOCATED_TAG, OBJ_INDEX_MASK, WORD_SHIFT, WORDS_SHIFT
from movable_zsmalloc.store import PFN_SHIFT, ZspageStore, chain_flags
from movable_zsmalloc.zspage import Fullness, Zspage

__all__ = ["ZsMigration"]

_WORDS = PAGE_SIZE >> 3
_KEPT = OBJ_INDEX_MASK << 1 | 1
"""What migration keeps of an object's word: the slot's number and the pin."""


class ZsMigration:
    """Moves the pages of one pool. ``isolated_zspages`` is how many zspages the VM holds pages of."""

    def __init__(self, store: ZspageStore, name: str) -> None:
        self.store = store
        self.vm = store.vm
        self.isolated_zspages = 0
        self.drained = WaitQueue(store.vm, f"{name} migration wait")
        self.mapping = AddressSpace(store.vm, self, name)

    def wait_for_isolated(self) -> bool:
        """Wait until the VM holds no page of the pool; False if nothing that can run would let go of them."""
        return self.drained.wait_event_timeout(lambda: self.isolated_zspages == 0)

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Let a page go: nothing is allocated from its zspage then. spec/drivers.md 2.3.

        Refused: a zspage without objects, and one that `zs_compact` has taken. Page locked.
        """
        zspage = self.store.get_zspage(page)
        size_class = zspage.size_class
        with size_class.lock:
            if not zspage.inuse or not (zspage.listed or zspage.isolated):
                return False
            if not zspage.isolated:
                size_class.remove_zspage(zspage)
                self.isolated_zspages += 1
            zspage.isolated += 1
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Copy a page and point the handles of the objects that start in it at the new one; both locked.

        -EAGAIN, with nothing changed, while an object of the zspage is mapped (the kernel spins there) or
        one of the page is pinned; -EBUSY if the zspage has no objects any more. spec/drivers.md 2.4
        """
        zspage = self.store.get_zspage(oldpage)
        if not zspage.lock.write_trylock():
            return -errno.EAGAIN
        try:
            with zspage.size_class.lock:
                return self._move(zspage, newpage, oldpage)
        finally:
            zspage.lock.write_release()

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Take a page back; page locked, so a zspage that is empty by now is freed later.

        spec/drivers.md 2.7
        """
        zspage = self.store.get_zspage(page)
        with zspage.size_class.lock:
            self._let_go(zspage)

    def _move(self, zspage: Zspage, newpage: Page, oldpage: Page) -> int:
        """Zspage lock held for writing, class lock held."""
        if not zspage.inuse:
            return -errno.EBUSY
        shape = zspage.size_class.shape
        pinned = self._pin_objects(oldpage, shape)
        if pinned is None:
            return -errno.EAGAIN
        words, place = self.store.words, newpage.pfn << PFN_SHIFT
        self._replace_sub_page(zspage, newpage, oldpage)
        for word in pinned:
            words[word] = place | words[word] & _KEPT
        self._let_go(zspage)
        for word in pinned:
            self.store.handles.pins.release(word)
        return 0

    def _pin_objects(self, page: Page, shape: ClassShape) -> list[int] | None:
        """Pin the objects that start in a page, all or none; the words of their handles."""
        if shape.huge:
            headers = [page.index]
        else:
            start = page.pfn << WORDS_SHIFT
            first = start + (page.units >> 3)
            headers = self.store.words[first : start + _WORDS : shape.size >> 3].tolist()
        pins = self.store.handles.pins
        pinned: list[int] = []
        for header in headers:
            if header & OBJ_ALLOCATED_TAG:
                word = header >> WORD_SHIFT
                if not pins.trylock(word):
                    for each in pinned:
                        pins.release(each)
                    return None
                pinned.append(word)
        return pinned

    def _replace_sub_page(self, zspage: Zspage, newpage: Page, oldpage: Page) -> None:
        """Put the new page into the chain where the old one was, and clear the old one.

        spec/drivers.md 2.5, 2.6
        """
        shape = zspage.size_class.shape
        if newpage.zone_id != oldpage.zone_id:
            self.vm.mod_zone_page_state(oldpage, ZoneItem.NR_ZSPAGES, -1)
            self.vm.mod_zone_page_state(newpage, ZoneItem.NR_ZSPAGES, 1)
        old_pfn, new_pfn = oldpage.pfn, newpage.pfn
        first = zspage.first_pfn == old_pfn
        if first:
            zspage.first_pfn = new_pfn
        else:
            self._page_before(zspage, old_pfn).index = new_pfn + 1
        last = shape.huge or not oldpage.index
        # Contents, zspage, first offset, link or huge header, movable mark and references, in one step.
        self.mapping.replace_page(newpage, oldpage)
        if shape.huge or not last:  # else it is 0 already
            oldpage.index = 0
        if first or last:
            flags = chain_flags(shape, first=first, last=last)
            newpage.set_flag(flags)
            oldpage.clear_flag(flags)

    def _page_before(self, zspage: Zspage, pfn: int) -> Page:
        before = self.vm.page(zspage.first_pfn)
        while (link := before.index) != pfn + 1:
            before = self.vm.page(link - 1)
        return before

    def _let_go(self, zspage: Zspage) -> None:
        """One page less is isolated; class lock held. The last one puts the zspage back on a list."""
        zspage.isolated -= 1
        if zspage.isolated:
            return
        if zspage.size_class.insert_zspage(zspage) is Fullness.EMPTY:
            self.store.queue_free_work()
        self.isolated_zspages -= 1
        if not self.isolated_zspages:
            self.drained.wake_up()
