"""A correct driver whose objects each lie over two pages, and wrong ones that forget one of the two."""

from collections.abc import Sequence
from typing import Any

from movable import GFP, VM, AddressSpace, Capabilities, MigrateMode, Page, hookimpl
from movable.conformance.power import correct, wrong
from movable.flags import IsolateMode
from mutants.cells import Cells

HALF = 2048


@correct(one_cpu=True)
class Pairs:
    """An object's first half is in one page, its second in another; ``page.private`` says whose half it is."""

    capabilities = Capabilities(drop_isolated=False, spanning=True)

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.mapping = AddressSpace(vm, self, "pairs")
        self.pairs: dict[int, list[Page]] = {}
        self.lengths: dict[int, int] = {}
        self.serial = 0

    def store(self, data: bytes) -> int | None:
        """Put an object into two pages."""
        pages = [page for _ in range(2) if (page := self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)) is not None]
        if len(pages) < 2:
            for page in pages:
                page.put()
            return None
        self.serial += 1
        for part, page in enumerate(pages):
            page.data[:HALF] = data[part * HALF : (part + 1) * HALF].ljust(HALF, b"\0")
            page.lock()
            page.private = 2 * self.serial + part
            page.set_movable(self.mapping)
            page.unlock()
        self.pairs[self.serial] = pages
        self.lengths[self.serial] = len(data)
        return self.serial

    def load(self, handle: int) -> bytes:
        """The object's bytes, put together again."""
        return b"".join(bytes(page.data[:HALF]) for page in self.pairs[handle])[: self.lengths[handle]]

    def drop(self, handle: int) -> bool:
        """Release both pages; busy while one is isolated."""
        if any(page.isolated for page in self.pairs[handle]):
            return False
        for page in self.pairs.pop(handle):
            page.lock()
            page.clear_movable()
            page.private = 0
            page.unlock()
            page.put()
        return True

    def pages(self, handle: int) -> Sequence[Page]:
        """The two pages of the object."""
        return tuple(self.pairs[handle])

    def check(self) -> None:
        """Each page knows whose half it holds."""
        for handle, pages in self.pairs.items():
            assert [page.private for page in pages] == [2 * handle, 2 * handle + 1], f"object {handle}"

    def close(self) -> None:
        """Release all pages and close the mapping."""
        for handle in list(self.pairs):
            self.drop(handle)
        self.mapping.close()

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Let the page go; it is on no list."""
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Move one half."""
        mapping.replace_page(newpage, oldpage)
        self._redirect(newpage, oldpage)
        return 0

    def _redirect(self, newpage: Page, oldpage: Page) -> None:
        handle, part = divmod(newpage.private, 2)
        self.pairs[handle][part] = newpage

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """Nothing to undo."""


@wrong("CAP-SPANNING", "CAP-1")
class HidesItsPairs(Pairs):
    """It keeps objects over two pages and claims that it does not."""

    capabilities = Capabilities(drop_isolated=False)


@wrong("CAP-SPANNING", "CAP-1")
class ClaimsPairs(Cells):
    """It claims objects over several pages and has none."""

    capabilities = Capabilities(pin=True, spanning=True)


@wrong("SPAN-EACH", "DATA-5")
class MovesInPairs(Pairs):
    """It takes for granted that both halves move together: a second half that moves alone is lost."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.together: set[int] = set()

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Note when both halves are away."""
        handle = page.private // 2
        if any(half.isolated for half in self.pairs[handle]):
            self.together.add(handle)
        return True

    def _redirect(self, newpage: Page, oldpage: Page) -> None:
        handle, part = divmod(newpage.private, 2)
        if part == 0 or handle in self.together:
            super()._redirect(newpage, oldpage)


@wrong("SPAN-MIXED", "DATA-5")
class UndoesTheMove(Pairs):
    """It keeps a copy of the pair from the first isolation on and restores it when one half is put back."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.before: dict[int, list[Page]] = {}

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Note the pair if its other half is isolated already."""
        handle = page.private // 2
        if any(half.isolated for half in self.pairs[handle]):
            self.before[handle] = list(self.pairs[handle])
        return True

    def _redirect(self, newpage: Page, oldpage: Page) -> None:
        super()._redirect(newpage, oldpage)
        handle = newpage.private // 2
        if not any(half.isolated for half in self.pairs[handle]):
            self.before.pop(handle, None)

    @hookimpl
    def putback_page(self, page: Page) -> Any:
        """Restore the pair as it was noted."""
        handle = page.private // 2
        if handle in self.before:
            self.pairs[handle] = self.before.pop(handle)
