"""A machine with processes, files and a driver, what each should hold, and the checks that it does."""

from collections import Counter, deque
from collections.abc import Iterator
from errno import ENOMEM
from random import Random
from types import MappingProxyType

from attrs import define, evolve, field, frozen
from mutants.cells import Cells
from soak.memory import ZERO, Store, Task, patched
from soak.moving import Found
from soak.policies import Nodes

from movable import (
    PAGE_SIZE,
    VM,
    Cpuset,
    Entry,
    MachineConfig,
    MigrateMethod,
    NodeConfig,
    Page,
    PageFlag,
    PageList,
    Process,
    SystemCallError,
    ZoneConfig,
)

NODES: Nodes = frozenset(range(4))
NODE_PAGES = 1024
CPUS = 6
DISTANCES = ((10, 16, 22, 30), (16, 10, 18, 24), (22, 18, 10, 14), (30, 24, 14, 10))
CPU_NODE = (0, 0, 1, 1, 2, 2)

MACHINE = MachineConfig(
    "soak",
    tuple(
        NodeConfig(
            (ZoneConfig("Normal", 0x1000 * (1 + nid), NODE_PAGES),),
            tuple(cpu for cpu, node in enumerate(CPU_NODE) if node == nid),
        )
        for nid in sorted(NODES)
    ),
    cpus=CPUS,
    distances=DISTANCES,
)
"""Four nodes, the last one without a CPU; no two at the same distance from a third."""

PLENTY = 150
"""Free pages of a node that no operation brings to an end."""

LRU_COUNTERS = (
    "nr_inactive_anon",
    "nr_active_anon",
    "nr_inactive_file",
    "nr_active_file",
    "nr_unevictable",
    "nr_isolated_anon",
    "nr_isolated_file",
)


class Objects(Cells):
    """The driver for several CPUs: a page is on the list before it can be taken from there."""

    def store(self, data: bytes) -> int | None:
        """Put an object into a page of its own."""
        page = self._allocate()
        if page is None:
            return None
        page.data[: len(data)] = data
        page.index = len(data)
        self.serial += 1
        handle = self.serial
        self.idle.add(page)
        self.cells[handle] = page
        self._mark(page, handle)
        return handle


@define(eq=False)
class Group:
    """The tasks and stores of one user. Nobody else writes to them; others may move their pages."""

    tasks: list[Task] = field(factory=list)
    stores: list[Store] = field(factory=list)


@define(eq=False)
class CpusetModel:
    """A cpuset, and what its files should say. ``old`` are the nodes that its processes' pages are moved from."""

    cpuset: Cpuset
    mems: Nodes
    migrate: bool = False
    spread: bool = False
    old: Nodes = frozenset()


@frozen
class Turn:
    """What an operation gets: the world, whose turn it is, and chances of its own."""

    world: "World"
    group: Group
    random: Random

    def task(self) -> Task:
        """One of the group's tasks."""
        return self.random.choice(self.group.tasks)

    def chance(self, probability: float) -> bool:
        """Whether something happens that seldom."""
        return self.random.random() < probability


class World:
    """All of it. ``exact``: one CPU runs at a time, so that what a call does can be told in advance."""

    def __init__(self, seed: int, groups: int = 1, *, debug: int, exact: bool) -> None:
        random = Random(seed)
        self.vm = VM(MACHINE, debug=debug)
        self.exact = exact
        self.vm.swapon(random.choice([16, 256, 1024]))
        self.driver = Objects(self.vm)
        self.objects: dict[int, bytes] = {}
        self.blocks: list[tuple[Page, int]] = []
        self.ranges: list[tuple[int, int]] = []
        self.pins: list[Page] = []
        self.isolated: list[PageList] = []
        self.counts: Counter[str] = Counter()
        self.log: deque[str] = deque(maxlen=60)
        self.cpusets = [CpusetModel(self.vm.cpusets, NODES, old=NODES)]
        for name in ("a", "b", "c"):
            mems = frozenset(random.sample(sorted(NODES), random.randrange(2, 5)))
            text = ",".join(str(node) for node in sorted(mems))
            cpuset = self.vm.cpusets.create(name, cpus=f"0-{CPUS - 1}", mems=text)
            self.cpusets.append(CpusetModel(cpuset, mems, old=mems))
        self.shared: list[Process] = []
        self.groups = [self._group(random, number) for number in range(groups)]
        self.movers = [self.vm.process(uid=uid) for uid in (0, 0, 1000)]

    def _group(self, random: Random, number: int) -> Group:
        group = Group([] if number else [Task(self.vm.process())])
        for name in ("disk", "tmpfs", "lossy"):
            tmpfs = name == "tmpfs"
            size = random.randrange(1, 40 * PAGE_SIZE)
            method = random.choice([*MigrateMethod])
            file = self.vm.file(f"{name}{number}", size, tmpfs=tmpfs, migratepage=method)
            group.stores.append(Store(file.name, size, file, tmpfs, lossy=name == "lossy"))
        return group

    # Facts

    @property
    def tasks(self) -> list[Task]:
        """Everybody's."""
        return [task for group in self.groups for task in group.tasks]

    def anybody(self, random: Random) -> Process:
        """A process of whomever."""
        return random.choice([*(task.process for task in self.tasks), *self.shared])

    @property
    def plenty(self) -> bool:
        """Whether every node has pages enough for anything."""
        return all(zone.free_pages > PLENTY for zone in self.vm.zones)

    @property
    def cpu_node(self) -> int:
        """The node of the running CPU."""
        return CPU_NODE[self.vm.cpu]

    def mems(self, process: Process) -> Nodes:
        """The nodes of a process's cpuset."""
        return next(model.mems for model in self.cpusets if model.cpuset is process.cpuset)

    def say(self, text: str) -> None:
        """Note what an operation does, for who has to repeat it."""
        self.log.append(f"cpu {self.vm.cpu}: {text}")

    def count(self, what: str) -> None:
        """Count what happened."""
        self.counts[what] += 1

    def mapped(self, task: Task) -> Iterator[tuple[int, Entry]]:
        """The page table of a task."""
        for entry in task.process.entries():
            yield entry.address // PAGE_SIZE, entry

    def settle(self, task: Task, page: int, at: int, data: bytes) -> None:
        """A page was written to. If it might have become zeros before, it is the one or the other now."""
        slot = task.slots[page]
        written = evolve(slot, lazy=False).written(at, data)
        if slot.lazy:
            seen = task.process.read(page * PAGE_SIZE, PAGE_SIZE)
            assert seen in (written.contents, patched(ZERO, at, data)), f"{task.name}: page {page:#x}"
            written = evolve(written, data=seen)
        task.slots[page] = written

    def has_huge(self, task: Task) -> bool:
        """Whether the process maps parts of huge pages, which the calls split or pass over."""
        heads = {entry.pfn & ~511 for _, entry in self.mapped(task) if entry.kind == "page"}
        return any(self.vm.page(head).flags & PageFlag.HEAD for head in heads)

    def found(self, pfn: int) -> Found:
        """What the calls that move pages see of a frame. Vectors of pages should be drained."""
        page = self.vm.page(pfn)
        store = self._store_of(page)
        file = None if store is None else store.file
        dirty = file is not None and (not file.writepage or file.writepage_error != 0)
        return Found(
            pfn=pfn,
            node=page.nid,
            mapcount=page.mapcount,
            lru=bool(page.flags & PageFlag.LRU),
            stuck=page in self.pins,
            doubtful=dirty or page.ksm or bool(page.flags & PageFlag.PRIVATE),
        )

    def _store_of(self, page: Page) -> Store | None:
        for group in self.groups:
            for store in group.stores:
                if store.file is not None and page in store.file.pages().values():
                    return store
        return None

    # Checks

    def check(self) -> None:
        """After every operation: nothing is isolated but what is held so."""
        stat = self.vm.vmstat()
        held = sum(len(pages) for pages in self.isolated)
        assert stat["nr_isolated_anon"] + stat["nr_isolated_file"] == held

    def check_all(self) -> None:
        """Every now and then: all contents, areas and policies are the model's, and all pages are accounted for."""
        self.vm.lru_add_drain_all()
        for task in self.tasks:
            self.check_areas(task)
            self.check_pages(task)
        for group in self.groups:
            for store in group.stores:
                check_store(store)
        self.check_driver()
        self.check_sums()
        self.vm.recount()

    def check_areas(self, task: Task) -> None:
        """The areas are the model's slots, with their rights, locks and policies."""
        seen = set()
        for area in task.process.areas:
            for page in range(area.start // PAGE_SIZE, area.end // PAGE_SIZE):
                seen.add(page)
                slot = task.slots[page]
                assert (area.prot, area.shared, area.locked) == (slot.prot, slot.shared, slot.locked), hex(
                    page
                )
        assert seen == set(task.slots)
        if not self.exact:
            return
        assert policy_text(task.process.policy) == policy_text(task.policy)
        assert task.process.mems_allowed == self.mems(task.process)

    def check_pages(self, task: Task) -> None:
        """Pages in memory hold what the model says. Nothing is faulted in."""
        for page, entry in self.mapped(task):
            if entry.kind in ("page", "zero"):
                seen = ZERO if entry.kind == "zero" else bytes(self.vm.page(entry.pfn).data)
                assert task.slots[page].matches(seen), f"{task.name}: {entry.kind} at {page:#x}"

    def check_driver(self) -> None:
        """The driver's objects are as they were stored."""
        for handle, text in self.objects.items():
            assert self.driver.load(handle) == text

    def check_sums(self) -> None:
        """Free pages, LRU pages and those that the test holds are all there are. Vectors are drained."""
        stat = self.vm.vmstat()
        lru = sum(stat[name] for name in LRU_COUNTERS)
        held = sum(1 << order for _, order in self.blocks) + sum(nr for _, nr in self.ranges)
        held += len(self.driver.cells)
        # A huge page that is isolated counts as one.
        held += sum(511 for pages in self.isolated for page in pages if page.flags & PageFlag.HEAD)
        managed = sum(zone.managed for zone in self.vm.zones)
        assert stat["nr_free_pages"] + lru + held == managed, (stat["nr_free_pages"], lru, held, managed)

    def read_all(self) -> None:
        """Every task reads every page that it may, faulting in what is not there."""
        for task in self.tasks:
            for page, slot in task.slots.items():
                if slot.prot and not slot.beyond:
                    try:
                        data = task.process.read(page * PAGE_SIZE, PAGE_SIZE)
                    except SystemCallError as error:
                        demand(error, ENOMEM)
                        if self.exact and self.plenty:
                            raise
                        continue
                    assert slot.matches(data), f"{task.name}: page {page:#x}"

    def end(self) -> None:
        """All of it holds at the end, and everything is free when all have ended."""
        while self.isolated:
            self.vm.putback_movable_pages(self.isolated.pop())
        self.check_all()
        while self.pins:
            self.pins.pop().put()
        while self.blocks:
            self.vm.free_pages(*self.blocks.pop())
        while self.ranges:
            assert self.vm.free_contig_range(*self.ranges.pop()) == 0
        self.read_all()
        self.check_all()
        for group in self.groups:
            while group.tasks:
                group.tasks.pop().process.exit()
            for store in group.stores:
                if store.file is not None:
                    store.file.close()
        for handle in list(self.objects):
            assert self.driver.drop(handle)
        self.vm.lru_add_drain_all()
        # As in Linux, two who copy a page at once may leave it in the swap cache, without users, for reclaim to find.
        for node in self.vm.nodes:
            self.vm.reclaim(NODE_PAGES, node.nid)
        self.vm.recount()
        assert self.vm.vmstat()["nr_free_pages"] == sum(zone.managed for zone in self.vm.zones)
        assert self.vm.swap[1] == 0


def demand(error: SystemCallError, *errnos: int) -> None:
    """The call has failed in one of the ways it may."""
    assert error.errno in errnos, str(error)


def check_store(store: Store) -> None:
    """A file's pages, in the cache or out of it, hold what the model says."""
    if store.file is None:
        return
    assert store.file.size == store.size
    if store.lossy:
        return
    cached = store.file.pages()
    for index in range(-(-store.size // PAGE_SIZE)):
        data = (
            bytes(cached[index].data) if index in cached else store.file.stored(index * PAGE_SIZE, PAGE_SIZE)
        )
        assert data == store.pages.get(index, ZERO), f"{store.name}: page {index}"


_NAMES = MappingProxyType({1: "prefer", 2: "bind", 3: "interleave"})


def policy_text(policy: object) -> str:
    """Mode, flags and nodes of a policy, the model's or the machine's."""
    if policy is None:
        return "default"
    mode, flags, nodes = (getattr(policy, name) for name in ("mode", "flags", "nodes"))
    return f"{_NAMES[mode]} {int(flags):#x} {sorted(nodes)}"
