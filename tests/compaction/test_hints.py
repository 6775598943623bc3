"""Skip hints and cached positions: what one run leaves for the next."""

import pytest
from allocator.machines import BLOCK, START
from compaction.terrain import Layout, Terrain, direct, odd, terrain

from movable import CompactPriority, CompactResult, CompactSettings, MigrateMode, MigrateType

A, B, C, D = (START + index * BLOCK for index in range(4))

ASYNC = direct(4, CompactPriority.ASYNC)
SYNC = direct(4, CompactPriority.SYNC_LIGHT)


def blocks(*layouts: str | Layout) -> Layout:
    """One layout for each block: a letter for all its frames, or a function of the offset in the block."""

    def layout(offset: int) -> str:
        chosen = layouts[offset // BLOCK]
        return chosen if isinstance(chosen, str) else chosen(offset % BLOCK)

    return layout


def start_only(offset: int) -> str:
    """32 movable pages in the first 64 frames, then nothing that could be moved."""
    return odd(offset) if offset < 64 else "U"


def four(*layouts: str | Layout) -> Terrain:
    """A terrain of these blocks."""
    return terrain(len(layouts), blocks(*layouts))


def cached(made: Terrain) -> tuple[int, int, int]:
    """The cached positions: asynchronous and synchronous migrate scanner, free scanner."""
    state = made.zone.compact_state
    return *state.cached_migrate_pfn, state.cached_free_pfn


def test_after_boot_the_scanners_start_at_the_ends() -> None:
    """Cached positions begin at the zone's start and at its last block (spec/compaction.md 3.4)."""
    assert cached(four("U", "U", "U", "U")) == (A, A, D)


def test_a_block_without_movable_pages_gets_the_hint() -> None:
    """A block scanned to its end with nothing isolated is skipped from now on (12 fact 32)."""
    made = four("U", "U", odd, odd)
    assert made.vm.compact_zone(made.zone, SYNC).result is CompactResult.SUCCESS
    assert made.skipped() == [A // BLOCK, B // BLOCK]


def test_the_cached_position_is_where_the_call_began() -> None:
    """cached_migrate becomes the first pfn examined in the call, not the block's end (12 fact 32)."""
    made = four("U", "U", odd, odd)
    made.vm.compact_zone(made.zone, SYNC)
    assert cached(made) == (B, B, D)


def test_a_call_that_began_inside_the_block_gives_the_hint_too() -> None:
    """Even if an earlier call took pages from the block, the one that takes none marks it (3.5)."""
    made = four(start_only, odd, odd, odd)
    made.vm.compact_zone(made.zone, direct(7, CompactPriority.SYNC_LIGHT))
    assert len([pfn for pfn in made.isolated if pfn < B]) == 32
    assert A // BLOCK in made.skipped()
    assert cached(made)[:2] == (A + 64, A + 64)


@pytest.mark.parametrize(("settings", "expected"), [(ASYNC, (B, A)), (SYNC, (B, B))])
def test_async_runs_advance_their_own_position_only(
    settings: CompactSettings, expected: tuple[int, int]
) -> None:
    """An async run advances cached_migrate[0], a sync run both (spec/compaction.md 12 fact 33)."""
    made = four("U", "U", odd, odd)
    made.vm.compact_zone(made.zone, settings)
    assert cached(made)[:2] == expected


def test_successful_isolation_moves_no_position() -> None:
    """Blocks from which pages were taken leave the cached position alone (spec/compaction.md 3.4)."""
    made = terrain(8, odd)
    made.vm.compact_zone(made.zone, direct(9, CompactPriority.SYNC_LIGHT))
    assert cached(made)[:2] == (START, START)


def test_hints_are_honoured() -> None:
    """A block with the hint is not scanned and costs nothing (spec/compaction.md 3.5, 4.1)."""
    made = four("U", odd, odd, odd)
    made.vm.compact_zone(made.zone, SYNC)
    assert made.skipped() == [A // BLOCK]
    run = made.vm.compact_zone(made.zone, direct(7, CompactPriority.SYNC_LIGHT))
    assert run.migrate_scanned <= 2 * BLOCK
    assert min(made.isolated) >= B


def test_one_hint_for_both_scanners() -> None:
    """A block that the migrate scanner marked gives no targets either (spec/compaction.md 3.5)."""
    made = four(odd, odd, odd, "U")
    made.vm.set_pageblock_migratetype(A, MigrateType.UNMOVABLE)
    made.refused = set(made.pages)
    made.vm.compact_zone(made.zone, ASYNC)
    assert made.skipped() == [B // BLOCK, C // BLOCK]
    made.refused.clear()
    made.vm.compact_zone(made.zone, SYNC)
    assert made.moves == []
    made.zone.reset_isolation_suitable()
    made.vm.compact_zone(made.zone, SYNC)
    assert {new // BLOCK for _, new in made.moves} == {C // BLOCK}


def test_the_free_scanner_gives_hints() -> None:
    """A block in which the free scanner finds nothing is marked, and its cached position sinks (3.5)."""
    made = four(odd, odd, "U", "U")
    assert made.vm.compact_zone(made.zone, SYNC).result is CompactResult.SUCCESS
    assert made.skipped() == [C // BLOCK, D // BLOCK]
    assert cached(made)[2] == C


def test_the_second_half_of_the_largest_block_is_no_target() -> None:
    """Inside a free order-10 block only the first pageblock is recognised; the second gets the hint (5.2)."""
    made = terrain(6, blocks(odd, odd, odd, "U", ".", "."))
    run = made.vm.compact_zone(made.zone, CompactSettings(mode=MigrateMode.SYNC, whole_zone=True))
    assert run.free_scanned >= BLOCK
    assert START // BLOCK + 5 in made.skipped()
    assert START // BLOCK + 4 not in made.skipped()
    assert made.zone.nr_free[10] == 1


@pytest.mark.parametrize("asked", [ASYNC, SYNC])
def test_meeting_in_a_direct_run_flags_the_hints(asked: CompactSettings) -> None:
    """When the scanners meet in a direct run the hints are to be flushed, but stay for now (12 fact 34)."""
    made = four("U", odd, "U", "U")
    assert made.vm.compact_zone(made.zone, asked).result is CompactResult.COMPLETE
    assert made.zone.compact_state.blockskip_flush
    assert A // BLOCK in made.skipped()


def test_before_kswapd_sleeps_the_hints_go() -> None:
    """The reset clears all hints, the flag and the cached positions (spec/compaction.md 3.5, 12 fact 34)."""
    made = four("U", odd, "U", "U")
    made.vm.compact_zone(made.zone, SYNC)
    made.zone.reset_isolation_suitable()
    assert (made.skipped(), made.zone.compact_state.blockskip_flush) == ([], False)
    assert cached(made) == (A, A, D)


def test_other_runs_do_not_flag_the_hints() -> None:
    """Meeting in a run of kcompactd's kind sets no flag (spec/compaction.md 12 fact 35)."""
    made = four("U", odd, "U", "U")
    asked = CompactSettings(order=4, mode=MigrateMode.SYNC_LIGHT, ignore_skip_hint=True)
    assert made.vm.compact_zone(made.zone, asked).result is CompactResult.COMPLETE
    assert not made.zone.compact_state.blockskip_flush


def test_meeting_resets_the_positions() -> None:
    """Whenever the scanners meet, the cached positions return to the ends (spec/compaction.md 3.4)."""
    made = four("U", "U", odd, odd)
    made.vm.compact_zone(made.zone, SYNC)
    assert cached(made) != (A, A, D)
    made.vm.compact_memory()
    assert cached(made) == (A, A, D)


def test_a_run_from_the_middle_is_partial() -> None:
    """A run that begins at a cached position and meets ends PARTIAL_SKIPPED (spec/compaction.md 3.2, 6.3)."""
    made = terrain(6, blocks("U", "U", odd, odd, odd, odd))
    assert made.vm.compact_zone(made.zone, SYNC).result is CompactResult.SUCCESS
    asked = CompactSettings(order=-1, mode=MigrateMode.SYNC)
    assert made.vm.compact_zone(made.zone, asked).result is CompactResult.PARTIAL_SKIPPED


def test_a_run_from_the_start_is_complete() -> None:
    """A run that happens to begin at the zone's start covers it all (spec/compaction.md 3.4)."""
    made = four(odd, odd, odd, odd)
    asked = CompactSettings(order=-1, mode=MigrateMode.SYNC)
    assert made.vm.compact_zone(made.zone, asked).result is CompactResult.COMPLETE


def test_whole_node_runs_neither_read_nor_write_hints() -> None:
    """compact_memory scans marked blocks and marks none (spec/compaction.md 3.5, 12 fact 31)."""
    made = four("U", odd, "U", odd)
    made.vm.compact_zone(made.zone, direct(4, CompactPriority.SYNC_LIGHT))
    before = made.skipped()
    assert before == [A // BLOCK]
    (run,) = made.vm.compact_memory()
    assert run.migrate_scanned > BLOCK
    assert made.skipped() == before


def test_leftover_targets_raise_the_free_position() -> None:
    """At the end of a run the free position rises to the block of the highest target given back (3.4)."""
    made = four(odd, odd, lambda offset: "." if offset < 64 else "U", "U")
    made.busy = set(made.pages)
    made.vm.compact_zone(made.zone, CompactSettings(order=-1, mode=MigrateMode.ASYNC))
    assert cached(made)[2] == D
    assert made.vm.vmstat()["pgmigrate_success"] == 0
