"""compact_memory and compact_node: whole zones, without a goal."""

import pytest
from allocator.machines import BLOCK, NO_MARKS, START, boot, must, one_node, one_zone
from compaction.terrain import Growth, Terrain, direct, odd, terrain

from movable import (
    GFP,
    CompactPriority,
    CompactResult,
    CompactSettings,
    MachineConfig,
    MigrateMode,
    MovableError,
    NodeConfig,
    ZoneConfig,
)

FOUR = 4 * BLOCK


def two_nodes() -> MachineConfig:
    """Two nodes with two zones each, four blocks per zone."""
    return MachineConfig(
        "two nodes",
        tuple(
            NodeConfig((ZoneConfig("DMA32", base, FOUR), ZoneConfig("Normal", base + FOUR, FOUR)))
            for base in (START, START + 2 * FOUR)
        ),
        watermarks=NO_MARKS,
        lowmem_reserve_ratio=(1 << 20,) * 3,
    )


def test_every_zone_of_every_node_has_a_run() -> None:
    """compact_memory runs over all nodes, each from its lowest zone up (spec/compaction.md 7.3)."""
    made = Terrain.on(two_nodes(), odd)
    runs = made.vm.compact_memory()
    assert [(run.zone.nid, run.zone.kind) for run in runs] == [
        (0, "DMA32"),
        (0, "Normal"),
        (1, "DMA32"),
        (1, "Normal"),
    ]
    assert {run.result for run in runs} == {CompactResult.COMPLETE}
    made.verify()


@pytest.mark.parametrize("nid", [0, 1])
def test_one_node_leaves_the_other_alone(nid: int) -> None:
    """compact_node moves pages of its node only (spec/compaction.md 7.3)."""
    made = Terrain.on(two_nodes(), odd)
    runs = made.vm.compact_node(nid)
    assert [run.zone.nid for run in runs] == [nid, nid]
    assert {made.vm.page(pfn).nid for pfn in made.isolated} == {nid}
    made.verify()


def test_pages_stay_in_their_zone() -> None:
    """Compaction moves no page from one zone to another (spec/compaction.md 5.1)."""
    made = Terrain.on(two_nodes(), odd)
    made.vm.compact_memory()
    assert all(made.vm.page(old).zone_id == made.vm.page(new).zone_id for old, new in made.moves)


def test_a_node_that_does_not_exist() -> None:
    """Compacting a node that the machine does not have is an error that says which there are."""
    with pytest.raises(MovableError, match="node: this machine has nodes 0 to 0, not 1"):
        boot(one_zone(1024)).compact_node(1)


def test_the_run_is_synchronous_and_without_a_goal() -> None:
    """A whole-node run has mode SYNC and order -1 (spec/compaction.md 3.1)."""
    made = terrain(4, odd)
    (run,) = made.vm.compact_memory()
    assert (run.mode, run.order) == (MigrateMode.SYNC, -1)
    assert made.migrate_modes == {MigrateMode.SYNC}


def test_no_stall_is_counted() -> None:
    """Whole-node compaction is no direct compaction: the stall counters stay (spec/compaction.md 7.3)."""
    made = terrain(4, odd)
    growth = Growth(made.vm)
    made.vm.compact_memory()
    assert {growth[name] for name in ("compact_stall", "compact_fail", "compact_success")} == {0}


def test_it_starts_at_the_ends_whatever_is_cached() -> None:
    """A whole-zone run starts at the zone's ends and not at the cached positions (spec/compaction.md 3.4)."""
    made = terrain(6, lambda offset: "U" if offset < 2 * BLOCK else odd(offset))
    made.vm.compact_zone(made.zone, direct(4, CompactPriority.SYNC_LIGHT))
    assert made.zone.compact_state.cached_migrate_pfn == (START + BLOCK,) * 2
    (run,) = made.vm.compact_memory()
    assert run.migrate_scanned > 2 * BLOCK


def test_compacting_twice_keeps_what_was_won() -> None:
    """A second run breaks none of the large blocks that the first one made (spec/compaction.md 5.2)."""
    made = terrain(8, odd)
    made.vm.compact_memory()
    nr_free = made.zone.nr_free
    made.vm.compact_memory()
    made.verify()
    assert made.zone.nr_free[10] >= nr_free[10]


def test_counters_are_the_sum_of_the_runs() -> None:
    """The vmstat counters grow by what the runs report (spec/compaction.md 9.1)."""
    made = Terrain.on(two_nodes(), odd)
    growth = Growth(made.vm)
    runs = made.vm.compact_memory()
    assert growth["compact_migrate_scanned"] == sum(run.migrate_scanned for run in runs)
    assert growth["compact_free_scanned"] == sum(run.free_scanned for run in runs)
    assert growth["compact_isolated"] == sum(run.isolated for run in runs)
    assert growth["pgmigrate_success"] == sum(run.migrated for run in runs)
    assert growth["pgmigrate_fail"] == sum(run.failed for run in runs)


@pytest.mark.parametrize("fill", [".", "U", "M"])
def test_zones_with_nothing_to_do(fill: str) -> None:
    """Free, unmovable or fully used memory is left as it is, and the run completes (spec/compaction.md 6.3)."""
    made = terrain(4, lambda offset: fill)
    nr_free = made.zone.nr_free
    (run,) = made.vm.compact_memory()
    assert (run.result, run.migrated) == (CompactResult.COMPLETE, 0)
    assert made.zone.nr_free == nr_free
    made.verify()


def test_shared_blocks_belong_to_both_zones() -> None:
    """Zones that meet inside a block are compacted each up to its own edge (spec/compaction.md 1.3, 4.1, 5.1)."""
    edge = FOUR + 0x123
    zones = ZoneConfig("DMA32", START, edge), ZoneConfig("Normal", START + edge, 2 * FOUR - edge)
    made = Terrain.on(one_node(*zones), odd)
    first, second = made.vm.compact_memory()
    assert (first.result, second.result) == (CompactResult.COMPLETE, CompactResult.COMPLETE)
    assert all(made.vm.page(old).zone_id == made.vm.page(new).zone_id for old, new in made.moves)
    assert {made.vm.page(old).zone_id for old, _ in made.moves} == {0, 1}
    made.verify()


def test_free_memory_is_unchanged() -> None:
    """Moving pages neither frees nor uses memory: free and managed pages stay (13 S1)."""
    made = terrain(8, odd)
    before = made.zone.free_pages, made.zone.managed
    made.vm.compact_memory()
    assert (made.zone.free_pages, made.zone.managed) == before


def test_a_large_allocation_succeeds_afterwards() -> None:
    """What compaction is for: an order-10 request without compaction succeeds after it."""
    made = terrain(8, odd)
    assert made.vm.alloc_pages(10, GFP.NOWAIT) is None
    made.vm.compact_memory()
    assert must(made.vm.alloc_pages(10, GFP.NOWAIT | GFP.MOVABLE)).order == 10


def test_free_blocks_are_not_broken() -> None:
    """Where only free pageblocks lie above, there are no targets, and they stay whole (spec/compaction.md 5.2)."""
    made = terrain(4, lambda offset: odd(offset) if offset < BLOCK else "U" if offset < 2 * BLOCK else ".")
    made.vm.compact_memory()
    assert made.moves == []
    assert made.zone.nr_free[10] == 1


@pytest.mark.parametrize(
    "settings",
    [
        CompactSettings(order=11),
        CompactSettings(order=-2),
        CompactSettings(order=-1, direct=True, mode=MigrateMode.ASYNC),
    ],
)
def test_settings_are_checked(settings: CompactSettings) -> None:
    """A control block that no caller could fill in is an error that names the field (3.1)."""
    made = terrain(2, odd)
    with pytest.raises(MovableError, match="order: "):
        made.vm.compact_zone(made.zone, settings)


def test_a_zone_of_another_machine_is_refused() -> None:
    """A Zone belongs to its VM, however alike another one is."""
    made, twin = terrain(2, odd), terrain(2, odd)
    with pytest.raises(MovableError, match="zone: must be one of this VM's zones"):
        made.vm.compact_zone(twin.zone)
