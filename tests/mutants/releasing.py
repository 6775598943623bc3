"""Mistakes in giving pages up."""

from movable import VM, Page
from movable.conformance.power import wrong
from mutants.cells import Cells


@wrong("FREE-CLEARED", "FREE-1")
class DropsMarkedPages(Cells):
    """It drops its reference on a page that is still marked movable."""

    def _release(self, page: Page) -> None:
        page.lock()
        if not page.isolated:
            self.idle.remove(page)
        page.private = 0
        page.unlock()
        page.put()


@wrong("FREE-CLEARED", "FREE-1", "page-not-locked")
class ClearsUnlocked(Cells):
    """It gives pages up without their lock."""

    def _release(self, page: Page) -> None:
        if not page.isolated:
            self.idle.remove(page)
        page.clear_movable()
        page.private = 0
        page.put()


@wrong("FREE-CLEARED", "FREE-5")
class DropsTwice(Cells):
    """It drops a page's reference twice."""

    def _release(self, page: Page) -> None:
        super()._release(page)
        page.put()


@wrong("FREE-ISO-PUTBACK", "ISO-7", "lru-while-isolated")
class UnlinksIsolatedPages(Cells):
    """It takes a page off its list when an object is dropped, isolated or not."""

    def _release(self, page: Page) -> None:
        page.lock()
        self.idle.remove(page)
        page.clear_movable()
        page.private = 0
        page.unlock()
        page.put()


@wrong("FREE-ISO-PUTBACK", "FREE-2", "bad-page")
class DropsIsolatedMarked(Cells):
    """It forgets an isolated page without giving it up, and cleans up when it comes back."""

    def _release(self, page: Page) -> None:
        if page.isolated:
            page.put()
            return
        super()._release(page)


@wrong("FREE-MOVED", "FREE-6")
class KeepsASparePage(Cells):
    """It allocates a spare page with each move and keeps all of them until it is unloaded."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.spare: list[Page] = []

    def _redirect(self, handle: int, newpage: Page) -> None:
        super()._redirect(handle, newpage)
        page = self._allocate()
        if page is not None:
            self.spare.append(page)

    def close(self) -> None:
        """Give the spare pages back too."""
        super().close()
        for page in self.spare:
            page.put()


@wrong("FREE-WRITE", "FREE-4", "poison-overwritten")
class WritesToOldPages(Cells):
    """It keeps a view of the first page of an object, and writes the time of each read there."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.views: dict[int, memoryview] = {}

    def load(self, handle: int) -> bytes:
        """Read, and leave a mark where the object once was."""
        data = super().load(handle)
        view = self.views.setdefault(handle, self.cells[handle].data)
        if self.cells[handle].index < 4000:
            view[4095] = (view[4095] + 1) % 256
        return data
