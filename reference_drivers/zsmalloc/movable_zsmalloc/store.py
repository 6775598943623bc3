"""The zspages of a pool: their pages, their slots, and how they come and go (spec/drivers.md 1.4-1.7, 1.13)."""

import logging
from array import array
from functools import cache

from movable import GFP, PAGE_SIZE, VM, AddressSpace, Page, PageFlag, WorkQueue, ZoneItem
from movable_zsmalloc.classes import ClassShape, class_shapes
from movable_zsmalloc.encoding import (
    FREE_LIST_END,
    OBJ_ALLOCATED_TAG,
    OBJ_INDEX_BITS,
    OBJ_INDEX_MASK,
    OFFSET_MASK,
    WORDS_SHIFT,
)
from movable_zsmalloc.handles import HandleCache
from movable_zsmalloc.zspage import Fullness, SizeClass, Zspage

__all__ = ["FREEOBJ_NONE", "PFN_SHIFT", "ZspageStore", "chain_flags"]

FREEOBJ_NONE = 0xFFFF_FFFF
"""The end mark of a free list as ``freeobj``, a 32-bit number, holds it."""
PFN_SHIFT = OBJ_INDEX_BITS + 1

_log = logging.getLogger(__name__)


class ZspageStore:
    """What a pool's operations share: classes, zspages, handles, and the work that frees.

    ``classes`` has the class of each index, ``pages_allocated`` is the pool's size in pages.
    """

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self.handles = HandleCache(vm, name)
        self.words = self.handles.words
        shapes = class_shapes()
        distinct = {shape: SizeClass(vm, name, shape) for shape in dict.fromkeys(shapes)}
        self.classes = tuple(distinct[shape] for shape in shapes)
        self.size_classes = tuple(distinct.values())
        self.zspages: dict[int, Zspage] = {}
        self.pages_allocated = 0
        self.free_work = WorkQueue(vm, f"{name} free work")
        self._serial = 0

    # -- chains of pages ---------------------------------------------------------------------------

    def get_zspage(self, page: Page) -> Zspage:
        """The zspage that a page is part of. A page without one is rule ``driver-bug``."""
        zspage = self.zspages.get(page.private)
        if zspage is None:
            self.vm.raise_violation(
                "driver-bug", expected="a page of a zspage", seen=f"private {page.private}", page=page
            )
        return zspage

    def get_next_page(self, page: Page, shape: ClassShape) -> Page | None:
        """The page after this one. The one of a huge object has none: its link is the object's header."""
        link = 0 if shape.huge else page.index
        return self.vm.page(link - 1) if link else None

    def chain(self, zspage: Zspage) -> list[Page]:
        """The pages of a zspage in order."""
        shape = zspage.size_class.shape
        pages = [self.vm.page(zspage.first_pfn)]
        while (page := self.get_next_page(pages[-1], shape)) is not None:
            pages.append(page)
        return pages

    def create_page_chain(self, zspage: Zspage, pages: list[Page]) -> None:
        """Link pages to a zspage; a link is a pfn + 1, so that frame 0 is not the end. spec/drivers.md 2.5."""
        zspage.first_pfn = pages[0].pfn
        for page, following in zip(pages, [*pages[1:], None], strict=True):
            page.private = zspage.id
            page.index = 0 if following is None else following.pfn + 1
            first, last = page is pages[0], following is None
            if first or last:
                page.set_flag(chain_flags(zspage.size_class.shape, first=first, last=last))

    def reset_page(self, page: Page) -> None:
        """Take back everything that a zspage wrote into a page; page locked. spec/drivers.md 2.6."""
        if page.movable:
            page.clear_movable()
        page.clear_flag(_CHAIN_FLAGS)
        page.private = 0
        page.units = -1
        page.index = 0

    # -- zspages -----------------------------------------------------------------------------------

    def alloc_zspage(self, size_class: SizeClass, gfp: GFP) -> Zspage | None:
        """A zspage with all slots free, in no list and not movable yet; None if memory is short.

        Takes no lock; may compact. spec/drivers.md 1.7, 1.9
        """
        pages: list[Page] = []
        for _ in range(size_class.shape.pages_per_zspage):
            page = self.vm.alloc_page(gfp)
            if page is None:
                for each in pages:
                    self._release(each)
                return None
            self.vm.mod_zone_page_state(page, ZoneItem.NR_ZSPAGES, 1)
            pages.append(page)
        self._serial += 1
        zspage = Zspage(self.vm, self._serial, size_class)
        self.create_page_chain(zspage, pages)
        self._init_zspage(zspage, pages)
        return zspage

    def _init_zspage(self, zspage: Zspage, pages: list[Page]) -> None:
        step = zspage.size_class.shape.size >> 3
        for page, (offset, links) in zip(pages, _layout(zspage.size_class.shape), strict=True):
            page.units = offset
            start = page.pfn << WORDS_SHIFT
            self.words[start + (offset >> 3) : start + (PAGE_SIZE >> 3) : step] = links

    def add_zspage(self, zspage: Zspage) -> None:
        """Count a new zspage in. Class lock held."""
        self.zspages[zspage.id] = zspage
        shape = zspage.size_class.shape
        self.pages_allocated += shape.pages_per_zspage
        zspage.size_class.obj_allocated += shape.objs_per_zspage

    def set_zspage_movable(self, zspage: Zspage, mapping: AddressSpace) -> None:
        """From here on the VM sees the pages. Class lock held, hence by try. spec/drivers.md 2.2."""
        for page in self.chain(zspage):
            if not page.trylock():
                _log.warning("%s: new page %r is locked by somebody; it stays unmovable", self.name, page)
                continue
            page.set_movable(mapping)
            page.unlock()

    def free_zspage(self, zspage: Zspage) -> None:
        """Free an empty zspage from its list, or leave that to the work if a page of it is locked.

        Class lock held; page locks come before it, hence by try. spec/drivers.md 1.10 (6).
        """
        pages = self.chain(zspage)
        for number, page in enumerate(pages):
            if not page.trylock():
                for locked in pages[:number]:
                    locked.unlock()
                self.queue_free_work()
                return
        zspage.size_class.remove_zspage(zspage)
        self._free_zspage(zspage, pages)

    def queue_free_work(self) -> None:
        """Have the empty zspages freed later, where page locks can be waited for."""
        self.free_work.queue(self.async_free_zspage)

    def async_free_zspage(self) -> None:
        """The work item: free what is on the EMPTY lists. spec/drivers.md 1.13."""
        for size_class in self.size_classes:
            with size_class.lock:
                empty = list(size_class.groups[Fullness.EMPTY])
                for zspage in empty:
                    size_class.remove_zspage(zspage)
            for zspage in empty:
                pages = self.chain(zspage)
                for page in pages:
                    page.lock()
                with size_class.lock:
                    self._free_zspage(zspage, pages)

    def _free_zspage(self, zspage: Zspage, pages: list[Page]) -> None:
        """Class lock and all page locks held; the page locks are released."""
        for page in pages:
            self.reset_page(page)
            page.unlock()
            self._release(page)
        del self.zspages[zspage.id]
        shape = zspage.size_class.shape
        self.pages_allocated -= shape.pages_per_zspage
        zspage.size_class.obj_allocated -= shape.objs_per_zspage

    def _release(self, page: Page) -> None:
        self.vm.mod_zone_page_state(page, ZoneItem.NR_ZSPAGES, -1)
        page.put()

    # -- slots -------------------------------------------------------------------------------------

    def slot_page(self, zspage: Zspage, index: int) -> Page:
        """The page in which a slot starts."""
        shape = zspage.size_class.shape
        page = self.vm.page(zspage.first_pfn)
        for _ in range(index * shape.size // PAGE_SIZE):
            page = self.vm.page(page.index - 1)
        return page

    def obj_malloc(self, zspage: Zspage, handle: int) -> int:
        """Take the first free slot for a handle; the word that says where it is. Class lock held."""
        size_class = zspage.size_class
        index = zspage.freeobj
        page = self.slot_page(zspage, index)
        word = (page.pfn << WORDS_SHIFT) + ((index * size_class.shape.size & OFFSET_MASK) >> 3)
        zspage.freeobj = self.words[word] >> 1 & FREEOBJ_NONE
        if size_class.shape.huge:
            page.index = handle | OBJ_ALLOCATED_TAG
        else:
            self.words[word] = handle | OBJ_ALLOCATED_TAG
        zspage.inuse += 1
        size_class.obj_used += 1
        return page.pfn << PFN_SHIFT | index << 1

    def obj_free(self, zspage: Zspage, obj: int) -> None:
        """Put a slot first on the free list; what else it holds stays. Class lock held.

        A huge object's header stays behind, in ``page.index``: do not look at it while nothing is in use.
        """
        size_class = zspage.size_class
        index = obj >> 1 & OBJ_INDEX_MASK
        offset = index * size_class.shape.size & OFFSET_MASK
        self.words[(obj >> PFN_SHIFT << WORDS_SHIFT) + (offset >> 3)] = zspage.freeobj << 1
        zspage.freeobj = index
        zspage.inuse -= 1
        size_class.obj_used -= 1


_CHAIN_FLAGS = PageFlag.PRIVATE | PageFlag.PRIVATE_2 | PageFlag.OWNER_PRIV_1


@cache
def chain_flags(shape: ClassShape, *, first: bool, last: bool) -> PageFlag:
    """The flags of a page of a zspage by its place: first, last, and the one of a huge object."""
    flags = PageFlag(0)
    if first:
        flags |= PageFlag.PRIVATE
    if last:
        flags |= PageFlag.PRIVATE_2
    return flags | PageFlag.OWNER_PRIV_1 if shape.huge else flags


@cache
def _layout(shape: ClassShape) -> tuple[tuple[int, memoryview], ...]:
    """Of each page of a new zspage: where its first slot starts, and the free-list words of its slots."""
    layout = []
    index = offset = 0
    for number in range(shape.pages_per_zspage):
        starts = range(offset, PAGE_SIZE, shape.size)
        links = [(index + position + 1) << 1 for position in range(len(starts))]
        if number == shape.pages_per_zspage - 1:
            links[-1] = FREE_LIST_END
        layout.append((offset, memoryview(array("Q", links))))
        index += len(starts)
        offset = starts[-1] + shape.size - PAGE_SIZE
    return tuple(layout)
