"""Two correct drivers whose callbacks do more than they must: one tidies up when a batch is over, one allocates."""

from errno import EAGAIN
from typing import Any

from movable import GFP, VM, AddressSpace, MigrateMode, Page
from movable.conformance.power import correct
from mutants.cells import Cells


@correct(one_cpu=True)
class Batches(Cells):
    """Pages that come back are kept in ``returned`` until no page is isolated any more, and listed together then.

    Of the batch that is under way ``size`` pages were isolated, ``away`` are so still, ``moved`` have moved.
    """

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.size = 0
        self.away = 0
        self.moved = 0
        self.returned: dict[int, Page] = {}

    def _isolate(self, page: Page) -> Any:
        self._unlist(page)
        self.size += 1
        self.away += 1
        return True

    def _unlist(self, page: Page) -> None:
        if self.returned.pop(page.private, None) is None:
            self.idle.remove(page)

    def _redirect(self, handle: int, newpage: Page) -> None:
        super()._redirect(handle, newpage)
        self.moved += 1
        self._end_one()

    def _put_back(self, page: Page) -> Any:
        self._keep(page.private, page)
        self._end_one()

    def _keep(self, handle: int, page: Page) -> None:
        self.returned[handle] = page

    def _end_one(self) -> None:
        self.away -= 1
        if not self.away:
            self._over()

    def _over(self) -> None:
        for page in self.returned.values():
            self.idle.add(page)
        self.returned.clear()
        self.size = self.moved = 0

    def _release(self, page: Page) -> None:
        page.lock()
        isolated = page.isolated
        if not isolated:
            self._unlist(page)
        page.clear_movable()
        page.private = 0
        page.unlock()
        page.put()
        if isolated:
            self._end_one()


@correct(one_cpu=True)
class Bounces(Cells):
    """It has two pages of its own as long as it is loaded, and copies objects by way of a third one."""

    def __init__(self, vm: VM) -> None:
        self.own = self._own_pages(vm)
        super().__init__(vm)

    def _own_pages(self, vm: VM) -> list[Page]:
        first = vm.alloc_page(GFP.KERNEL)
        if first is None:
            raise MemoryError("bounces: no memory for the first page")
        second = vm.alloc_page(GFP.KERNEL)
        if second is None:
            first.put()
            raise MemoryError("bounces: no memory for the second page")
        return [first, second]

    def close(self) -> None:
        """Give the driver's own pages back too."""
        super().close()
        for page in self.own:
            page.put()

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        bounce = self.vm.alloc_page(GFP.NOIO)
        if bounce is None:
            return -EAGAIN
        bounce.copy_from(oldpage)
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        bounce.put()
        return answer
