"""Machines whose memory is laid out frame by frame, and the driver that owns their movable pages."""

from collections.abc import Callable, Iterable, Mapping
from errno import EAGAIN, EBUSY
from typing import Any, Self

from allocator.machines import BLOCK, NO_MARKS, one_zone, take_all
from attrs import field, frozen

from movable import (
    GFP,
    PAGE_SIZE,
    VM,
    AddressSpace,
    CompactPriority,
    CompactSettings,
    IsolateMode,
    MachineConfig,
    MigrateMode,
    MigrateType,
    Page,
    Watermarks,
    Zone,
    hookimpl,
)

Layout = Callable[[int], str]
"""What lies at a frame, by its distance from the start of the zone: `.` free, `M` movable, `U` unmovable."""


class Terrain:
    """A driver with single movable pages at given frames; it checks that moving them loses nothing.

    Pages that are neither movable nor free are in use by nobody who could move them. Each movable page has
    a serial number; pages whose number is in `refused` are not let go, those in `busy` cannot move now, those in
    `stuck` cannot move at all. `isolated`, `moves` and `put_back` record the callbacks in order; what is in
    `actions` under the name of a callback is called with the page: before anything is changed, but last by
    putback_page.
    """

    def __init__(self, vm: VM, zone: int = 0) -> None:
        self.vm = vm
        self.zone: Zone = vm.zones[zone]
        self.mapping = AddressSpace(vm, self, "terrain")
        self.idle = vm.page_list("terrain")
        self.pages: dict[int, Page] = {}
        self.serial = 0
        self.actions: dict[str, Callable[[Page], object]] = {}
        self.refused: set[int] = set()
        self.busy: set[int] = set()
        self.stuck: set[int] = set()
        self.stuck_errno = EBUSY
        self.isolated: list[int] = []
        self.moves: list[tuple[int, int]] = []
        self.put_back: list[int] = []
        self.isolate_modes: set[IsolateMode] = set()
        self.migrate_modes: set[MigrateMode] = set()
        self.task_flags: set[int] = set()

    @classmethod
    def on(
        cls,
        config: MachineConfig,
        layout: Layout,
        types: Mapping[int, MigrateType] | None = None,
        zone: int = 0,
    ) -> Self:
        """A driver on a new machine, laid out; from now on every operation ends with a full recount."""
        made = cls(VM(config, debug=1), zone)
        made.fill(layout, types)
        made.vm.debug = 2
        return made

    def adopt(self, page: Page) -> None:
        """Make a page in use one of the driver's, with contents of its own."""
        self.serial += 1
        serial = self.serial
        page.data[:] = serial.to_bytes(8, "little") * (PAGE_SIZE // 8)
        page.private = serial
        page.lock()
        page.set_movable(self.mapping)
        page.unlock()
        self.idle.add(page)
        self.pages[serial] = page

    def release(self, page: Page) -> None:
        """Give a page up and free it, also while it is isolated."""
        page.lock()
        self.give_up(page)
        page.unlock()
        page.put()

    def give_up(self, page: Page) -> None:
        """Clear a locked page and forget it; the driver's reference stays."""
        if not page.isolated:
            self.idle.remove(page)
        del self.pages[page.private]
        page.private = 0
        page.clear_movable()

    def fill(self, layout: Layout, types: Mapping[int, MigrateType] | None = None) -> None:
        """Take every frame, then free, adopt or keep each as the layout says; free frames are freed singly.

        `types` are the types of pageblocks that are not to be MOVABLE, by pfn.
        """
        taken = take_all(self.vm, GFP.HIGHUSER_MOVABLE | GFP.MEMALLOC)
        for pfn, migratetype in (types or {}).items():
            self.vm.set_pageblock_migratetype(pfn, migratetype)
        for pfn in sorted(taken):
            kind = layout(pfn - self.zone.start_pfn)
            if kind == "M":
                self.adopt(taken[pfn])
            elif kind == ".":
                self.vm.free_pages(taken[pfn])

    def _act(self, callback: str, page: Page) -> None:
        action = self.actions.get(callback)
        if action is not None:
            action(page)

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Grant every page that is not refused."""
        self._act("isolate_page", page)
        self.isolate_modes.add(mode)
        if page.private in self.refused:
            return False
        self.idle.remove(page)
        self.isolated.append(page.pfn)
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Move a page that is neither busy nor stuck."""
        self._act("migratepage", oldpage)
        self.migrate_modes.add(mode)
        self.task_flags.add(self.vm.task_flags)
        self.moves.append((oldpage.pfn, newpage.pfn))
        if oldpage.private in self.busy:
            return -EAGAIN
        return -self.stuck_errno if oldpage.private in self.stuck else self.move(newpage, oldpage)

    def move(self, newpage: Page, oldpage: Page) -> int:
        """Do what success asks for."""
        self.mapping.replace_page(newpage, oldpage)
        self.idle.add(newpage)
        self.pages[newpage.private] = newpage
        return 0

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Take a page back."""
        self.put_back.append(page.pfn)
        self.idle.add(page)
        self._act("putback_page", page)

    def verify(self) -> None:
        """Every page has its contents and one reference, nothing is isolated, and the recount agrees."""
        self.vm.recount()
        assert self.mapping.pages() == sorted(self.pages.values(), key=lambda page: page.pfn)
        assert set(self.idle) == set(self.pages.values())
        for serial, page in self.pages.items():
            assert page.data == serial.to_bytes(8, "little") * (PAGE_SIZE // 8)
            assert (page.refcount, page.isolated, page.locked) == (1, False, False)
        stat = self.vm.vmstat()
        assert (stat["nr_isolated_anon"], stat["nr_isolated_file"]) == (0, 0)

    def skipped(self) -> list[int]:
        """The pageblocks that carry the skip hint, by their number in the machine."""
        pfns = range(self.zone.start_pfn, self.zone.end_pfn, BLOCK)
        return [pfn // BLOCK for pfn in pfns if self.vm.pageblock_skip(pfn)]


def terrain(blocks: int, layout: Layout, marks: Watermarks = NO_MARKS, **settings: Any) -> Terrain:
    """A driver on a new machine of so many blocks; from now on every operation ends with a full recount."""
    return Terrain.on(one_zone(blocks * BLOCK, marks, **settings), layout)


def odd(offset: int) -> str:
    """Movable pages on odd frames, free ones between them."""
    return "M" if offset % 2 else "."


def with_unmovable(layout: Layout, offsets: Callable[[int], bool]) -> Layout:
    """The layout with unmovable pages where the predicate holds."""
    return lambda offset: "U" if offsets(offset) else layout(offset)


def direct(order: int, priority: CompactPriority, gfp: GFP = GFP.HIGHUSER_MOVABLE) -> CompactSettings:
    """The control block of direct compaction (spec/compaction.md 3.1)."""
    full = priority is CompactPriority.SYNC_FULL
    return CompactSettings(
        order=order,
        mode=MigrateMode.ASYNC if priority is CompactPriority.ASYNC else MigrateMode.SYNC_LIGHT,
        gfp=gfp,
        direct=True,
        whole_zone=full,
        ignore_skip_hint=full,
        ignore_block_suitable=full,
    )


@frozen
class Growth:
    """How much the machine's counters have grown since this was made."""

    _vm: VM
    _before: dict[str, int] = field(init=False)

    @_before.default
    def _read(self) -> dict[str, int]:
        return self._vm.vmstat()

    def __getitem__(self, name: str) -> int:
        return self._vm.vmstat()[name] - self._before[name]

    def of(self, names: Iterable[str]) -> dict[str, int]:
        """Several of them."""
        return {name: self[name] for name in names}
