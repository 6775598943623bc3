"""What the tests of placement share: small machines, random scenarios, and what a run should have come to."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from movable import GFP, VM, Page, Process
from movable.config import MachineConfig, NodeConfig, ZoneConfig, preset
from movable.numa import AreaSpec, ProcessSpec, Scenario, World, pages_of
from movable.placement import AccessedBits, AccessSampler, Profiler

MakeProfiler = Callable[[VM], Profiler]

PROFILERS: dict[str, MakeProfiler] = {
    "samples": lambda vm: AccessSampler(vm, 4),
    "bits": AccessedBits,
}

SMALL = """
name = "small"
cpus = 2
debug = 1
distances = [[10, 15, 20], [15, 10, 25], [20, 25, 10]]

[[nodes]]
cpus = [0]
[[nodes.zones]]
kind = "Normal"
start_pfn = 0x1000
pages = 1024

[[nodes]]
cpus = [1]
[[nodes.zones]]
kind = "Normal"
start_pfn = 0x2000
pages = 1024

[[nodes]]
[[nodes.zones]]
kind = "Normal"
start_pfn = 0x3000
pages = 1024
"""


def small(folder: Path) -> str:
    """A machine of three nodes of 4 MiB, the third without a CPU: the path of its file."""
    path = folder / "small.toml"
    path.write_text(SMALL)
    return str(path)


def fill(vm: VM, nid: int, free: int) -> list[Page]:
    """Take pages of a node until only so many are free; the pages."""
    taken = []
    while vm.zones[nid].free_pages > free:
        page = vm.alloc_page(GFP.KERNEL | GFP.THISNODE, nid)
        assert page is not None
        taken.append(page)
    return taken


def checked_numa4() -> MachineConfig:
    """numa4 with 16 MiB a node, recounted after every call."""
    nodes = tuple(
        NodeConfig((ZoneConfig("Normal", (nid + 1) * 4096, 4096),), cpus)
        for nid, cpus in enumerate(((0,), (1,), (), ()))
    )
    return MachineConfig("checked", nodes, cpus=2, distances=preset("numa4").distances, debug=2)


def random_scenario(rng: random.Random, machine: str = "numa4") -> Scenario:
    """Two to four processes whose memory is anywhere, with accesses of all patterns."""
    policies = ("", "local", "prefer:3", "prefer:1", "interleave:all", "interleave:1,3", "bind:2-3")
    processes = []
    for number in range(rng.randint(2, 4)):
        areas = tuple(
            AreaSpec(
                name=f"area{index}",
                pages=rng.randint(4, 40),
                policy=rng.choice(("", "", "prefer:2", "interleave:0,2")),
                accesses=rng.randint(150, 400),
                pattern=rng.choice(("uniform", "hot", "scan")),
                writes=rng.choice((0, 30, 100)),
            )
            for index in range(rng.randint(1, 3))
        )
        processes.append(
            ProcessSpec(f"p{number}", cpu=rng.randrange(2), policy=rng.choice(policies), areas=areas)
        )
    return Scenario(machine=machine, processes=tuple(processes), name="random")


class Places:
    """Follows the pages of a world from tick to tick: how often each went back to a node that it had left."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._paths: dict[tuple[int, int], list[int]] = {}

    def look(self) -> None:
        """Note where every page is."""
        for task in self.world.tasks.values():
            for address, page in task.process.pages().items():
                path = self._paths.setdefault((task.process.pid, address), [page.nid])
                if path[-1] != page.nid:
                    path.append(page.nid)

    @property
    def returns(self) -> int:
        """The most returns of any page."""
        return max(sum(node in path[:i] for i, node in enumerate(path)) for path in self._paths.values())

    @property
    def moves(self) -> int:
        """All moves."""
        return sum(len(path) - 1 for path in self._paths.values())


class Truth:
    """Every access by page and node of the CPU: what the best placement would cost."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self._counts: dict[tuple[int, int], Counter[int]] = {}
        vm.access_watchers.append(self._note)

    def _note(self, process: Process, address: int, length: int, write: bool) -> None:
        node = next(each.nid for each in self.vm.nodes if self.vm.cpu in each.cpus)
        for page in pages_of(address, length):
            self._counts.setdefault((process.pid, page), Counter())[node] += 1

    def best_latency(self) -> float:
        """The mean cost of an access if each page were where it is used, in local accesses."""
        table = self.vm.config.distance_table
        costs = [
            min(sum(count * table[user][node] for user, count in users.items()) for node in range(len(table)))
            for users in self._counts.values()
        ]
        return sum(costs) / sum(users.total() for users in self._counts.values()) / 10
