"""Compaction as in Linux 6.1 on maps small enough to work out by hand (spec/differences-drivers.md 2, 3)."""

from typing import Any

import pytest
from allocator.machines import BLOCK, START, boot, must, one_zone
from compaction.terrain import Growth, Layout, Terrain, odd, terrain

from movable import GFP, CompactResult, CompactSettings, MigrateMode, MigrateType, Watermarks
from movable.config import CompactionProfile

WHOLE = CompactSettings(whole_zone=True, ignore_skip_hint=True)
FOUR_ORDERS = 4


def later(blocks: int, layout: Layout, **settings: Any) -> Terrain:
    """A driver on a machine with compaction as in 6.1."""
    return terrain(blocks, layout, profile="6.1", **settings)


def test_four_blocks_of_odd_pages() -> None:
    """S1 of spec/compaction.md 13 by the rules of 6.1: batches of 32 and 224, one refill by steps of two (K01-K03)."""
    made = later(4, odd)
    growth = Growth(made.vm)
    with made.vm.compact_events() as log:
        run = made.vm.compact_zone(made.zone, WHOLE)
    events = [
        str(event) for event in log if "isolate" in event.name or "compaction_migratepages" in event.name
    ]
    assert [event.removeprefix("mm_compaction_") for event in events] == [
        "isolate_migratepages: range=(0x1000 ~ 0x1040) nr_scanned=64 nr_taken=32",
        "isolate_freepages: range=(0x1600 ~ 0x163f) nr_scanned=63 nr_taken=32",
        "migratepages: nr_migrated=32 nr_failed=0",
        "isolate_migratepages: range=(0x1040 ~ 0x1200) nr_scanned=448 nr_taken=224",
        "isolate_freepages: range=(0x163f ~ 0x17ff) nr_scanned=448 nr_taken=224",
        "migratepages: nr_migrated=224 nr_failed=0",
        "isolate_migratepages: range=(0x1200 ~ 0x1240) nr_scanned=64 nr_taken=32",
        "isolate_freepages: range=(0x17ff ~ 0x1800) nr_scanned=1 nr_taken=0",
        "isolate_freepages: range=(0x1400 ~ 0x143f) nr_scanned=32 nr_taken=32",
        "migratepages: nr_migrated=32 nr_failed=0",
        "isolate_migratepages: range=(0x1240 ~ 0x1400) nr_scanned=448 nr_taken=224",
        "migratepages: nr_migrated=0 nr_failed=224",
    ]
    assert (run.result, run.migrate_pfn, run.free_pfn) == (CompactResult.COMPLETE, 0x1400, 0x143F)
    assert growth.of(("pgmigrate_success", "pgmigrate_fail", "compact_migrate_scanned")) == {
        "pgmigrate_success": 288,
        "pgmigrate_fail": 1,
        "compact_migrate_scanned": 1024,
    }
    assert growth["compact_free_scanned"] == 63 + 448 + 1 + 32
    made.verify()


@pytest.mark.parametrize(("profile", "scanned"), [("4.9", 16 + 1), ("6.1", 16 + 16)])
def test_a_free_block_that_is_taken_counts_all_its_pages(profile: CompactionProfile, scanned: int) -> None:
    """A buddy of 16 pages is one page scanned in 4.9 and 16 in 6.1 (K03)."""
    high = 2 * BLOCK

    def layout(offset: int) -> str:
        if offset < BLOCK:
            return "M" if offset == 3 else "."
        return "." if high + 16 <= offset < high + 32 else "U"

    made = terrain(3, layout, profile=profile)
    run = made.vm.compact_zone(made.zone, WHOLE)
    assert run.migrated == 1
    assert run.free_scanned == scanned
    made.verify()


def test_a_block_headed_by_a_large_free_block_is_never_a_target() -> None:
    """In 6.1 the test of the first page comes before ``ignore_block_suitable`` (3.3); 4.9 lets the flag decide."""
    asked = CompactSettings(whole_zone=True, ignore_skip_hint=True, ignore_block_suitable=True)
    moved = {}
    profiles: tuple[CompactionProfile, ...] = ("4.9", "6.1")
    for profile in profiles:
        made = terrain(
            3,
            lambda offset: "U" if BLOCK <= offset < 2 * BLOCK else "M" if offset == 5 else ".",
            profile=profile,
        )
        moved[profile] = made.vm.compact_zone(made.zone, asked).migrated
        made.verify()
    assert moved == {"4.9": 1, "6.1": 0}


def test_whole_runs_leave_hints_and_positions_behind_the_block() -> None:
    """Runs that ignore hints still write them; the cached position is one block behind the scanned one (K14, K15)."""
    made = later(4, lambda offset: "U" if offset < BLOCK else ".")
    made.vm.compact_zone(made.zone, CompactSettings(ignore_skip_hint=True, order=-1, mode=MigrateMode.ASYNC))
    assert START // BLOCK in made.skipped()
    made = later(6, lambda offset: "U")
    run = made.vm.compact_zone(made.zone, CompactSettings(mode=MigrateMode.SYNC_LIGHT))
    assert run.result is CompactResult.COMPLETE
    assert len(made.skipped()) == 5


def test_hints_are_kept_where_nothing_shows() -> None:
    """Clearing keeps the hint of a block that has neither LRU nor free pages among every eighth (K14)."""
    made = later(4, lambda offset: "U" if offset < BLOCK or offset % 8 == 0 else ".")
    made.vm.compact_zone(made.zone, WHOLE)
    assert START // BLOCK in made.skipped()
    made.zone.reset_isolation_suitable()
    assert START // BLOCK in made.skipped()
    free = later(4, lambda offset: "." if offset % 2 else "U")
    free.vm.compact_zone(free.zone, WHOLE)
    free.zone.reset_isolation_suitable()
    assert START // BLOCK in free.skipped()
    even = later(4, lambda offset: "U" if offset % 2 else ".")
    even.vm.compact_zone(even.zone, WHOLE)
    assert START // BLOCK in even.skipped()
    even.zone.reset_isolation_suitable()
    assert even.skipped() == []


@pytest.mark.parametrize(("profile", "inside"), [("4.9", True), ("6.1", False)])
def test_a_goal_is_looked_for_between_blocks_only(profile: CompactionProfile, *, inside: bool) -> None:
    """A run for order 4 ends inside a pageblock in 4.9, and at the end of one in 6.1 (K12)."""
    made = terrain(8, odd, profile=profile)
    run = made.vm.compact_zone(
        made.zone, CompactSettings(order=FOUR_ORDERS, mode=MigrateMode.SYNC_LIGHT, gfp=GFP.HIGHUSER_MOVABLE)
    )
    assert run.result is CompactResult.SUCCESS
    assert (run.migrate_pfn % BLOCK != 0) is inside
    made.verify()


@pytest.mark.parametrize("order", [4, 9])
def test_a_request_takes_what_compaction_frees_for_it(order: int) -> None:
    """A request that compacts gets its block; contents and counts stay right, and no more is free than before (3.6)."""
    made = later(16, odd)
    free = made.zone.free_pages
    growth = Growth(made.vm)
    page = must(made.vm.alloc_pages(order, GFP.HIGHUSER_MOVABLE | GFP.COMP))
    assert page.pfn % (1 << order) == 0
    assert growth.of(("compact_stall", "compact_success")) == {"compact_stall": 1, "compact_success": 1}
    assert made.zone.free_pages == free - (1 << order)
    made.verify()
    made.vm.free_pages(page, order)
    assert made.zone.free_pages == free
    made.verify()


def test_an_unmovable_request_is_captured_below_a_pageblock() -> None:
    """Order 4 for the kernel itself is captured in UNMOVABLE blocks only; the request is served all the same (3.6)."""
    made = Terrain.on(
        one_zone(16 * BLOCK, Watermarks(0, 0, 0), profile="6.1"),
        odd,
        {START + BLOCK * at: MigrateType.UNMOVABLE for at in range(8)},
    )
    page = must(made.vm.alloc_pages(FOUR_ORDERS, GFP.KERNEL | GFP.COMP))
    assert page.pfn % (1 << FOUR_ORDERS) == 0
    made.verify()


@pytest.mark.parametrize("mode", list(MigrateMode))
@pytest.mark.parametrize("order", [1, 3, 5, 8, 9])
def test_direct_runs_lose_nothing(mode: MigrateMode, order: int) -> None:
    """Jumps, searches of the free lists and captures move pages upwards only, and every page is still whole (3.6)."""
    made = later(24, lambda offset: "M" if offset % 3 else ".")
    for _ in range(4):
        made.vm.compact_zone(
            made.zone, CompactSettings(order=order, mode=mode, gfp=GFP.HIGHUSER_MOVABLE, direct=True)
        )
        made.verify()
    assert all(source < target for source, target in made.moves)


def test_a_machine_has_the_profile_of_4_9_unless_asked() -> None:
    """The default is Linux 4.9."""
    with boot(one_zone(BLOCK * 2)) as vm:
        assert vm.config.profile == "4.9"
