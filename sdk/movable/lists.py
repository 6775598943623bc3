"""Lists of pages through ``page->lru``: a driver's own, and those handed to migrate_pages()."""

from collections.abc import Iterator
from typing import Any, NoReturn

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.flags import IsolateMode
from movable.machine import BROKEN, Machine
from movable.page import Page

# Looked up once: an attribute of lib costs as much as the call.
_list_add = lib.mv_list_add
_list_create = lib.mv_list_create
_list_del = lib.mv_list_del
_list_has = lib.mv_list_has
_list_isolate = lib.mv_list_isolate
_list_isolated = lib.mv_list_isolated
_list_len = lib.mv_list_len
_list_next = lib.mv_list_next


class PageList:
    """A list that links its pages through their ``lru`` field, as the kernel's list_head does.

    A page is on one list at a time. While a page is isolated its link belongs to the VM; touching it
    then is ContractViolation ``lru-while-isolated``. A list that isolate() has filled is a migration
    list: it only shrinks through migrate_pages() and putback_movable_pages().
    """

    def __init__(self, machine: Machine, name: str = "") -> None:
        self._machine = machine
        self.name = name
        self.pointer: Any = _list_create(machine.c)
        if self.pointer == ffi.NULL:
            raise MovableError("no memory or no number left for another page list")

    def __del__(self) -> None:
        if "pointer" in self.__dict__:
            self._machine.release_list(self.pointer, self.name)

    def __reduce__(self) -> NoReturn:
        """A list cannot be copied: its pages are linked into it."""
        raise TypeError("a PageList cannot be copied; list(pages) gives its pages")

    def __repr__(self) -> str:
        return f"<PageList {self.name!r}, {len(self)} pages>"

    def __len__(self) -> int:
        length: int = _list_len(self._machine.c, self.pointer)
        return length

    def __contains__(self, page: object) -> bool:
        machine = self._machine
        return getattr(page, "_machine", None) is machine and bool(
            _list_has(machine.c, self.pointer, machine.own(page))
        )

    def __iter__(self) -> Iterator[Page]:
        """The pages, head to tail. The one just yielded may be removed; RuntimeError for other changes."""
        pfn = self._next(-1)
        while pfn >= 0:
            following = self._next(pfn)
            yield self._machine.page(pfn)
            pfn = following
            if pfn >= 0 and not _list_has(self._machine.c, self.pointer, pfn):
                raise RuntimeError(f"{self!r} changed while it was walked")

    def _next(self, pfn: int) -> int:
        """The pfn after this one, or the first for -1; -1 at the end."""
        following = self._machine.check(_list_next(self._machine.c, self.pointer, pfn))
        if following < -1:
            raise RuntimeError(f"{self!r} changed while it was walked")
        return following

    def add(self, page: Page) -> None:
        """Link the page at the head (``list_add``)."""
        self._add(page, tail=False)

    def add_tail(self, page: Page) -> None:
        """Link the page at the tail (``list_add_tail``)."""
        self._add(page, tail=True)

    def _add(self, page: Page, *, tail: bool) -> None:
        machine = self._machine
        if _list_isolated(machine.c, self.pointer):
            raise MovableError(f"{self!r} holds isolated pages: add to it with isolate()")
        if _list_add(machine.c, self.pointer, machine.own(page), tail) == BROKEN:
            machine.fail()

    def remove(self, page: Page) -> None:
        """Unlink a page of this list (``list_del``); a page that is not on it is ``list-corrupt``."""
        machine = self._machine
        if _list_isolated(machine.c, self.pointer):
            raise MovableError(f"{self!r} holds isolated pages: give them back with putback_movable_pages()")
        if _list_del(machine.c, self.pointer, machine.own(page)) == BROKEN:
            machine.fail()

    def pop(self) -> Page | None:
        """Unlink and return the page at the head; None if the list is empty."""
        pfn = self._next(-1)
        if pfn < 0:
            return None
        page: Page = self._machine.page(pfn)
        self.remove(page)
        return page

    def migration_list(self, machine: Machine) -> Any:
        """The core's list, for calls that take isolated pages of this machine; else MovableError."""
        if self._machine is not machine:
            raise MovableError(f"pages: {self!r} belongs to another VM")
        if len(self) and not _list_isolated(machine.c, self.pointer):
            raise MovableError(
                f"pages: {self!r} holds pages that are not isolated; fill a list with isolate()"
            )
        return self.pointer

    def isolate(self, page: Page, mode: IsolateMode = IsolateMode(0)) -> bool:
        """Isolate a page onto this list, counted in NR_ISOLATED_*; whether its driver let it go.

        What each caller of migrate_pages() does: ``isolate_movable_page``, then link and count.
        spec/migration.md 6.3.
        """
        machine = self._machine
        if len(self) and not _list_isolated(machine.c, self.pointer):
            raise MovableError(f"{self!r} is in use for pages that are not isolated")
        return machine.check(_list_isolate(machine.c, self.pointer, machine.own(page), mode)) == 1
