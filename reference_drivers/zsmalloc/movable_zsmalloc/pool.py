"""The pool: the allocator's interface for those who store objects (spec/drivers.md 1.9-1.13)."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from movable import GFP, PAGE_SIZE, VM, Page
from movable_zsmalloc.classes import (
    ZS_HANDLE_SIZE,
    ZS_MAX_ALLOC_SIZE,
    get_size_class_index,
    zs_huge_class_size,
)
from movable_zsmalloc.compaction import compact_class
from movable_zsmalloc.encoding import OBJ_INDEX_MASK, OFFSET_MASK, PAGE_SHIFT, WORD_SHIFT
from movable_zsmalloc.errors import ZsError, integer
from movable_zsmalloc.migration import ZsMigration
from movable_zsmalloc.stats import classes_text
from movable_zsmalloc.store import PFN_SHIFT, ZspageStore
from movable_zsmalloc.verify import verify_counter, verify_locks, verify_store
from movable_zsmalloc.zspage import Fullness, Zspage

__all__ = ["ZS_GFP", "MapMode", "ZsPool"]

ZS_GFP = GFP.NOIO | GFP.HIGHMEM | GFP.MOVABLE
"""How a pool's pages are allocated if the caller does not say: zram's second, patient try."""

_log = logging.getLogger(__name__)


class MapMode(Enum):
    """What a mapping is for. What it forbids is not enforced; an object over two pages is a copy, and the
    mode says which way it is copied. spec/drivers.md 1.11
    """

    RW = 0
    RO = 1
    WO = 2


class _MappingArea:
    """What one CPU has mapped, and the buffer that stands in for objects over two pages."""

    __slots__ = ("buffer", "handle", "mode", "pages", "start", "zspage")

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(ZS_MAX_ALLOC_SIZE))
        self.handle = 0
        self.mode = MapMode.RW
        self.zspage: Zspage | None = None
        self.start = 0
        self.pages: tuple[memoryview, memoryview] | None = None


class ZsPool:
    """A zsmalloc pool: objects of 1 to 4096 bytes, packed into pages that the VM can move.

    An object is known by its handle, which never changes. Its bytes are reached by mapping it; while it is
    mapped, none of the pages it shares moves, and the caller must not sleep. Another CPU that frees or maps it
    too waits for the end of the mapping: under a schedule it waits; one that runs alone would wait for ever, which
    is rule ``self-deadlock``.

    Bad use raises ZsError and changes nothing.
    """

    def __init__(self, vm: VM, name: str = "zsmalloc") -> None:
        if name.__class__ is not str or not name:
            raise ZsError(errno.EINVAL, f"name: must be a text to know the pool by, not {name!r}")
        self.vm = vm
        self.name = name
        self.pages_compacted = 0
        self.closed = False
        self._store = ZspageStore(vm, name)
        self._migration = ZsMigration(self._store, name)
        self._areas: dict[int, _MappingArea] = {}
        self.mapping = self._migration.mapping

    def __repr__(self) -> str:
        return f"<ZsPool {self.name!r}, {self._store.pages_allocated} pages>"

    # -- objects -----------------------------------------------------------------------------------

    def zs_malloc(self, size: int, gfp: GFP = ZS_GFP) -> int:
        """Room for ``size`` bytes: its handle; 0 for sizes that cannot be, and if memory is short.

        ZsError EINVAL for a size that is no integer. spec/drivers.md 1.9
        """
        self._demand_open()
        if size.__class__ is not int:
            size = integer(size, "size", ZsError)
        if not 0 < size <= ZS_MAX_ALLOC_SIZE:
            return 0
        store = self._store
        size_class = store.classes[get_size_class_index(size)]
        handle = store.handles.alloc(gfp)
        if not handle:
            return 0
        with size_class.lock:
            zspage = size_class.find_get_zspage()
            if zspage is not None:
                store.words[handle >> WORD_SHIFT] = store.obj_malloc(zspage, handle)
                size_class.fix_fullness_group(zspage)
                return handle
        zspage = store.alloc_zspage(size_class, gfp)
        if zspage is None:
            store.handles.free(handle)
            return 0
        with size_class.lock:
            store.add_zspage(zspage)
            store.words[handle >> WORD_SHIFT] = store.obj_malloc(zspage, handle)
            size_class.insert_zspage(zspage)
            # Only now: the VM may ask for the pages as soon as it sees them.
            store.set_zspage_movable(zspage, self.mapping)
        return handle

    def zs_free(self, handle: int) -> None:
        """Free an object; a handle of 0 is nothing. spec/drivers.md 1.10.

        ZsError: EINVAL for a handle not in use, EBUSY while this CPU has the object mapped.
        """
        self._demand_open()
        if handle.__class__ is int and not handle:
            return
        store = self._store
        store.handles.demand(handle)
        area = self._areas.get(self.vm.cpu)
        if area is not None and area.handle == handle:
            raise ZsError(errno.EBUSY, f"handle: {handle:#x} is mapped on this CPU; unmap it first")
        store.handles.pins.acquire(handle >> WORD_SHIFT)
        obj = store.words[handle >> WORD_SHIFT]
        zspage = self._zspage_of(obj)
        size_class = zspage.size_class
        zspage.lock.read_acquire()
        with size_class.lock:
            store.obj_free(zspage, obj)
            empty = size_class.fix_fullness_group(zspage) is Fullness.EMPTY
            zspage.lock.read_release()
            if empty and not zspage.isolated:  # else whoever lets go of the last page sees to it
                store.free_zspage(zspage)
        store.handles.pins.release(handle >> WORD_SHIFT)
        store.handles.free(handle)

    # -- mapping -----------------------------------------------------------------------------------

    def zs_map_object(self, handle: int, mode: MapMode) -> memoryview:
        """Make an object's bytes accessible until `zs_unmap_object`: all that fit its slot, at least its size.

        A CPU has one mapping at a time. ZsError: EINVAL for a handle not in use or a mode that is no MapMode,
        EBUSY for a second mapping.
        spec/drivers.md 1.11
        """
        self._demand_open()
        store = self._store
        store.handles.demand(handle)
        if mode.__class__ is not MapMode:
            raise ZsError(errno.EINVAL, f"mode: must be a MapMode (RW, RO, WO), not {mode!r}")
        area = self._area()
        if area.handle:
            raise ZsError(errno.EBUSY, f"this CPU has handle {area.handle:#x} mapped; unmap it first")
        store.handles.pins.acquire(handle >> WORD_SHIFT)
        obj = store.words[handle >> WORD_SHIFT]
        zspage = self._zspage_of(obj)
        zspage.lock.read_acquire()
        area.handle, area.mode, area.zspage = handle, mode, zspage
        shape = zspage.size_class.shape
        pfn, offset = obj >> PFN_SHIFT, (obj >> 1 & OBJ_INDEX_MASK) * shape.size & OFFSET_MASK
        start, end = (pfn << PAGE_SHIFT) + offset, offset + shape.size
        if end <= PAGE_SIZE:
            area.pages = None
            return self.vm.memory[start + shape.header : start + shape.size]
        return self._map_over_two_pages(area, start, end - PAGE_SIZE)

    def _map_over_two_pages(self, area: _MappingArea, start: int, rest: int) -> memoryview:
        assert area.zspage is not None
        shape, memory = area.zspage.size_class.shape, self.vm.memory
        following = self._store.get_next_page(self.vm.page(start >> PAGE_SHIFT), shape)
        assert following is not None
        second = following.pfn << PAGE_SHIFT
        room = shape.size - rest
        area.pages = memory[start : start + room], memory[second : second + rest]
        if area.mode is not MapMode.WO:
            area.buffer[:room], area.buffer[room : shape.size] = area.pages
        return area.buffer[ZS_HANDLE_SIZE : shape.size]

    def zs_unmap_object(self, handle: int) -> None:
        """End a mapping; what was written to it is in the object then. ZsError EINVAL: not mapped here."""
        self._demand_open()
        area = self._area()
        zspage = area.zspage
        if handle.__class__ is not int or area.handle != handle or zspage is None:
            raise ZsError(errno.EINVAL, f"handle: {handle!r} is not mapped on CPU {self.vm.cpu}")
        if area.pages is not None and area.mode is not MapMode.RO:
            first, second = area.pages
            room = len(first)
            first[ZS_HANDLE_SIZE:] = area.buffer[ZS_HANDLE_SIZE:room]
            second[:] = area.buffer[room : room + len(second)]
        area.handle, area.zspage, area.pages = 0, None, None
        zspage.lock.read_release()
        self._store.handles.pins.release(handle >> WORD_SHIFT)

    @contextmanager
    def mapped(self, handle: int, mode: MapMode) -> Iterator[memoryview]:
        """`zs_map_object` and, at the end of the block, `zs_unmap_object`."""
        view = self.zs_map_object(handle, mode)
        try:
            yield view
        finally:
            self.zs_unmap_object(handle)

    def object_pages(self, handle: int) -> tuple[Page, ...]:
        """The one or two pages that hold an object now."""
        self._demand_open()
        store = self._store
        store.handles.demand(handle)
        obj = store.words[handle >> WORD_SHIFT]
        page = self.vm.page(obj >> PFN_SHIFT)
        shape = store.get_zspage(page).size_class.shape
        if ((obj >> 1 & OBJ_INDEX_MASK) * shape.size & OFFSET_MASK) + shape.size <= PAGE_SIZE:
            return (page,)
        following = store.get_next_page(page, shape)
        assert following is not None
        return page, following

    # -- the pool ----------------------------------------------------------------------------------

    def zs_compact(self) -> int:
        """Move objects together, class by class from the largest; returns ``pages_compacted``, the total so far.

        spec/drivers.md 1.12
        """
        self._demand_open()
        for size_class in reversed(self._store.size_classes):
            self.pages_compacted += compact_class(self._store, size_class)
        return self.pages_compacted

    def zs_get_total_pages(self) -> int:
        """The pool's size in pages. Words of handles and descriptors are not counted."""
        return self._store.pages_allocated

    def zs_huge_class_size(self) -> int:
        """Bytes from which on an object takes a page of its own."""
        return zs_huge_class_size()

    def shrinker_count(self) -> int:
        """Pages that `zs_compact` could free, as the shrinker reports them. spec/drivers.md 1.13."""
        return sum(each.zs_can_compact() for each in self._store.size_classes)

    def shrinker_scan(self, nr_to_scan: int) -> int | None:
        """Compact the whole pool, whatever is asked for: pages freed, None (SHRINK_STOP) if none were."""
        before = self.pages_compacted
        return self.zs_compact() - before or None

    def classes_text(self) -> str:
        """The statistics file of debugfs. spec/drivers.md 1.13."""
        return classes_text(self._store.size_classes)

    def check(self) -> None:
        """Compare handles, zspages, lists, pages, locks and NR_ZSPAGES with each other; AssertionError if they differ.

        Nothing may be under way on any CPU, but objects may be mapped.
        """
        verify_store(self._store, self.mapping)
        areas = self._areas.values()
        verify_locks(self._store, [(area.handle, area.zspage) for area in areas if area.zspage is not None])
        drivers = (mapping.driver for mapping in self.vm.mappings)
        verify_counter(self.vm, [each.store for each in drivers if isinstance(each, ZsMigration)])
        held = sum(bool(zspage.isolated) for zspage in self._store.zspages.values())
        assert held == self._migration.isolated_zspages, (
            f"{held} zspages are isolated, {self._migration.isolated_zspages} counted"
        )

    def demand_closable(self) -> None:
        """Refuse now what `close` would refuse, after waiting as it does; nothing is freed."""
        self.vm.demand_process_context(f"destroying pool {self.name!r}")
        mapped = [area.handle for area in self._areas.values() if area.handle]
        if mapped:
            raise ZsError(errno.EBUSY, f"handle {mapped[0]:#x} is mapped; unmap it, then close the pool")
        if not self._migration.wait_for_isolated():
            raise ZsError(
                errno.EBUSY, f"{self._migration.isolated_zspages} zspages are isolated; put them back first"
            )

    def close(self) -> None:
        """Destroy the pool (``zs_destroy_pool``): wait for isolated pages, free what is left in it.

        ZsError EBUSY, and the pool lives on, while an object is mapped or the VM keeps pages isolated: nobody
        could end that during the call. MovableError inside a callback. spec/drivers.md 1.13
        """
        if self.closed:
            return
        self.demand_closable()
        self._free_objects()
        # The VM may have taken pages meanwhile. From now on it gets none: nothing is in use in them.
        self._migration.drained.wait_event(lambda: self._migration.isolated_zspages == 0)
        self._store.free_work.flush()
        self._store.free_work.destroy()
        self.mapping.close()
        self.closed = True

    def _free_objects(self) -> None:
        for size_class in self._store.size_classes:
            for group in (Fullness.ALMOST_EMPTY, Fullness.ALMOST_FULL, Fullness.FULL):
                if size_class.groups[group].head is not None:
                    size = size_class.shape.size
                    _log.info(
                        "pool %s is destroyed with objects of class %d (%s)", self.name, size, group.name
                    )
        for handle in list(self._store.handles):
            self.zs_free(handle)

    # -- helpers -----------------------------------------------------------------------------------

    def _demand_open(self) -> None:
        if self.closed:
            raise ZsError(errno.ENODEV, f"pool {self.name!r} was destroyed; make a new one")

    def _area(self) -> _MappingArea:
        cpu = self.vm.cpu
        area = self._areas.get(cpu)
        if area is None:
            area = self._areas[cpu] = _MappingArea()
        return area

    def _zspage_of(self, obj: int) -> Zspage:
        return self._store.get_zspage(self.vm.page(obj >> PFN_SHIFT))
