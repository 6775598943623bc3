"""Per-CPU lists of free pages: spec/compaction.md 2.8 for Linux 4.9, spec/differences-drivers.md 3.5 for 6.1."""

import pytest
from allocator.machines import BLOCK, START, boot, must, one_zone, take_all

from movable import GFP, VM, MachineConfig, MigrateType, NodeConfig, Page, Watermarks, ZoneConfig
from movable.config import CompactionProfile

MARKS = Watermarks(81, 101, 121)


def listed(
    pages: int = 8 * BLOCK, profile: CompactionProfile = "4.9", marks: Watermarks = Watermarks(0, 0, 0)
) -> VM:
    """A machine with per-CPU lists, recounted after every operation."""
    return boot(one_zone(pages, marks, profile=profile, per_cpu_lists=True))


def waiting(vm: VM, cpu: int = 0) -> int:
    """Pages in the lists of a CPU."""
    return vm.zones[0].per_cpu_pages(cpu).count


@pytest.mark.parametrize(
    ("managed", "batch", "high"), [(65536, 15, 90), (131072, 31, 186), (262144, 31, 186), (1024, 1, 0)]
)
def test_sizes_of_4_9(managed: int, batch: int, high: int) -> None:
    """Fact 14 and the examples of 2.8: batch and high follow from the zone's pages."""
    with boot(one_zone(managed, per_cpu_lists=True), debug=0) as vm:
        sizes = vm.zones[0].per_cpu_pages(0)
        assert (sizes.batch, sizes.high) == (batch, high)


@pytest.mark.parametrize(
    ("pages", "marks", "cpus", "batch", "high"),
    [
        (81182, Watermarks(418, 522, 626), 2, 15, 261),
        (32212, Watermarks(166, 207, 248), 2, 7, 103),
        (15828, MARKS, 2, 3, 50),
        (15828, Watermarks(0, 9, 20), 1, 3, 12),
    ],
)
def test_sizes_of_6_1(pages: int, marks: Watermarks, cpus: int, batch: int, high: int) -> None:
    """high is the low watermark divided by the CPUs, at least 4 batches: recorded zones agree (3.5)."""
    zone = ZoneConfig("Normal", START, pages, watermarks=marks)
    config = MachineConfig("x", (NodeConfig((zone,)),), cpus=cpus, profile="6.1", per_cpu_lists=True)
    with boot(config, debug=0) as vm:
        sizes = vm.zones[0].per_cpu_pages(0)
        assert (sizes.batch, sizes.high) == (batch, high)


def test_a_machine_without_lists_frees_to_the_buddy() -> None:
    """Without per-CPU lists a page freed is in the buddy at once, and the sizes are 0."""
    with boot(one_zone(8 * BLOCK)) as vm:
        free = vm.zones[0].free_pages
        vm.free_pages(must(vm.alloc_page()))
        assert (vm.zones[0].free_pages, waiting(vm), vm.zones[0].per_cpu_pages(0).high) == (free, 0, 0)


@pytest.mark.parametrize("profile", ["4.9", "6.1"])
def test_the_last_page_freed_is_the_first_allocated(profile: CompactionProfile) -> None:
    """A freed page goes to the head of its list, and the head is taken (2.8)."""
    with listed(32 * BLOCK, profile, MARKS) as vm:
        page = must(vm.alloc_page(GFP.HIGHUSER_MOVABLE))
        vm.free_pages(page)
        assert must(vm.alloc_page(GFP.HIGHUSER_MOVABLE)) is page


def test_an_empty_list_is_refilled_with_a_batch() -> None:
    """The first pages pulled come first; the buddy has a batch less at once (2.8)."""
    with listed(32 * BLOCK) as vm:
        free = vm.zones[0].free_pages
        first = [must(vm.alloc_page(GFP.HIGHUSER_MOVABLE)).pfn for _ in range(3)]
        assert first == [first[0], first[0] + 1, first[0] + 2]
        assert (vm.zones[0].free_pages, waiting(vm)) == (free - 3, 0)


def taken(vm: VM, gfp: GFP, count: int) -> list[Page]:
    """Pages that an allocation with this mask gets."""
    return [must(vm.alloc_page(gfp)) for _ in range(count)]


def test_4_9_gives_a_batch_back_at_the_high_mark() -> None:
    """With only one list filled, a batch of its oldest pages goes back when the lists hold ``high`` (2.8)."""
    with listed(32 * BLOCK) as vm:
        pages = taken(vm, GFP.HIGHUSER_MOVABLE, 30)
        vm.drain_all_pages()
        free = vm.zones[0].free_pages
        for page in pages[:17]:
            vm.free_pages(page)
        assert (waiting(vm), vm.zones[0].free_pages) == (17, free)
        vm.free_pages(pages[17])
        assert (waiting(vm), vm.zones[0].free_pages) == (15, free + 3)


def test_4_9_takes_from_three_lists_in_turn() -> None:
    """Three filled lists give one page each: MOVABLE, RECLAIMABLE, UNMOVABLE (2.8)."""
    with listed(32 * BLOCK) as vm:
        kinds = (GFP.HIGHUSER_MOVABLE, GFP.KERNEL, GFP.KERNEL | GFP.RECLAIMABLE)
        pages = [taken(vm, gfp, 6) for gfp in kinds]
        vm.drain_all_pages()
        zone = vm.zones[0]
        before = [sum(n << o for o, n in enumerate(zone.free_counts(kind))) for kind in _PCP_TYPES]
        for page in (page for group in pages for page in group):
            vm.free_pages(page)
        after = [sum(n << o for o, n in enumerate(zone.free_counts(kind))) for kind in _PCP_TYPES]
        assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]
        assert waiting(vm) == 15


_PCP_TYPES = (MigrateType.UNMOVABLE, MigrateType.MOVABLE, MigrateType.RECLAIMABLE)


def test_6_1_gives_growing_portions_back() -> None:
    """Portions double from the batch up to high less a batch (3.5)."""
    with listed(16 * 1024, "6.1", Watermarks(40, 50, 60)) as vm:
        sizes = vm.zones[0].per_cpu_pages(0)
        assert (sizes.batch, sizes.high) == (3, 50)
        pages = taken(vm, GFP.HIGHUSER_MOVABLE, 400)
        vm.drain_all_pages()
        portions, last = [], 0
        for page in pages:
            vm.free_pages(page)
            if waiting(vm) <= last:
                portions.append(last + 1 - waiting(vm))
            last = waiting(vm)
        assert portions[:6] == [3, 6, 12, 24, 47, 47]


def test_blocks_never_wait() -> None:
    """An allocation of several pages comes from the buddy and goes back to it (2.8)."""
    with listed(32 * BLOCK) as vm:
        free = vm.zones[0].free_pages
        page = must(vm.alloc_pages(2, GFP.KERNEL))
        vm.free_pages(page, 2)
        assert (vm.zones[0].free_pages, waiting(vm)) == (free, 0)


def test_pages_of_isolated_blocks_do_not_wait() -> None:
    """A page of an ISOLATE block goes straight to the buddy, also one that waited when its block was isolated (2.8)."""
    with listed(32 * BLOCK) as vm:
        page = must(vm.alloc_page(GFP.HIGHUSER_MOVABLE))
        vm.drain_all_pages()
        vm.set_pageblock_migratetype(page.pfn, MigrateType.ISOLATE)
        vm.free_pages(page)
        assert waiting(vm) == 0
        assert sum(vm.zones[0].free_counts(MigrateType.ISOLATE)) > 0


@pytest.mark.parametrize("profile", ["4.9", "6.1"])
def test_ranges_are_allocated_through_lists(profile: CompactionProfile) -> None:
    """alloc_contig_range finds pages that wait in lists, as it drains them (2.8, 8.2)."""
    with listed(32 * BLOCK, profile, MARKS) as vm:
        pages = taken(vm, GFP.HIGHUSER_MOVABLE, 40)
        start = min(page.pfn for page in pages) // 1024 * 1024
        for page in pages:
            vm.free_pages(page)
        assert waiting(vm) > 0
        assert vm.alloc_contig_range(start, start + 64).ret == 0


@pytest.mark.parametrize("profile", ["4.9", "6.1"])
def test_every_page_comes_back(profile: CompactionProfile) -> None:
    """All memory can be taken but what waits elsewhere, and is free again in the end."""
    with listed(8 * BLOCK, profile) as vm:
        free = vm.zones[0].free_pages
        vm.debug = 0
        pages = take_all(vm, GFP.HIGHUSER_MOVABLE | GFP.MEMALLOC)
        assert len(pages) + waiting(vm) + vm.zones[0].free_pages == free
        for page in pages.values():
            vm.free_pages(page)
        vm.recount()
        vm.drain_all_pages()
        vm.recount()
        assert (vm.zones[0].free_pages, waiting(vm)) == (free, 0)
        assert vm.zones[0].nr_free[10] == 8 * BLOCK // 1024
