"""What the tests of migration and drivers share: a driver that keeps a log, and targets that are counted."""

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from attrs import frozen
from mutants.cells import Cells

from movable import (
    GFP,
    VM,
    AddressSpace,
    CompactRun,
    CompactSettings,
    IsolateMode,
    MigrateMode,
    Page,
    PageList,
    hookimpl,
)

Answer = int | Callable[[Page, Page], Any]
"""What migratepage is to answer: a number, or a function of the new and the old page."""


@frozen
class Call:
    """One callback, and what the driver saw of the page when it began."""

    hook: str
    page: Page
    locked: bool
    isolated: bool
    refcount: int
    task_flags: int
    mode: MigrateMode | IsolateMode | None = None
    newpage: Page | None = None


class Recorder(Cells):
    """A correct driver that logs its callbacks and answers as it is told.

    ``answers`` of migratepage are used up one by one, then every page moves; pages in ``refused`` are not
    let go; ``on_isolate`` and ``on_putback`` take the place of those callbacks.
    """

    def __init__(self, vm: VM, answers: Iterable[Answer] = ()) -> None:
        super().__init__(vm)
        self.answers = list(answers)
        self.refused: set[Page] = set()
        self.on_isolate: Callable[[Page], Any] | None = None
        self.on_putback: Callable[[Page], Any] | None = None
        self.log: list[Call] = []
        self.lists: list[PageList] = []

    def add(self, text: str = "x") -> Page:
        """A new object that holds ``text``: its page."""
        handle = self.store(text.encode())
        assert handle is not None
        return self.cells[handle]

    def add_many(self, count: int) -> list[Page]:
        """New objects: their pages."""
        return [self.add(f"object {number}") for number in range(count)]

    def hooks(self) -> list[str]:
        """The names of the callbacks so far."""
        return [call.hook for call in self.log]

    def calls(self, hook: str) -> list[Call]:
        """The calls of one callback."""
        return [call for call in self.log if call.hook == hook]

    def give_up(self, page: Page) -> None:
        """Clear a page's mark while it is isolated, keeping the reference (state G of 6.7)."""
        page.lock()
        page.clear_movable()
        page.unlock()

    def _note(self, hook: str, page: Page, mode: Any = None, newpage: Page | None = None) -> None:
        self.log.append(
            Call(hook, page, page.locked, page.isolated, page.refcount, self.vm.task_flags, mode, newpage)
        )

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
        """Log, then let the page go unless it is in ``refused``, or do what ``on_isolate`` does instead."""
        self._note("isolate_page", page, mode)
        if self.on_isolate:
            return self.on_isolate(page)
        return page not in self.refused and super().isolate_page(page, mode)

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """Log, then answer as told."""
        self._note("migratepage", oldpage, mode, newpage)
        answer = self.answers.pop(0) if self.answers else 0
        if callable(answer):
            return answer(newpage, oldpage)
        return answer or super().migratepage(mapping, newpage, oldpage, mode)

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """Log, then take the page back, or do what ``on_putback`` does instead."""
        self._note("putback_page", page)
        return self.on_putback(page) if self.on_putback else super().putback_page(page)


class Targets:
    """``get`` and ``put`` for migrate_pages(), with a record; the allocations numbered in ``failing`` (from
    1) answer None.
    """

    def __init__(self, vm: VM, failing: Iterable[int] = ()) -> None:
        self.vm = vm
        self.failing = set(failing)
        self.asked: list[Page] = []
        self.got: list[Page] = []
        self.returned: list[Page] = []

    def get(self, page: Page) -> Page | None:
        """A fresh page."""
        self.asked.append(page)
        target = None if len(self.asked) in self.failing else self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        if target is not None:
            self.got.append(target)
        return target

    def put(self, page: Page) -> None:
        """Take back a page that was not used."""
        self.returned.append(page)
        page.put()


_lists: WeakKeyDictionary[VM, list[PageList]] = WeakKeyDictionary()


def isolate(vm: VM, pages: Iterable[Page]) -> PageList:
    """A migration list of these pages; it lives as long as the machine."""
    listed = vm.page_list("to move")
    _lists.setdefault(vm, []).append(listed)
    for page in pages:
        assert listed.isolate(page)
    return listed


def add_low(driver: Recorder, count: int) -> list[Page]:
    """New objects at the low end of the machine `tiny`, where compaction takes pages from."""
    vm = driver.vm
    blocks = [vm.alloc_pages(10, GFP.HIGHUSER_MOVABLE) for _ in range(3)]
    pages = driver.add_many(count)
    for block in blocks:
        assert block is not None
        vm.free_pages(block, 10)
    return pages


def compact(vm: VM) -> CompactRun:
    """Compact the first zone as a whole, wholly free blocks included as targets."""
    return vm.compact_zone(vm.zones[0], CompactSettings(whole_zone=True, ignore_block_suitable=True))
