"""Loading the map of a real machine's memory, with pages that really move."""

from random import Random

import pytest
from allocator.machines import BLOCK, START

from movable import (
    VM,
    CompactSettings,
    MachineConfig,
    MigrateType,
    MovableError,
    NodeConfig,
    PfnRange,
    Watermarks,
    Zone,
    ZoneConfig,
)
from movable.config import CompactionProfile
from movable.observe import LoadedMap, load_page_map

WHOLE = CompactSettings(whole_zone=True, ignore_skip_hint=True)
PAGES = 4 * BLOCK - 19
"""A zone that ends inside a pageblock, as real ones do."""


def mixed(seed: int = 1) -> str:
    """A map with something of everything; its third block ends in reserved frames."""
    random = Random(seed)
    letters = random.choices("..AAAUFmOS-P", k=PAGES)
    letters[3 * BLOCK - 7 : 3 * BLOCK] = "R" * 7
    return "".join(letters)


def machine(kinds: str, profile: CompactionProfile = "4.9", *, lists: bool = False) -> VM:
    """A machine of two nodes, the second of which is to be laid out."""
    reserved = [PfnRange(START + at, 1) for at, kind in enumerate(kinds) if kind == "R"]
    zone = ZoneConfig("Normal", START, len(kinds), reserved=reserved, watermarks=Watermarks(2, 4, 6))
    other = ZoneConfig("DMA32", 0x400, 0x400)
    nodes = (NodeConfig((other,), (0, 1)), NodeConfig((zone,)))
    return VM(MachineConfig("loaded", nodes, cpus=2, profile=profile, per_cpu_lists=lists), debug=1)


def zone_of(vm: VM) -> Zone:
    """The zone that is laid out."""
    return vm.zones[1]


def load(vm: VM, kinds: str) -> LoadedMap:
    """Lay it out."""
    return load_page_map(vm, zone_of(vm), kinds)


def normal(kinds: str) -> str:
    """A map in which pages that cannot move are all alike."""
    return "".join(kind if kind in ".AUFmOR" else "-" for kind in kinds)


@pytest.mark.parametrize("lists", [False, True])
def test_memory_lies_as_the_map_says(*, lists: bool) -> None:
    """Every frame is what its letter says, free frames are merged, and the other node is as new."""
    kinds = mixed()
    with machine(kinds, lists=lists) as vm:
        before = vm.zones[0].nr_free, zone_of(vm).watermark
        loaded = load(vm, kinds)
        vm.recount()
        assert normal(loaded.kinds_now()) == normal(kinds)
        assert loaded.frames() == {START + at: START + at for at, kind in enumerate(kinds) if kind in "AUFmO"}
        assert zone_of(vm).free_pages == kinds.count(".")
        assert (vm.zones[0].nr_free, zone_of(vm).watermark) == before


def test_pages_are_real() -> None:
    """A page on the LRU is a process's own: it can be written, moves with its contents, and is counted."""
    kinds = mixed()
    with machine(kinds) as vm:
        loaded = load(vm, kinds)
        for pfn, address in loaded.addresses.items():
            loaded.process.write(address, pfn.to_bytes(8, "little"))
        run = vm.compact_zone(zone_of(vm), WHOLE)
        frames = loaded.frames()
        vm.recount()
        assert run.migrated > 0
        assert sum(before != now for before, now in frames.items()) == run.migrated
        for pfn, address in loaded.addresses.items():
            assert loaded.process.read(address, 8) == pfn.to_bytes(8, "little")
        now = loaded.kinds_now()
        assert sorted(normal(now)) == sorted(normal(kinds))
        assert [at for at, kind in enumerate(now) if kind in "SPR"] == [
            at for at, kind in enumerate(kinds) if kind in "SPR"
        ]


def test_locked_and_pinned_pages() -> None:
    """U pages are unevictable; pinned ones do not move."""
    kinds = "A" * 40 + "U" * 40 + "." * (PAGES - 80)
    with machine(kinds) as vm:
        pinned = (START + 3, START + 50)
        loaded = load_page_map(vm, zone_of(vm), kinds, pinned=pinned)
        assert vm.vmstat()["nr_unevictable"] == 40
        assert [page.pfn for page in loaded.pinned] == list(pinned)
        vm.compact_zone(zone_of(vm), WHOLE)
        frames = loaded.frames()
        assert [pfn for pfn, now in frames.items() if pfn == now] == list(pinned)


def test_pages_wait_in_the_list_of_a_cpu() -> None:
    """Frames that are freed last wait in that CPU's list and show as in use; types are set as asked."""
    kinds = "-" * 3 + "A" * 20 + "." * (PAGES - 23)
    with machine(kinds, "6.1", lists=True) as vm:
        zone = zone_of(vm)
        loaded = load_page_map(
            vm,
            zone,
            kinds,
            waiting=range(START, START + 3),
            cpu=1,
            types={START + BLOCK: MigrateType.RECLAIMABLE},
        )
        assert [zone.per_cpu_pages(cpu).count for cpu in (0, 1)] == [0, 3]
        assert vm.cpu == 0
        assert loaded.kinds_now() == kinds
        assert vm.pageblock_migratetype(START + BLOCK + 7) is MigrateType.RECLAIMABLE
        assert vm.pageblock_migratetype(START) is MigrateType.MOVABLE
        vm.drain_all_pages()
        assert loaded.kinds_now()[:3] == "..."


FAULTS = {
    "short": ("A" * (PAGES - 1), {}, r"kinds: Node 1 Normal spans 2029 frames, the map has 2028"),
    "letter": ("z" + "A" * (PAGES - 1), {}, r"kinds: 'z' is no letter of a map"),
    "reserved": (
        "R" + "A" * (PAGES - 1),
        {},
        r"kinds: the map leaves 2028 frames to the allocator, the machine 2029",
    ),
    "pinned": ("." * PAGES, {"pinned": [START]}, r"pinned: pfn 0x1000 is none of the map's A or U or F"),
    "waiting": ("A" * PAGES, {"waiting": [START]}, r"waiting: pfn 0x1000 is none of the map's - or \."),
    "outside": ("." * PAGES, {"waiting": [START - 1]}, r"waiting: pfn 0xfff is none"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_map_that_does_not_fit_is_refused(fault: str) -> None:
    """The message names the argument; the machine is as it was."""
    kinds, arguments, message = FAULTS[fault]
    with machine("." * PAGES) as vm:
        free = zone_of(vm).free_pages
        with pytest.raises(MovableError, match=message):
            load_page_map(vm, zone_of(vm), kinds, **arguments)  # type: ignore[arg-type]
        vm.recount()
        assert zone_of(vm).free_pages == free


def test_a_zone_in_use_is_refused() -> None:
    """Only a new zone can be laid out."""
    kinds = "." * PAGES
    with machine(kinds) as vm:
        load(vm, "A" + kinds[1:])
        with pytest.raises(MovableError, match=r"zone: Node 1 Normal is not new"):
            load(vm, kinds)
