"""The fragmented phone and what is measured on it, against the machine itself."""

import email
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from movable import MovableError, PageKind, free_in_blocks, page_map, preset
from movable_zsmalloc.files import FilePages
from movable_zsmalloc.showcase import Phone, compact, take_down

DATA = (Path(email.__file__).parent,)


def silent(_pages: int) -> None:
    """Nobody watches the progress."""


@pytest.fixture
def phone() -> Iterator[Phone]:
    """A small machine, full and then fragmented."""
    made = Phone(preset("tiny"), algorithm="lz4", disksize=64 << 20, seed=3)
    made.fill(FilePages(DATA), None, silent)
    made.fragment(60)
    yield made
    made.close()


def used_frames(phone: Phone) -> set[int]:
    """The frames of both drivers' pages."""
    return {page.pfn for mapping in phone.vm.mappings for page in mapping.pages()}


def test_filling_stops_at_the_low_watermark() -> None:
    """Without a number of pages memory is filled down to the low watermark, and not below the min one."""
    phone = Phone(preset("tiny"), algorithm="lz4", disksize=64 << 20, seed=3)
    phone.fill(FilePages(DATA), None, silent)
    (zone,) = phone.vm.zones
    assert phone.room <= 0
    assert zone.watermark.min < zone.free_pages <= zone.watermark.low
    assert phone.written == len(phone.sums) > zone.managed
    assert phone.zram.stats.pages_stored == phone.written
    phone.close()


def test_filling_stops_at_the_number_asked_for() -> None:
    """With a number of pages exactly those are written, and progress ends there."""
    phone = Phone(preset("tiny"), algorithm="lz4", disksize=4 << 20, seed=3)
    seen: list[int] = []
    phone.fill(FilePages(DATA), 700, seen.append)
    assert phone.written == 700
    assert seen == [0, 256, 512, 700]
    phone.close()


def test_more_than_fits_says_how_much_did(phone: Phone) -> None:
    """A number of pages for which memory is too small is an error that names both options."""
    with pytest.raises(
        MovableError, match=r"memory is full after .* of 64 MiB: choose a smaller --size or more"
    ):
        phone.fill(FilePages(DATA), (64 << 20) // 4096, silent)


def test_discards_leave_the_rest(phone: Phone) -> None:
    """Sixty percent of what was written is gone, the rest is kept, and free memory is in pieces."""
    assert len(phone.sums) == phone.written - round(phone.written * 0.6)
    memory = take_down(phone.vm)
    assert memory.free_pages > phone.vm.zones[0].managed // 3
    assert memory.in_blocks[0] < 0.1
    assert memory.index["Node 0 Normal"][0] > 900


def test_the_same_seed_gives_the_same_memory(phone: Phone) -> None:
    """Memory depends on data and seed only, page for page; another seed gives another one."""
    maps = []
    for seed in (3, 4):
        other = Phone(preset("tiny"), algorithm="lz4", disksize=64 << 20, seed=seed)
        other.fill(FilePages(DATA), None, silent)
        other.fragment(60)
        maps.append(page_map(other.vm))
        other.close()
    assert maps[0] == page_map(phone.vm)
    assert maps[1] != maps[0]


def test_figures_are_the_machines(phone: Phone) -> None:
    """Every figure of a memory is what the zone itself says at that moment."""
    (zone,) = phone.vm.zones
    memory = take_down(phone.vm)
    assert memory.free_pages == zone.free_pages == memory.map.count(PageKind.FREE)
    assert [int(each) for each in re.findall(r"\d+", memory.buddyinfo)[1:]] == zone.nr_free
    assert memory.in_blocks == pytest.approx([free_in_blocks(zone, order) for order in (9, 4)])
    assert memory.index == {zone.name: [zone.fragmentation_index(order) for order in (9, 4)]}
    assert memory.map == page_map(phone.vm)
    drivers = sum(memory.map.count(memory.map.driver_kind(mapping.name)) for mapping in phone.vm.mappings)
    assert drivers == len(used_frames(phone))
    assert {memory.map.zones[0].kinds[page.pfn - zone.start_pfn] for page in phone.kernel} == {
        PageKind.KERNEL
    }
    kernel = zone.managed - zone.free_pages - (len(used_frames(phone)) - phone.balloon.num_pages)
    assert memory.map.count(PageKind.KERNEL) == kernel >= len(phone.kernel)


def test_looking_changes_nothing(phone: Phone) -> None:
    """The blocks allocated for a moment are given back: two looks are equal, and no page moves."""
    frames, moved = used_frames(phone), phone.vm.vmstat()["compact_migrate_scanned"]
    first = take_down(phone.vm)
    assert take_down(phone.vm) == first
    assert used_frames(phone) == frames
    assert phone.vm.vmstat()["compact_migrate_scanned"] == moved
    phone.vm.recount()


def test_blocks_counted_can_be_allocated_down_to_the_watermark(phone: Phone) -> None:
    """As many blocks can be had as there are, but for those that the min watermark keeps."""
    compact(phone.vm)
    memory = take_down(phone.vm)
    (zone,) = phone.vm.zones
    for order, counted, allocated in zip((9, 4), memory.counted, memory.allocated, strict=True):
        above = (zone.free_pages - zone.watermark.min) >> order
        assert min(counted, above) - 1 <= allocated <= counted
    assert memory.allocated[0] > 0


def test_unmovable_pages_stay_where_they_are(phone: Phone) -> None:
    """While the drivers refuse, a compaction scans all memory and moves nothing."""
    frames, before = used_frames(phone), take_down(phone.vm)
    with phone.unmovable():
        run = compact(phone.vm)
    assert (run.migrated, run.failed) == (0, 0)
    assert run.migrate_scanned > phone.vm.zones[0].managed // 2
    assert used_frames(phone) == frames
    assert take_down(phone.vm) == before


def test_movable_pages_are_moved_together(phone: Phone) -> None:
    """After the drivers refused, the same pages move, as the counters of the machine say, and blocks come free."""
    with phone.unmovable():
        compact(phone.vm)
    frames, before, counted = used_frames(phone), take_down(phone.vm), phone.vm.vmstat()
    run = compact(phone.vm)
    after, counters = take_down(phone.vm), phone.vm.vmstat()
    assert run.migrated == counters["pgmigrate_success"] - counted["pgmigrate_success"] > 300
    assert run.failed == counters["pgmigrate_fail"] - counted["pgmigrate_fail"]
    for figure, event in (
        (run.migrate_scanned, "compact_migrate_scanned"),
        (run.free_scanned, "compact_free_scanned"),
    ):
        assert figure == counters[event] - counted[event] > 0
    assert run.seconds > 0
    assert len(used_frames(phone) - frames) > 300
    assert after.free_pages == before.free_pages
    assert after.in_blocks[1] > 0.7 > 0.1 > before.in_blocks[1]
    assert after.map.count(PageKind.KERNEL) == before.map.count(PageKind.KERNEL)
    phone.vm.run_work()
    phone.vm.recount()
    assert phone.different_pages(silent) == 0


def test_the_kernels_pages_never_move(phone: Phone) -> None:
    """Compaction leaves the kernel's pages where they are, with the frames around them."""
    (zone,) = take_down(phone.vm).map.zones
    held = {pfn for pfn, kind in enumerate(zone.kinds) if kind == PageKind.KERNEL}
    compact(phone.vm)
    (zone,) = take_down(phone.vm).map.zones
    assert {pfn for pfn, kind in enumerate(zone.kinds) if kind == PageKind.KERNEL} == held


def test_a_page_that_came_back_different_is_counted(phone: Phone) -> None:
    """Reading back finds a page whose contents are not what was written."""
    index = next(iter(phone.sums))
    phone.zram.write_page(index, b"\xa5" * 4096)
    assert phone.different_pages(silent) == 1
