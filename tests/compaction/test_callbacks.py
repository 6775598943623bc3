"""What a driver sees of a run: modes, counters, flags and locks inside its callbacks."""

from collections.abc import Callable

import pytest
from allocator.machines import START, one_zone
from compaction.terrain import Terrain, direct, odd, terrain

from movable import (
    CompactPriority,
    CompactResult,
    CompactSettings,
    IsolateMode,
    MigrateMode,
    Page,
    PageFlag,
)


@pytest.mark.parametrize(
    ("mode", "bits"),
    [
        (MigrateMode.ASYNC, IsolateMode.UNEVICTABLE | IsolateMode.ASYNC_MIGRATE),
        (MigrateMode.SYNC_LIGHT, IsolateMode.UNEVICTABLE | IsolateMode.ASYNC_MIGRATE),
        (MigrateMode.SYNC, IsolateMode.UNEVICTABLE),
    ],
)
@pytest.mark.parametrize("unevictable", [True, False])
def test_isolation_mode_bits(mode: MigrateMode, bits: IsolateMode, unevictable: bool) -> None:
    """ASYNC_MIGRATE is set unless the mode is SYNC, UNEVICTABLE unless the sysctl forbids it (4.1)."""
    made = terrain(4, odd, compact_unevictable_allowed=unevictable)
    made.vm.compact_zone(made.zone, CompactSettings(mode=mode))
    assert made.isolate_modes == {bits if unevictable else bits & ~IsolateMode.UNEVICTABLE}
    assert all(isinstance(each, IsolateMode) for each in made.isolate_modes)


@pytest.mark.parametrize(
    ("priority", "mode"),
    [
        (CompactPriority.ASYNC, MigrateMode.ASYNC),
        (CompactPriority.SYNC_LIGHT, MigrateMode.SYNC_LIGHT),
        (CompactPriority.SYNC_FULL, MigrateMode.SYNC_LIGHT),
    ],
)
def test_priorities_choose_the_mode(priority: CompactPriority, mode: MigrateMode) -> None:
    """Direct compaction is ASYNC or SYNC_LIGHT, and never SYNC (spec/compaction.md 3.1)."""
    made = terrain(4, odd)
    assert made.vm.try_to_compact_pages(4, priority=priority) is CompactResult.SUCCESS
    assert made.migrate_modes == {mode}


def isolated_counts(made: Terrain) -> tuple[int, int]:
    """nr_isolated_anon and nr_isolated_file."""
    stat = made.vm.vmstat()
    return stat["nr_isolated_anon"], stat["nr_isolated_file"]


def test_a_batch_is_counted_once_it_is_collected() -> None:
    """In 4.9 nr_isolated_file rises by the whole batch after its isolation and falls page by page (4.2, 51)."""
    made = terrain(4, odd)
    seen: dict[str, list[tuple[int, int]]] = {"isolate_page": [], "migratepage": []}

    def note(counts: list[tuple[int, int]]) -> Callable[[Page], None]:
        return lambda _page: counts.append(isolated_counts(made))

    for callback, counts in seen.items():
        made.actions[callback] = note(counts)
    made.vm.compact_memory()
    assert seen["isolate_page"][:33] == [(0, 0)] * 33
    assert seen["migratepage"][:33] == [(0, 32 - done) for done in range(32)] + [(0, 32)]
    made.verify()


def test_swap_backed_pages_count_as_anonymous() -> None:
    """A driver's page is counted as file, or as anon if it bears PG_swapbacked (spec/compaction.md 4.2)."""
    made = terrain(4, odd)
    made.vm.page(START + 1).set_flag(PageFlag.SWAPBACKED)
    counts: list[tuple[int, int]] = []
    made.actions["migratepage"] = lambda page: counts.append(isolated_counts(made))
    made.vm.compact_memory()
    assert counts[:2] == [(1, 31), (1, 30)]
    made.verify()


def test_a_page_put_back_is_counted_back() -> None:
    """Pages of a spoilt group are counted and discounted again before the next group (4.2 FAIL)."""
    made = terrain(4, lambda offset: "U" if offset % 16 == 14 else odd(offset))
    counts: list[tuple[int, int]] = []
    made.actions["putback_page"] = lambda page: counts.append(isolated_counts(made))
    made.vm.compact_zone(made.zone, direct(4, CompactPriority.ASYNC))
    assert counts[:7] == [(0, left) for left in (6, 5, 4, 3, 2, 1, 0)]
    made.verify()


def test_isolate_sees_a_locked_page_with_two_references() -> None:
    """In isolate_page the page is locked, referenced by the VM too, and not isolated yet (4.4)."""
    made = terrain(4, odd)
    seen: set[tuple[bool, int, bool]] = set()
    made.actions["isolate_page"] = lambda page: seen.add((page.locked, page.refcount, page.isolated))
    made.vm.compact_memory()
    assert seen == {(True, 2, False)}


def test_migrate_sees_two_locked_pages() -> None:
    """In migratepage the old page is locked, isolated and held by the VM (spec/compaction.md 8.4)."""
    made = terrain(4, odd)
    seen: set[tuple[bool, int, bool]] = set()
    made.actions["migratepage"] = lambda page: seen.add((page.locked, page.refcount, page.isolated))
    made.vm.compact_memory()
    assert seen == {(True, 2, True)}


def test_putback_sees_an_isolated_page() -> None:
    """In putback_page the page is locked and still isolated (spec/compaction.md 6.2)."""
    made = terrain(4, odd)
    seen: set[tuple[bool, int, bool]] = set()
    made.actions["putback_page"] = lambda page: seen.add((page.locked, page.refcount, page.isolated))
    made.vm.compact_memory()
    assert seen == {(True, 2, True)}


def test_targets_are_fresh_pages() -> None:
    """A target has one reference and none of its former owner's marks (spec/compaction.md 5.4)."""
    made = terrain(4, odd)
    for pfn in range(START + 3 * 512, START + 4 * 512, 2):
        assert made.vm.page(pfn).refcount == 0
    made.vm.compact_memory()
    assert {page.flags for page in made.pages.values()} == {PageFlag(0)}


class OtherCpu:
    """CPU 1 takes the lock of a page that is isolated, and gives it back when CPU 0 waits for it."""

    def __init__(self, made: Terrain, victim: Page) -> None:
        self.made = made
        self.victim = victim
        self.waits = 0
        made.actions["migratepage"] = self.take
        made.vm.wait_hook = self.give

    def take(self, page: Page) -> None:
        """Called before the first page of the batch moves."""
        self.made.actions.clear()
        self.made.vm.cpu = 1
        self.victim.lock()
        self.made.vm.cpu = 0

    def give(self, page: Page) -> None:
        """Called when CPU 0 would sleep."""
        assert page is self.victim
        self.waits += 1
        self.made.vm.cpu = 1
        self.victim.unlock()
        self.made.vm.cpu = 0


def with_other_cpu() -> tuple[Terrain, OtherCpu]:
    """Memory of which the second page of the first batch will be locked."""
    made = Terrain.on(one_zone(2048, cpus=2), odd)
    return made, OtherCpu(made, made.vm.page(START + 61))


def test_a_locked_page_is_waited_for() -> None:
    """A synchronous run waits for the lock of an isolated page from the fourth pass on (6.2)."""
    made, other = with_other_cpu()
    made.vm.compact_memory()
    assert other.waits == 1
    assert START + 61 in [old for old, _ in made.moves]
    assert START + 61 not in made.put_back
    made.verify()


def test_direct_compaction_does_not_wait() -> None:
    """PF_MEMALLOC keeps direct compaction from sleeping on a page lock: the page is put back (6.2)."""
    made, other = with_other_cpu()
    result = made.vm.try_to_compact_pages(5, priority=CompactPriority.SYNC_LIGHT)
    assert result is CompactResult.SUCCESS
    assert START + 61 not in [old for old, _ in made.moves]
    assert (made.put_back, other.waits) == ([START + 61], 1)
    made.verify()
