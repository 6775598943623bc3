"""What the tests of the pool look at: zspages by number, slots of handles, lists of a class."""

from movable import VM, Page
from movable_zsmalloc import MapMode, ZsPool, get_size_class_index
from movable_zsmalloc.encoding import obj_to_location
from movable_zsmalloc.store import ZspageStore
from movable_zsmalloc.zspage import Fullness, SizeClass, Zspage

__all__ = ["Kit"]

_SHORT = {
    Fullness.EMPTY: "E",
    Fullness.ALMOST_EMPTY: "AE",
    Fullness.ALMOST_FULL: "AF",
    Fullness.FULL: "FULL",
}


class Kit:
    """A pool, seen from inside. Zspages are called Z1, Z2.. in the order in which they were made."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.pool = ZsPool(vm)

    @property
    def store(self) -> ZspageStore:
        """The pool's zspages."""
        return self.pool._store

    def mallocs(self, count: int, size: int) -> list[int]:
        """Handles of so many new objects."""
        handles = [self.pool.zs_malloc(size) for _ in range(count)]
        assert all(handles)
        return handles

    def put(self, handle: int, data: bytes) -> None:
        """Write an object."""
        with self.pool.mapped(handle, MapMode.WO) as view:
            view[: len(data)] = data

    def get(self, handle: int, length: int) -> bytes:
        """Read an object."""
        with self.pool.mapped(handle, MapMode.RO) as view:
            return bytes(view[:length])

    def size_class(self, size: int) -> SizeClass:
        """The class for objects of this many bytes."""
        return self.store.classes[get_size_class_index(size)]

    def lists(self, size: int) -> str:
        """The lists of a class, head first: ``AE Z1:3 Z3:1; FULL Z2:4``. Empty lists are left out."""
        groups = self.size_class(size).groups
        texts = [
            " ".join([_SHORT[group], *(f"Z{zspage.id}:{zspage.inuse}" for zspage in groups[group])])
            for group in (Fullness.ALMOST_FULL, Fullness.ALMOST_EMPTY, Fullness.EMPTY, Fullness.FULL)
            if groups[group].head is not None
        ]
        return "; ".join(texts)

    def word(self, handle: int) -> int:
        """The word behind a handle."""
        return self.store.words[handle >> 3]

    def slot(self, handle: int) -> int:
        """The number of an object's slot in its zspage."""
        return obj_to_location(self.word(handle))[1]

    def page(self, handle: int) -> Page:
        """The page in which an object's slot starts."""
        return self.vm.page(obj_to_location(self.word(handle))[0])

    def zspage(self, handle: int) -> Zspage:
        """The zspage of an object."""
        return self.store.get_zspage(self.page(handle))

    def chain(self, handle: int) -> list[Page]:
        """The pages of an object's zspage, in order."""
        return self.store.chain(self.zspage(handle))

    def mapped_pages(self) -> list[Page]:
        """All pages that carry the pool's mapping."""
        return self.pool.mapping.pages()

    def header(self, zspage: Zspage, slot: int) -> int:
        """The first word of a slot."""
        offset = slot * zspage.size_class.shape.size % 4096
        return self.store.words[(self.store.slot_page(zspage, slot).pfn << 9) + (offset >> 3)]

    def free_slots(self, zspage: Zspage) -> list[int]:
        """The free list of a zspage, first to be taken first; what ends it comes last."""
        slots = [zspage.freeobj]
        while slots[-1] < zspage.size_class.shape.objs_per_zspage:
            slots.append(self.header(zspage, slots[-1]) >> 1 & 0xFFFF_FFFF)
        return slots
