"""Random operations with huge, merged, lazily freed and swapped pages, with all contents checked against a model."""

import random
from collections.abc import Callable
from errno import EBUSY, EINVAL, ENOMEM

import pytest
from huge.conftest import TWO_NODES
from huge.kit import HPAGE, demand, huge_area
from schedules.kit import scenario

from movable import PAGE_SIZE, VM, Madvise, MigrateMode, Mpol, MpolMF, Page, Process, Prot, SystemCallError
from movable.sched import Random, run

HUGE_PAGES = 3
PAGES = HUGE_PAGES * 512
Bytes = frozenset[int]
"""The numbers that a page may hold: more than one after MADV_FREE, which may or may not drop it."""


class World:
    """Processes whose memory is in huge pages where it can be, and what each must find there."""

    def __init__(self, vm: VM, seed: int) -> None:
        self.vm = vm
        self.random = random.Random(seed)
        vm.swapon(4096)
        for nid in range(2):
            vm.hugetlb.set(nid, 2)
        self.memory: dict[Process, dict[int, Bytes]] = {}
        self.places: dict[Process, int] = {}
        self.pins: list[Page] = []
        process = vm.process()
        self.places[process] = huge_area(process, HUGE_PAGES)
        self.memory[process] = {}
        self.pool = vm.process()
        self.pool_place = self.pool.mmap(2 * HPAGE, hugetlb=True)
        self.pool_values: dict[int, int] = {}

    def any(self) -> Process:
        """One of the processes."""
        return self.random.choice(list(self.memory))

    def place(self) -> tuple[Process, int, int]:
        """A process, the number of one of its pages, and its address."""
        process, page = self.any(), self.random.randrange(PAGES)
        if self.random.random() < 0.5:
            page &= ~0x1FF | 7
        return process, page, self.places[process] + page * PAGE_SIZE

    def part(self) -> tuple[Process, range, int, int]:
        """A process, numbers of neighbouring pages, address and length: a few pages, or a whole huge page."""
        process, page, address = self.place()
        if self.random.random() < 0.4:
            page, address, count = page & ~0x1FF, address & ~(HPAGE - 1), 512
        else:
            count = min(self.random.randrange(1, 40), PAGES - page)
        return process, range(page, page + count), address, count * PAGE_SIZE

    def write(self) -> None:
        """Write a number to a page."""
        process, page, address = self.place()
        value = self.random.getrandbits(32)
        process.write(address, value.to_bytes(8, "little"))
        self.memory[process][page] = frozenset([value])

    def check(self, process: Process, page: int) -> None:
        """Compare one page with the model."""
        found = int.from_bytes(process.read(self.places[process] + page * PAGE_SIZE, 8), "little")
        assert found in self.memory[process].get(page, {0})

    def read(self) -> None:
        """Compare some page with the model."""
        process, page, _ = self.place()
        self.check(process, page)

    def use_pool(self) -> None:
        """Write and read memory of the hugetlb pool."""
        at, value = self.random.randrange(2 * 512), self.random.getrandbits(32)
        self.pool.write(self.pool_place + at * PAGE_SIZE + 8, value.to_bytes(8, "little"))
        self.pool_values[at] = value
        at = self.random.choice([*self.pool_values])
        found = self.pool.read(self.pool_place + at * PAGE_SIZE + 8, 8)
        assert int.from_bytes(found, "little") == self.pool_values[at]

    def move_pool(self) -> None:
        """Migrate a page of the pool."""
        page = self.pool.page(self.pool_place)
        if page is not None:
            pages = self.vm.page_list("pool")
            pages.isolate(page)
            self.vm.migrate_pages(pages, self.vm.target_node(self.random.randrange(2)))
            self.vm.putback_movable_pages(pages)

    def move_pages(self) -> None:
        """move_pages of pages of all kinds, some of them named twice."""
        process, _, address = self.place()
        addresses = [address, *(self.place()[2] for _ in range(6)), address, 0x7000]
        nodes = [self.random.randrange(2) for _ in addresses]
        flags = self.random.choice([MpolMF.MOVE, MpolMF.MOVE_ALL])
        process.move_pages(0, addresses, nodes, flags)
        try:
            self.pool.move_pages(0, [self.pool_place, self.pool_place + HPAGE + PAGE_SIZE], nodes[:2], flags)
        except SystemCallError as error:
            demand(error, ENOMEM)

    def bind(self) -> None:
        """mbind of a part, its pages moved; and what numa_maps says of it."""
        process, _, address, length = self.part()
        mode, node = self.random.choice([Mpol.BIND, Mpol.PREFERRED, Mpol.DEFAULT]), self.random.randrange(2)
        nodes = None if mode is Mpol.DEFAULT else {node}
        process.mbind(address, length, mode, nodes, flags=self.random.choice([0, MpolMF.MOVE_ALL]))
        assert process.numa_maps()
        assert self.pool.numa_maps()

    def migrate(self) -> None:
        """migrate_pages from one node to the other."""
        node = self.random.randrange(2)
        assert self.any().migrate_pages(0, {node}, {1 - node}) >= 0

    def fork(self) -> None:
        """A child, unless there are many."""
        if len(self.memory) < 3:
            parent = self.any()
            child = parent.fork()
            self.memory[child] = dict(self.memory[parent])
            self.places[child] = self.places[parent]

    def exit(self) -> None:
        """The end of a process, unless it is the last."""
        if len(self.memory) > 1:
            process = self.any()
            del self.memory[process], self.places[process]
            process.exit()

    def lock(self) -> None:
        """mlock or munlock of a part."""
        process, _, address, length = self.part()
        self.random.choice([process.mlock, process.munlock])(address, length)

    def protect(self) -> None:
        """Take rights away from a part and give them back."""
        process, _, address, length = self.part()
        process.mprotect(address, length, self.random.choice([Prot.NONE, Prot.READ]))
        process.mprotect(address, length, Prot.READ | Prot.WRITE)

    def drop(self) -> None:
        """Empty a part, by MADV_DONTNEED or a mapping on top."""
        process, pages, address, length = self.part()
        if self.random.random() < 0.5:
            try:
                process.madvise(address, length, Madvise.DONTNEED)
            except SystemCallError as error:
                demand(error, EINVAL)
                process.munlock(address, length)
                process.madvise(address, length, Madvise.DONTNEED)
        else:
            assert process.mmap(length, address=address, fixed=True) == address
            process.madvise(address, length, Madvise.HUGEPAGE)
        for page in pages:
            self.memory[process].pop(page, None)

    def free(self) -> None:
        """MADV_FREE of a part: what is not written again may go."""
        process, pages, address, length = self.part()
        process.munlock(address, length)
        process.madvise(address, length, Madvise.FREE)
        for page in pages:
            self.memory[process][page] = self.memory[process].get(page, frozenset([0])) | {0}

    def advise(self) -> None:
        """Advice that changes an area only."""
        process, _, address, length = self.part()
        advice = [Madvise.HUGEPAGE, Madvise.NOHUGEPAGE, Madvise.MERGEABLE, Madvise.UNMERGEABLE]
        process.madvise(address, length, self.random.choice(advice))

    def merge(self) -> None:
        """Merge pages that were made alike."""
        places = [self.place() for _ in range(3)]
        value = self.random.getrandbits(32)
        for process, page, address in places:
            process.write(address, value.to_bytes(8, "little") + bytes(PAGE_SIZE - 8))
            self.memory[process][page] = frozenset([value])
        try:
            self.vm.ksm_merge([(process, address) for process, _, address in places])
        except SystemCallError as error:
            demand(error, EBUSY)

    def swap_out(self) -> None:
        """Bring one page into swap space."""
        process, _, address = self.place()
        try:
            process.swap_out(address)
        except SystemCallError as error:
            demand(error, EBUSY, EINVAL)

    def pin(self) -> None:
        """Hold a page, or let it go."""
        if len(self.pins) < 3 and self.random.random() < 0.5:
            process, _, address = self.place()
            self.pins.append(process.pin(address))
        elif self.pins:
            self.pins.pop().put()

    def move(self) -> None:
        """Migrate a process to a node."""
        pages = self.vm.page_list("to move")
        self.vm.lru_add_drain_all()
        self.any().isolate(pages)
        mode, node = self.random.choice([*MigrateMode]), self.random.randrange(2)
        self.vm.migrate_pages(pages, self.vm.target_node(node), mode=mode)
        self.vm.putback_movable_pages(pages)

    def compact(self) -> None:
        """Compact a node."""
        self.vm.compact_node(self.random.randrange(2))

    def reclaim(self) -> None:
        """Reclaim pages of a node."""
        self.vm.reclaim(self.random.choice([4, 600]), node=self.random.randrange(2))

    def operations(self) -> list[Callable[[], None]]:
        """All that can be done, the frequent things more than once."""
        often = [self.write, self.write, self.read] * 5
        users = [self.fork, self.exit, self.lock, self.protect, self.drop, self.free, self.advise, self.merge]
        calls = [self.move_pages, self.bind, self.migrate]
        return [*often, *users, self.drop, self.use_pool, self.pin, self.swap_out, *calls, *self.movers()]

    def movers(self) -> list[Callable[[], None]]:
        """What is done to processes from outside."""
        return [self.move, self.move_pool, self.compact, self.reclaim]

    def end(self) -> None:
        """Everything is as the model says, adds up, and is free when all have ended."""
        for process in self.memory:
            for page in range(PAGES):
                self.check(process, page)
        while self.pins:
            self.pins.pop().put()
        self.vm.recount()
        for process in [*self.memory, self.pool]:
            process.exit()
        self.vm.lru_add_drain_all()
        assert [self.vm.hugetlb.free(nid) for nid in range(2)] == [2, 2]
        for nid in range(2):
            self.vm.hugetlb.set(nid, 0)
        assert self.vm.vmstat()["nr_free_pages"] == 16384
        assert self.vm.swap == (4096, 0)


@pytest.mark.parametrize("seed", range(8))
def test_contents_survive_everything(seed: int) -> None:
    """400 random operations on huge and small pages, with a full recount after each."""
    with VM(TWO_NODES, debug=2) as vm:
        world = World(vm, seed)
        operations = world.operations()
        for _ in range(400):
            vm.cpu = world.random.randrange(4)
            world.random.choice(operations)()
        assert vm.vmstat()["thp_fault_alloc"]
        assert vm.vmstat()["thp_split_page"]
        world.end()


@pytest.mark.parametrize("seed", range(24))
def test_movers_of_several_cpus(seed: int) -> None:
    """One CPU is the processes, others move, compact and reclaim under them: the model still holds."""
    with VM(TWO_NODES, debug=1) as vm:
        world = World(vm, seed)
        movers = world.movers()
        users = [one for one in world.operations() if one not in movers]

        def using() -> None:
            for _ in range(30):
                world.random.choice(users)()

        def moving() -> None:
            for _ in range(2):
                world.move()
                world.move_pool()

        def compacting() -> None:
            world.compact()
            world.reclaim()

        outcome = run(
            scenario(vm, using, moving, compacting, finish=world.end, limit=4_000_000), Random(seed, 8)
        )
        assert outcome.error is None, outcome.error
