"""Zspages, the groups they are sorted into, and the lists of a size class (spec/drivers.md 1.6-1.8)."""

from collections.abc import Iterator
from enum import IntEnum

from movable import VM, RWLock, SpinLock
from movable_zsmalloc.classes import ClassShape

__all__ = ["Fullness", "SizeClass", "Zspage", "ZspageList"]


class Fullness(IntEnum):
    """How full a zspage is."""

    EMPTY = 0
    ALMOST_EMPTY = 1
    ALMOST_FULL = 2
    FULL = 3


class Zspage:
    """The descriptor of one to four pages that share slots. ``id`` is what ``page.private`` of each says.

    Under the class lock: ``fullness`` as recorded last, ``inuse`` slots taken, ``isolated`` pages that the VM
    holds, ``freeobj`` the first free slot, ``listed`` whether the class has it on a list. ``first_pfn`` is the
    head of the chain of pages: the class lock and ``lock`` for writing to change it, one of them to follow it.
    """

    __slots__ = (
        "_next",
        "_previous",
        "first_pfn",
        "freeobj",
        "fullness",
        "id",
        "inuse",
        "isolated",
        "listed",
        "lock",
        "size_class",
    )

    def __init__(self, vm: VM, number: int, size_class: "SizeClass") -> None:
        self.id = number
        self.size_class = size_class
        self.fullness = Fullness.EMPTY
        self.inuse = 0
        self.isolated = 0
        self.freeobj = 0
        self.listed = False
        self.first_pfn = 0
        self.lock = RWLock(vm, f"zspage {number}")
        self._next: Zspage | None = None
        self._previous: Zspage | None = None

    def __repr__(self) -> str:
        return f"<Zspage {self.id}: {self.inuse}/{self.size_class.shape.objs_per_zspage} in use>"

    def get_fullness_group(self) -> Fullness:
        """The group by what is in use now. spec/drivers.md 1.8."""
        inuse, most = self.inuse, self.size_class.shape.objs_per_zspage
        if inuse == 0:
            return Fullness.EMPTY
        if inuse == most:
            return Fullness.FULL
        return Fullness.ALMOST_EMPTY if inuse <= 3 * most // 4 else Fullness.ALMOST_FULL


class ZspageList:
    """A list through the descriptors: every step takes the same time, however long the list is."""

    __slots__ = ("_head", "_length")

    def __init__(self) -> None:
        self._head: Zspage | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Zspage]:
        zspage = self._head
        while zspage is not None:
            following = zspage._next
            yield zspage
            zspage = following

    @property
    def head(self) -> Zspage | None:
        """The first zspage, or None."""
        return self._head

    def insert(self, zspage: Zspage) -> None:
        """Put a zspage first; second if it has fewer objects than the first has. spec/drivers.md 1.8."""
        head = self._head
        previous = head if head is not None and zspage.inuse < head.inuse else None
        following = head if previous is None else previous._next
        zspage._previous, zspage._next = previous, following
        if previous is None:
            self._head = zspage
        else:
            previous._next = zspage
        if following is not None:
            following._previous = zspage
        self._length += 1
        zspage.listed = True

    def remove(self, zspage: Zspage) -> None:
        """Take a zspage off."""
        previous, following = zspage._previous, zspage._next
        if previous is None:
            self._head = following
        else:
            previous._next = following
        if following is not None:
            following._previous = previous
        zspage._previous = zspage._next = None
        self._length -= 1
        zspage.listed = False


class SizeClass:
    """A size class of one pool: its zspages by group, and how many slots they have and use.

    ``lock`` protects everything in it.
    """

    __slots__ = ("groups", "lock", "obj_allocated", "obj_used", "shape")

    def __init__(self, vm: VM, name: str, shape: ClassShape) -> None:
        self.shape = shape
        self.lock = SpinLock(vm, f"{name} class {shape.index}")
        self.groups = tuple(ZspageList() for _ in Fullness)
        self.obj_allocated = 0
        self.obj_used = 0

    def find_get_zspage(self) -> Zspage | None:
        """The zspage to allocate from: fuller ones first. Class lock held."""
        groups = self.groups
        return (
            groups[Fullness.ALMOST_FULL].head
            or groups[Fullness.ALMOST_EMPTY].head
            or groups[Fullness.EMPTY].head
        )

    def isolate_zspage(self, *groups: Fullness) -> Zspage | None:
        """Take the head of the first of these groups that has one off its list. Class lock held."""
        for group in groups:
            zspage = self.groups[group].head
            if zspage is not None:
                self.groups[group].remove(zspage)
                return zspage
        return None

    def insert_zspage(self, zspage: Zspage) -> Fullness:
        """Put a zspage that is on no list on that of its present group. Class lock held."""
        zspage.fullness = zspage.get_fullness_group()
        self.groups[zspage.fullness].insert(zspage)
        return zspage.fullness

    def remove_zspage(self, zspage: Zspage) -> None:
        """Take a zspage off its list. Class lock held."""
        self.groups[zspage.fullness].remove(zspage)

    def fix_fullness_group(self, zspage: Zspage) -> Fullness:
        """Move a zspage whose group has changed; one that the VM holds is on no list. Class lock held."""
        before, now = zspage.fullness, zspage.get_fullness_group()
        if now is not before:
            if zspage.listed:
                self.groups[before].remove(zspage)
                self.groups[now].insert(zspage)
            zspage.fullness = now
        return now

    def zs_can_compact(self) -> int:
        """Pages that moving objects together would free, by the numbers alone. spec/drivers.md 1.12."""
        wasted = self.obj_allocated - self.obj_used
        return wasted // self.shape.objs_per_zspage * self.shape.pages_per_zspage

    def zspages(self) -> Iterator[Zspage]:
        """The zspages on the lists, group by group."""
        for group in self.groups:
            yield from group
