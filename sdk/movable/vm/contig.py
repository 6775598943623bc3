"""Ranges of frames: allocating a given one, and taking memory out of the running machine and putting it back."""

import os
from collections.abc import Iterator

from attrs import evolve, frozen

from movable._core import ffi, lib
from movable.config import MachineConfig, PfnRange, zone_marks
from movable.errors import MovableError
from movable.flags import MigrateType, member
from movable.machine import Machine
from movable.process import Cpuset
from movable.vm.zones import Zone

PAGEBLOCK_PAGES = 512
"""Pages in a pageblock. spec/compaction.md 1.1."""


@frozen
class RangeResult:
    """What became of frames ``start`` up to, but not including, ``end``. spec/compaction.md 8.2, 8.3.

    ``ret``: 0 or a negative errno. ``migrated`` and ``failed`` count pages over all ``passes``: calls of
    migrate_pages() for a contiguous range, passes over the range for memory offline. ``busy``: after a failure the
    frame number of a page that was in the way, or None if none is known.
    """

    ret: int
    start: int
    end: int
    migrated: int
    failed: int
    passes: int
    busy: int | None

    def __str__(self) -> str:
        ending = "done" if self.ret == 0 else os.strerror(-self.ret)
        busy = "" if self.busy is None else f", pfn {self.busy:#x} is in the way"
        return (
            f"[{self.start:#x}, {self.end:#x}): {ending}{busy}; {self.migrated} moved, {self.failed} failed"
        )


class RangeCalls:
    """The calls of a VM that work on a range of frames."""

    machine: Machine
    config: MachineConfig
    zones: tuple[Zone, ...]
    cpusets: Cpuset

    def __init__(self) -> None:
        self._offline: set[int] = set()

    def demand_process_context(self, what: str) -> None:
        """MovableError inside a callback of the VM."""
        raise NotImplementedError

    def alloc_contig_range(
        self, start: int, end: int, migratetype: MigrateType = MigrateType.MOVABLE
    ) -> RangeResult:
        """Allocate exactly the frames from ``start`` to ``end``, moving what is in the way.

        On success every frame is a page of its own with one reference; free_contig_range() gives them back.
        ``ret`` is -EBUSY if a page could not be moved, -ENOMEM if there was no room for it, -EINTR if nothing could
        be isolated because too many pages of the node already are; then nothing is allocated, and pages that did
        move stay where they are. ``migratetype``, MOVABLE or CMA, is what the pageblocks of the range are; Linux
        widens it to blocks of 1024 pages, and all of those have this type afterwards.

        MovableError for a range that is empty or leaves its zone, and inside a callback.
        spec/compaction.md 8.2; a page that is freed while it is being put back counts as free, as from 4.14 on.
        """
        self._check_range(start, end, "end")
        kind = member(MigrateType, migratetype, "migratetype")
        if kind not in (MigrateType.MOVABLE, MigrateType.CMA):
            raise MovableError(f"migratetype: must be MOVABLE or CMA, not {kind.name}")
        self.demand_process_context("alloc_contig_range")
        result = ffi.new("struct mv_range_result *")
        ret = self.machine.check(lib.mv_alloc_contig_range(self.machine.c, start, end, kind, result))
        return _result(ret, start, end, result)

    def free_contig_range(self, start: int, nr: int) -> int:
        """Drop a reference on each of ``nr`` frames; how many of them are still in use by others.

        Pages that were not allocated one by one are a violation, as for free_pages(). spec/compaction.md 8.2.
        """
        self._check_range(start, start + nr, "nr")
        return self.machine.check(lib.mv_free_contig_range(self.machine.c, start, nr))

    def offline_pages(
        self, start: int, nr: int, *, non_lru: bool = False, max_passes: int = 120
    ) -> RangeResult:
        """Take ``nr`` frames from ``start`` on out of the machine: move what is there, then give the memory up.

        The range is whole pageblocks of one zone, without holes. Linux 4.9 does not move drivers' pages here, so
        they are in the way; with ``non_lru`` they are moved, to other nodes first, as from 4.14 on (D18).
        ``max_passes`` stands for the time limit of 120 s: a driver that always answers -EAGAIN is asked that often.

        ``ret``: -EBUSY or -ENOMEM, after five passes that ended so at once; -EAGAIN when ``max_passes`` were not
        enough. Then nothing is offline. On success managed and present pages shrink and all marks are computed anew.
        MovableError for a range that cannot be, and inside a callback. spec/compaction.md 8.3.
        """
        self._check_blocks(start, nr)
        if max_passes < 1:
            raise MovableError(f"max_passes: must be 1 or more, not {max_passes}")
        self.demand_process_context("offline_pages")
        result = ffi.new("struct mv_range_result *")
        ret = self.machine.check(
            lib.mv_offline_pages(self.machine.c, start, start + nr, non_lru, max_passes, result)
        )
        if ret == 0:
            self._offline.update(range(start, start + nr, PAGEBLOCK_PAGES))
            self._set_watermarks()
            self.cpusets.hotplug()
        return _result(ret, start, start + nr, result)

    def online_pages(self, start: int, nr: int) -> None:
        """Put frames that are offline back to work; they are free then. MovableError if one is not offline."""
        self._check_range(start, start + nr, "nr")
        blocks = set(range(start, start + nr, PAGEBLOCK_PAGES))
        if nr % PAGEBLOCK_PAGES or not blocks <= self._offline:
            there = ", ".join(f"[{each.start:#x}, {each.end:#x})" for each in self.offline_ranges) or "none"
            raise MovableError(
                f"start, nr: must be whole pageblocks of {PAGEBLOCK_PAGES} pages that are offline; offline: {there}"
            )
        self.demand_process_context("online_pages")
        self.machine.check(lib.mv_online_pages(self.machine.c, start, start + nr))
        self._offline -= blocks
        self._set_watermarks()
        self.cpusets.hotplug()

    @property
    def offline_ranges(self) -> tuple[PfnRange, ...]:
        """The frames that are offline, as the fewest ranges, ascending."""
        return tuple(_ranges(sorted(self._offline)))

    def start_isolate_page_range(
        self, start: int, end: int, migratetype: MigrateType = MigrateType.MOVABLE, *, non_lru: bool = False
    ) -> int:
        """Take the pageblocks from ``start`` to ``end`` out of allocation: 0, or -EBUSY if one cannot be.

        A block of another type than MOVABLE or CMA must hold nothing that cannot be moved; drivers' pages count as
        such unless ``non_lru``. After -EBUSY the blocks that were taken have ``migratetype``. spec/compaction.md 8.1.
        """
        self._check_blocks(start, end - start)
        kind = member(MigrateType, migratetype, "migratetype")
        return self.machine.check(lib.mv_start_isolate_page_range(self.machine.c, start, end, kind, non_lru))

    def undo_isolate_page_range(
        self, start: int, end: int, migratetype: MigrateType = MigrateType.MOVABLE
    ) -> None:
        """Give the pageblocks from ``start`` to ``end`` that are isolated still a type. spec/compaction.md 8.1."""
        self._check_blocks(start, end - start)
        kind = member(MigrateType, migratetype, "migratetype")
        self.machine.check(lib.mv_undo_isolate_page_range(self.machine.c, start, end, kind))

    def test_pages_isolated(self, start: int, end: int) -> int:
        """0 if every frame from ``start`` on is free in an isolated pageblock, else -EBUSY. spec/compaction.md 8.2."""
        self._check_range(start, end, "end")
        return self.machine.check(lib.mv_test_pages_isolated(self.machine.c, start, end))

    def _check_range(self, start: int, end: int, argument: str) -> Zone:
        """The zone that a range of frames lies in."""
        if start >= end:
            raise MovableError(f"{argument}: the range from pfn {start:#x} on is empty")
        zone = next((each for each in self.zones if each.start_pfn <= start < each.end_pfn), None)
        if zone is None:
            raise MovableError(f"start: there is no zone with pfn {start:#x} in this machine")
        if end > zone.end_pfn:
            raise MovableError(
                f"{argument}: the range must end in {zone.name}, at pfn {zone.end_pfn:#x} at most"
            )
        return zone

    def _check_blocks(self, start: int, nr: int) -> None:
        """Whole pageblocks of one zone, without holes, and online."""
        if start % PAGEBLOCK_PAGES or nr % PAGEBLOCK_PAGES:
            raise MovableError(
                f"start, nr: must be whole pageblocks, multiples of {PAGEBLOCK_PAGES}, not {start:#x} and {nr}"
            )
        zone = self._check_range(start, start + nr, "nr")
        for block in range(start, start + nr, PAGEBLOCK_PAGES):
            if block in self._offline:
                raise MovableError(f"start, nr: pfn {block:#x} is offline already")
            if self.machine.check(lib.mv_prepare_page(self.machine.c, block)) < 0:
                raise MovableError(f"start, nr: there is a hole in {zone.name} at pfn {block:#x}")

    def _set_watermarks(self) -> None:
        """Compute all marks from the pages that the zones manage now. spec/compaction.md 2.9, 8.3."""
        for zone, marks in zip(self.zones, _marks(self.config, self.zones), strict=True):
            lib.mv_set_watermarks(self.machine.c, zone.id, marks[:3], marks[3:])


def _result(ret: int, start: int, end: int, result: "ffi.CData") -> RangeResult:
    busy = None if result.busy == -1 else int(result.busy)
    return RangeResult(ret, start, end, result.migrated, result.failed, result.passes, busy)


def _ranges(blocks: list[int]) -> Iterator[PfnRange]:
    first = 0
    for at, block in enumerate(blocks):
        if at + 1 == len(blocks) or blocks[at + 1] != block + PAGEBLOCK_PAGES:
            yield PfnRange(blocks[first], block + PAGEBLOCK_PAGES - blocks[first])
            first = at + 1


def _marks(config: MachineConfig, zones: tuple[Zone, ...]) -> list[list[int]]:
    """Min, low, high and the lowmem reserves of each zone, as a machine with these managed pages has them."""
    managed = iter([zone.managed for zone in zones])
    nodes = tuple(
        evolve(
            node,
            zones=tuple(
                evolve(zone, holes=(), reserved=(PfnRange(zone.start_pfn, zone.pages - next(managed)),))
                for zone in node.zones
            ),
        )
        for node in config.nodes
    )
    return [
        [marks.min, marks.low, marks.high, *marks.lowmem_reserve]
        for node in zone_marks(evolve(config, nodes=nodes))
        for marks in node
    ]
