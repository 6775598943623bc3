"""How runs end, and what becomes of pages that do not move."""

from errno import EBUSY, EINVAL, EIO

import pytest
from allocator.machines import BLOCK, START, must, one_zone
from compaction.terrain import Growth, Layout, Terrain, direct, odd, terrain, with_unmovable

from movable import (
    GFP,
    CompactPriority,
    CompactResult,
    CompactSettings,
    MigrateMode,
    MigrateType,
    Page,
    Watermarks,
)

KCOMPACTD = CompactSettings(order=9, mode=MigrateMode.SYNC_LIGHT, ignore_skip_hint=True)
"""The control block of kcompactd: its requests are UNMOVABLE ones (spec/compaction.md 3.1)."""


def few(offset: int) -> str:
    """Eight movable pages at the start, free pages in the last of four blocks."""
    return odd(offset) if offset < 16 or offset >= 3 * BLOCK else "U"


def test_running_out_of_targets_is_contended() -> None:
    """-ENOMEM before the scanners have met ends the run as CONTENDED (spec/compaction.md 12 fact 53)."""
    made = terrain(4, odd, Watermarks(1023, 1023, 1023))
    (run,) = made.vm.compact_memory()
    assert run.result is CompactResult.CONTENDED
    assert run.free_pfn > run.migrate_pfn
    made.verify()


def test_running_out_of_targets_after_the_meeting_is_complete() -> None:
    """-ENOMEM with met scanners lets the next check say COMPLETE (spec/compaction.md 12 fact 53)."""
    made = terrain(4, odd)
    (run,) = made.vm.compact_memory()
    assert (run.result, run.failed) == (CompactResult.COMPLETE, 1)
    assert len(made.put_back) == 32


def test_contended_leaves_the_cached_positions() -> None:
    """A run that ends CONTENDED resets no cached position (spec/compaction.md 12 fact 31)."""
    layout: Layout = with_unmovable(odd, lambda offset: offset < 2 * BLOCK)
    made = terrain(4, layout, Watermarks(511, 511, 511))
    run = made.vm.compact_zone(made.zone, CompactSettings(mode=MigrateMode.SYNC))
    state = made.zone.compact_state
    assert run.result is CompactResult.CONTENDED
    assert (state.cached_migrate_pfn, state.cached_free_pfn) == ((START + BLOCK,) * 2, START + 3 * BLOCK)


def test_no_memory_counts_one_failure() -> None:
    """-ENOMEM at the first page of a batch of 32 is one pgmigrate_fail (spec/compaction.md 12 fact 54)."""
    made = terrain(4, lambda offset: odd(offset) if offset < BLOCK else "U")
    growth = Growth(made.vm)
    (run,) = made.vm.compact_memory()
    assert (run.migrated, run.failed, growth["pgmigrate_fail"]) == (0, 1, 1)
    assert len(made.put_back) == 32


def test_a_busy_page_is_tried_ten_times() -> None:
    """A page that answers -EAGAIN forever asks for ten targets and fails once (12 fact 55)."""
    made = terrain(4, few)
    made.busy = {made.vm.page(START + 5).private}
    (run,) = made.vm.compact_memory()
    assert (run.migrated, run.failed) == (7, 1)
    assert [old for old, _ in made.moves].count(START + 5) == 10
    assert made.put_back == [START + 5]
    made.verify()


def test_a_busy_page_that_relents_moves() -> None:
    """A page that answers -EAGAIN nine times moves in the tenth pass (spec/compaction.md 6.2)."""
    made = terrain(4, few)
    page = made.vm.page(START + 5)
    serial = page.private
    made.busy = {serial}

    def relent(old: object) -> None:
        if [each for each, _ in made.moves].count(START + 5) == 9:
            made.busy.clear()

    made.actions["migratepage"] = relent
    (run,) = made.vm.compact_memory()
    assert (run.migrated, run.failed) == (8, 0)
    assert made.pages[serial].pfn >= START + 3 * BLOCK
    made.verify()


@pytest.mark.parametrize("errno", [EBUSY, EINVAL, EIO])
def test_other_errors_give_the_page_up_at_once(errno: int) -> None:
    """A page with another error is put back at once, and its target serves the next page (6.2)."""
    made = terrain(4, few)
    made.stuck = {made.vm.page(START + 5).private}
    made.stuck_errno = errno
    (run,) = made.vm.compact_memory()
    assert (run.migrated, run.failed) == (7, 1)
    assert [old for old, _ in made.moves].count(START + 5) == 1
    assert made.put_back == [START + 5]
    at = [old for old, _ in made.moves].index(START + 5)
    assert made.moves[at][1] == made.moves[at + 1][1]
    made.verify()


def test_failures_move_an_async_run_to_the_next_group() -> None:
    """After a failure a direct async run leaves the rest of the aligned group (6.1 step 3)."""
    made = terrain(4, odd)
    made.stuck = {made.vm.page(START + 1).private}
    made.vm.compact_zone(made.zone, direct(7, CompactPriority.ASYNC))
    assert made.isolated[31:33] == [START + 63, START + 129]
    made.verify()


def test_failures_do_not_stop_a_sync_run() -> None:
    """After a failure other runs go on with the next page (spec/compaction.md 6.1 step 3)."""
    made = terrain(4, odd)
    made.stuck = {made.vm.page(START + 1).private}
    made.vm.compact_zone(made.zone, direct(7, CompactPriority.SYNC_LIGHT))
    assert made.isolated[31:33] == [START + 63, START + 65]
    made.verify()


def test_a_move_frees_without_allocating() -> None:
    """Every moved page raises pgfree by one and no pgalloc counter (spec/compaction.md 12 fact 56)."""
    made = terrain(4, odd)
    growth = Growth(made.vm)
    (run,) = made.vm.compact_memory()
    assert growth["pgfree"] == run.migrated == growth["pgmigrate_success"]
    assert not any(growth[name] for name in made.vm.vmstat() if name.startswith("pgalloc"))


@pytest.mark.parametrize("held", [1, 2])
@pytest.mark.parametrize("mode", MigrateMode)
def test_too_many_isolated_pages_abort(held: int, mode: MigrateMode) -> None:
    """With more pages isolated than half the LRU lists hold, the run aborts as CONTENDED (12 fact 52, 14)."""
    made = terrain(4, odd)
    pages = made.vm.page_list()
    for offset in range(held):
        assert pages.isolate(made.vm.page(START + 2 * offset + 1))
    run = made.vm.compact_zone(made.zone, CompactSettings(mode=mode, whole_zone=True))
    assert (run.result, run.migrate_scanned, run.migrate_pfn) == (CompactResult.CONTENDED, 0, START)
    made.vm.putback_movable_pages(pages)
    made.verify()


def test_kcompactd_stops_at_the_first_block() -> None:
    """kcompactd's run for order 9 ends as soon as there is one such block (12 fact 57)."""
    made = terrain(8, odd)
    run = made.vm.compact_zone(made.zone, KCOMPACTD)
    assert (run.result, run.migrated, made.zone.nr_free[9]) == (CompactResult.SUCCESS, 256, 1)


@pytest.mark.parametrize(
    ("order", "gfp", "result"),
    [
        (3, GFP.HIGHUSER_MOVABLE, CompactResult.COMPLETE),
        (4, GFP.HIGHUSER_MOVABLE, CompactResult.SUCCESS),
        (3, GFP.KERNEL, CompactResult.SUCCESS),
        (3, GFP.KERNEL | GFP.RECLAIMABLE, CompactResult.SUCCESS),
    ],
)
def test_which_blocks_end_a_run(order: int, gfp: GFP, result: CompactResult) -> None:
    """A foreign block freed meanwhile ends a MOVABLE run from order 4 up, others always (12 facts 57, 58)."""
    layout: Layout = with_unmovable(odd, lambda offset: offset % 8 == 2)
    made = Terrain.on(
        one_zone(4 * BLOCK),
        lambda offset: "." if offset < 1 << order else layout(offset),
        {START: MigrateType.RECLAIMABLE},
    )
    block = must(made.vm.alloc_pages(order, GFP.KERNEL | GFP.RECLAIMABLE))

    def free(page: Page) -> None:
        if block.refcount:
            made.vm.free_pages(block, order)

    made.actions["isolate_page"] = free
    asked = CompactSettings(order=order, mode=MigrateMode.SYNC_LIGHT, gfp=gfp)
    assert made.vm.compact_zone(made.zone, asked).result is result
    made.verify()


def test_a_run_whose_scanners_have_met_does_nothing() -> None:
    """The check comes before every isolation: met scanners end a run with zero scans (6.3)."""
    made = terrain(2, lambda offset: odd(offset) if offset >= BLOCK else "U")
    made.vm.set_pageblock_migratetype(START, MigrateType.UNMOVABLE)
    growth = Growth(made.vm)
    result = made.vm.compact_zone(made.zone, CompactSettings(mode=MigrateMode.ASYNC)).result
    assert (result, growth["compact_migrate_scanned"]) == (CompactResult.COMPLETE, 0)
