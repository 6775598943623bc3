"""Locks held over an allocation: B41. (B39, B40 and B42 show on several CPUs.)"""

from typing import Any

from movable import GFP, VM, Mutex, Page
from movable.conformance.power import wrong
from mutants.cells import Cells


@wrong("LIVE-SHORT", "LIVE-6", "self-deadlock", bug="B41", kind="lock order deadlock")
class B41AllocatesUnderItsLock(Cells):
    """It allocates with its mutex held, which the callbacks need that memory shortage makes the VM call."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.mutex = Mutex(vm, "cells")

    def _allocate(self) -> Page | None:
        with self.mutex:
            return self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)

    def _isolate(self, page: Page) -> Any:
        with self.mutex:
            return super()._isolate(page)
