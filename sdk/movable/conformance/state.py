"""What the suite writes down about a page: every field that a driver could change, taken from the VM."""

from zlib import crc32

from attrs import fields, frozen

from movable.drivers import AddressSpace
from movable.flags import PageFlag, PageType
from movable.page import Page

__all__ = ["PageState", "changes", "page_state"]


@frozen
class PageState:
    """One page at one moment; ``bytes_`` is a checksum of its contents."""

    pfn: int
    refcount: int
    mapcount: int
    flags: PageFlag
    type: PageType
    tagged: bool
    mapping: AddressSpace | None
    private: int
    bytes_: int

    @property
    def movable(self) -> bool:
        """True if the page is marked movable and not given up."""
        return self.tagged and self.mapping is not None

    @property
    def locked(self) -> bool:
        """True if PG_locked is set."""
        return PageFlag.LOCKED in self.flags

    @property
    def isolated(self) -> bool:
        """True if the bit is set that means PG_isolated on a movable page."""
        return PageFlag.RECLAIM in self.flags


def page_state(page: Page) -> PageState:
    """Take down the state of a page; reads it only through the VM, never through its driver."""
    return PageState(
        pfn=page.pfn,
        refcount=page.refcount,
        mapcount=page.mapcount,
        flags=page.flags,
        type=page.page_type,
        tagged=page.has_movable_tag,
        mapping=page.mapping,
        private=page.private,
        bytes_=crc32(page.data),
    )


_TEXT = {"bytes_": "contents", "type": "page type", "tagged": "movable tag", "private": "page.private"}


def changes(before: PageState, after: PageState, *, ignore: tuple[str, ...] = ()) -> list[str]:
    """List the fields that differ, as ``refcount 2 -> 1``; contents only say that they differ."""
    found = []
    for name in (one.name for one in fields(PageState)):
        old, new = getattr(before, name), getattr(after, name)
        if name in ignore or old == new:
            continue
        label = _TEXT.get(name, name)
        found.append(f"{label} changed" if name == "bytes_" else f"{label} {_show(old)} -> {_show(new)}")
    return found


def _show(value: object) -> str:
    if isinstance(value, PageFlag | PageType):
        return value.name or "none"
    if isinstance(value, AddressSpace):
        return value.name
    return str(value)
