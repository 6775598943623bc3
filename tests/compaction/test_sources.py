"""The migrate scanner: what it counts, what it takes, where it does not look."""

import pytest
from allocator.machines import BLOCK, START, boot, must, one_node, one_zone
from compaction.terrain import Terrain, direct, odd, terrain, with_unmovable

from movable import (
    GFP,
    CompactPriority,
    CompactRun,
    CompactSettings,
    MigrateMode,
    MigrateType,
    PfnRange,
    ZoneConfig,
)

WHOLE = CompactSettings(mode=MigrateMode.SYNC, whole_zone=True, ignore_skip_hint=True)
KINDS = [each for each in MigrateType if each is not MigrateType.MOVABLE]


def whole_run(made: Terrain) -> CompactRun:
    """A run of compact_memory over the first zone."""
    run = made.vm.compact_zone(made.zone, WHOLE)
    made.verify()
    return run


def test_a_free_block_counts_once() -> None:
    """A free order-9 buddy is one page scanned, 512 jumped over (spec/compaction.md 12 fact 36)."""
    made = terrain(4, lambda offset: "." if offset < BLOCK else "U")
    assert whole_run(made).migrate_scanned == 1 + 2 * BLOCK


def test_free_blocks_count_by_their_heads() -> None:
    """Each free buddy counts once, whatever its order (spec/compaction.md 4.2 check 5)."""
    made = terrain(2, lambda offset: "." if offset < 32 or 64 <= offset < 72 or offset == 100 else "U")
    assert whole_run(made).migrate_scanned == 3 + BLOCK - 41


def test_a_compound_page_counts_once() -> None:
    """The head of a compound page is counted, its 512 pages are jumped over and not isolated (12 fact 37)."""
    vm = boot(one_zone(4 * BLOCK))
    huge = must(vm.alloc_pages(9, GFP.TRANSHUGE))
    assert huge.pfn == START + 2 * BLOCK
    made = Terrain(vm)
    made.fill(lambda offset: "U")
    assert whole_run(made).migrate_scanned == 2 * BLOCK + 1
    assert made.isolated == []


def test_a_block_in_use_counts_page_by_page() -> None:
    """A block that is not compound is scanned page by page, as nothing marks its tails (1.5, 4.2)."""
    vm = boot(one_zone(2 * BLOCK))
    must(vm.alloc_pages(9, GFP.HIGHUSER_MOVABLE))
    made = Terrain(vm)
    assert whole_run(made).migrate_scanned == BLOCK


def test_a_group_without_movable_pages_costs_one_page() -> None:
    """In direct async runs the first page that cannot be taken ends its group (4.2 FAIL)."""
    vm = boot(one_zone(4 * BLOCK))
    block = must(vm.alloc_pages(6, GFP.HIGHUSER_MOVABLE))
    made = Terrain(vm)
    made.fill(lambda offset: "." if offset >= 3 * BLOCK and offset % 2 else "U")
    run = vm.compact_zone(made.zone, direct(4, CompactPriority.ASYNC))
    assert block.pfn < START + 3 * BLOCK
    assert run.migrate_scanned == 3 * BLOCK // 16


def test_batches_of_32() -> None:
    """At most 32 pages are isolated before they are moved; the scan goes on after the 32nd (12 fact 39)."""
    made = terrain(4, odd)
    counts: list[int] = []
    made.actions["migratepage"] = lambda page: counts.append(len(made.isolated))
    whole_run(made)
    assert counts[:33] == [32] * 32 + [64]
    assert made.isolated[31:33] == [START + 63, START + 65]


def test_a_batch_comes_from_one_block() -> None:
    """A call scans one pageblock: its remaining pages are moved as a smaller batch (4.1 step 6)."""
    made = terrain(4, lambda offset: odd(offset) if 512 > offset >= 492 or offset >= 600 else "U")
    counts: list[int] = []
    made.actions["migratepage"] = lambda page: counts.append(len(made.isolated))
    whole_run(made)
    assert counts[:11] == [10] * 10 + [42]


def test_pages_of_a_batch_are_moved_from_the_highest_down() -> None:
    """Isolation links at the head, so the last page isolated is the first one moved (5.5)."""
    made = terrain(4, odd)
    whole_run(made)
    assert [old for old, _ in made.moves[:32]] == made.isolated[31::-1]


def test_a_spoilt_group_is_put_back() -> None:
    """One unmovable page in an aligned group sends the group's pages back, uncounted (12 fact 40)."""
    made = terrain(4, with_unmovable(odd, lambda offset: offset == 14))
    run = made.vm.compact_zone(made.zone, direct(4, CompactPriority.ASYNC))
    assert made.put_back == [START + offset for offset in (13, 11, 9, 7, 5, 3, 1)]
    assert made.isolated[7] == START + 17
    assert run.isolated == 8 + 8
    assert run.migrate_scanned == 15 + 16


@pytest.mark.parametrize("priority", [CompactPriority.SYNC_LIGHT, CompactPriority.SYNC_FULL])
def test_other_runs_keep_the_rest_of_the_group(priority: CompactPriority) -> None:
    """Only direct async runs give up a group with an unmovable page (spec/compaction.md 4.2 c)."""
    made = terrain(4, with_unmovable(odd, lambda offset: offset == 14))
    made.vm.compact_zone(made.zone, direct(4, priority))
    assert made.put_back == []


def test_the_block_of_the_free_scanner_is_no_source() -> None:
    """The migrate scanner never looks at the block with free_pfn or above (spec/compaction.md 12 fact 41)."""
    made = terrain(6, odd)
    run = whole_run(made)
    assert max(made.isolated) < run.free_pfn // BLOCK * BLOCK


def test_the_last_block_is_never_a_source() -> None:
    """A zone of one block has no source: the free scanner starts there (spec/compaction.md 4.1)."""
    made = terrain(2, lambda offset: "M" if offset >= BLOCK else "U")
    assert whole_run(made).migrate_scanned == BLOCK
    assert made.isolated == []


@pytest.mark.parametrize("kind", KINDS)
def test_async_looks_into_movable_and_cma_blocks_only(kind: MigrateType) -> None:
    """An async run passes over blocks of other types, free of charge and without a hint (12 fact 47)."""
    made = Terrain.on(one_zone(4 * BLOCK), odd, {START: kind})
    made.vm.compact_zone(made.zone, CompactSettings(mode=MigrateMode.ASYNC))
    assert (min(made.isolated) < START + BLOCK) is (kind is MigrateType.CMA)
    assert START // BLOCK not in made.skipped()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", [MigrateMode.SYNC_LIGHT, MigrateMode.SYNC])
def test_sync_looks_into_blocks_of_all_types(kind: MigrateType, mode: MigrateMode) -> None:
    """The sync modes accept every type, ISOLATE and HIGHATOMIC included (spec/compaction.md 4.1 step 4)."""
    made = Terrain.on(one_zone(4 * BLOCK), odd, {START: kind})
    made.vm.compact_zone(made.zone, CompactSettings(mode=mode))
    assert min(made.isolated) == START + 1


def test_a_refused_page_stays() -> None:
    """A page that its owner does not let go is counted as scanned, and that is all (12 fact 50)."""
    made = terrain(4, odd)
    made.refused = set(made.pages)
    run = whole_run(made)
    assert (run.migrate_scanned, run.isolated, run.migrated) == (3 * BLOCK, 0, 0)


def test_a_locked_page_stays() -> None:
    """A page whose lock is held is not isolated: it is being moved or released (4.4 step 3)."""
    made = terrain(4, odd)
    page = made.vm.page(START + 1)
    page.lock()
    made.vm.compact_memory()
    assert START + 1 not in made.isolated
    assert (page.refcount, page.isolated) == (1, False)
    page.unlock()
    made.verify()


def test_an_isolated_page_stays() -> None:
    """A page that somebody else has isolated is left alone (4.2 check 7, 8.4)."""
    made = terrain(4, odd)
    page = made.vm.page(START + 1)
    assert made.vm.isolate_movable_page(page)
    made.isolated.clear()
    made.vm.compact_memory()
    assert START + 1 not in made.isolated
    assert page.isolated


def test_a_page_given_up_stays() -> None:
    """A page that still bears the tag but belongs to nobody is not isolated (4.4 step 4)."""
    made = terrain(4, odd)
    page = made.vm.page(START + 1)
    page.lock()
    made.give_up(page)
    page.unlock()
    made.vm.compact_memory()
    assert (page.has_movable_tag, page.refcount) == (True, 1)
    assert START + 1 not in made.isolated


def test_blocks_that_do_not_exist_are_passed_over() -> None:
    """Both scanners skip a missing block whole (spec/compaction.md 1.3, 4.1, 5.1)."""
    holes = [PfnRange(START + BLOCK, BLOCK), PfnRange(START + 4 * BLOCK, BLOCK)]
    made = Terrain.on(one_node(ZoneConfig("Normal", START, 6 * BLOCK, holes=holes)), odd)
    assert not made.zone.contiguous
    run = whole_run(made)
    assert run.migrate_scanned == 2 * BLOCK
    assert {new // BLOCK - START // BLOCK for _, new in made.moves} == {3, 5}


def test_the_first_block_of_a_zone_may_be_partial() -> None:
    """Where the zone begins inside a block, scanning begins at the zone's first page (4.1)."""
    zones = ZoneConfig("DMA32", START, 0x111), ZoneConfig("Normal", START + 0x111, 4 * BLOCK - 0x111)
    made = Terrain.on(one_node(*zones), odd, zone=1)
    whole_run(made)
    assert made.isolated[0] == START + 0x112


def test_the_last_block_of_a_zone_may_be_partial() -> None:
    """Where the zone ends inside a block, targets are taken up to the zone's last page (5.1)."""
    zones = (
        ZoneConfig("DMA32", START, 3 * BLOCK + 0x41),
        ZoneConfig("Normal", START + 3 * BLOCK + 0x41, 0x1BF),
    )
    made = Terrain.on(one_node(*zones), odd)
    whole_run(made)
    last = START + 3 * BLOCK
    assert {new for _, new in made.moves if new >= last} == {last + offset for offset in range(0, 0x41, 2)}
    assert min(new for _, new in made.moves) < last


def test_a_zone_inside_one_block_has_nothing_to_do() -> None:
    """Scanners that start in the same block have met: zero scans (spec/compaction.md 6.3)."""
    zones = ZoneConfig("DMA32", START, 0x100), ZoneConfig("Normal", START + 0x100, 0x300)
    made = Terrain.on(one_node(*zones), odd)
    run = whole_run(made)
    assert (run.migrate_scanned, run.free_scanned, run.migrated) == (0, 0, 0)
