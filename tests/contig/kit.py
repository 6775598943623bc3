"""What the tests of ranges share: machines, and a driver whose pages lie at given frames."""

from collections.abc import Iterable
from typing import Any

from allocator.machines import BLOCK, NO_MARKS, boot, one_zone, take_all
from migration.kit import Recorder

from movable import VM, MachineConfig, NodeConfig, Page, ZoneConfig

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
    "frames",
    "free_pages",
    "nodes",
    "pages_at",
    "readable",
    "small",
    "used_at",
]
