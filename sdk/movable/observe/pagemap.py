"""What every page of a machine is used for, at one moment."""

from enum import IntEnum

from attrs import frozen

from movable._core import ffi, lib
from movable.vm import VM

_LETTERS = "N.RAAFFUAaf-D"
"""In the order of PageKind."""

__all__ = ["PageKind", "PageMap", "ZoneMap", "page_map"]


class PageKind(IntEnum):
    """What a frame is used for. Pages of driver number i of a PageMap are ``DRIVER + i``.

    Pages of processes and files go by their LRU list, active or inactive, anonymous (shared memory included) or
    of a file; SWAP_CACHE are those with a swap slot. ``OFF_LRU``: on no list just now, because they wait in a vector
    or are isolated.
    """

    HOLE = lib.MV_KIND_HOLE
    FREE = lib.MV_KIND_FREE
    RESERVED = lib.MV_KIND_RESERVED
    INACTIVE_ANON = lib.MV_KIND_INACTIVE_ANON
    ACTIVE_ANON = lib.MV_KIND_ACTIVE_ANON
    INACTIVE_FILE = lib.MV_KIND_INACTIVE_FILE
    ACTIVE_FILE = lib.MV_KIND_ACTIVE_FILE
    UNEVICTABLE = lib.MV_KIND_UNEVICTABLE
    SWAP_CACHE = lib.MV_KIND_SWAP_CACHE
    ANON_OFF_LRU = lib.MV_KIND_ANON_OFF_LRU
    FILE_OFF_LRU = lib.MV_KIND_FILE_OFF_LRU
    KERNEL = lib.MV_KIND_KERNEL
    DRIVER = lib.MV_KIND_MAPPING

    @property
    def letter(self) -> str:
        """Its letter in the text of a map, as recordings of real machines have them."""
        return _LETTERS[self]


_TO_LETTERS = b"".join(kind.letter.encode() for kind in PageKind).ljust(256, b"D")


@frozen
class ZoneMap:
    """The frames of one zone: a byte for each, a PageKind or ``DRIVER`` plus the driver's number."""

    name: str
    start_pfn: int
    kinds: bytes

    def __str__(self) -> str:
        """A letter for each frame: `PageKind.letter`, or ``D`` for a driver's page."""
        return self.kinds.translate(_TO_LETTERS).decode()


@frozen
class PageMap:
    """The zones of a machine, and the names of the drivers that own pages."""

    zones: tuple[ZoneMap, ...]
    drivers: tuple[str, ...]

    def count(self, kind: int) -> int:
        """How many pages are of this kind."""
        return sum(zone.kinds.count(kind) for zone in self.zones)

    def driver_kind(self, name: str) -> int:
        """The kind of a driver's pages. KeyError for one that owned none."""
        if name not in self.drivers:
            raise KeyError(name)
        return PageKind.DRIVER + self.drivers.index(name)


def page_map(vm: VM) -> PageMap:
    """Take down what each frame is used for. Pages that a driver gave up while isolated count as the kernel's."""
    mappings = vm.mappings[: 256 - PageKind.DRIVER]
    pointers = ffi.new("struct address_space *[]", [mapping.pointer for mapping in mappings])
    zones = []
    for zone in vm.zones:
        kinds = bytearray(zone.spanned)
        vm.machine.check(
            lib.mv_page_kinds(
                vm.machine.c, zone.start_pfn, zone.end_pfn, pointers, len(mappings), ffi.from_buffer(kinds)
            )
        )
        zones.append(ZoneMap(zone.name, zone.start_pfn, bytes(kinds)))
    return PageMap(tuple(zones), tuple(mapping.name for mapping in mappings))
