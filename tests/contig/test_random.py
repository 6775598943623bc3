"""Random ranges taken, freed, and put offline and online, with a driver that answers at random and full recounts."""

from errno import EAGAIN, EBUSY
from random import Random

import pytest
from allocator.machines import BLOCK
from contig.kit import MAX, START
from migration.kit import Recorder

from movable import GFP, VM, MachineConfig, MigrateType, NodeConfig, Page, PfnRange, ZoneConfig

CONFIG = MachineConfig(
    "two nodes",
    (
        NodeConfig((ZoneConfig("DMA32", START, MAX), ZoneConfig("Normal", START + MAX, 2 * MAX)), (0,)),
        NodeConfig(
            (ZoneConfig("Normal", START + 4 * MAX, 2 * MAX, holes=(PfnRange(START + 5 * MAX, 200),)),), (1,)
        ),
    ),
    cpus=2,
)


class World:
    """A machine, a driver, and what is taken and offline by the test's own books."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.vm = VM(CONFIG, debug=2)
        self.driver = Recorder(self.vm)
        self.texts: dict[int, bytes] = {}
        self.taken: list[tuple[int, int]] = []
        self.kept: list[Page] = []
        self.done = {"taken": 0, "offline": 0}

    def store(self) -> None:
        """A few objects more."""
        for _ in range(self.random.randrange(40)):
            text = self.random.randbytes(20)
            handle = self.driver.store(text)
            if handle is not None:
                self.texts[handle] = text

    def drop(self) -> None:
        """Some objects less."""
        for handle in self.random.sample(sorted(self.texts), len(self.texts) // 3):
            if self.driver.drop(handle):
                del self.texts[handle]

    def keep(self) -> None:
        """A page that cannot move, or one less."""
        if self.kept and self.random.random() < 0.7:
            self.kept.pop(self.random.randrange(len(self.kept))).put()
        elif (page := self.vm.alloc_page(GFP.KERNEL | GFP.NOWARN)) is not None:
            self.kept.append(page)

    def take(self) -> None:
        """A range of some length somewhere in a zone."""
        zone = self.random.choice(self.vm.zones)
        start = self.random.randrange(zone.start_pfn, zone.end_pfn)
        end = min(start + self.random.choice([1, 7, 64, 500, 1000]), zone.end_pfn)
        kind = self.random.choice([MigrateType.MOVABLE, MigrateType.CMA])
        if self.vm.alloc_contig_range(start, end, kind).ret == 0:
            self.taken.append((start, end))
            self.done["taken"] += 1

    def free(self) -> None:
        """A range less."""
        if self.taken:
            start, end = self.taken.pop(self.random.randrange(len(self.taken)))
            assert self.vm.free_contig_range(start, end - start) == 0

    def offline(self) -> None:
        """A pageblock or two offline."""
        zone = self.random.choice(self.vm.zones)
        start = self.random.randrange(zone.start_pfn, zone.end_pfn, BLOCK)
        nr = min(BLOCK * self.random.randint(1, 2), zone.end_pfn - start)
        gone = [block for each in self.vm.offline_ranges for block in range(each.start, each.end, BLOCK)]
        if set(gone) & set(range(start, start + nr, BLOCK)):
            return
        self.done["offline"] += self.vm.offline_pages(start, nr, non_lru=True, max_passes=3).ret == 0

    def online(self) -> None:
        """What is offline comes back, a range at a time."""
        for each in self.vm.offline_ranges[:1]:
            self.vm.online_pages(each.start, each.pages)

    def mood(self) -> None:
        """The driver's next answers."""
        self.driver.answers = self.random.choices([0, -EAGAIN, -EBUSY], [6, 2, 1], k=60)
        pages = list(self.driver.cells.values())
        self.driver.refused = set(self.random.sample(pages, len(pages) // 20))
        self.vm.cpu = self.random.randrange(2)

    def check(self) -> None:
        """Everything stored is read back, and no page of the driver is in a range that is somebody else's."""
        for handle, text in self.texts.items():
            assert self.driver.load(handle) == text
        frames = {page.pfn for page in self.driver.cells.values()}
        for start, end in self.taken:
            assert frames.isdisjoint(range(start, end))
            assert {self.vm.page(pfn).refcount for pfn in (start, end - 1)} == {1}
        for gone in self.vm.offline_ranges:
            assert frames.isdisjoint(range(gone.start, gone.end))
        present = sum(zone.present for zone in self.vm.zones)
        lost = sum(each.pages for each in self.vm.offline_ranges)
        assert present + lost == CONFIG.nodes[0].managed_pages + CONFIG.nodes[1].managed_pages


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost(seed: int) -> None:
    """After each of 150 random steps the books, the contents and the ranges fit (spec/compaction.md 8)."""
    world = World(seed)
    steps = [
        world.store,
        world.drop,
        world.keep,
        world.take,
        world.free,
        world.offline,
        world.online,
        world.mood,
    ]
    for _ in range(150):
        world.random.choice(steps)()
        world.check()
    assert world.done["taken"] > 3
    assert world.done["offline"] > 1
    world.driver.refused, world.driver.answers = set(), []
    while world.taken:
        world.free()
    while world.vm.offline_ranges:
        world.online()
    world.check()
    for page in world.kept:
        page.put()
    world.driver.close()
    assert sum(zone.free_pages for zone in world.vm.zones) == CONFIG.managed_pages
    assert {zone.nr_isolate_pageblock for zone in world.vm.zones} == {0}
