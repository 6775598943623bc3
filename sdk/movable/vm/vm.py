"""The VM: one emulated machine, with everything a person or a driver asks of it."""

import weakref
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any, NoReturn, Self

from movable._core import ffi, lib
from movable.config import MachineConfig, load, preset, validate
from movable.errors import MovableError
from movable.flags import (
    GFP,
    CompactPriority,
    CompactResult,
    IsolateMode,
    MigrateMode,
    MigrateReason,
    MigrateType,
    member,
)
from movable.lists import PageList
from movable.machine import BROKEN, Machine
from movable.page import Page
from movable.process import AccessWatcher, Cpuset, HugetlbPool
from movable.sync import Scheduling, WorkQueue
from movable.sync.waiting import CPU_MASK, cpu_of
from movable.vm import compaction, counters, migration
from movable.vm.boot import BootConfig
from movable.vm.contig import RangeCalls
from movable.vm.lru import Lru
from movable.vm.processes import ProcessTable
from movable.vm.steps import StepLog
from movable.vm.zones import Node, Zone, read_zones

if TYPE_CHECKING:
    from movable.drivers import AddressSpace


class VM(ProcessTable, RangeCalls):
    """An emulated machine: nodes, zones, page frames with contents, CPUs.

    ``machine`` is a MachineConfig, the name of a preset, or the path of a TOML file. ``debug`` and
    ``poison`` override the configuration: 0 checks nothing, 1 checks the contract around every callback,
    2 recounts all structures after every operation; poison fills freed frames and checks the pattern when
    they are allocated.

    A broken rule is raised by the call in which it was found, as ContractViolation (the VM lives on) or
    KernelAssertion (it does no more work: DeadVM). One thread at a time may use a VM.
    """

    def __init__(
        self,
        machine: MachineConfig | str | PathLike[str] = "tiny",
        *,
        debug: int | None = None,
        poison: bool | None = None,
    ) -> None:
        super().__init__()
        self.config = _configuration(machine)
        self._debug = _check_debug(self.config.debug if debug is None else debug)
        self._poison = self.config.poison if poison is None else poison
        boot = BootConfig(self.config)
        self.machine = Machine(boot.c, self.config.end_pfn, Page)
        self._configure()
        self.zones: tuple[Zone, ...] = read_zones(
            self.machine, sum(len(node.zones) for node in self.config.nodes)
        )
        self.nodes: tuple[Node, ...] = tuple(
            Node(nid, tuple(zone for zone in self.zones if zone.nid == nid), cpus)
            for nid, cpus in enumerate(self.config.node_cpus)
        )
        self.lru = Lru(self.machine, len(self.nodes))
        """The LRU lists of the nodes, and what is done with them."""
        self.hugetlb = HugetlbPool(self.machine, len(self.nodes))
        """The pool of 2 MiB pages for ``mmap(hugetlb=True)``; empty at first."""
        self.cpusets = Cpuset(self, "", None)
        """The top cpuset."""
        self.sched: Scheduling | None = None
        """The schedule under which several CPUs take turns (`movable.sched`), while one runs."""
        self._mappings: list[AddressSpace] = []
        self._work_queues: list[weakref.ref[WorkQueue]] = []
        self._oom_notifiers: list[tuple[int, Callable[[], int]]] = []
        self._wait_hook: Callable[[Page], object] | None = None
        self._nr_work = 0
        self.access_watchers: list[AccessWatcher] = []
        """Called after each access of a process that succeeded: process, address, length, and whether it wrote."""

    def _configure(self) -> None:
        settings = ffi.new("struct mv_settings *")
        settings.debug = self._debug
        settings.poison = self._poison
        settings.extfrag_threshold = self.config.extfrag_threshold
        settings.compact_unevictable_allowed = self.config.compact_unevictable_allowed
        lib.mv_configure(self.machine.c, settings)

    # Life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.nodes)} nodes, {self.config.managed_pages} pages"
        return f"<VM {self.config.name!r}, {state}>"

    def close(self) -> None:
        """Free the machine. Drivers need not be closed first; MovableError inside a callback or a schedule."""
        if self.sched is not None:
            raise MovableError("a VM cannot be closed while a schedule runs on it")
        self.machine.close()

    @property
    def closed(self) -> bool:
        """Whether close() has been called."""
        return self.machine.closed

    @property
    def debug(self) -> int:
        """The debug level, 0 to 2; settable."""
        return self._debug

    @debug.setter
    def debug(self, level: int) -> None:
        self._debug = _check_debug(level)
        self._configure()

    @property
    def cpu(self) -> int:
        """The emulated CPU that runs; settable, but not while a schedule chooses who runs."""
        return cpu_of(self.machine.context)

    @cpu.setter
    def cpu(self, cpu: int) -> None:
        if not 0 <= cpu < self.config.cpus:
            raise MovableError(f"cpu: this machine has CPUs 0 to {self.config.cpus - 1}, not {cpu}")
        if self.sched is not None:
            raise MovableError("cpu: a schedule chooses who runs; give each CPU operations of its own")
        lib.mv_set_cpu(self.machine.c, cpu)
        self.machine.context = self.machine.context & ~CPU_MASK | cpu

    @property
    def context(self) -> int:
        """Who takes locks now: the CPU, or an item of work on it (`movable.sync.LockMachine`)."""
        return self.machine.context

    @property
    def task_flags(self) -> int:
        """PF_* flags of the running task, as PF_MEMALLOC 0x800 and PF_SWAPWRITE 0x800000."""
        flags: int = lib.mv_task_flags(self.machine.c)
        return flags

    # Pages

    @property
    def memory(self) -> memoryview:
        """Physical memory: byte ``pfn << 12`` is the first of that frame, as in the kernel's direct mapping."""
        memory: memoryview = self.machine.memory
        return memory

    def page(self, pfn: int) -> Page:
        """The page of a frame. MovableError if there is no such frame."""
        page: Page = self.machine.page(pfn)
        return page

    def has_page(self, pfn: int) -> bool:
        """Whether there is a page frame of this number (``pfn_valid``)."""
        return self.machine.check(lib.mv_prepare_page(self.machine.c, pfn)) >= 0

    def alloc_page(self, gfp: GFP = GFP.KERNEL, node: int | None = None) -> Page | None:
        """One page with one reference, or None if there is none to be had."""
        return self.alloc_pages(0, gfp, node)

    def alloc_pages(self, order: int, gfp: GFP = GFP.KERNEL, node: int | None = None) -> Page | None:
        """2**order contiguous pages: the head, with one reference; None if there are none.

        ``node`` is where to look first (default: the running CPU's). May compact. spec/compaction.md 2.13.
        """
        if not 0 <= order < 64:
            raise MovableError(f"order: must be 0 or more, not {order}")
        pfn = lib.mv_alloc_pages(self.machine.c, self._node(node), gfp, order)
        if pfn == BROKEN:
            self.machine.fail()
        return None if pfn < 0 else self.page(pfn)

    def free_pages(self, page: Page, order: int = 0) -> None:
        """Drop a reference on an allocation of this order (``__free_pages``); the last one frees it."""
        self.machine.check(lib.mv_free_pages(self.machine.c, self.machine.own(page), order))

    def _node(self, node: int | None) -> int:
        if node is None:
            return next(each.nid for each in self.nodes if self.cpu in each.cpus)
        if not 0 <= node < len(self.nodes):
            raise MovableError(f"node: this machine has nodes 0 to {len(self.nodes) - 1}, not {node}")
        return node

    def page_list(self, name: str = "") -> PageList:
        """A new list of pages through ``page.lru``."""
        return PageList(self.machine, name)

    def pageblock_migratetype(self, pfn: int) -> MigrateType:
        """The migrate type of the frame's pageblock."""
        return MigrateType(lib.mv_pageblock_migratetype(self.machine.c, self.page(pfn).pfn))

    def set_pageblock_migratetype(self, pfn: int, migratetype: MigrateType) -> int:
        """Change a pageblock's type; its free pages move to that type's lists. How many those were."""
        return self.machine.check(
            lib.mv_set_pageblock_migratetype(
                self.machine.c, self.page(pfn).pfn, member(MigrateType, migratetype, "migratetype")
            )
        )

    def pageblock_skip(self, pfn: int) -> bool:
        """Whether compaction's hint says to skip the frame's pageblock. spec/compaction.md 3.5."""
        return bool(lib.mv_pageblock_skip(self.machine.c, self.page(pfn).pfn))

    # Migration

    def isolate_movable_page(self, page: Page, mode: IsolateMode = IsolateMode(0)) -> bool:
        """Take a page from its driver; the reference taken stays. spec/migration.md 6.3.

        The page is on no list and not counted: ``PageList.isolate`` does that too.
        """
        return self.machine.check(lib.mv_isolate(self.machine.c, self.machine.own(page), mode)) == 1

    def putback_movable_pages(self, pages: PageList) -> None:
        """Give all pages of a migration list back to their drivers. spec/migration.md 6.5."""
        self.machine.check(lib.mv_putback(self.machine.c, pages.migration_list(self.machine)))

    def migrate_pages(
        self,
        pages: PageList,
        get_new_page: migration.NewPage,
        put_new_page: migration.PutPage | None = None,
        *,
        mode: MigrateMode = MigrateMode.SYNC,
        reason: MigrateReason = MigrateReason.SYSCALL,
    ) -> migration.MigrateResult:
        """Move the pages of a migration list. spec/migration.md 3.

        ``get_new_page(page)`` returns a fresh target or None (then the call stops with -ENOMEM);
        ``target_node()`` makes one in C. ``put_new_page(page)`` takes unused targets back; without it they
        are freed. Pages left on the list are still isolated: give them back with putback_movable_pages().
        """
        return migration.migrate(
            self.machine, pages, get_new_page, put_new_page, mode, reason, len(self.nodes)
        )

    def target_node(self, nid: int) -> migration.NodeTarget:
        """A target allocator for migrate_pages(): movable pages of exactly this node."""
        return migration.NodeTarget(self._node(nid))

    def lru_add_drain_all(self) -> None:
        """Move the pages in all CPUs' vectors to their LRU lists. spec/migration.md 7.4."""
        self.machine.check(lib.mv_lru_add_drain_all(self.machine.c))

    def steps(self, room: int = 1000) -> StepLog:
        """A log of migration steps: ``with vm.steps() as log`` notes those done meanwhile, the last ``room``."""
        return StepLog(self.machine, room)

    # Reclaim

    def reclaim(self, pages: int, node: int | None = None) -> int:
        """Free up to about so many LRU pages of a node, as the allocator does when memory is short; how many."""
        return self.machine.check(lib.mv_reclaim_node(self.machine.c, self._node(node), pages))

    # Compaction

    def compact_node(self, nid: int) -> tuple[compaction.CompactRun, ...]:
        """Compact every zone of a node, whole and synchronously. spec/compaction.md 7.3."""
        return compaction.compact_node(self.machine, self.zones, self._node(nid))

    def compact_memory(self) -> tuple[compaction.CompactRun, ...]:
        """Compact every node, as writing to /proc/sys/vm/compact_memory does."""
        return tuple(run for node in self.nodes for run in self.compact_node(node.nid))

    def compact_zone(
        self, zone: Zone, settings: compaction.CompactSettings = compaction.CompactSettings()
    ) -> compaction.CompactRun:
        """One compaction run over a zone. spec/compaction.md 3."""
        return compaction.compact_zone(self.machine, self.zones, zone, settings)

    def try_to_compact_pages(
        self,
        order: int,
        gfp: GFP = GFP.HIGHUSER_MOVABLE,
        priority: CompactPriority = CompactPriority.SYNC_LIGHT,
        node: int | None = None,
    ) -> CompactResult:
        """Direct compaction for a request, without the allocation. spec/compaction.md 7.1."""
        if not 0 < order <= 10:
            raise MovableError(f"order: must be 1 to 10, not {order}")
        return compaction.try_to_compact_pages(self.machine, self._node(node), order, gfp, priority)

    # Counters and checks

    def vmstat(self) -> dict[str, int]:
        """All counters, as in /proc/vmstat."""
        return counters.read(self.machine)

    def count_vm_event(self, event: counters.VmEvent, n: int = 1) -> None:
        """Count events of a driver."""
        self.machine.check(lib.mv_count_event(self.machine.c, member(counters.VmEvent, event, "event"), n))

    def mod_zone_page_state(self, page: Page, item: counters.ZoneItem, delta: int) -> None:
        """Change a driver's counter in the page's zone; `vmstat` has the sum over all zones."""
        pfn, item = self.machine.own(page), member(counters.ZoneItem, item, "item")
        if self.machine.check(lib.mv_mod_zone_page_state(self.machine.c, pfn, item, delta)) < 0:
            raise MovableError(f"delta: {item.name} of {self.zones[page.zone_id].name} cannot go below 0")

    def adjust_managed_page_count(self, page: Page, delta: int) -> None:
        """Move pages into (+) or out of (-) the managed pages of the page's zone, as a balloon does."""
        pfn = self.machine.own(page)
        if self.machine.check(lib.mv_adjust_managed(self.machine.c, pfn, delta)) < 0:
            zone = self.zones[page.zone_id]
            raise MovableError(
                f"delta: {zone.name} has {zone.managed} managed pages; {delta:+} is impossible"
            )

    def recount(self) -> None:
        """Recount everything: free lists, pages, LRU, lists, counters. KernelAssertion where they differ.

        Not inside a callback: pages are on their way then.
        """
        self.demand_process_context("recount")
        self.machine.check(lib.mv_recount(self.machine.c))

    def raise_violation(
        self, rule_id: str, *, expected: str, seen: str, where: str = "driver", page: Page | None = None
    ) -> NoReturn:
        """Record a broken rule that Python code found, and raise it; a fatal one stops the VM."""
        pfn = None if page is None else self.machine.own(page)
        self.machine.raise_violation(rule_id, expected=expected, seen=seen, where=where, pfn=pfn)

    # Mappings and hooks

    @property
    def mappings(self) -> "tuple[AddressSpace, ...]":
        """The address spaces registered now."""
        return tuple(self._mappings)

    def add_mapping(self, mapping: "AddressSpace") -> None:
        """Called by an AddressSpace that was created."""
        self._mappings.append(mapping)

    def remove_mapping(self, mapping: "AddressSpace") -> None:
        """Called by an AddressSpace that is closed."""
        self._mappings.remove(mapping)

    @property
    def wait_hook(self) -> Callable[[Page], object] | None:
        """Called when a CPU would sleep on a page lock that another CPU holds; it may let that one run."""
        return self._wait_hook

    @wait_hook.setter
    def wait_hook(self, hook: Callable[[Page], object] | None) -> None:
        self._wait_hook = hook
        self.machine.set_hook("wait_hook", hook)

    # Deferred work

    def run_work(self) -> int:
        """Let queued work run, as an idle CPU does: what is pending in all work queues now; how many items.

        Work that is queued meanwhile waits for the next time. MovableError inside a callback.
        """
        self.demand_process_context("run_work")
        return sum(queue.run() for ref in tuple(self._work_queues) if (queue := ref()) is not None)

    def add_work_queue(self, queue: WorkQueue) -> None:
        """Called by a WorkQueue that was created; one that nobody refers to any more is forgotten."""
        self._work_queues.append(weakref.ref(queue, self._work_queues.remove))

    def remove_work_queue(self, queue: WorkQueue) -> None:
        """Called by a WorkQueue that is destroyed."""
        self._work_queues.remove(weakref.ref(queue))

    def begin_work(self) -> int:
        """Called where an item of work begins: what it locks is not the CPU's. Returns what `end_work` needs."""
        interrupted = self.machine.context
        self._nr_work += 1
        self._enter_context(self._nr_work * (CPU_MASK + 1) | cpu_of(interrupted))
        return interrupted

    def end_work(self, interrupted: int) -> None:
        """Called where an item of work has ended, on whichever CPU that is now."""
        if not self.closed:
            self._enter_context(interrupted & ~CPU_MASK | self.cpu)

    def _enter_context(self, context: int) -> None:
        self.machine.context = context
        if self.sched is not None:
            self.sched.enter_context(context)

    def demand_process_context(self, what: str) -> None:
        """MovableError inside a callback of the VM: a page is locked and on its way there."""
        if self.in_callback:
            raise MovableError(
                f"{what}: not inside a callback, where a page is on its way; do it after the call"
            )

    @property
    def in_callback(self) -> bool:
        """Whether a driver's callback is running: a page is locked and on its way there, and no work may run."""
        return bool(lib.mv_depth(self.machine.c))

    def register_oom_notifier(self, notify: Callable[[], int], priority: int = 0) -> None:
        """Have ``notify()`` free memory before an allocation fails; it returns how many pages it freed.

        The highest priority is asked first.
        """
        self._oom_notifiers.append((priority, notify))
        self._oom_notifiers.sort(key=lambda each: -each[0])
        self.machine.set_hook("oom_notifier", self._out_of_memory)

    def unregister_oom_notifier(self, notify: Callable[[], int]) -> None:
        """Take a notifier out again."""
        self._oom_notifiers = [each for each in self._oom_notifiers if each[1] != notify]
        if not self._oom_notifiers and not self.closed:
            self.machine.set_hook("oom_notifier", None)

    def _out_of_memory(self) -> int:
        return sum(notify() for _, notify in self._oom_notifiers)


def _configuration(machine: Any) -> MachineConfig:
    if isinstance(machine, MachineConfig):
        config = machine
    elif isinstance(machine, PathLike) or str(machine).endswith(".toml"):
        config = load(machine)
    else:
        config = preset(machine)
    validate(config)
    return config


def _check_debug(level: int) -> int:
    if level not in (0, 1, 2):
        raise MovableError(f"debug: must be 0 (off), 1 (contract checks) or 2 (recounts), not {level!r}")
    return level
