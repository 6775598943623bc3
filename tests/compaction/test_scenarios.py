"""The worked scenarios S1 to S9 of spec/compaction.md 13, number by number."""

from collections.abc import Mapping

from allocator.machines import BLOCK, trimmed
from attrs import frozen
from compaction.terrain import Growth, Layout, Terrain, direct, odd, terrain, with_unmovable

from movable import CompactPriority, CompactResult, CompactRun, MigrateType


@frozen
class Outcome:
    """A scenario after its run.

    The scenarios are told with mapped anonymous pages; here pages of a driver that accepts everything stand
    for them. The numbers are the same: both scanners count a candidate of either sort alike (4.2 checks 5 to
    13), both enter the same batches of 32 in the same order, each move frees one source without a pagevec
    between (the LRU ones are bypassed in section 13), and a page that is put back keeps its frame. What would
    differ, `nr_isolated_anon` against `nr_isolated_file`, is no number of a scenario.
    """

    terrain: Terrain
    run: CompactRun
    growth: Growth

    @property
    def nr_free(self) -> list[int]:
        """Free blocks by order, without the zeros at the end."""
        return trimmed(self.terrain.zone.nr_free)

    @property
    def counters(self) -> Mapping[str, int]:
        """What the run added to the counters of compaction and migration."""
        return {
            "scanned": self.growth["compact_migrate_scanned"],
            "free_scanned": self.growth["compact_free_scanned"],
            "isolated": self.growth["compact_isolated"],
            "success": self.growth["pgmigrate_success"],
            "fail": self.growth["pgmigrate_fail"],
        }

    @property
    def end(self) -> tuple[int, int]:
        """Where the migrate scanner and the free scanner stood."""
        return self.run.migrate_pfn, self.run.free_pfn


def compact_memory(made: Terrain) -> Outcome:
    """The outcome of writing to compact_memory."""
    growth = Growth(made.vm)
    (run,) = made.vm.compact_memory()
    made.verify()
    return Outcome(made, run, growth)


def compact_directly(made: Terrain, order: int, priority: CompactPriority) -> Outcome:
    """The outcome of direct compaction for a MOVABLE request."""
    growth = Growth(made.vm)
    run = made.vm.compact_zone(made.zone, direct(order, priority))
    made.verify()
    return Outcome(made, run, growth)


def counters(*, scanned: tuple[int, int], isolated: int, success: int, fail: int = 0) -> Mapping[str, int]:
    """The counters as a scenario states them."""
    return {
        "scanned": scanned[0],
        "free_scanned": scanned[1],
        "isolated": isolated,
        "success": success,
        "fail": fail,
    }


def middle_unmovable(offset: int) -> bool:
    """S4: one unmovable page in the middle of every pageblock."""
    return offset % BLOCK == 256


def comb_unmovable(offset: int) -> bool:
    """S7: an unmovable page in every 16 of the first two pageblocks."""
    return offset < 2 * BLOCK and offset % 16 == 5


S4_LAYOUT: Layout = with_unmovable(odd, middle_unmovable)
S7_LAYOUT: Layout = with_unmovable(odd, comb_unmovable)


def test_s1_whole_node_over_four_blocks() -> None:
    """Compacting four blocks of alternating pages ends exactly as worked out (spec/compaction.md 13 S1)."""
    made = terrain(4, odd)
    assert trimmed(made.zone.nr_free) == [1024]
    outcome = compact_memory(made)
    assert outcome.run.result is CompactResult.COMPLETE
    assert outcome.nr_free == [64, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert outcome.counters == counters(scanned=(1024, 959), isolated=992, success=480, fail=1)
    assert outcome.end == (0x1400, 0x15BF)
    assert (outcome.growth["pgfree"], made.zone.free_pages) == (480, 1024)
    assert (len(made.isolated), len(made.put_back)) == (16 * 32, 32)


def test_s1_first_batch() -> None:
    """The first batch moves the 32 odd pages of 0x1000 to 0x1040 to the top block's first free frames (13 S1)."""
    made = terrain(4, odd)
    compact_memory(made)
    assert made.isolated[:33] == [*range(0x1001, 0x1041, 2), 0x1041]
    sources = reversed(range(0x1001, 0x1041, 2))
    targets = reversed(range(0x1600, 0x1640, 2))
    assert made.moves[:32] == list(zip(sources, targets, strict=True))


def test_s2_whole_node_over_eight_blocks() -> None:
    """Twice the memory of S1 gives one order-10 block more (spec/compaction.md 13 S2)."""
    outcome = compact_memory(terrain(8, odd))
    assert outcome.run.result is CompactResult.COMPLETE
    assert outcome.nr_free == [64, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert outcome.counters == counters(scanned=(2048, 1983), isolated=2016, success=992, fail=1)
    assert outcome.end == (0x1800, 0x19BF)


def s3(priority: CompactPriority) -> Outcome:
    """S3 at either priority."""
    made = terrain(8, odd)
    assert made.zone.fragmentation_index(9) == 998
    outcome = compact_directly(made, 9, priority)
    assert outcome.run.result is CompactResult.SUCCESS
    assert outcome.nr_free == [1536, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert outcome.counters == counters(scanned=(512, 511), isolated=512, success=256)
    assert outcome.end == (0x1200, 0x1FFF)
    return outcome


def test_s3_direct_async() -> None:
    """An asynchronous order-9 request is served by emptying the first block (spec/compaction.md 13 S3)."""
    assert s3(CompactPriority.ASYNC).terrain.skipped() == []


def test_s3_direct_sync_light() -> None:
    """The same run with SYNC_LIGHT has the same numbers (spec/compaction.md 13 S3)."""
    assert s3(CompactPriority.SYNC_LIGHT).terrain.skipped() == []


def test_s4_one_unmovable_page_per_block_defeats_async() -> None:
    """One unmovable page per block keeps an asynchronous run from any order-9 block (13 S4)."""
    outcome = compact_directly(terrain(8, S4_LAYOUT), 9, CompactPriority.ASYNC)
    assert outcome.run.result is CompactResult.COMPLETE
    assert outcome.nr_free == [760, 0, 0, 0, 0, 0, 0, 0, 5]
    assert outcome.counters == counters(scanned=(1285, 1285), isolated=1280, success=640)
    assert outcome.end == (0x1A00, 0x1B05)
    assert outcome.terrain.skipped() == [8, 9, 10, 11, 12]


def test_s5_the_same_page_made_movable() -> None:
    """Were S4's page the driver's, one block would suffice: what the 2016 series is for (13 S5)."""
    outcome = compact_directly(terrain(8, s5_layout), 9, CompactPriority.ASYNC)
    assert outcome.run.result is CompactResult.SUCCESS
    assert outcome.nr_free == [1528, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert outcome.counters == counters(scanned=(512, 515), isolated=514, success=257)
    assert outcome.end == (0x1200, 0x1C03)


def s5_layout(offset: int) -> str:
    """S4 with a movable page in the middle of each block."""
    return "M" if middle_unmovable(offset) else odd(offset)


def test_s6_sync_light_works_around_the_unmovable_page() -> None:
    """A synchronous run on S4's memory uses everything around the page and gives no hint (13 S6)."""
    outcome = compact_directly(terrain(8, S4_LAYOUT), 9, CompactPriority.SYNC_LIGHT)
    assert outcome.run.result is CompactResult.COMPLETE
    assert outcome.nr_free == [64, 4, 4, 4, 4, 4, 5, 3, 4]
    assert outcome.counters == counters(scanned=(2048, 1991), isolated=2016, success=992, fail=1)
    assert outcome.end == (0x1800, 0x19C7)
    assert outcome.terrain.skipped() == []


def test_s7_async_leaves_hopeless_groups_quickly() -> None:
    """An asynchronous order-4 run passes over two blocks of spoilt groups and succeeds in the third (13 S7)."""
    made = terrain(4, S7_LAYOUT)
    assert made.zone.fragmentation_index(4) == 937
    outcome = compact_directly(made, 4, CompactPriority.ASYNC)
    assert outcome.run.result is CompactResult.SUCCESS
    assert outcome.nr_free == [1008, 0, 0, 0, 1]
    assert outcome.counters == counters(scanned=(400, 15), isolated=16, success=8)
    assert outcome.terrain.skipped() == [8, 9]
    assert made.zone.compact_state.cached_migrate_pfn == (0x1200, 0x1000)


def test_s7_pages_of_spoilt_groups_go_back() -> None:
    """In each spoilt group the two pages before the unmovable one are isolated and put back (13 S7, 4.2)."""
    made = terrain(4, S7_LAYOUT)
    compact_directly(made, 4, CompactPriority.ASYNC)
    spoilt = {start + offset for start in range(0x1000, 0x1400, 16) for offset in (1, 3)}
    assert set(made.put_back) == spoilt
    assert len(made.put_back) == len(spoilt)


def test_s8_sync_light_labours_on_the_same_groups() -> None:
    """A synchronous run on S7's memory compacts it all and finds nothing above order 3 (13 S8)."""
    made = terrain(4, S7_LAYOUT)
    outcome = compact_directly(made, 4, CompactPriority.SYNC_LIGHT)
    assert outcome.run.result is CompactResult.COMPLETE
    assert outcome.nr_free == [192, 60, 60, 59]
    assert outcome.counters == counters(scanned=(1024, 831), isolated=864, success=416, fail=1)
    assert outcome.end == (0x1400, 0x153F)
    assert outcome.terrain.skipped() == [11]


def test_s9_too_little_memory_is_no_run() -> None:
    """Free memory that equals the gap is too little: skipped, nothing scanned, no stall (13 S9)."""
    made = terrain(4, odd)
    outcome = compact_directly(made, 9, CompactPriority.ASYNC)
    assert outcome.run.result is CompactResult.SKIPPED
    assert outcome.counters == counters(scanned=(0, 0), isolated=0, success=0)
    assert made.vm.alloc_pages(9) is None
    assert outcome.growth["compact_stall"] == 0


def test_every_scenario_starts_on_movable_blocks() -> None:
    """Laying a terrain out steals no block: all are MOVABLE and hold all free pages (13, set-up)."""
    made = terrain(4, S7_LAYOUT)
    blocks = range(made.zone.start_pfn, made.zone.end_pfn, BLOCK)
    assert {made.vm.pageblock_migratetype(pfn) for pfn in blocks} == {MigrateType.MOVABLE}
    assert made.zone.free_counts(MigrateType.MOVABLE) == made.zone.nr_free
