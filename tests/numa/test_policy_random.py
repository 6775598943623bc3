"""Random operations with policies, cpusets and the calls that move, contents checked against a model."""

import random
from collections.abc import Callable
from contextlib import suppress
from errno import EINVAL, EIO, ENOMEM

import pytest
from numa.moving import machine
from process.test_random import AREA, World
from schedules.kit import scenario

from movable import PAGE_SIZE, VM, Cpuset, Mpol, MpolFlag, MpolMF, SystemCallError
from movable.sched import Random, run

MACHINE = machine(2)
LISTS = ("0", "1", "0-1")


class NumaWorld(World):
    """Processes with policies, in cpusets that come and go."""

    def __init__(self, vm: VM, seed: int) -> None:
        super().__init__(vm, seed)
        self.shm = vm.file("shm", AREA * PAGE_SIZE, tmpfs=True)
        self.cpusets: list[Cpuset] = [
            vm.cpusets,
            *(vm.cpusets.create(name, cpus="0", mems="0-1") for name in ("A", "B")),
        ]

    def policy(self) -> tuple[int, list[int]]:
        """A mode with or without a flag, and nodes, good or bad."""
        nodes = [nid for nid in range(4) if self.random.random() < 0.5]
        return self.random.choice([*Mpol]) | self.random.choice([0, 0, *MpolFlag]), nodes

    def set_policy(self) -> None:
        """A policy of a process; one that cannot be is refused."""
        try:
            self.any().set_mempolicy(*self.policy())
        except SystemCallError as error:
            if error.errno != EINVAL:
                raise

    def bind(self) -> None:
        """A policy of a few pages, moved or not."""
        process = self.any()
        area = self.random.choice(self.places[process])
        address = area + self.random.randrange(AREA) * PAGE_SIZE
        length = min(self.random.randrange(5) * PAGE_SIZE, area + AREA * PAGE_SIZE - address)
        flags = self.random.choice([0, MpolMF.MOVE, MpolMF.MOVE_ALL, MpolMF.STRICT | MpolMF.MOVE_ALL])
        mode, nodes = self.policy()
        try:
            process.mbind(address, length, mode, nodes, flags)
        except SystemCallError as error:
            if error.errno not in (EINVAL, EIO):
                raise

    def share(self) -> None:
        """A mapping of shared memory that is bound, touched and goes."""
        process = self.any()
        address = process.mmap(AREA * PAGE_SIZE, file=self.shm, shared=True)
        mode, nodes = self.policy()
        with suppress(SystemCallError):
            process.mbind(
                address + self.random.randrange(AREA) * PAGE_SIZE, PAGE_SIZE, mode, nodes, MpolMF.MOVE
            )
        process.touch(address, AREA * PAGE_SIZE)
        process.munmap(address, AREA * PAGE_SIZE)

    def attach(self) -> None:
        """A process goes to some cpuset."""
        process = self.any()
        self.random.choice(self.cpusets).attach(process)

    def change_mems(self) -> None:
        """A cpuset gets other nodes, and pages follow or do not."""
        cpuset = self.random.choice(self.cpusets[1:])
        cpuset.memory_migrate = self.random.random() < 0.5
        cpuset.write("cpuset.memory_spread_page", self.random.choice("01"))
        cpuset.write("cpuset.mems", self.random.choice(LISTS))

    def migrate(self) -> None:
        """migrate_pages of one process by another, perhaps to where the caller may not allocate."""
        try:
            self.any().migrate_pages(self.any().pid, {self.random.randrange(2)}, {self.random.randrange(2)})
        except SystemCallError as error:
            if error.errno != ENOMEM:
                raise

    def ask(self) -> None:
        """What a process is told of its policies is what its areas say, and within what it may use."""
        process = self.any()
        for area in process.areas:
            answer = process.get_mempolicy(area.start, 2)
            if area.policy is None:
                assert answer.mode == 0
            else:
                assert answer.mode == area.policy.mode | area.policy.flags
                assert answer.nodes == (area.policy.user if area.policy.flags else area.policy.nodes)
        assert process.mems_allowed <= process.vm.cpusets.mems
        assert process.mems_allowed == process.cpuset.mems

    def numa(self) -> list[Callable[[], None]]:
        """What the calls can do."""
        return [
            self.set_policy,
            self.bind,
            self.bind,
            self.share,
            self.attach,
            self.change_mems,
            self.migrate,
        ]

    def operations(self) -> list[Callable[[], None]]:
        """Those of the world without policies, and these."""
        return [*super().operations(), *self.numa(), self.ask]

    def end(self) -> None:
        """As without policies; the cpusets can be removed then."""
        self.shm.close()
        super().end()
        for cpuset in self.cpusets[1:]:
            cpuset.remove()


@pytest.mark.parametrize("seed", range(6))
def test_contents_survive_all_policies(seed: int) -> None:
    """A thousand random operations, with a full recount after each."""
    with VM(MACHINE, debug=2) as vm:
        world = NumaWorld(vm, seed)
        operations = world.operations()
        for _ in range(1000):
            vm.cpu = world.random.randrange(4)
            world.random.choice(operations)()
        world.end()


@pytest.mark.parametrize("seed", range(30))
def test_policies_change_on_several_cpus(seed: int) -> None:
    """One CPU is the processes, two others bind, attach, change cpusets and move pages: the model still holds."""
    with VM(MACHINE, debug=1) as vm:
        world = NumaWorld(vm, seed)
        users = [world.write, world.write_shared, world.read, world.fork, world.set_policy]

        def using() -> None:
            for _ in range(40):
                world.random.choice(users)()

        def changing() -> None:
            for _ in range(8):
                world.random.choice(world.numa())()

        def moving() -> None:
            for _ in range(3):
                world.move()
                world.change_mems()

        outcome = run(scenario(vm, using, changing, moving, finish=world.end, limit=200_000), Random(seed, 8))
        assert outcome.error is None, outcome.error


@pytest.mark.parametrize("seed", range(4))
def test_hostile_arguments(vm: VM, seed: int) -> None:
    """Calls with any numbers at all end with an errno or succeed; everything adds up after each."""
    numbers = random.Random(seed)
    process = vm.process()
    process.mmap(8 * PAGE_SIZE, address=1 << 32)
    process.touch(1 << 32, 5 * PAGE_SIZE)

    def any_number() -> int:
        return numbers.choice(
            [
                numbers.randrange(-2, 8),
                (1 << 32) + numbers.randrange(-2, 10) * PAGE_SIZE,
                numbers.getrandbits(64),
                -numbers.getrandbits(20),
                1 << numbers.randrange(80),
                numbers.randrange(1020, 1030),
            ]
        )

    def any_nodes() -> list[int] | None:
        return numbers.choice([None, [], [numbers.randrange(5)], [numbers.randrange(2000) for _ in range(3)]])

    done = 0
    for _ in range(400):
        calls: list[Callable[[], object]] = [
            lambda: process.set_mempolicy(any_number(), any_nodes(), numbers.choice([None, any_number()])),
            lambda: process.mbind(
                any_number(), any_number(), any_number(), any_nodes(), numbers.choice([0, 2, any_number()])
            ),
            lambda: process.get_mempolicy(
                any_number(), any_number(), maxnode=numbers.choice([None, any_number()])
            ),
            lambda: process.get_mempolicy((1 << 32) + numbers.randrange(9) * PAGE_SIZE, numbers.randrange(8)),
        ]
        with suppress(SystemCallError):
            numbers.choice(calls)()
            done += 1
        vm.recount()
    assert done > 20
