"""The C side of a page, written behind the machine's back as only a wild native driver could."""

import ctypes

from movable import VM, Page
from movable._core import ffi


class StructPage(ctypes.Structure):
    """``struct page`` as movable/page.h lays it out: native drivers are compiled against this."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mapping", ctypes.c_uint64),
        ("index", ctypes.c_uint64),
        ("_mapcount", ctypes.c_int32),
        ("_refcount", ctypes.c_int32),
        ("lru_next", ctypes.c_uint64),
        ("lru_prev", ctypes.c_uint64),
        ("private", ctypes.c_uint64),
        ("lock_cpu", ctypes.c_int16),
        ("list_id", ctypes.c_uint16),
        ("ext", ctypes.c_uint8),
        ("alloc_order", ctypes.c_uint8),
        ("unused", ctypes.c_uint16),
    )

    flags: int
    mapping: int
    index: int
    _mapcount: int
    _refcount: int
    lru_next: int
    lru_prev: int
    private: int
    lock_cpu: int
    list_id: int


LRU_OFFSET = 32
"""Where ``lru`` is in struct page."""


def struct_page(vm: VM, page: Page) -> StructPage:
    """The page's struct in the machine's memory map."""
    return StructPage.from_address(_memmap(vm) + page.pfn * ctypes.sizeof(StructPage))


def _memmap(vm: VM) -> int:
    """Address of the memory map: a list of one page points into it."""
    page = vm.alloc_page()
    assert page is not None
    linked = vm.page_list("to find the memory map")
    linked.add(page)
    link = int(ffi.cast("uintptr_t", ffi.cast("void **", linked.pointer)[0]))
    linked.remove(page)
    page.put()
    return link - LRU_OFFSET - page.pfn * ctypes.sizeof(StructPage)
