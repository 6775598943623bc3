"""Small machines, and the few things every test of the allocator does with them."""

from typing import Any

from movable import GFP, VM, MachineConfig, NodeConfig, Page, Watermarks, ZoneConfig

BLOCK = 512
"""Pages in a pageblock."""

START = 0x1000
"""Where the memory of a one-zone machine begins."""

NO_MARKS = Watermarks(0, 0, 0)

UNMOVABLE = GFP.KERNEL
MOVABLE = GFP.HIGHUSER_MOVABLE
RECLAIMABLE = GFP.KERNEL | GFP.RECLAIMABLE


def one_zone(pages: int = 1024, marks: Watermarks = NO_MARKS, **settings: Any) -> MachineConfig:
    """One node with one zone Normal; without marks its last page can be allocated."""
    zone = ZoneConfig("Normal", START, pages, watermarks=marks)
    return MachineConfig("one zone", (NodeConfig((zone,)),), **settings)


def one_node(*zones: ZoneConfig, **settings: Any) -> MachineConfig:
    """One node with these zones; without marks and reserves every page can be allocated."""
    open_to_all = {"watermarks": NO_MARKS, "lowmem_reserve_ratio": (1 << 20,) * 3}
    return MachineConfig("one node", (NodeConfig(zones),), **{**open_to_all, **settings})


def boot(config: MachineConfig, *, debug: int = 2, poison: bool | None = None) -> VM:
    """The machine, recounted after every operation."""
    return VM(config, debug=debug, poison=poison)


def must(page: Page | None) -> Page:
    """The page that an allocation has to return."""
    assert page is not None, "the allocation failed"
    return page


def exhaust(vm: VM, gfp: GFP = MOVABLE, order: int = 0, node: int | None = None) -> list[Page]:
    """Allocate until there is no more, in the order of allocation."""
    return list(iter(lambda: vm.alloc_pages(order, gfp, node), None))


def take_all(vm: VM, gfp: GFP = MOVABLE) -> dict[int, Page]:
    """Every free frame as a single page in use, by pfn."""
    debug, vm.debug = vm.debug, 0
    taken = {page.pfn: page for page in exhaust(vm, gfp)}
    vm.debug = debug
    return taken


def free(vm: VM, *pfns: int) -> None:
    """Free single pages, in this order."""
    for pfn in pfns:
        vm.free_pages(vm.page(pfn))


def trimmed(counts: list[int]) -> list[int]:
    """Counts by order without the zeros at the end."""
    return counts[: max((at + 1 for at, count in enumerate(counts) if count), default=0)]
