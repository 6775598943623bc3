"""Random ranges taken, freed, put offline and online, under processes, files and a driver whose contents are known."""

from collections.abc import Callable
from errno import EAGAIN, EBUSY, ENOMEM

import pytest
from allocator.machines import BLOCK
from migration.kit import Recorder
from process.test_random import MACHINE, World
from schedules.kit import scenario

from movable import PAGE_SIZE, VM, Process
from movable.sched import Random, run


class Ranges(World):
    """The world of processes, with a driver in it, whose machine loses ranges and gets them back."""

    def __init__(self, vm: VM, seed: int) -> None:
        super().__init__(vm, seed)
        self.driver = Recorder(vm)
        self.texts: dict[int, bytes] = {}
        self.taken: list[tuple[int, int]] = []
        self.done = {"taken": 0, "offline": 0, "moved": 0, "dropped": 0}

    def store(self) -> None:
        """Some objects of the driver more, or a few less."""
        for _ in range(self.random.randrange(10)):
            text = self.random.randbytes(20)
            handle = self.driver.store(text)
            assert handle is not None
            self.texts[handle] = text
        for handle in self.random.sample(sorted(self.texts), len(self.texts) // 4):
            if self.driver.drop(handle):
                del self.texts[handle]

    def pages_in_use(self) -> list[int]:
        """Frames that somebody has, whom a range may meet."""
        pages = [page.pfn for page in self.driver.cells.values()]
        pages += [page.pfn for process in self.private for page in process.pages().values()]
        return pages + [page.pfn for page in self.file.pages().values()]

    def somewhere(self) -> int:
        """A frame in use, or any if none is."""
        return self.random.choice(self.pages_in_use() or [self.vm.zones[0].start_pfn])

    def take(self) -> None:
        """A range where something lies."""
        start = self.somewhere()
        (zone,) = (zone for zone in self.vm.zones if zone.start_pfn <= start < zone.end_pfn)
        end = min(start + self.random.choice([1, 7, 64, 300]), zone.end_pfn)
        result = self.vm.alloc_contig_range(start, end)
        assert result.ret in (0, -EBUSY, -ENOMEM)
        if result.ret == 0:
            self.taken.append((start, end))
            self.done["taken"] += 1
        self.done["moved"] += result.migrated
        self.done["dropped"] += result.reclaimed

    def free(self) -> None:
        """A range less."""
        if self.taken:
            start, end = self.taken.pop(self.random.randrange(len(self.taken)))
            assert self.vm.free_contig_range(start, end - start) == 0

    def offline(self) -> None:
        """A pageblock where something lies."""
        block = self.somewhere() // BLOCK * BLOCK
        if any(gone.start <= block < gone.end for gone in self.vm.offline_ranges):
            return
        result = self.vm.offline_pages(block, BLOCK, non_lru=self.random.random() < 0.7, max_passes=3)
        assert result.ret in (0, -EBUSY, -ENOMEM, -EAGAIN)
        self.done["offline"] += result.ret == 0
        self.done["moved"] += result.migrated

    def online(self) -> None:
        """Memory comes back."""
        for each in self.vm.offline_ranges[:1]:
            self.vm.online_pages(each.start, each.pages)

    def mood(self) -> None:
        """The driver's next answers."""
        self.driver.answers = self.random.choices([0, -EAGAIN, -EBUSY], [6, 2, 1], k=20)

    def operations(self) -> list[Callable[[], None]]:
        """Those of processes, and the ranges."""
        ranges = [self.take, self.take, self.free, self.free, self.offline, self.online, self.online]
        return [*super().operations(), *ranges, self.store, self.mood]

    def check(self) -> None:
        """No range that was given away holds anybody's page, and the driver's contents are right."""
        used = set(self.pages_in_use())
        for start, end in self.taken:
            assert used.isdisjoint(range(start, end))
        for gone in self.vm.offline_ranges:
            assert used.isdisjoint(range(gone.start, gone.end))
        for handle, text in self.texts.items():
            assert self.driver.load(handle) == text

    def end(self) -> None:
        """All memory comes back, and then the world of processes ends as it always does."""
        self.check()
        while self.taken:
            self.free()
        while self.vm.offline_ranges:
            self.online()
        self.driver.answers = []
        self.driver.close()
        super().end()


@pytest.mark.parametrize("seed", range(6))
def test_contents_survive_ranges_that_come_and_go(seed: int) -> None:
    """Five hundred random operations with a full recount after each (spec/compaction.md 8.2, 8.3)."""
    with VM(MACHINE, debug=2) as vm:
        world = Ranges(vm, seed)
        operations = world.operations()
        for _ in range(500):
            vm.cpu = world.random.randrange(4)
            world.random.choice(operations)()
            world.check()
        assert world.done["taken"] > 10
        assert world.done["offline"] > 1
        assert world.done["moved"] > 100
        world.end()


@pytest.mark.parametrize("seed", range(20))
def test_ranges_taken_under_running_processes(seed: int) -> None:
    """One CPU is the processes; others take ranges and put memory offline under them: the model holds."""
    with VM(MACHINE, debug=1) as vm:
        world = Ranges(vm, seed)
        world.write()
        world.write_shared()

        def using() -> None:
            for _ in range(30):
                world.random.choice(World.operations(world)[:12])()

        def taking() -> None:
            for _ in range(2):
                world.take()
                world.free()

        def shrinking() -> None:
            world.offline()
            world.online()

        outcome = run(
            scenario(vm, using, taking, shrinking, finish=world.end, limit=400_000), Random(seed, 8)
        )
        assert outcome.error is None, outcome.error


def test_a_range_under_a_process_that_writes() -> None:
    """A page that is written all the time leaves a range with every byte that was written (8.2)."""
    for seed in range(30):
        with VM(MACHINE, debug=1) as vm:
            process = vm.process()
            address = process.mmap(PAGE_SIZE)
            process.touch(address)
            pfn = process.entries()[0].pfn
            results: list[int] = []

            def writing(process: Process = process, address: int = address) -> None:
                for number in range(12):
                    process.write(address + number * 256, bytes([number + 1]) * 256)

            def taking(vm: VM = vm, pfn: int = pfn, results: list[int] = results) -> None:
                results.append(vm.alloc_contig_range(pfn, pfn + 1).ret)

            outcome = run(scenario(vm, writing, taking, limit=60_000), Random(seed, 4))
            assert outcome.error is None, outcome.error
            assert results[0] in (0, -EBUSY)
            assert process.read(address, 12 * 256) == b"".join(bytes([n + 1]) * 256 for n in range(12))
            if results[0] == 0:
                assert process.entries()[0].pfn != pfn
