"""Maps of what each page is used for, against pages whose use is known."""

from collections.abc import Callable

import pytest
from allocator.machines import BLOCK, NO_MARKS, START, UNMOVABLE, boot, must, one_zone
from migration.kit import Recorder
from process.kit import cached, filled, page_at

from movable import (
    PAGE_SIZE,
    VM,
    MachineConfig,
    NodeConfig,
    PageKind,
    PageList,
    PfnRange,
    ZoneConfig,
    ZoneMap,
    page_map,
)


def kind_at(vm: VM, pfn: int) -> int:
    """What the map says of one frame."""
    (zone,) = (
        zone for zone in page_map(vm).zones if zone.start_pfn <= pfn < zone.start_pfn + len(zone.kinds)
    )
    return zone.kinds[pfn - zone.start_pfn]


def with_holes() -> MachineConfig:
    """Four pageblocks: a hole in the first, and reserved pages; the third is a hole altogether."""
    zone = ZoneConfig(
        "Normal",
        START,
        2048,
        holes=(PfnRange(START + 100, 50), PfnRange(START + 2 * BLOCK, BLOCK)),
        reserved=(PfnRange(START + 200, 7),),
        watermarks=NO_MARKS,
    )
    return MachineConfig("holes", (NodeConfig((zone,)),))


def test_a_fresh_machine_is_free() -> None:
    """Every frame of a machine that has just booted is free, whether its block was touched or not."""
    with boot(one_zone(4096)) as vm:
        made = page_map(vm)
        assert made.drivers == ()
        assert [zone.name for zone in made.zones] == ["Node 0 Normal"]
        assert made.zones[0].kinds == bytes([PageKind.FREE]) * 4096


def test_holes_and_reserved_frames_are_told_apart() -> None:
    """A block without memory is a hole; a hole inside a block has reserved pages (spec/compaction.md 1.2)."""
    with boot(with_holes()) as vm:
        made = page_map(vm)
        assert made.count(PageKind.HOLE) == BLOCK
        assert made.count(PageKind.RESERVED) == 57
        assert made.count(PageKind.FREE) == vm.zones[0].free_pages == 3 * BLOCK - 57
        assert kind_at(vm, START + 2 * BLOCK) == kind_at(vm, START + 3 * BLOCK - 1) == PageKind.HOLE
        assert kind_at(vm, START + 149) == kind_at(vm, START + 206) == PageKind.RESERVED
        assert kind_at(vm, START + 150) == PageKind.FREE


@pytest.mark.parametrize("order", [0, 3, 9])
def test_all_pages_of_an_allocation_are_the_kernels(order: int) -> None:
    """Each frame of an allocation of any order is in use, its neighbours are not."""
    with boot(one_zone(2048)) as vm:
        head = must(vm.alloc_pages(order, UNMOVABLE))
        made = page_map(vm)
        assert made.count(PageKind.KERNEL) == 1 << order
        assert kind_at(vm, head.pfn) == kind_at(vm, head.pfn + (1 << order) - 1) == PageKind.KERNEL
        vm.free_pages(head, order)
        assert page_map(vm).count(PageKind.KERNEL) == 0


def test_free_frames_are_those_that_the_allocator_counts(vm: VM, driver: Recorder) -> None:
    """Free frames and used ones of the map come to the zone's figures while pages come and go."""
    pages = [must(vm.alloc_page(UNMOVABLE)) for _ in range(300)]
    for page in pages[::3]:
        page.put()
    driver.add()
    made = page_map(vm)
    assert made.count(PageKind.FREE) == vm.zones[0].free_pages
    assert made.count(PageKind.KERNEL) == 200
    assert len(made.zones[0].kinds) == vm.zones[0].spanned


def test_drivers_have_a_number_each(vm: VM) -> None:
    """Pages of two drivers are told apart by the place of the driver's name; other names are a KeyError."""
    first, second = Recorder(vm), Recorder(vm)
    pages = [first.add(), second.add(), second.add()]
    made = page_map(vm)
    assert made.drivers == tuple(mapping.name for mapping in vm.mappings)
    assert [made.count(PageKind.DRIVER + number) for number in (0, 1)] == [1, 2]
    assert [kind_at(vm, page.pfn) - PageKind.DRIVER for page in pages] == [0, 1, 1]
    assert made.driver_kind(first.mapping.name) == PageKind.DRIVER
    with pytest.raises(KeyError, match="nobody"):
        made.driver_kind("nobody")


def test_a_migrated_page_is_at_its_new_frame(vm: VM, driver: Recorder, move: Callable[..., object]) -> None:
    """After migration the driver's frame in the map is the new one, and the old one is free."""
    page = driver.add()
    old = page.pfn
    move([page])
    (new,) = driver.mapping.pages()
    made = page_map(vm)
    assert new.pfn != old
    assert kind_at(vm, old) == PageKind.FREE
    assert kind_at(vm, new.pfn) == made.driver_kind(driver.mapping.name)


def test_an_isolated_page_is_still_its_drivers(
    vm: VM, driver: Recorder, isolate: Callable[..., PageList]
) -> None:
    """Isolation does not change whose page it is."""
    page = driver.add()
    isolate([page])
    assert kind_at(vm, page.pfn) == PageKind.DRIVER


def test_a_page_given_up_while_isolated_is_the_kernels(
    vm: VM, driver: Recorder, isolate: Callable[..., PageList]
) -> None:
    """A page whose driver cleared its mark while it was isolated belongs to no driver (spec/migration.md 6.7)."""
    page = driver.add()
    isolate([page])
    driver.give_up(page)
    assert kind_at(vm, page.pfn) == PageKind.KERNEL


def test_pages_of_processes_and_files_go_by_their_lists(vm: VM) -> None:
    """Active or inactive, anonymous or of a file, unevictable, or off the LRU: each has its kind."""
    process, other = vm.process(), vm.process()
    file = vm.file("data", 2 * PAGE_SIZE)
    active, shared = filled(process, 3), process.mmap(PAGE_SIZE, shared=True)
    process.write(shared, b"shared")
    locked = other.mmap(PAGE_SIZE, locked=True)
    file.write(0, b"twice")
    file.write(PAGE_SIZE, b"once")
    vm.lru_add_drain_all()
    file.write(0, b"again")
    off = filled(other)
    listed = vm.page_list("isolated")
    assert listed.isolate(page_at(other, off))
    waiting = other.mmap(PAGE_SIZE)
    other.write(waiting, b"in a vector")
    fresh = vm.file("fresh", PAGE_SIZE)
    fresh.write(0, b"in a vector too")
    expected = {
        page_at(process, active).pfn: PageKind.ACTIVE_ANON,
        page_at(process, shared).pfn: PageKind.INACTIVE_ANON,
        page_at(other, locked).pfn: PageKind.UNEVICTABLE,
        page_at(other, off).pfn: PageKind.ANON_OFF_LRU,
        page_at(other, waiting).pfn: PageKind.ANON_OFF_LRU,
        cached(file, 0).pfn: PageKind.ACTIVE_FILE,
        cached(file, 1).pfn: PageKind.INACTIVE_FILE,
        cached(fresh).pfn: PageKind.FILE_OFF_LRU,
    }
    assert {pfn: PageKind(kind_at(vm, pfn)) for pfn in expected} == expected
    memory = page_map(vm)
    text = str(memory.zones[0])
    letters = [text[pfn - memory.zones[0].start_pfn] for pfn in expected]
    assert letters == ["A", "A", "U", "a", "a", "F", "F", "f"]
    vm.putback_movable_pages(listed)


def test_the_swap_cache_is_told_apart(vm: VM) -> None:
    """A page that was read back while another process still wants its slot is in the swap cache."""
    vm.swapon(16)
    process = vm.process()
    address = filled(process)
    child = process.fork()
    assert any(vm.reclaim(1) for _ in range(3))
    child.touch(address, write=False)
    vm.lru_add_drain_all()
    assert kind_at(vm, page_at(child, address).pfn) == PageKind.SWAP_CACHE


def test_every_kind_has_a_letter() -> None:
    """Recordings' letters: free, no memory, reserved, anonymous, file, unevictable, kernel; D is a driver's."""
    assert [kind.letter for kind in PageKind] == list("N.RAAFFUAaf-D")
    zone = ZoneMap("Node 0 Normal", 0, bytes([*PageKind, PageKind.DRIVER + 1, 255]))
    assert str(zone) == "N.RAAFFUAaf-DDD"


def test_zones_are_mapped_apart() -> None:
    """Each zone of each node has its own frames, from its start on."""
    with VM("numa4", debug=0) as vm:
        page = must(vm.alloc_pages(0, UNMOVABLE, 2))
        made = page_map(vm)
        assert [(zone.name, zone.start_pfn, len(zone.kinds)) for zone in made.zones] == [
            (zone.name, zone.start_pfn, zone.spanned) for zone in vm.zones
        ]
        assert [zone.kinds.count(PageKind.KERNEL) for zone in made.zones] == [0, 0, 1, 0]
        assert made.zones[2].kinds[page.pfn - vm.zones[2].start_pfn] == PageKind.KERNEL


def test_a_map_is_a_picture_of_one_moment() -> None:
    """A map keeps what it showed when the machine goes on, and after the machine is closed."""
    with boot(one_zone(1024)) as vm:
        before = page_map(vm)
        must(vm.alloc_pages(9, UNMOVABLE))
        assert before.count(PageKind.KERNEL) == 0
        assert page_map(vm).count(PageKind.KERNEL) == BLOCK
    assert before.count(PageKind.FREE) == 1024
