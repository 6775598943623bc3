"""The free scanner: which free pages become targets, and in which order they are used."""

import pytest
from allocator.machines import BLOCK, START, boot, must, one_zone
from compaction.terrain import Layout, Terrain, odd, terrain

from movable import (
    GFP,
    CompactPriority,
    CompactResult,
    CompactSettings,
    MigrateMode,
    MigrateType,
    Watermarks,
)

WHOLE = CompactSettings(mode=MigrateMode.SYNC, whole_zone=True, ignore_skip_hint=True)
LAST = START + 3 * BLOCK
"""The last of four blocks: the first one that targets are taken from."""

NOT_FOR_TARGETS = [
    MigrateType.UNMOVABLE,
    MigrateType.RECLAIMABLE,
    MigrateType.HIGHATOMIC,
    MigrateType.ISOLATE,
]


def sources_below(layout: Layout) -> Layout:
    """Movable pages on the odd frames of the first block, unmovable ones up to the last, which is laid out."""

    def whole(offset: int) -> str:
        if offset < BLOCK:
            return odd(offset)
        return layout(offset - 3 * BLOCK) if offset >= 3 * BLOCK else "U"

    return whole


def targets_in(made: Terrain) -> set[int]:
    """The blocks that pages were moved to, counted from the start."""
    return {(new - START) // BLOCK for _, new in made.moves}


def test_targets_never_come_from_the_migrate_scanners_block() -> None:
    """No target lies in the block of the sources or below (spec/compaction.md 12 fact 42)."""
    made = terrain(6, odd)
    made.vm.compact_memory()
    assert made.moves
    assert all(new // BLOCK > old // BLOCK for old, new in made.moves)


@pytest.mark.parametrize("kind", NOT_FOR_TARGETS)
def test_blocks_of_other_types_are_no_targets(kind: MigrateType) -> None:
    """UNMOVABLE, RECLAIMABLE, HIGHATOMIC and ISOLATE blocks give no targets (12 fact 43)."""
    made = Terrain.on(one_zone(4 * BLOCK), odd, {LAST: kind})
    made.vm.compact_memory()
    assert targets_in(made) == {2}
    assert LAST // BLOCK not in made.skipped()


@pytest.mark.parametrize("kind", [MigrateType.MOVABLE, MigrateType.CMA])
def test_movable_and_cma_blocks_are_targets(kind: MigrateType) -> None:
    """Targets come from MOVABLE and CMA blocks (spec/compaction.md 5.2)."""
    made = Terrain.on(one_zone(4 * BLOCK), odd, {LAST: kind})
    made.vm.compact_memory()
    assert 3 in targets_in(made)


@pytest.mark.parametrize("kind", [MigrateType.UNMOVABLE, MigrateType.RECLAIMABLE, MigrateType.HIGHATOMIC])
def test_sync_full_takes_any_block(kind: MigrateType) -> None:
    """SYNC_FULL ignores the block's type (spec/compaction.md 12 fact 43, 3.1)."""
    made = Terrain.on(one_zone(8 * BLOCK), odd, {START + 7 * BLOCK: kind})
    result = made.vm.try_to_compact_pages(8, priority=CompactPriority.SYNC_FULL)
    assert (result, targets_in(made)) == (CompactResult.SUCCESS, {7})


def free_order_9(offset: int) -> str:
    """The last of eight blocks free as a whole, odd frames movable below."""
    return "." if offset >= 7 * BLOCK else odd(offset)


def test_a_free_block_is_no_target() -> None:
    """A block whose first page is a free order-9 buddy stays whole (spec/compaction.md 12 fact 44)."""
    made = terrain(8, free_order_9)
    made.vm.compact_memory()
    assert 7 not in targets_in(made)
    assert made.vm.page(START + 7 * BLOCK).order == 9


def test_sync_full_breaks_a_free_block() -> None:
    """In 4.9 the override comes before the test for a free block (spec/compaction.md 5.2, 12 fact 44)."""
    made = terrain(8, free_order_9)
    made.vm.try_to_compact_pages(10, priority=CompactPriority.SYNC_FULL)
    assert 7 in targets_in(made)


@pytest.mark.parametrize(("order", "kind"), [(7, MigrateType.UNMOVABLE), (8, MigrateType.MOVABLE)])
def test_half_a_block_taken_makes_it_movable(order: int, kind: MigrateType) -> None:
    """Isolating a free buddy of order 8 or more turns its block MOVABLE (spec/compaction.md 12 fact 45)."""
    layout = sources_below(lambda offset: "." if offset >= BLOCK - (1 << order) else "U")
    made = Terrain.on(one_zone(4 * BLOCK), layout, {LAST: MigrateType.UNMOVABLE})
    made.vm.compact_zone(made.zone, CompactSettings(mode=MigrateMode.SYNC, ignore_block_suitable=True))
    assert targets_in(made) == {3}
    assert made.vm.pageblock_migratetype(LAST) is kind


def test_a_cma_block_keeps_its_type() -> None:
    """Isolating a large buddy never changes a CMA block (spec/compaction.md 5.3, 1.4)."""
    layout = sources_below(lambda offset: "." if offset >= 256 else "U")
    made = Terrain.on(one_zone(4 * BLOCK), layout, {LAST: MigrateType.CMA})
    made.vm.compact_memory()
    assert targets_in(made) == {3}
    assert made.vm.pageblock_migratetype(LAST) is MigrateType.CMA
    made.verify()


def odd_below(end: int) -> Layout:
    """Alternating movable and free frames up to here, unmovable ones above."""
    return lambda offset: odd(offset) if offset < end else "U"


@pytest.mark.parametrize(
    ("slack", "result", "moved"), [(1, CompactResult.CONTENDED, 0), (2, CompactResult.COMPLETE, 256)]
)
def test_the_min_mark_limits_the_targets(slack: int, result: CompactResult, moved: int) -> None:
    """A free page is refused when free pages <= min + 1; one above that moves page after page (12 fact 46)."""
    mark = 3 * 256 - slack
    made = terrain(4, odd_below(3 * BLOCK), Watermarks(mark, mark, mark))
    (run,) = made.vm.compact_memory()
    assert (run.result, run.migrated, len(made.moves)) == (result, moved, moved)
    made.verify()


def test_a_large_buddy_needs_as_much_above_the_mark() -> None:
    """A buddy of order o is refused when free pages <= min + 2^o (spec/compaction.md 12 fact 46)."""
    layout = sources_below(lambda offset: "." if offset >= 256 else "U")
    for slack, moved in ((256, 0), (257, 256)):
        marks = Watermarks(512 - slack, 512 - slack, 512 - slack)
        made = terrain(4, layout, marks)
        made.vm.compact_memory()
        assert len(made.moves) == moved


def test_targets_are_used_from_the_highest_down() -> None:
    """Within a block the highest source goes to the highest target (spec/compaction.md 5.4, 5.5)."""
    made = terrain(4, odd)
    made.vm.compact_memory()
    batch = made.moves[:32]
    assert [new for _, new in batch] == sorted((new for _, new in batch), reverse=True)
    assert [old for old, _ in batch] == sorted((old for old, _ in batch), reverse=True)


def test_the_block_scanned_last_is_used_first() -> None:
    """When a batch needs two blocks, the lower one, scanned last, serves the highest sources (5.4)."""
    made = terrain(4, odd_below(3 * BLOCK + 20))
    made.vm.compact_memory()
    blocks = [new // BLOCK for _, new in made.moves[:32]]
    assert blocks == [LAST // BLOCK - 1] * 22 + [LAST // BLOCK] * 10


def test_a_buddy_is_split_whole() -> None:
    """A buddy taken for a few pages is split entirely; the rest serves the next batches (5.3)."""
    made = terrain(4, sources_below(lambda offset: "." if offset < 128 else "U"))
    made.vm.compact_memory()
    assert [new for _, new in made.moves] == list(range(LAST + 127, LAST - 1, -1))


def test_only_as_many_targets_as_sources_are_taken() -> None:
    """Free pages are taken until there is one for each source of the batch (5.3 check 8)."""
    made = terrain(4, lambda offset: odd(offset) if offset < 8 or offset >= 3 * BLOCK else "U")
    run = made.vm.compact_zone(made.zone, WHOLE)
    assert (run.isolated, run.migrated) == (4 + 4, 4)
    assert run.free_pfn == LAST + 7


def test_compound_pages_are_jumped_over() -> None:
    """The free scanner counts a compound page once (spec/compaction.md 5.3 check 4)."""
    vm = boot(one_zone(8 * BLOCK))
    huge = must(vm.alloc_pages(9, GFP.TRANSHUGE))
    assert huge.pfn == START + 6 * BLOCK
    made = Terrain(vm)
    made.fill(odd_below(BLOCK))
    assert vm.compact_zone(made.zone, WHOLE).free_scanned == 6 * BLOCK + 1


def test_a_run_without_targets_meets() -> None:
    """Where no block has a free page the free scanner comes down to the sources: COMPLETE (5.6, 6.3)."""
    made = terrain(4, odd_below(BLOCK))
    (run,) = made.vm.compact_memory()
    assert (run.result, run.migrated) == (CompactResult.COMPLETE, 0)
    made.verify()


def test_pages_left_over_are_freed() -> None:
    """Targets that no source needed go back to the free lists and merge (spec/compaction.md 5.7)."""
    made = terrain(4, sources_below(lambda offset: "." if 64 <= offset < 128 else "U"))
    made.busy = set(made.pages)
    before = made.zone.nr_free
    made.vm.compact_memory()
    assert made.zone.nr_free == before
    made.verify()
