"""A scenario come alive: a machine with its processes, which can be run round by round."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from attrs import frozen

from movable.errors import ConfigError, MovableError, SystemCallError
from movable.machine import PAGE_SIZE
from movable.numa.accesses import Accesses, AccessMeter
from movable.numa.nodelist import NodeList
from movable.numa.policy import PolicyText
from movable.numa.tasks import AreaState, Task
from movable.page import Page
from movable.process import File
from movable.process.nodemask import mask_of, node_list
from movable.vm import VM

if TYPE_CHECKING:
    from movable.numa.scenario import AreaSpec, CpusetSpec, ProcessSpec, Scenario
    from movable.process import Cpuset

__all__ = ["Launch", "Round", "World"]

_STAMP = 8


@frozen
class Launch:
    """What numactl sets before it starts a program: the program's processes inherit it.

    ``policy`` of memory; ``nodes`` or ``cpus`` that they may run on.
    """

    policy: PolicyText | None = None
    nodes: NodeList | None = None
    cpus: NodeList | None = None


@frozen
class Round:
    """What happened in a round: the accesses of each process, by pid."""

    accesses: dict[int, Accesses]

    @property
    def total(self) -> Accesses:
        """All of them."""
        return sum(self.accesses.values(), Accesses())


@contextmanager
def _place(where: str) -> Iterator[None]:
    """What goes wrong inside is told with the place in the scenario."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except SystemCallError as error:
        raise MovableError(f"{where}: {error}") from error


class World:
    """The machine of a scenario, with its processes started. `run` does the steps.

    Every page that is read must hold what was last written to it, else MovableError. The same seed gives the same run.
    """

    def __init__(self, scenario: Scenario, launch: Launch = Launch(), *, seed: int = 0) -> None:
        self.scenario = scenario
        self.launch = launch
        self.vm = VM(scenario.machine)
        self.pins: list[Page] = []
        self.rounds: list[Round] = []
        self.after_round: list[Callable[[], object]] = []
        """Called at the end of each round."""
        self.tasks: dict[str, Task] = {}
        self._rng = random.Random(seed)
        self._stamp = 0
        self._cpusets: dict[str, Cpuset] = {"/": self.vm.cpusets}
        self._files: dict[str, File] = {}
        self._contents: dict[str, dict[int, int]] = {}
        self._meter = AccessMeter(self.vm)
        try:
            self._start()
        except BaseException:
            self.vm.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let pinned pages go, and free the machine."""
        self.vm.close()

    # Starting

    def _start(self) -> None:
        if self.scenario.swap:
            self.vm.swapon(self.scenario.swap)
        for spec in self.scenario.files:
            self._files[spec.name] = self.vm.file(spec.name, spec.pages * PAGE_SIZE, tmpfs=spec.tmpfs)
            self._contents[spec.name] = {}
        for index, cpuset in enumerate(self.scenario.cpusets):
            with _place(f"cpusets[{index}]"):
                self._make_cpuset(cpuset)
        for index, process in enumerate(self.scenario.processes):
            where = f"processes[{index}] ({process.name})"
            with _place(where):
                self._make(process)
            task = self.enter(process.name)
            if self.launch.policy is not None:
                self.launch.policy.apply(task.process)
            with _place(where):
                self._start_task(task)

    def _make(self, spec: ProcessSpec) -> None:
        """The process in its cpuset, as whoever starts programs has it before numactl runs."""
        process = self.vm.process(spec.uid)
        task = Task(spec.name, spec, process, {}, None if spec.cpu is None else self.check_cpu(spec.cpu))
        self.tasks[spec.name] = task
        if spec.cpuset != "/":
            self._cpusets[spec.cpuset].attach(process)

    def _start_task(self, task: Task) -> None:
        """What the program itself does at its start."""
        if task.spec.policy:
            PolicyText.parse(task.spec.policy, "policy").apply(task.process)
        for area in task.spec.areas:
            self._map(task, area)

    def _map(self, task: Task, spec: AreaSpec) -> None:
        file = self._files[spec.file] if spec.file else None
        address = task.process.mmap(
            spec.pages * PAGE_SIZE,
            shared=spec.shared,
            file=file,
            offset=spec.offset * PAGE_SIZE,
        )
        area = AreaState(spec, address, self._contents.get(spec.file, {}))
        task.areas[spec.name] = area
        if spec.policy:
            PolicyText.parse(spec.policy, "policy").bind(task.process, address, spec.pages * PAGE_SIZE)
        if spec.touch != "none":
            task.process.touch(address, spec.pages * PAGE_SIZE, write=spec.touch == "write")
        if spec.touch == "write" and file is not None and not spec.shared:
            # Each page is a copy of the process's own now: what is written to the file later is not in it.
            area.written.update((page, area.expected(page)) for page in range(spec.pages))
        if spec.locked:
            task.process.mlock(address, spec.pages * PAGE_SIZE)

    # Running

    def run(self) -> None:
        """Do the steps of the scenario. The message of what goes wrong starts with the step."""
        for index, step in enumerate(self.scenario.steps):
            with _place(f"steps[{index}] ({step.do})"):
                step.run(self)

    def round(self) -> None:
        """One round: every process makes its accesses, area by area."""
        with self._meter:
            for task in tuple(self.tasks.values()):
                self._run_on(task)
                for area in task.areas.values():
                    for _ in range(area.spec.accesses):
                        write = self._rng.randrange(100) < area.spec.writes
                        self.access(task, area, area.choose(self._rng), write=write)
        self.rounds.append(Round(self._meter.take()))
        for each in self.after_round:
            each()

    def access(self, task: Task, area: AreaState, page: int, *, write: bool) -> None:
        """One access of a process, its contents checked."""
        address = area.address + page * PAGE_SIZE
        if write:
            self._stamp += 1
            task.process.write(address, self._stamp.to_bytes(_STAMP, "little"))
            area.write(page, self._stamp)
            return
        found = int.from_bytes(task.process.read(address, _STAMP), "little")
        if found != area.expected(page):
            raise MovableError(
                f"process {task.name!r}: page {page} of {area.spec.name!r} holds {found}, not {area.expected(page)}"
            )

    def check_contents(self) -> int:
        """Read every page that was written, as its process; how many. MovableError if one holds something else."""
        checked = 0
        for task in self.tasks.values():
            self._run_on(task)
            for area in task.areas.values():
                written = {*area.written, *(index - area.spec.offset for index in area.backing)}
                for page in sorted(written & set(range(area.pages))):
                    self.access(task, area, page, write=False)
                    checked += 1
        return checked

    # Processes, as steps and commands know them

    def task(self, name: str) -> Task:
        """A process by name or pid; ConfigError lists those there are."""
        for task in self.tasks.values():
            if name in (task.name, str(task.process.pid)):
                return task
        known = ", ".join(f"{task.process.pid} ({task.name})" for task in self.tasks.values())
        raise ConfigError(f"process: there is no {name!r}; there is {known or 'none'}")

    def enter(self, name: str) -> Task:
        """A process by name or pid, which runs now: the CPU is its own."""
        task = self.task(name)
        self._run_on(task)
        return task

    def fork(self, name: str, child: str) -> Task:
        """A process has a child of that name."""
        task = self.enter(name)
        if child in self.tasks:
            raise ConfigError(f"name: there is a process {child!r} already")
        areas = {each: area.forked() for each, area in task.areas.items()}
        self.tasks[child] = Task(child, task.spec, task.process.fork(), areas, task.wanted_cpu)
        return self.tasks[child]

    def exit(self, name: str) -> None:
        """A process ends."""
        task = self.task(name)
        del self.tasks[task.name]
        task.process.exit()

    def cpus(self, task: Task) -> frozenset[int]:
        """The CPUs that a process may run on: those of its cpuset, less what it was launched with forbids."""
        allowed = task.process.cpuset.cpus
        if self.launch.cpus is not None:
            allowed = self.launch.cpus.resolve(allowed, "--physcpubind", "CPU")
        if self.launch.nodes is not None:
            nodes = self.launch.nodes.resolve(range(len(self.vm.nodes)), "--cpunodebind")
            local = allowed & {cpu for nid in nodes for cpu in self.vm.nodes[nid].cpus}
            if not local:
                with_cpus = [node.nid for node in self.vm.nodes if not allowed.isdisjoint(node.cpus)]
                raise ConfigError(
                    f"--cpunodebind: {self.launch.nodes.text!r} has no CPU that the process may use; "
                    f"choose of nodes {node_list(mask_of(with_cpus))}"
                )
            allowed = local
        return allowed

    def cpu(self, task: Task) -> int:
        """The CPU that a process runs on: the one that was asked for if it may, else one that it may."""
        allowed = sorted(self.cpus(task))
        if task.wanted_cpu is not None and task.wanted_cpu in allowed:
            return task.wanted_cpu
        return allowed[(task.process.pid - 1) % len(allowed)]

    def check_cpu(self, cpu: int) -> int:
        """A CPU of the machine; ConfigError if there is none of this number."""
        if not 0 <= cpu < self.vm.config.cpus:
            raise ConfigError(f"cpu: this machine has CPUs 0 to {self.vm.config.cpus - 1}, not {cpu}")
        return cpu

    def _run_on(self, task: Task) -> None:
        self.vm.cpu = self.cpu(task)

    # The machine

    def cpuset(self, path: str) -> Cpuset:
        """A cpuset by its path; ConfigError lists those there are."""
        if path not in self._cpusets:
            raise ConfigError(
                f"path: there is no cpuset {path!r}; there is {', '.join(sorted(self._cpusets))}"
            )
        return self._cpusets[path]

    def _make_cpuset(self, spec: CpusetSpec) -> None:
        parent, _, name = spec.path.rpartition("/")
        above = self.cpuset(parent or "/")
        made = above.create(name, mems=spec.mems, cpus=spec.cpus or above.read("cpuset.cpus"))
        made.memory_migrate = spec.memory_migrate
        self._cpusets[spec.path] = made

    def migrate_pages(self, name: str, old: str, new: str) -> int:
        """Call migrate_pages with all capabilities, as migratepages(8) does; how many pages stayed behind.

        ``old`` and ``new`` are lists of nodes. spec/migration.md 9.7.
        """
        target = self.task(name).process
        nodes = range(len(self.vm.nodes))
        sets = [
            NodeList.parse(text, where).resolve(nodes, where) for text, where in ((old, "FROM"), (new, "TO"))
        ]
        root = self.vm.process()
        try:
            return root.migrate_pages(target.pid, sets[0], sets[1])
        finally:
            root.exit()

    def pages_by_node(self, task: Task) -> tuple[int, ...]:
        """How many pages a process has mapped on each node, as numa_maps counts them."""
        counts = [0] * len(self.vm.nodes)
        for line in task.process.numa_maps().splitlines():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            for nid in range(len(counts)):
                pages = int(words.get(f"N{nid}", 0))
                counts[nid] += pages * int(words.get("kernelpagesize_kB", 4)) // 4
        return tuple(counts)
