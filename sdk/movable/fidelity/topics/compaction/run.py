"""A case, replayed: the machine is laid out, something is done, and everything that can be compared is kept."""

from collections.abc import Callable, Mapping

from attrs import field, frozen

from movable.config import CompactionProfile
from movable.fidelity.topics.compaction.layout import BLOCK, Layout, make_vm
from movable.flags import MigrateType
from movable.machine import PAGE_SIZE
from movable.observe import LoadedMap, extfrag_index, load_page_map, unusable_index
from movable.process import Process
from movable.vm import MAX_ORDER, VM, CompactEvent, CompactRun, CompactSettings, PerCpuPages, Zone

__all__ = ["Outcome", "State", "compact_zone", "replay_case"]

Action = Callable[[VM, Zone], CompactRun | None]

_WHOLE = CompactSettings(whole_zone=True, ignore_skip_hint=True)
_EVENTS = 1 << 16
_MARK = 8


@frozen
class State:
    """A zone at one moment: its map, free blocks by order, free pages, and those in the lists of CPUs."""

    kinds: str
    nr_free: list[int]
    free_pages: int
    waiting: int
    extfrag: str
    unusable: str
    types: dict[int, MigrateType] = field(repr=False)

    @property
    def large_blocks(self) -> int:
        """Free memory in blocks of a pageblock or more, in pageblocks."""
        return sum(count << order >> 9 for order, count in enumerate(self.nr_free) if order >= MAX_ORDER - 2)


@frozen
class Outcome:
    """What a replay came to. ``frames``: where each page that was laid out as movable is now."""

    layout: Layout
    before: State
    after: State
    frames: Mapping[int, int]
    lost: tuple[int, ...]
    events: tuple[CompactEvent, ...]
    vmstat: Mapping[str, int]
    run: CompactRun | None
    lists: PerCpuPages

    @property
    def moved(self) -> dict[int, int]:
        """The pages that moved: from, to."""
        return {before: now for before, now in self.frames.items() if before != now}


def compact_zone(vm: VM, zone: Zone) -> CompactRun:
    """What a write to a node's ``compact`` does to one zone."""
    return vm.compact_zone(zone, _WHOLE)


def replay_case(layout: Layout, profile: CompactionProfile, action: Action = compact_zone) -> Outcome:
    """Lay a case out on a machine with this profile and act on it."""
    vm, zone = make_vm(layout, profile)
    with vm:
        loaded = load_page_map(
            vm,
            zone,
            layout.kinds,
            pinned=layout.pinned,
            waiting=layout.waiting,
            cpu=layout.cpu,
            types=layout.types,
        )
        marks = _mark(loaded)
        vm.cpu = layout.cpu
        before, counters = _state(vm, loaded), vm.vmstat()
        with vm.compact_events(_EVENTS) as log:
            run = action(vm, zone)
        now = vm.vmstat()
        frames, after = loaded.frames(), _state(vm, loaded)
        outcome = Outcome(
            layout=layout,
            before=before,
            after=after,
            frames=frames,
            lost=_lost(loaded.process, marks),
            events=tuple(log),
            vmstat={name: now[name] - counters[name] for name in now},
            run=run,
            lists=zone.per_cpu_pages(layout.cpu),
        )
        vm.recount()
        return outcome


def _state(vm: VM, loaded: LoadedMap) -> State:
    zone = loaded.zone
    waiting = sum(zone.per_cpu_pages(cpu).count for cpu in range(vm.config.cpus))
    blocks = range(zone.start_pfn // BLOCK * BLOCK, zone.end_pfn, BLOCK)
    return State(
        kinds=loaded.kinds_now(),
        nr_free=zone.nr_free,
        free_pages=zone.free_pages,
        waiting=waiting,
        extfrag=_line(extfrag_index(vm), zone),
        unusable=_line(unusable_index(vm), zone),
        types={pfn: vm.pageblock_migratetype(max(pfn, zone.start_pfn)) for pfn in blocks},
    )


def _line(text: str, zone: Zone) -> str:
    """The line of a zone, of a text with one for each."""
    return text.split("\n")[zone.id]


def _mark(loaded: LoadedMap) -> dict[int, int]:
    """Give each page of the process contents of its own: the frame it was laid out at."""
    for pfn, address in loaded.addresses.items():
        loaded.process.write(address, pfn.to_bytes(_MARK, "little"))
    return loaded.addresses


def _lost(process: Process, marks: Mapping[int, int]) -> tuple[int, ...]:
    """The pages whose contents are no longer theirs."""
    return tuple(
        pfn
        for pfn, address in marks.items()
        if process.read(address, PAGE_SIZE)[:_MARK] != pfn.to_bytes(_MARK, "little")
    )
