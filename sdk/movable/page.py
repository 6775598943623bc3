"""Pages: one object per frame of a machine, holding nothing but its number."""

from typing import Any, NoReturn, Self

from movable._core import lib
from movable.errors import MovableError
from movable.flags import PageFlag, PageType
from movable.machine import BROKEN, PAGE_SHIFT, PAGE_SIZE, Machine

# Looked up once: an attribute of lib costs as much as the call.
_clear_movable = lib.mv_clear_movable
_copy_page = lib.mv_copy_page
_discard = lib.mv_discard
_get_page = lib.mv_get_page
_lock_page = lib.mv_lock_page
_page_movable = lib.mv_page_movable
_page_owner = lib.mv_page_owner
_put_page = lib.mv_put_page
_read = lib.mv_read
_set_movable = lib.mv_set_movable
_trylock_page = lib.mv_trylock_page
_unlock_page = lib.mv_unlock_page
_write = lib.mv_write
_CLEAR_FLAGS: int = lib.MV_CLEAR_FLAGS
_FLAGS: int = lib.MV_FLAGS
_INDEX: int = lib.MV_INDEX
_LIST: int = lib.MV_LIST
_LOCK_CPU: int = lib.MV_LOCK_CPU
_MAPCOUNT: int = lib.MV_MAPCOUNT
_MAPPING_BITS: int = lib.MV_MAPPING_BITS
_NID: int = lib.MV_NID
_ORDER: int = lib.MV_ORDER
_PRIVATE: int = lib.MV_PRIVATE
_REFCOUNT: int = lib.MV_REFCOUNT
_SET_FLAGS: int = lib.MV_SET_FLAGS
_ZONE: int = lib.MV_ZONE

_MOVABLE_TAG = 2
_ANON_TAG = 1
_NOT_THE_DRIVERS = int(PageFlag.LOCKED | PageFlag.LRU | PageFlag.RESERVED | PageFlag.HEAD | PageFlag.SLAB)


class Page:
    """A page frame. There is one Page per frame and machine: compare with ``is``.

    Methods carry the stem of the kernel function they stand for: ``lock`` is ``lock_page``, ``put`` is
    ``put_page``. What is locked, counted and marked is the emulated ``struct page``.
    """

    __slots__ = ("_machine", "_pfn")

    def __init__(self, machine: Machine, pfn: int) -> None:
        machine.add_page(pfn, self)
        self._machine = machine
        self._pfn = pfn

    @property
    def pfn(self) -> int:
        """The frame's number."""
        return self._pfn

    def __copy__(self) -> Self:
        """The page itself: there is one object per frame."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """The page itself."""
        return self

    def __reduce__(self) -> NoReturn:
        """A page cannot be pickled."""
        raise TypeError("a Page belongs to its VM: keep its pfn instead")

    def __repr__(self) -> str:
        return f"<Page {self._pfn:#x}>"

    def _field(self, field: int) -> int:
        answer: int = _read(self._machine.c, self._pfn, field)
        return answer

    def _set_field(self, field: int, value: int) -> None:
        if self._machine.check(_write(self._machine.c, self._pfn, field, value)) < 0:
            raise MovableError(f"page {self._pfn:#x} is free: its fields belong to the allocator")

    # The page lock (spec/migration.md 2.4)

    def lock(self) -> None:
        """Take the page lock, waiting for it (``lock_page``).

        A wait that cannot end, because this CPU holds the lock or no wait hook lets it go, raises
        KernelAssertion ``self-deadlock``.
        """
        if _lock_page(self._machine.c, self._pfn) == BROKEN:
            self._machine.fail()

    def trylock(self) -> bool:
        """Take the page lock if it is free; whether it was (``trylock_page``)."""
        answer: int = _trylock_page(self._machine.c, self._pfn)
        if answer == BROKEN:
            self._machine.fail()
        return answer == 1

    def unlock(self) -> None:
        """Release the page lock (``unlock_page``); an unlocked page raises ``unlock-not-locked``."""
        if _unlock_page(self._machine.c, self._pfn) == BROKEN:
            self._machine.fail()

    @property
    def locked(self) -> bool:
        """PG_locked."""
        return bool(self._field(_FLAGS) & PageFlag.LOCKED)

    @property
    def lock_owner(self) -> int | None:
        """The CPU that holds the page lock, or None."""
        cpu = self._field(_LOCK_CPU)
        return None if cpu < 0 else cpu

    # References (spec/migration.md 2)

    def get(self) -> None:
        """Take a reference (``get_page``); a page without any raises ``page-ref-zero``."""
        if _get_page(self._machine.c, self._pfn) == BROKEN:
            self._machine.fail()

    def put(self) -> None:
        """Drop a reference (``put_page``); the last one frees the page."""
        if _put_page(self._machine.c, self._pfn) == BROKEN:
            self._machine.fail()

    @property
    def refcount(self) -> int:
        """``_refcount``: 0 for a free page."""
        return self._field(_REFCOUNT)

    # The movable mark (spec/migration.md 1.3, 6.2)

    def set_movable(self, mapping: Any) -> None:
        """Hand the page to an address space (``__SetPageMovable``). The page must be locked."""
        machine = self._machine
        if getattr(mapping, "_machine", None) is not machine:
            raise MovableError(f"mapping: must be an AddressSpace of the page's VM, not {mapping!r}")
        if _set_movable(machine.c, self._pfn, mapping.pointer) == BROKEN:
            machine.fail()

    def clear_movable(self) -> None:
        """Give the page up (``__ClearPageMovable``): locked, movable. The tag stays until it is freed."""
        if _clear_movable(self._machine.c, self._pfn) == BROKEN:
            self._machine.fail()

    @property
    def mapping(self) -> Any | None:
        """The AddressSpace that owns the page (``page_mapping``), or None."""
        machine = self._machine
        return machine.owner(_page_owner(machine.c, self._pfn))

    @property
    def has_movable_tag(self) -> bool:
        """``__PageMovable``: needs no lock; still true after clear_movable()."""
        return self._field(_MAPPING_BITS) == _MOVABLE_TAG

    @property
    def anon(self) -> bool:
        """``PageAnon``: the low tag bit says that it is memory of a process. spec/migration.md 1.3."""
        return bool(self._field(_MAPPING_BITS) & _ANON_TAG)

    @property
    def ksm(self) -> bool:
        """``PageKsm``: both tag bits say that it is a merged page (`VM.ksm_merge`). spec/migration.md 1.3."""
        return self._field(_MAPPING_BITS) == _ANON_TAG | _MOVABLE_TAG

    @property
    def movable(self) -> bool:
        """``PageMovable``: the page must be locked; false once it was given up."""
        return self._machine.check(_page_movable(self._machine.c, self._pfn)) == 1

    @property
    def isolated(self) -> bool:
        """PG_isolated: the VM has taken the page from its driver."""
        return bool(self._field(_FLAGS) & PageFlag.ISOLATED)

    # Fields

    @property
    def flags(self) -> PageFlag:
        """All flag bits."""
        return PageFlag(self._field(_FLAGS))

    def set_flag(self, flag: PageFlag) -> None:
        """Set a flag that a driver may own; the lock has its own methods, PG_isolated is the VM's."""
        self._set_field(_SET_FLAGS, self._own(flag))

    def clear_flag(self, flag: PageFlag) -> None:
        """Clear a flag that a driver may own."""
        self._set_field(_CLEAR_FLAGS, self._own(flag))

    @staticmethod
    def _own(flag: PageFlag) -> int:
        bits = int(flag)  # plain numbers: PageFlag's own & takes longer than the call
        if bits & _NOT_THE_DRIVERS:
            raise MovableError(f"flag: {PageFlag(bits & _NOT_THE_DRIVERS)!r} is not written directly")
        return bits

    @property
    def mapcount(self) -> int:
        """``_mapcount`` + 1: how many PTEs map the page; 0 also for a page with a type."""
        return max(self._field(_MAPCOUNT) + 1, 0)

    @property
    def page_type(self) -> PageType:
        """What kind of never-mapped page this is; settable to NONE, BALLOON and KMEMCG."""
        value = self._field(_MAPCOUNT)
        return PageType(value) if value in PageType._value2member_map_ else PageType.NONE

    @page_type.setter
    def page_type(self, page_type: PageType) -> None:
        if page_type == PageType.BUDDY:
            raise MovableError("page_type: only the allocator makes a page a free buddy")
        if page_type not in PageType._value2member_map_:
            raise MovableError(f"page_type: must be a PageType, not {page_type!r}")
        self._set_field(_MAPCOUNT, page_type & 0xFFFFFFFF)

    @property
    def private(self) -> int:
        """``page->private``, 64 bits: the driver's while it owns the page."""
        return self._field(_PRIVATE) & 0xFFFF_FFFF_FFFF_FFFF

    @private.setter
    def private(self, value: int) -> None:
        self._set_field(_PRIVATE, value)

    @property
    def index(self) -> int:
        """``page->index``, 64 bits."""
        return self._field(_INDEX) & 0xFFFF_FFFF_FFFF_FFFF

    @index.setter
    def index(self, value: int) -> None:
        self._set_field(_INDEX, value)

    @property
    def units(self) -> int:
        """``page->units``, 32 bits: in ``_mapcount``'s place, so -1 again before the page is freed.

        spec/drivers.md 1.5
        """
        return self._field(_MAPCOUNT)

    @units.setter
    def units(self, value: int) -> None:
        if not -1 <= value < 1 << 31:
            raise MovableError(f"units: must be -1 (unused) to 2**31 - 1, not {value}")
        self._set_field(_MAPCOUNT, value & 0xFFFFFFFF)

    @property
    def order(self) -> int:
        """Order of the free block or the allocation that the page heads."""
        return self._field(_ORDER)

    @property
    def nid(self) -> int:
        """The NUMA node of the frame."""
        return self._field(_NID)

    @property
    def zone_id(self) -> int:
        """Index of the page's zone in ``VM.zones``."""
        return self._field(_ZONE)

    @property
    def on_list(self) -> bool:
        """Whether ``page->lru`` is linked into a PageList or a list of the VM."""
        return self._field(_LIST) != 0

    # Contents

    @property
    def data(self) -> memoryview:
        """The frame's 4096 bytes, writable. A view kept longer than the page is a use after free."""
        start = self._pfn << PAGE_SHIFT
        return self._machine.memory[start : start + PAGE_SIZE]

    def copy_from(self, other: "Page") -> None:
        """Copy another page's contents here (``copy_highpage``)."""
        machine = self._machine
        if _copy_page(machine.c, self._pfn, machine.own(other, "other")) == BROKEN:
            machine.fail()

    def discard(self) -> None:
        """Give the frame's memory back to the operating system; it reads as zeros until written again."""
        if self.refcount == 0:
            raise MovableError(f"page {self._pfn:#x} is free: only its owner may discard its contents")
        self._machine.check(_discard(self._machine.c, self._pfn))
