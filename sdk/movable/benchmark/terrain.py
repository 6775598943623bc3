"""Machines to measure on, and the drivers that own their pages."""

import random
from collections.abc import Generator
from time import perf_counter
from typing import Any

from movable._core import ffi, lib
from movable.config import MachineConfig, NodeConfig, Watermarks, ZoneConfig
from movable.drivers import AddressSpace, hookimpl
from movable.flags import IsolateMode, MigrateMode
from movable.page import Page
from movable.vm import VM, CompactRun

START_PFN = 0x1000

Pairs = list[tuple[int, int]]


def bench_config(pages: int) -> MachineConfig:
    """One zone of this many pages, nothing checked, nothing poisoned: the mechanism alone is measured."""
    zone = ZoneConfig("Normal", START_PFN, pages, watermarks=Watermarks(0, 0, 0))
    return MachineConfig("bench", (NodeConfig((zone,)),), poison=False, debug=0)


def copy_seconds(vm: VM, pairs: Pairs, seed: int | None = None) -> float:
    """Seconds of a plain memcpy of page pairs (from, to) of a machine, what migration is compared with.

    In random order if a seed is given. What was in the target pages is lost.
    """
    if seed is not None:
        pairs = random.Random(seed).sample(pairs, len(pairs))
    for pfn in {pfn for pair in pairs for pfn in pair}:
        vm.page(pfn)
    flat = ffi.new("unsigned long[]", [pfn for pair in pairs for pfn in pair])
    start = perf_counter()
    lib.mv_bench_copy(vm.machine.c, flat, len(pairs))
    return perf_counter() - start


class PythonDriver:
    """A driver in Python that keeps one object per page and moves it with replace_page()."""

    def __init__(self, vm: VM) -> None:
        self.mapping = AddressSpace(vm, self, "bench")
        self.objects: dict[Page, int] = {}

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Let the page go; it is on no list."""
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Copy, and point the object at its new page."""
        mapping.replace_page(newpage, oldpage)
        self.objects[newpage] = self.objects.pop(oldpage)
        return 0

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Nothing to undo."""


class RefusingDriver(PythonDriver):
    """A driver that never lets a page go: each page costs one callback and nothing else."""

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Refuse."""
        return False


class Observer:
    """A wrapper that watches both callbacks of a migration and does nothing."""

    @hookimpl(wrapper=True)
    def isolate_page(self) -> Generator[None, Any, Any]:
        """Pass the call through."""
        return (yield)

    @hookimpl(wrapper=True)
    def migratepage(self) -> Generator[None, Any, Any]:
        """Pass the call through."""
        return (yield)


class Terrain:
    """A machine of which a random part is in use, the rest being free page by page."""

    name = "native"

    def __init__(self, pages: int, *, debug: int = 0) -> None:
        self.vm = VM(bench_config(pages), debug=debug)
        self.pages = pages
        self._c = self.vm.machine.c

    def prefault(self) -> None:
        """Touch every frame, so that no first touch is measured."""
        lib.mv_bench_prefault(self._c)

    def populate(self, keep_percent: int, seed: int, mapping: Any = ffi.NULL) -> None:
        """Keep this part of all pages in use: for a driver's mapping, or unmovable."""
        self.vm.machine.check(lib.mv_bench_populate(self._c, mapping, keep_percent, seed))

    def native_mapping(self) -> Any:
        """The address space of the driver in C."""
        return self.vm.machine.create_mapping(self, native=True)

    def populate_for(self, driver: PythonDriver, keep_percent: int, seed: int) -> None:
        """Give the pages to a driver in Python, and have every Page object made already."""
        self.populate(keep_percent, seed, driver.mapping.pointer)
        for pfn in range(START_PFN, START_PFN + self.pages):
            self.vm.page(pfn)
        driver.objects = {page: page.pfn for page in driver.mapping.pages()}

    def compact(self) -> tuple[CompactRun, float]:
        """Compact the machine: the run, and its seconds."""
        start = perf_counter()
        (run,) = self.vm.compact_node(0)
        return run, perf_counter() - start

    def moved_pairs(self) -> Pairs:
        """Where each page that compaction moved came from and went, in the order it moved them."""
        pairs = []
        for pfn in range(START_PFN, START_PFN + self.pages):
            origin = lib.mv_read(self._c, pfn, lib.MV_PRIVATE)
            if lib.mv_read(self._c, pfn, lib.MV_REFCOUNT) and origin != pfn:
                pairs.append((origin, pfn))
        return sorted(pairs)

    def copy(self, pairs: Pairs, seed: int | None = None) -> float:
        """Seconds of a plain memcpy of these page pairs, in random order if a seed is given."""
        return copy_seconds(self.vm, pairs, seed)

    def touch(self) -> float:
        """Seconds to read one word of every struct page."""
        start = perf_counter()
        lib.mv_bench_touch(self._c, START_PFN, START_PFN + self.pages)
        return perf_counter() - start

    def close(self) -> None:
        """Give the memory back before the next terrain is built."""
        self.vm.close()
