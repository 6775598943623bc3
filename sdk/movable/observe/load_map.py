"""Laying a machine's memory out as a map of a real one shows it, with pages that really move."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from attrs import field, frozen

from movable._core import lib
from movable.drivers import AddressSpace, hookimpl
from movable.errors import MovableError
from movable.flags import GFP, IsolateMode, MigrateMode, MigrateType
from movable.machine import PAGE_SIZE
from movable.observe.pagemap import PageKind, page_map
from movable.page import Page
from movable.process import Process
from movable.vm import MAX_ORDER, VM, Zone

__all__ = ["FRAME_KINDS", "LoadedMap", "load_page_map"]

FRAME_KINDS = {
    ".": "free",
    "A": "anonymous, on the LRU",
    "U": "anonymous, locked with mlock",
    "F": "of a file, on the LRU",
    "m": "a driver's movable page",
    "O": "a balloon's movable page",
    "R": "reserved",
    "N": "no page",
    **dict.fromkeys("aSPHTtCc-", "in use, cannot move"),
}
"""The letters of a map, one for each frame (spec/differences-drivers.md 2.5)."""

_LRU = "AUF"
_DRIVER = "mO"
_MOVES = _LRU + _DRIVER
_NEVER_ALLOCATED = "RN"
_TAKE = GFP.HIGHUSER_MOVABLE | GFP.MEMALLOC


class _Owner:
    """A driver whose pages may always move. Each carries its first frame number in ``private``."""

    def __init__(self, vm: VM) -> None:
        self.mapping = AddressSpace(vm, self, "loaded")

    def adopt(self, page: Page) -> None:
        page.private = page.pfn
        page.lock()
        page.set_movable(self.mapping)
        page.unlock()

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        mapping.replace_page(newpage, oldpage)
        return 0

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Nothing was changed."""


@frozen
class LoadedMap:
    """A zone that was laid out by `load_page_map`, and its pages that may move.

    ``process`` owns the pages of `addresses` (by the frame each was loaded at), a driver the others.
    """

    zone: Zone
    kinds: str
    process: Process
    addresses: dict[int, int]
    pinned: tuple[Page, ...]
    _driver: _Owner = field(repr=False)

    def frames(self) -> dict[int, int]:
        """Where each page that may move is now, by the frame it was loaded at. A page that is gone is missing."""
        now = {entry.address: entry.pfn for entry in self.process.entries() if entry.kind == "page"}
        frames = {pfn: now[address] for pfn, address in self.addresses.items() if address in now}
        return frames | {page.private: page.pfn for page in self._driver.mapping.pages()}

    def kinds_now(self) -> str:
        """The map as it is now: letters move with their pages; free pages in per-CPU lists show as ``-``."""
        start = self.zone.start_pfn
        name = self.zone.name
        now = next(each.kinds for each in page_map(self.process.vm).zones if each.name == name)
        kept = {start + at for at, kind in enumerate(self.kinds) if kind not in _MOVES}
        kinds = [
            "." if now[at] == PageKind.FREE else (kind if start + at in kept and kind != "." else "-")
            for at, kind in enumerate(self.kinds)
        ]
        for before, frame in self.frames().items():
            kinds[frame - start] = self.kinds[before - start]
        return "".join(kinds)


def load_page_map(
    vm: VM,
    zone: Zone,
    kinds: str,
    *,
    pinned: Collection[int] = (),
    waiting: Collection[int] = (),
    cpu: int = 0,
    types: Mapping[int, MigrateType] = MappingProxyType({}),
) -> LoadedMap:
    """Lay a zone of a new machine out as ``kinds`` says: a letter of `FRAME_KINDS` for each frame of its span.

    Pages on the LRU are a process's, and can be read and written; the movable pages of drivers belong to a driver
    that lets every page move. ``pinned`` are frames of LRU pages that get an extra reference. ``waiting`` are frames
    that ``cpu`` frees last, so that they wait in its list of free pages if the machine has such lists. ``types`` are
    pageblocks that are not to be MOVABLE, by a frame of theirs. Free frames are merged into the largest blocks. Other
    zones are as new afterwards.

    MovableError: the map is not as long as the zone, has other letters, has frames reserved or missing that the
    machine's configuration has not, or something of the zone is in use already.
    """
    _check(vm, zone, kinds, pinned, waiting)
    before = vm.cpu
    vm.cpu = cpu
    try:
        return _Loading(vm, zone, kinds).load(pinned, waiting, types)
    finally:
        vm.cpu = before


def _check(vm: VM, zone: Zone, kinds: str, pinned: Collection[int], waiting: Collection[int]) -> None:
    if len(kinds) != zone.spanned:
        raise MovableError(f"kinds: {zone.name} spans {zone.spanned} frames, the map has {len(kinds)}")
    strange = sorted(set(kinds) - FRAME_KINDS.keys())
    if strange:
        raise MovableError(f"kinds: {strange[0]!r} is no letter of a map; there are {''.join(FRAME_KINDS)}")
    absent = sum(map(kinds.count, _NEVER_ALLOCATED))
    if zone.spanned - absent != zone.managed:
        raise MovableError(
            f"kinds: the map leaves {zone.spanned - absent} frames to the allocator, the machine {zone.managed}; "
            "reserve the frames R and leave out the frames N in its configuration"
        )
    if zone.free_pages + sum(zone.per_cpu_pages(cpu).count for cpu in range(vm.config.cpus)) != zone.managed:
        raise MovableError(f"zone: {zone.name} is not new: something of it is in use")
    for what, pfns, letters in (("pinned", pinned, _LRU), ("waiting", waiting, "-.")):
        for pfn in pfns:
            if not zone.start_pfn <= pfn < zone.end_pfn or kinds[pfn - zone.start_pfn] not in letters:
                raise MovableError(f"{what}: pfn {pfn:#x} is none of the map's {' or '.join(letters)}")


class _Loading:
    """The work of `load_page_map`: take everything, then give back frame by frame what has its place there."""

    def __init__(self, vm: VM, zone: Zone, kinds: str) -> None:
        self._vm = vm
        self._zone = zone
        self._kinds = kinds
        self._others: list[tuple[Page, int]] = []
        self._taken: dict[int, Page] = {}
        self._process = vm.process()
        self._addresses: dict[int, int] = {}
        self._by_kind: dict[str, list[int]] = defaultdict(list)
        for at, kind in enumerate(kinds):
            self._by_kind[kind].append(zone.start_pfn + at)

    def load(
        self, pinned: Collection[int], waiting: Collection[int], types: Mapping[int, MigrateType]
    ) -> LoadedMap:
        vm = self._vm
        vm.machine.check(lib.mv_pcp_disable(vm.machine.c))
        for each in vm.zones:
            lib.mv_set_watermarks(vm.machine.c, each.id, [0] * 3, [0] * 4)
        self._take_everything()
        for kind in _LRU:
            self._load_lru(kind)
        vm.lru_add_drain_all()
        vm.compute_watermarks()
        driver = _Owner(vm)
        for pfn in self._frames(_DRIVER):
            driver.adopt(self._taken.pop(pfn))
        # Only now: the allocations so far may have changed the types of blocks.
        for pfn, migratetype in types.items():
            vm.set_pageblock_migratetype(pfn, migratetype)
        late = set(waiting)
        # Many pages were freed before a map is taken: the portions that go back have their full size (3.5).
        vm.machine.check(lib.mv_pcp_enable(vm.machine.c))
        self._free(pfn for pfn in self._frames(".") if pfn not in late)
        for page, order in self._others:
            vm.free_pages(page, order)
        vm.drain_all_pages()
        self._free(waiting)
        pins = tuple(self._process.pin(self._addresses[pfn]) for pfn in pinned)
        return LoadedMap(self._zone, self._kinds, self._process, self._addresses, pins, driver)

    def _frames(self, kinds: str) -> Iterator[int]:
        for kind in kinds:
            yield from self._by_kind[kind]

    def _take_everything(self) -> None:
        """Every free frame of the machine: single pages in the zone, the largest blocks elsewhere."""
        vm, zone = self._vm, self._zone
        for order in reversed(range(MAX_ORDER)):
            while (page := vm.alloc_pages(order, _TAKE)) is not None:
                if zone.start_pfn <= page.pfn < zone.end_pfn:
                    self._split(page, order)
                else:
                    self._others.append((page, order))

    def _split(self, page: Page, order: int) -> None:
        """The pages of a block of the zone, one by one: it is freed and taken again."""
        vm, start = self._vm, page.pfn
        if not order:
            self._taken[start] = page
            return
        vm.free_pages(page, order)
        for _ in range(1 << order):
            single = vm.alloc_page(_TAKE)
            if single is None:
                raise MovableError("load_page_map: memory went away while a map was loaded")
            self._taken[single.pfn] = single

    def _free(self, pfns: Iterable[int]) -> None:
        for pfn in pfns:
            self._vm.free_pages(self._taken.pop(pfn))

    def _load_lru(self, kind: str) -> None:
        """The only free frames are those of this kind: touching as many pages fills them."""
        frames = self._by_kind[kind]
        if not frames:
            return
        self._free(frames)
        length = len(frames) * PAGE_SIZE
        file = self._vm.file("loaded", length, tmpfs=True) if kind == "F" else None
        address = self._process.mmap(length, shared=file is not None, file=file)
        self._process.touch(address, length)
        if kind == "U":
            self._process.mlock(address, length)
        pages = self._process.entries(address, length)
        if {page.pfn for page in pages} != set(frames):
            raise MovableError("load_page_map: pages of the process came to lie elsewhere")
        self._addresses |= {page.pfn: page.address for page in pages}
