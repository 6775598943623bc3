"""What the tests of ranges share: machines, and a driver whose pages lie at given frames."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from allocator.machines import BLOCK, NO_MARKS, boot, one_zone, take_all
from migration.kit import Recorder

from movable import GFP, PAGE_SIZE, VM, File, MachineConfig, NodeConfig, Page, Process, ZoneConfig

START = 0x1000
"""Where memory begins."""

MAX = 1024
"""MAX_ORDER_NR_PAGES: what contiguous allocation widens its range to."""


def small(pages: int = 4 * MAX, **settings: Any) -> VM:
    """One zone, every page of which can be had; recounted after each call."""
    return boot(one_zone(pages, **settings))


def nodes(count: int = 2, pages: int = 2 * MAX) -> VM:
    """Nodes with one zone Normal each, and a CPU on each."""
    config = MachineConfig(
        "nodes",
        tuple(
            NodeConfig((ZoneConfig("Normal", START + nid * pages, pages, watermarks=NO_MARKS),), (nid,))
            for nid in range(count)
        ),
        cpus=count,
    )
    return boot(config)


def pages_at(driver: Recorder, frames: Iterable[int]) -> list[Page]:
    """New objects of the driver, in exactly these frames; all other memory is as it was."""
    vm = driver.vm
    held = take_all(vm)
    debug, vm.debug = vm.debug, 0
    made = []
    for pfn in frames:
        vm.free_pages(held.pop(pfn))
        made.append(driver.add(f"at {pfn:#x}"))
        assert made[-1].pfn == pfn
    for page in held.values():
        vm.free_pages(page)
    vm.debug = debug
    driver.log.clear()
    return made


def used_at(vm: VM, frames: Iterable[int], **how: Any) -> list[Page]:
    """Pages that nobody owns, in exactly these frames."""
    held = take_all(vm, **how)
    debug, vm.debug = vm.debug, 0
    kept = [held.pop(pfn) for pfn in frames]
    for page in held.values():
        vm.free_pages(page)
    vm.debug = debug
    return kept


def touched_at(vm: VM, frames: Iterable[int], touch: Callable[[int], object]) -> None:
    """Have ``touch`` allocate one page after the other, in exactly these frames; it is told how many before."""
    # Without reclaim, which would drop the pages of files that are there.
    held = take_all(vm, GFP.MOVABLE)
    debug, vm.debug = vm.debug, 0
    for number, pfn in enumerate(frames):
        vm.free_pages(held.pop(pfn))
        touch(number)
    for page in held.values():
        vm.free_pages(page)
    vm.lru_add_drain_all()
    vm.debug = debug


def process_at(vm: VM, frames: Sequence[int], **how: Any) -> tuple[Process, int]:
    """A process whose pages lie in exactly these frames, each holding its number; the address of the first."""
    process = vm.process()
    address = process.mmap(len(frames) * PAGE_SIZE, **how)
    touched_at(vm, frames, lambda number: process.write(address + number * PAGE_SIZE, b"page %d" % number))
    return process, address


def file_at(vm: VM, frames: Sequence[int], *, clean: bool = False, **how: Any) -> File:
    """A file whose cached pages lie in exactly these frames, each holding its number: dirty, or all written out."""
    file = vm.file("data", len(frames) * PAGE_SIZE, **how)
    touched_at(vm, frames, lambda number: file.write(number * PAGE_SIZE, b"page %d" % number))
    if clean:
        file.sync()
    return file


def intact(read: Callable[[int], bytes], pages: int = 1) -> bool:
    """Whether a memory, read from a byte offset on, still holds the number of each of its pages."""
    return all(read(number * PAGE_SIZE).startswith(b"page %d" % number) for number in range(pages))


def readable(driver: Recorder) -> bool:
    """Whether every object still says which frame it was stored in."""
    return all(driver.load(handle).startswith(b"at 0x") for handle in driver.cells)


def free_pages(vm: VM) -> int:
    """NR_FREE_PAGES of the machine."""
    return sum(zone.free_pages for zone in vm.zones)


def frames(pages: Iterable[Page]) -> list[int]:
    """Frame numbers, ascending."""
    return sorted(page.pfn for page in pages)


__all__ = [
    "BLOCK",
    "MAX",
    "START",
    "file_at",
    "frames",
    "free_pages",
    "intact",
    "nodes",
    "pages_at",
    "process_at",
    "readable",
    "small",
    "touched_at",
    "used_at",
]
