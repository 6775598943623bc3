"""Random operations on processes, files and machine, with all contents checked against a model."""

import random
from collections.abc import Callable

import pytest
from schedules.kit import scenario

from movable import (
    PAGE_SIZE,
    VM,
    File,
    MachineConfig,
    MigrateMethod,
    MigrateMode,
    NodeConfig,
    Process,
    Prot,
    ZoneConfig,
)
from movable.sched import Random, run

AREA = 12
MACHINE = MachineConfig(
    "two",
    (
        NodeConfig((ZoneConfig("Normal", 0x1000, 1024),), (0, 1)),
        NodeConfig((ZoneConfig("Normal", 0x2000, 1024),), (2, 3)),
    ),
    cpus=4,
)


class World:
    """Processes of one machine, what each must find in its memory, and what may be done to them."""

    def __init__(self, vm: VM, seed: int) -> None:
        self.vm = vm
        self.random = random.Random(seed)
        vm.swapon(256)
        self.file: File = vm.file("data", AREA * PAGE_SIZE, migratepage=self.random.choice([*MigrateMethod]))
        self.shared: dict[int, int] = {}
        self.private: dict[Process, dict[int, int]] = {}
        self.places: dict[Process, tuple[int, int]] = {}
        self.start()

    def start(self) -> None:
        """A process with a private area and a shared mapping of the file."""
        process = self.vm.process()
        self.places[process] = (
            process.mmap(AREA * PAGE_SIZE),
            process.mmap(AREA * PAGE_SIZE, shared=True, file=self.file),
        )
        self.private[process] = {}

    def any(self) -> Process:
        """One of the processes."""
        return self.random.choice(list(self.private))

    def write(self) -> None:
        """Write a number to a private page."""
        process, page, value = self.any(), self.random.randrange(AREA), self.random.getrandbits(32)
        process.write(self.places[process][0] + page * PAGE_SIZE, value.to_bytes(8, "little"))
        self.private[process][page] = value

    def write_shared(self) -> None:
        """Write a number to a page of the file, through memory or by write(2)."""
        process, page, value = self.any(), self.random.randrange(AREA), self.random.getrandbits(32)
        data = value.to_bytes(8, "little")
        if self.random.random() < 0.5:
            process.write(self.places[process][1] + page * PAGE_SIZE, data)
        else:
            self.file.write(page * PAGE_SIZE, data)
        self.shared[page] = value

    def read(self) -> None:
        """Compare one page with the model."""
        process, page = self.any(), self.random.randrange(AREA)
        private, shared = self.places[process]
        found = process.read(private + page * PAGE_SIZE, 8)
        assert int.from_bytes(found, "little") == self.private[process].get(page, 0)
        found = process.read(shared + page * PAGE_SIZE, 8)
        assert int.from_bytes(found, "little") == self.shared.get(page, 0)

    def fork(self) -> None:
        """A child, unless there are many."""
        if len(self.private) < 6:
            parent = self.any()
            child = parent.fork()
            self.private[child] = dict(self.private[parent])
            self.places[child] = self.places[parent]

    def exit(self) -> None:
        """The end of a process, unless it is the last."""
        if len(self.private) > 1:
            process = self.any()
            del self.private[process], self.places[process]
            process.exit()

    def lock(self) -> None:
        """mlock or munlock of a few pages."""
        process = self.any()
        address = self.places[process][0] + self.random.randrange(AREA - 3) * PAGE_SIZE
        self.random.choice([process.mlock, process.munlock])(address, 3 * PAGE_SIZE)

    def protect(self) -> None:
        """Take rights away and give them back."""
        process = self.any()
        address = self.places[process][0] + self.random.randrange(AREA) * PAGE_SIZE
        process.mprotect(address, PAGE_SIZE, self.random.choice([Prot.NONE, Prot.READ]))
        process.mprotect(address, PAGE_SIZE, Prot.READ | Prot.WRITE)

    def unmap(self) -> None:
        """Replace a private page by nothing."""
        process, page = self.any(), self.random.randrange(AREA)
        address = self.places[process][0] + page * PAGE_SIZE
        assert process.mmap(PAGE_SIZE, address=address, fixed=True) == address
        self.private[process].pop(page, None)

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
        """Reclaim a few pages of a node."""
        self.vm.reclaim(4, node=self.random.randrange(2))

    def sync(self) -> None:
        """Write the file, or drop what is clean."""
        self.file.sync()
        self.file.invalidate()

    def operations(self) -> list[Callable[[], None]]:
        """All that can be done, the frequent things more than once."""
        often = [self.write, self.write_shared, self.read] * 4
        return [
            *often,
            self.fork,
            self.exit,
            self.lock,
            self.protect,
            self.unmap,
            self.move,
            self.move,
            self.compact,
            self.reclaim,
            self.sync,
        ]

    def end(self) -> None:
        """Everything is as the model says, adds up, and is free when all have ended."""
        for process, values in self.private.items():
            private, shared = self.places[process]
            for page in range(AREA):
                found = process.read(private + page * PAGE_SIZE, 8)
                assert int.from_bytes(found, "little") == values.get(page, 0)
                found = process.read(shared + page * PAGE_SIZE, 8)
                assert int.from_bytes(found, "little") == self.shared.get(page, 0)
        self.vm.recount()
        for process in list(self.private):
            process.exit()
        self.file.close()
        self.vm.lru_add_drain_all()
        assert self.vm.vmstat()["nr_free_pages"] == 2048
        assert self.vm.swap == (256, 0)


@pytest.mark.parametrize("seed", range(8))
def test_contents_survive_everything(seed: int) -> None:
    """A thousand random operations, with a full recount after each."""
    with VM(MACHINE, debug=2) as vm:
        world = World(vm, seed)
        operations = world.operations()
        for _ in range(1000):
            vm.cpu = world.random.randrange(4)
            world.random.choice(operations)()
        world.end()


@pytest.mark.parametrize("seed", range(40))
def test_movers_of_several_cpus(seed: int) -> None:
    """One CPU is the processes, three others move, compact and reclaim under them: the model still holds."""
    with VM(MACHINE, debug=1) as vm:
        world = World(vm, seed)
        users = [one for one in world.operations() if one not in (world.move, world.compact, world.reclaim)]

        def using() -> None:
            for _ in range(40):
                world.random.choice(users)()

        def moving() -> None:
            for _ in range(4):
                world.move()

        def compacting() -> None:
            world.compact()
            world.reclaim()
            world.compact()

        outcome = run(
            scenario(vm, using, moving, compacting, finish=world.end, limit=200_000), Random(seed, 8)
        )
        assert outcome.error is None, outcome.error
