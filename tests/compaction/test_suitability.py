"""Whether a run starts at all: watermarks, the gap, and the fragmentation index."""

import pytest
from allocator.machines import BLOCK, NO_MARKS, START
from compaction.terrain import Growth, Layout, direct, odd, terrain

from movable import GFP, AllocFlags, CompactPriority, CompactResult, CompactSettings, MigrateType, Watermarks


def first_free(pages: int) -> Layout:
    """So many free pages on even frames, all others unmovable."""
    return lambda offset: "." if offset % 2 == 0 and offset < 2 * pages else "U"


def one_block(order: int) -> Layout:
    """One free block of this order, all other pages unmovable."""
    return lambda offset: "." if offset < 1 << order else "U"


@pytest.mark.parametrize(("free", "result"), [(1024, CompactResult.SKIPPED), (1025, CompactResult.CONTINUE)])
def test_order_9_needs_more_than_the_gap(free: int, result: CompactResult) -> None:
    """With low = 0, 1024 free pages are skipped and 1025 pass the gap test (spec/compaction.md 12 fact 17)."""
    assert terrain(6, first_free(free)).zone.compaction_suitable(9) is result


@pytest.mark.parametrize(
    ("order", "marks", "free"),
    [
        (1, Watermarks(30, 50, 90), 34),
        (3, Watermarks(30, 50, 90), 46),
        (4, Watermarks(30, 50, 90), 82),
        (4, Watermarks(30, 30, 90), 62),
    ],
)
def test_the_gap_is_above_the_low_mark_for_costly_orders(order: int, marks: Watermarks, free: int) -> None:
    """Orders up to 3 need more than min + (2 << order) free pages, larger ones low + (2 << order) (3.3)."""
    results = [
        terrain(4, first_free(pages), marks).zone.compaction_suitable(order) for pages in (free, free + 1)
    ]
    assert results == [CompactResult.SKIPPED, CompactResult.CONTINUE]


def test_the_gap_counts_cma() -> None:
    """The gap test is made with ALLOC_CMA, whoever asks (spec/compaction.md 3.3 step 3)."""
    made = terrain(2, odd)
    made.vm.set_pageblock_migratetype(START, MigrateType.CMA)
    made.vm.set_pageblock_migratetype(START + BLOCK, MigrateType.CMA)
    assert made.zone.compaction_suitable(4) is CompactResult.CONTINUE


@pytest.mark.parametrize(
    ("layout", "order", "index"),
    [
        pytest.param(first_free(100), 9, 989, id="fact 18"),
        pytest.param(one_block(8), 9, -500, id="fact 19"),
        pytest.param(first_free(2), 1, 0, id="fact 20, two pages"),
        pytest.param(first_free(3), 1, 167, id="fact 20, three pages"),
        pytest.param(one_block(5), 5, -1000, id="fact 21"),
        pytest.param(one_block(5), 3, -1000, id="fact 21, larger block"),
        pytest.param(first_free(0), 4, 0, id="nothing free"),
    ],
)
def test_fragmentation_index(layout: Layout, order: int, index: int) -> None:
    """The index has the published values (spec/compaction.md 9.5, 12 facts 18 to 21)."""
    assert terrain(2, layout).zone.fragmentation_index(order) == index


@pytest.mark.parametrize(
    ("threshold", "result"),
    [(936, CompactResult.CONTINUE), (937, CompactResult.SKIPPED), (1000, CompactResult.SKIPPED)],
)
def test_the_threshold_vetoes_costly_orders(threshold: int, result: CompactResult) -> None:
    """An index from 0 to extfrag_threshold means a shortage, and the zone is skipped (3.3)."""
    made = terrain(4, odd, extfrag_threshold=threshold)
    assert made.zone.fragmentation_index(4) == 937
    assert made.zone.compaction_suitable(4) is result


def test_small_orders_are_never_vetoed() -> None:
    """In 4.9 the index is asked for orders above 3 only (spec/compaction.md 12 facts 20, 22)."""
    made = terrain(2, first_free(17), extfrag_threshold=1000)
    assert 0 <= made.zone.fragmentation_index(2) <= 1000
    assert made.zone.compaction_suitable(2) is CompactResult.CONTINUE


def test_a_negative_index_vetoes_nothing() -> None:
    """A block that is reserved makes the index -1000, which does not keep compaction from running (3.3)."""
    made = terrain(6, lambda offset: "." if offset < BLOCK else odd(offset), extfrag_threshold=1000)
    made.vm.set_pageblock_migratetype(START, MigrateType.HIGHATOMIC)
    assert made.zone.fragmentation_index(9) == -1000
    assert made.zone.compaction_suitable(9) is CompactResult.CONTINUE


@pytest.mark.parametrize("layout", [odd, first_free(0), one_block(9)], ids=["odd", "none", "order 9"])
def test_a_run_without_a_goal_always_starts(layout: Layout) -> None:
    """Order -1 is CONTINUE whatever the free memory (spec/compaction.md 12 fact 23)."""
    assert terrain(2, layout).zone.compaction_suitable(-1) is CompactResult.CONTINUE


def test_a_request_that_can_be_served_needs_no_run() -> None:
    """Where the mark with the order is met the answer is SUCCESS, and nothing is scanned (3.3 step 2, 3.7)."""
    made = terrain(2, one_block(5))
    growth = Growth(made.vm)
    run = made.vm.compact_zone(made.zone, direct(5, CompactPriority.SYNC_LIGHT))
    assert run.result is CompactResult.SUCCESS
    assert growth.of(["compact_migrate_scanned", "compact_free_scanned"]) == {
        "compact_migrate_scanned": 0,
        "compact_free_scanned": 0,
    }


def test_a_foreign_block_is_a_success_before_but_not_during_a_run() -> None:
    """An order-2 block on an UNMOVABLE list serves the mark, though it ends no MOVABLE run (12 fact 58)."""
    made = terrain(2, one_block(2))
    made.vm.set_pageblock_migratetype(START, MigrateType.UNMOVABLE)
    assert made.zone.compaction_suitable(2) is CompactResult.SUCCESS


@pytest.mark.parametrize(
    ("flags", "result"),
    [
        (AllocFlags(0), CompactResult.SUCCESS),
        (AllocFlags.WMARK_LOW, CompactResult.CONTINUE),
        (AllocFlags.WMARK_HIGH, CompactResult.CONTINUE),
    ],
)
def test_the_flags_choose_the_mark_to_be_met(flags: AllocFlags, result: CompactResult) -> None:
    """The mark of the first test is that of the caller's flags (spec/compaction.md 3.3 step 2)."""
    made = terrain(2, one_block(7), Watermarks(10, 127, 128))
    made.vm.alloc_page(GFP.HIGHUSER_MOVABLE)
    assert made.zone.compaction_suitable(0, flags) is result


def test_marks_of_zero_and_an_empty_zone() -> None:
    """A zone without free pages is skipped for every order (spec/compaction.md 3.3)."""
    made = terrain(2, first_free(0), NO_MARKS)
    assert {made.zone.compaction_suitable(order) for order in range(11)} == {CompactResult.SKIPPED}


def test_a_skipped_run_moves_no_scanner() -> None:
    """A run that is skipped leaves the cached positions alone (spec/compaction.md 3.7)."""
    made = terrain(2, odd)
    before = made.zone.compact_state
    assert made.vm.compact_zone(made.zone, CompactSettings(order=9)).result is CompactResult.SKIPPED
    assert made.zone.compact_state == before
