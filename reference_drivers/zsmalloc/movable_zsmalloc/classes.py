"""Size classes: which slot an object of a given size gets, and how slots fill pages (spec/drivers.md 1.1-1.3)."""

from functools import cache

from attrs import frozen

from movable import PAGE_SIZE

__all__ = [
    "ZS_HANDLE_SIZE",
    "ZS_MAX_ALLOC_SIZE",
    "ZS_MAX_PAGES_PER_ZSPAGE",
    "ZS_MIN_ALLOC_SIZE",
    "ZS_SIZE_CLASSES",
    "ZS_SIZE_CLASS_DELTA",
    "ClassShape",
    "class_shapes",
    "get_pages_per_zspage",
    "get_size_class_index",
    "zs_huge_class_size",
]

ZS_MAX_PAGES_PER_ZSPAGE = 4
ZS_HANDLE_SIZE = 8
"""Bytes of the header at the start of each slot; a huge object has none there."""
ZS_MIN_ALLOC_SIZE = 32
"""Bytes of the smallest slot."""
ZS_MAX_ALLOC_SIZE = PAGE_SIZE
"""Bytes of the largest object, before the header is added."""
ZS_SIZE_CLASS_DELTA = PAGE_SIZE >> 8
ZS_SIZE_CLASSES = -(-(ZS_MAX_ALLOC_SIZE - ZS_MIN_ALLOC_SIZE) // ZS_SIZE_CLASS_DELTA) + 1
"""Number of class indices; many share one class."""


@frozen(cache_hash=True)
class ClassShape:
    """A size class: ``index`` is the largest index that leads to it, ``size`` the bytes of a slot."""

    index: int
    size: int
    pages_per_zspage: int
    objs_per_zspage: int

    @property
    def huge(self) -> bool:
        """One object, one page, and no header in it."""
        return self.pages_per_zspage == self.objs_per_zspage == 1

    @property
    def header(self) -> int:
        """Bytes of a slot that hold no payload."""
        return 0 if self.huge else ZS_HANDLE_SIZE


def get_pages_per_zspage(size: int) -> int:
    """How many pages make a zspage of slots of ``size`` bytes: the fewest of those with the best use, in percent.

    spec/drivers.md 1.2
    """

    def used_percent(pages: int) -> int:
        room = pages * PAGE_SIZE
        return room // size * size * 100 // room

    return max(range(1, ZS_MAX_PAGES_PER_ZSPAGE + 1), key=used_percent)


def get_size_class_index(size: int) -> int:
    """The index for an object of ``size`` bytes, 1 to 4096. spec/drivers.md 1.2."""
    beyond = size + ZS_HANDLE_SIZE - ZS_MIN_ALLOC_SIZE
    return min(max(-(-beyond // ZS_SIZE_CLASS_DELTA), 0), ZS_SIZE_CLASSES - 1)


@cache
def class_shapes() -> tuple[ClassShape, ...]:
    """The class of each index, 255 entries; neighbours with the same pages and objects share the largest's.

    spec/drivers.md 1.2, 1.3
    """
    shapes: list[ClassShape] = []
    for index in reversed(range(ZS_SIZE_CLASSES)):
        size = min(ZS_MIN_ALLOC_SIZE + ZS_SIZE_CLASS_DELTA * index, ZS_MAX_ALLOC_SIZE)
        pages = get_pages_per_zspage(size)
        shape = ClassShape(index, size, pages, pages * PAGE_SIZE // size)
        larger = shapes[-1] if shapes else shape
        same = (larger.pages_per_zspage, larger.objs_per_zspage) == (pages, shape.objs_per_zspage)
        shapes.append(larger if same else shape)
    return tuple(reversed(shapes))


def zs_huge_class_size() -> int:
    """Bytes from which on an object gets a page of its own. spec/drivers.md 1.2."""
    return max(shape.size for shape in class_shapes() if not shape.huge) - (ZS_HANDLE_SIZE - 1)
