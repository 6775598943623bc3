"""What is left at unload: B54, B55. Order of unload: B57. (B56, B58 and B59 are races.)"""

from movable import GFP, VM, Page
from movable.conformance.power import wrong
from mutants.cells import Cells
from mutants.halves import Halves

LEAK = "leak"


@wrong("RELOAD", "LIFE-1", bug="B54", kind=LEAK)
class B54UnregistersWhenEmpty(Cells):
    """It closes its mapping at unload only if there were no pages any more."""

    def close(self) -> None:
        """Release the pages, and the mapping if that was nothing to do."""
        if not self.cells:
            self.mapping.close()
        for handle in list(self.cells):
            self._release(self.cells.pop(handle))


@wrong("UNLOAD", "LIFE-1", bug="B55", kind=LEAK)
class B55LeavesCpuLists(Cells):
    """It allocates the heads of its per-CPU lists at load, and frees them only if load fails."""

    def __init__(self, vm: VM) -> None:
        self.heads: list[Page] = []
        for _ in range(vm.config.cpus):
            page = vm.alloc_page(GFP.KERNEL)
            if page is None:
                for head in self.heads:
                    head.put()
                raise MemoryError("no memory for the per-CPU lists")
            self.heads.append(page)
        super().__init__(vm)


@wrong("UNLOAD-DROPPED", "LIFE-1", "teardown-pages-left", bug="B57", kind="teardown or lifetime")
class B57UnregistersBeforeDraining(Halves):
    """It frees emptied pages later, and at unload closes its mapping before it frees the last of them."""

    def _dispose(self) -> None:
        """Keep a few pages waiting."""
        if len(self.later) > 2:
            super()._dispose()

    def close(self) -> None:
        """Release what is in use, close the mapping, release what waits."""
        waiting, self.later = self.later, []
        for record in self.records.values():
            if record not in waiting:
                self._free(record.page)
        self.mapping.close()
        for record in waiting:
            self._free(record.page)
