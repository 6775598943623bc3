"""What the tests of the pool look at: zspages by number, slots of handles, lists of a class."""

from collections.abc import Callable, Generator

from attrs import frozen

from movable import GFP, VM, AddressSpace, IsolateMode, MigrateMode, Page, hookimpl
from movable_zsmalloc import MapMode, ZsPool, get_size_class_index
from movable_zsmalloc.encoding import obj_to_location
from movable_zsmalloc.store import ZspageStore
from movable_zsmalloc.zspage import Fullness, SizeClass, Zspage

__all__ = ["Kit", "Seen", "Watcher", "fill"]

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

    def lock_elsewhere(self, page: Page) -> Callable[[], None]:
        """Lock a page on the other CPU; what is returned unlocks it there."""

        def unlock() -> None:
            self.vm.cpu = 1
            page.unlock()
            self.vm.cpu = 0

        self.vm.cpu = 1
        assert page.trylock()
        self.vm.cpu = 0
        return unlock

    def pin_elsewhere(self, handle: int) -> Callable[[], None]:
        """Pin a handle on the other CPU, as one does that is about to map; what is returned unpins it."""

        def unpin() -> None:
            self.vm.cpu = 1
            self.store.handles.pins.release(handle >> 3)
            self.vm.cpu = 0

        self.vm.cpu = 1
        assert self.store.handles.pins.trylock(handle >> 3)
        self.vm.cpu = 0
        return unpin

    def empty_later(self, handle: int) -> Zspage:
        """Free the only object of a zspage while a page of it is locked, so that the zspage stays for now."""
        zspage, page = self.zspage(handle), self.page(handle)
        unlock = self.lock_elsewhere(page)
        self.pool.zs_free(handle)
        unlock()
        assert zspage.fullness is Fullness.EMPTY
        return zspage


def fill(vm: VM, gfp: GFP = GFP.HIGHUSER_MOVABLE) -> list[Page]:
    """Allocate pages until there are none left: all of them."""
    pages = []
    while (page := vm.alloc_page(gfp)) is not None:
        pages.append(page)
    return pages


@frozen
class Seen:
    """One callback: the page as it was when the driver was called, and what the driver answered."""

    hook: str
    page: Page
    locked: bool
    movable: bool
    isolated: bool
    refcount: int
    answer: object
    newpage: Page | None = None


class Watcher:
    """Stands around the callbacks of a pool. ``seen`` is what there was.

    ``before`` and ``after`` are called for a hook by its name, with the page that it is about; what ``answers``
    gives for an answer of migratepage takes that answer's place.
    """

    def __init__(self, kit: Kit) -> None:
        self.seen: list[Seen] = []
        self.before: dict[str, Callable[[Page], object]] = {}
        self.after: dict[str, Callable[[Page], object]] = {}
        self.answers: dict[int, int] = {}
        kit.pool.mapping.add_observer(self)

    def hooks(self) -> list[str]:
        """The names of the callbacks so far."""
        return [each.hook for each in self.seen]

    def calls(self, hook: str) -> list[Seen]:
        """The calls of one callback."""
        return [each for each in self.seen if each.hook == hook]

    def _around(self, hook: str, page: Page, newpage: Page | None = None) -> Generator[None, object, object]:
        state = page.locked, page.movable, page.isolated, page.refcount
        if hook in self.before:
            self.before[hook](page)
        answer = yield
        if hook in self.after:
            self.after[hook](page)
        if isinstance(answer, int):
            answer = self.answers.get(answer, answer)
        self.seen.append(Seen(hook, page, *state, answer, newpage))
        return answer

    @hookimpl(wrapper=True)
    def isolate_page(self, page: Page, mode: IsolateMode) -> Generator[None, object, object]:
        """Around isolate_page."""
        return (yield from self._around("isolate_page", page))

    @hookimpl(wrapper=True)
    def migratepage(
        self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode
    ) -> Generator[None, object, object]:
        """Around migratepage."""
        return (yield from self._around("migratepage", oldpage, newpage))

    @hookimpl(wrapper=True)
    def putback_page(self, page: Page) -> Generator[None, object, object]:
        """Around putback_page."""
        return (yield from self._around("putback_page", page))
