"""Giving a zone up for a while after failures, and coming back to it."""

import pytest
from compaction.terrain import Layout, Terrain, direct, odd, terrain, with_unmovable

from movable import GFP, CompactPriority, CompactResult

COMB: Layout = with_unmovable(odd, lambda offset: offset % 16 == 6)
"""No order above 3 can ever be had, however much is free."""


@pytest.fixture
def made() -> Terrain:
    """Four blocks of that memory."""
    return terrain(4, COMB)


def attempt(
    made: Terrain, order: int = 5, priority: CompactPriority = CompactPriority.SYNC_LIGHT
) -> CompactResult:
    """One direct compaction."""
    return made.vm.try_to_compact_pages(order, priority=priority)


def deferred_until_next_run(made: Terrain) -> int:
    """How many attempts are deferred before one fails again."""
    count = 0
    while (result := attempt(made)) is CompactResult.DEFERRED:
        count += 1
    assert result is CompactResult.COMPLETE
    return count


def test_failures_double_the_pause(made: Terrain) -> None:
    """After the n-th failure in a row 2^n - 1 attempts are deferred, 63 at most (12 fact 27)."""
    assert [deferred_until_next_run(made) for _ in range(9)] == [0, 1, 3, 7, 15, 31, 63, 63, 63]
    made.verify()


def test_the_first_failure(made: Terrain) -> None:
    """The first failure raises the shift to 1; the next attempt is considered and deferred (12 fact 27)."""
    attempt(made)
    assert (made.zone.compact_state.defer_shift, made.zone.compact_state.considered) == (1, 0)
    assert attempt(made) is CompactResult.DEFERRED
    assert (made.zone.compact_state.defer_shift, made.zone.compact_state.considered) == (1, 1)
    assert attempt(made) is CompactResult.COMPLETE
    assert (made.zone.compact_state.defer_shift, made.zone.compact_state.considered) == (2, 0)


def test_async_failures_do_not_count(made: Terrain) -> None:
    """ASYNC failures never raise the shift (spec/compaction.md 12 fact 28)."""
    results = {attempt(made, priority=CompactPriority.ASYNC) for _ in range(3)}
    assert results == {CompactResult.COMPLETE}
    assert made.zone.compact_state.defer_shift == 0


def test_async_attempts_are_deferred(made: Terrain) -> None:
    """A deferred zone is deferred for ASYNC attempts too (spec/compaction.md 7.1)."""
    attempt(made)
    assert attempt(made, priority=CompactPriority.ASYNC) is CompactResult.DEFERRED


def test_sync_full_asks_nobody(made: Terrain) -> None:
    """Deferral is not consulted by SYNC_FULL, whose failure counts all the same (3.6, 7.1)."""
    attempt(made)
    assert attempt(made, priority=CompactPriority.SYNC_FULL) is CompactResult.COMPLETE
    assert made.zone.compact_state.defer_shift == 2


def test_the_first_failure_defers_smaller_orders_too(made: Terrain) -> None:
    """order_failed begins at 0 and stays there, so any order is deferred (spec/compaction.md 3.6)."""
    attempt(made)
    assert made.zone.compact_state.order_failed == 0
    assert attempt(made, order=2) is CompactResult.DEFERRED


def test_a_page_ends_the_pause(made: Terrain) -> None:
    """Success with a page clears shift and considered and puts order_failed above the order (12 fact 29)."""
    attempt(made)
    while made.vm.alloc_pages(3, GFP.NOWAIT | GFP.MOVABLE):
        pass
    for page in list(made.pages.values())[::2]:
        made.release(page)
    made.zone.reset_isolation_suitable()
    assert made.vm.alloc_pages(3) is None
    assert made.zone.compact_state.considered == 1
    assert made.vm.alloc_pages(3) is not None
    state = made.zone.compact_state
    assert (state.defer_shift, state.considered, state.order_failed) == (0, 0, 4)


def with_order_3(made: Terrain) -> Terrain:
    """The memory after a request of order 3 was served by compaction: orders up to 3 are known to work."""
    assert made.vm.alloc_pages(3) is not None
    assert made.zone.compact_state.order_failed == 4
    return made


def test_what_worked_is_not_deferred(made: Terrain) -> None:
    """After a success smaller orders are never deferred, though a higher one keeps failing (12 fact 29)."""
    with_order_3(made)
    assert attempt(made, order=5) is CompactResult.COMPLETE
    assert made.zone.compact_state.order_failed == 4
    assert attempt(made, order=5) is CompactResult.DEFERRED
    assert attempt(made, order=3) is not CompactResult.DEFERRED


def test_a_higher_failure_keeps_order_failed(made: Terrain) -> None:
    """After a failure of order 5 with order_failed 4, order_failed stays 4 (12 fact 30)."""
    attempt(with_order_3(made), order=5)
    assert made.zone.compact_state.order_failed == 4


def test_a_lower_failure_lowers_order_failed(made: Terrain) -> None:
    """order_failed is the smallest order that failed (spec/compaction.md 3.6)."""
    assert made.vm.try_to_compact_pages(3) is CompactResult.SUCCESS
    with_order_3(made)
    for order in (7, 4):
        attempt(made, order=order, priority=CompactPriority.SYNC_FULL)
    assert made.zone.compact_state.order_failed == 4


def test_success_without_a_page_keeps_the_shift(made: Terrain) -> None:
    """A run that ends well resets the shift only once a page was had (3.6, 7.1 step 2)."""
    attempt(made, priority=CompactPriority.SYNC_FULL)
    assert attempt(made, order=3, priority=CompactPriority.SYNC_FULL) is CompactResult.SUCCESS
    assert (made.zone.compact_state.defer_shift, made.zone.compact_state.order_failed) == (1, 4)


def test_whole_node_compaction_ignores_and_keeps_it(made: Terrain) -> None:
    """compact_memory runs in a deferred zone and leaves the deferral as it was (12 fact 31)."""
    attempt(made)
    before = made.zone.compact_state
    (run,) = made.vm.compact_memory()
    after = made.zone.compact_state
    assert run.result is CompactResult.COMPLETE
    assert (after.defer_shift, after.considered, after.order_failed) == (
        before.defer_shift,
        before.considered,
        before.order_failed,
    )


def test_skipped_zones_do_not_fail() -> None:
    """A zone that is skipped counts neither as failure nor as success (7.1 step 2)."""
    made = terrain(2, odd)
    before = made.zone.compact_state
    assert attempt(made, order=9) is CompactResult.SKIPPED
    after = made.zone.compact_state
    assert (after.defer_shift, after.order_failed) == (before.defer_shift, before.order_failed)


def test_coming_back_after_the_longest_pause_forgets_the_hints(made: Terrain) -> None:
    """A run after 64 attempts at the highest shift starts with all skip hints cleared (3.5, 3.7 step 2)."""
    made.vm.compact_zone(made.zone, direct(5, CompactPriority.ASYNC))
    hinted = made.skipped()
    assert 8 in hinted
    for _ in range(6):
        deferred_until_next_run(made)
    assert 8 in made.skipped()
    made.isolated.clear()
    assert deferred_until_next_run(made) == 63
    assert 8 not in made.skipped()
