"""LRU pages in compaction, beside drivers' pages (spec/compaction.md 4.2, 4.3, 12 facts 38, 48, 49, 13 S1)."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from allocator.machines import NO_MARKS, one_zone
from attrs import evolve
from compaction.terrain import direct
from process.kit import cached, filled, stored_file

from movable import (
    GFP,
    PAGE_SIZE,
    VM,
    CompactPriority,
    CompactRun,
    CompactSettings,
    MachineConfig,
    MigrateMethod,
    MigrateMode,
    Process,
)

BLOCK = 512


def machine(blocks: int) -> MachineConfig:
    """One zone, no watermarks."""
    return one_zone(blocks * BLOCK, NO_MARKS)


def every_odd_frame(vm: VM, blocks: int) -> Process:
    """A process that has every odd frame, each page holding its number; even frames are free."""
    kept, gone = vm.process(), vm.process()
    places = [process.mmap(blocks * BLOCK * PAGE_SIZE) for process in (gone, kept)]
    start = vm.zones[0].start_pfn
    while vm.vmstat()["nr_free_pages"]:
        page = vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        assert page is not None
        odd = (page.pfn - start) % 2
        page.put()
        # The page just freed is the next one to be allocated.
        process = (gone, kept)[odd]
        process.write(places[odd], b"%d" % page.pfn)
        places[odd] += PAGE_SIZE
    vm.lru_add_drain_all()
    gone.exit()
    vm.lru_add_drain_all()
    return kept


def contents(process: Process) -> set[bytes]:
    """What the process's pages hold."""
    return {process.read(address, 8) for address in process.pages()}


def compact(vm: VM, mode: MigrateMode = MigrateMode.SYNC) -> CompactRun:
    """Compact the zone as a whole."""
    return vm.compact_zone(
        vm.zones[0],
        CompactSettings(mode=mode, whole_zone=True, ignore_block_suitable=True, ignore_skip_hint=True),
    )


@pytest.mark.parametrize(
    ("blocks", "after", "scanned", "success"),
    [
        (4, [64, 0, 0, 0, 0, 0, 1, 1, 1, 1], (1024, 959), 480),
        (8, [64, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1], (2048, 1983), 992),
    ],
    ids=["S1", "S2"],
)
def test_compact_memory_over_anonymous_pages(
    blocks: int, after: list[int], scanned: tuple[int, int], success: int
) -> None:
    """The scenarios S1 and S2 with the pages they are told with; nothing is lost."""
    with VM(machine(blocks), debug=1) as vm:
        process = every_odd_frame(vm, blocks)
        before = contents(process)
        assert vm.zones[0].nr_free[0] == blocks * BLOCK // 2
        (run,) = vm.compact_memory()
        vm.lru_add_drain_all()
        vm.recount()
        free = list(vm.zones[0].nr_free)
        assert free[: len(after)] == after
        assert (run.migrate_scanned, run.free_scanned, run.migrated, run.failed) == (*scanned, success, 1)
        assert contents(process) == before
        assert len(before) == blocks * BLOCK // 2


def test_direct_compaction_over_anonymous_pages() -> None:
    """An order-9 request finds its block although every second page belongs to a process (S3)."""
    with VM(machine(8), debug=1) as vm:
        process = every_odd_frame(vm, 8)
        before = contents(process)
        run = vm.compact_zone(vm.zones[0], direct(9, CompactPriority.ASYNC))
        assert (run.migrate_scanned, run.free_scanned, run.migrated) == (512, 511, 256)
        assert vm.zones[0].nr_free[9] == 1
        assert contents(process) == before


@contextmanager
def low_memory(vm: VM) -> Iterator[None]:
    """Pages that are allocated meanwhile lie at the low end of the machine `tiny`, where compaction takes them from."""
    blocks = [vm.alloc_pages(10, GFP.HIGHUSER_MOVABLE) for _ in range(3)]
    yield
    for block in blocks:
        assert block is not None
        vm.free_pages(block, 10)


def test_a_pinned_anonymous_page_is_not_isolated(vm: VM) -> None:
    """Refs 2 and one mapping, in no cache: passed over (38)."""
    with low_memory(vm):
        process = vm.process()
        address = filled(process)
        page = process.pin(address)
    run = compact(vm)
    assert (run.migrated, run.failed) == (0, 0)
    assert process.page(address) is page
    page.put()
    assert compact(vm).migrated == 1
    assert process.read(address, 6) == b"page 0"


def test_a_pinned_page_of_a_file_fails_later(vm: VM) -> None:
    """The same counts with a mapping: isolated, and -EAGAIN to the end (38)."""
    with low_memory(vm):
        file = stored_file(vm)
    page = cached(file)
    page.get()
    run = compact(vm)
    assert (run.migrated, run.failed) == (0, 1)
    page.put()
    assert cached(file) is page


@pytest.mark.parametrize("mode", MigrateMode, ids=str)
@pytest.mark.parametrize(
    ("method", "writeback", "dirty", "light"),
    [
        (MigrateMethod.MIGRATE_PAGE, False, False, True),
        (MigrateMethod.MIGRATE_PAGE, True, False, False),
        (MigrateMethod.NONE, False, False, True),
        (MigrateMethod.NONE, False, True, False),
        (MigrateMethod.MIGRATE_PAGE, False, True, True),
    ],
    ids=["clean", "writeback", "no method", "dirty without method", "dirty"],
)
def test_what_the_lighter_modes_leave(
    vm: VM, mode: MigrateMode, method: MigrateMethod, writeback: bool, dirty: bool, light: bool
) -> None:
    """Pages under writeback, and dirty ones without migratepage, are taken in MIGRATE_SYNC only (4.3, 49)."""
    with low_memory(vm):
        file = stored_file(vm, method=method, sync=not dirty)
    page = cached(file)
    if writeback:
        file.start_writeback(0)
    run = compact(vm, mode)
    taken = light or mode == MigrateMode.SYNC
    assert (run.migrated, cached(file) is page) == ((1, False) if taken else (0, True))
    assert file.read(0, 1) == b"0"
    file.end_writeback()


@pytest.mark.parametrize("allowed", [True, False])
def test_unevictable_pages(allowed: bool) -> None:
    """mlocked pages are compacted by default, and not with compact_unevictable_allowed=0 (48)."""
    with VM(evolve(machine(8), compact_unevictable_allowed=allowed), debug=1) as vm:
        process = every_odd_frame(vm, 8)
        # What was touched last lies lowest.
        process.mlock(list(process.pages())[-64], 64 * PAGE_SIZE)
        before = process.pages()
        (run,) = vm.compact_memory()
        locked = [
            address
            for area in process.areas
            if area.locked
            for address in process.pages(area.start, area.length)
        ]
        moved = [address for address in locked if process.page(address) is not before[address]]
        assert run.migrated
        assert bool(moved) == allowed
        assert len(locked) == 64
