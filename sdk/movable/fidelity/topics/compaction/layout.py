"""From a recorded case to a machine that stands as the recorded one did (spec/differences-drivers.md 2.5)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import evolve, frozen

from movable.config import (
    CompactionProfile,
    MachineConfig,
    NodeConfig,
    PfnRange,
    Watermarks,
    ZoneConfig,
    ZoneKind,
)
from movable.fidelity.model import RecordingError
from movable.fidelity.topics.compaction.blocktypes import choose_types, totals_of
from movable.fidelity.topics.compaction.texts import RecordedZone, block_totals, text_lines, zones_of
from movable.flags import MigrateType
from movable.vm import VM, Zone

__all__ = ["BLOCK", "KERNEL", "MOVABLE", "Layout", "layout_of", "make_vm"]

BLOCK = 512
MODES = range(6)
"""What was done to a case: see docs/howto/fidelity.md."""
"""Pages in a pageblock."""

MOVABLE = "AFOm"
"""Letters of pages that compaction moves; U as well if the sysctl allows it."""

KERNEL = "SPHTtCc-a"
"""Letters of pages in use that it does not move."""

_USER = set("AUFm")
_PINS = 200
_FIRST_PIN, _EVERY_PIN = 1, 37
_MIB_PAGES = 256


@frozen
class Layout:
    """A zone's memory before the action. Frames are numbers of the machine.

    ``waiting`` are in the list of free pages of ``cpu``; ``types`` are pageblocks that are not MOVABLE.
    """

    zone: RecordedZone
    others: tuple[RecordedZone, ...]
    cpus: int
    cpu: int
    kinds: str
    waiting: tuple[int, ...]
    pinned: tuple[int, ...]
    unevictable_allowed: bool
    types: Mapping[int, MigrateType]

    @property
    def movable(self) -> frozenset[int]:
        """Frames whose pages compaction may move."""
        letters = MOVABLE + ("U" if self.unevictable_allowed else "")
        start = self.zone.start_pfn
        return frozenset(start + at for at, kind in enumerate(self.kinds) if kind in letters) - set(
            self.pinned
        )

    def blocks(self) -> Iterator[tuple[int, str]]:
        """The first frame and the letters of each pageblock."""
        start = self.zone.start_pfn
        edge = -start % BLOCK
        cuts = [0, *range(edge or BLOCK, len(self.kinds), BLOCK)]
        for low, high in zip(cuts, [*cuts[1:], len(self.kinds)], strict=True):
            yield start + low, self.kinds[low:high]


def layout_of(recording: Mapping[str, Any], case: Mapping[str, Any]) -> Layout:
    """How the zone of a case stood. RecordingError for one that contradicts itself."""
    kinds, mode = case["map_before"], int(case.get("mode", 0))
    if mode not in MODES:
        raise RecordingError(f"mode: {mode} is none of {MODES[0]} to {MODES[-1]}")
    nid, kind, cpu = _place(case)
    zone, others = _zones(recording, case, nid, kind)
    if len(kinds) != zone.spanned:
        raise RecordingError(f"map_before: {len(kinds)} frames, the zone spans {zone.spanned}")
    layout = Layout(
        zone=zone,
        others=others,
        cpus=max(len(zone.waiting), 1),
        cpu=min(cpu, max(len(zone.waiting), 1) - 1),
        kinds=kinds,
        waiting=(),
        pinned=_pinned(case) if mode == 3 else (),
        unevictable_allowed=mode != 2,
        types={},
    )
    layout = evolve(layout, waiting=tuple(_waiting(layout)))
    return evolve(layout, types=_types(layout, case["before"]["pagetypeinfo"]))


def _place(case: Mapping[str, Any]) -> tuple[int, str, int]:
    """Node, zone and CPU of the run, as its first events tell them."""
    for line in case["trace"]:
        match = re.search(r"\[(\d+)\].*mm_compaction_begin: zone_start=(0x[0-9a-f]+)", line)
        if match and int(match[2], 16) == case["zone_start_pfn"]:
            cpu = int(match[1])
            break
    else:
        cpu = 0
    for line in case["trace"]:
        match = re.search(r"mm_compaction_(?:suitable|finished): node=(\d+) zone=(\w+)", line)
        if match and int(match[1]) == case.get("node", int(match[1])):
            return int(match[1]), match[2], cpu
    raise RecordingError("trace: no event tells the node and the zone")


def _zones(
    recording: Mapping[str, Any], case: Mapping[str, Any], nid: int, kind: str
) -> tuple[RecordedZone, tuple[RecordedZone, ...]]:
    """The zone of the case, and the others of the machine; by zoneinfo, or by the sizes that the notes tell."""
    zoneinfo = case["before"].get("zoneinfo")
    if zoneinfo is not None:
        zones = zones_of(zoneinfo)
        chosen = [zone for zone in zones if zone.start_pfn == case["zone_start_pfn"]]
        if len(chosen) != 1 or (chosen[0].nid, chosen[0].kind) != (nid, kind):
            raise RecordingError(f"zoneinfo: no zone {kind} of node {nid} at {case['zone_start_pfn']}")
        return chosen[0], tuple(zone for zone in zones if zone is not chosen[0])
    sizes = _node_sizes(str(recording["meta"].get("topology", "")))
    start, spanned = int(case["zone_start_pfn"]), int(case["zone_spanned"])
    kinds: str = case["map_before"]
    managed = spanned - kinds.count("R") - kinds.count("N")
    share = managed / max(sum(sizes.values()), managed)
    min_free = int((max(sum(sizes.values()), managed) * 4 * 16) ** 0.5) // 4
    low = int(min_free * share) + max(int(min_free * share) // 4, managed // 1000)
    zone = RecordedZone(
        nid,
        kind,
        start,
        spanned,
        spanned,
        managed,
        int(min_free * share),
        low,
        2 * low - int(min_free * share),
        (0, 0),
    )
    return zone, ()


def _node_sizes(topology: str) -> dict[int, int]:
    """Pages of each node, from a sentence such as "node 0 384 MiB with both cpus, nodes 2 and 3 64 MiB each"."""
    sizes: dict[int, int] = {}
    for numbers, size in re.findall(r"nodes? ((?:\d+(?:, | and )?)+) (\d+) MiB", topology):
        sizes |= {int(number): int(size) * _MIB_PAGES for number in re.findall(r"\d+", numbers)}
    return sizes


def _pinned(case: Mapping[str, Any]) -> tuple[int, ...]:
    """The first pages of every 37th index that are there."""
    found = (
        case["zone_start_pfn"] + pfn
        for index, pfn in zip(case["page_index"], case["pfn_before"], strict=True)
        if index % _EVERY_PIN == _FIRST_PIN
    )
    return tuple(pfn for pfn, _ in zip(found, range(_PINS), strict=False))


def _waiting(layout: Layout) -> Iterator[int]:
    """Pages without any mark in blocks that hold nothing else but pages of users and free ones."""
    for start, letters in layout.blocks():
        if _USER & set(letters) and set(letters) <= _USER | set(".-R"):
            yield from (start + at for at, kind in enumerate(letters) if kind == "-")


def _types(layout: Layout, pagetypeinfo: str) -> dict[int, MigrateType]:
    nid, kind = layout.zone.nid, layout.zone.kind
    blocks = block_totals(pagetypeinfo, nid, kind)
    free = {
        line.migratetype: line.numbers
        for line in text_lines(pagetypeinfo)
        if line.migratetype and (line.nid, line.kind) == (nid, kind)
    }
    unmovable, reclaimable = (totals_of(blocks, free, name) for name in ("Unmovable", "Reclaimable"))
    return choose_types(layout.blocks(), frozenset(KERNEL), frozenset(layout.waiting), unmovable, reclaimable)


def make_vm(layout: Layout, profile: CompactionProfile, *, computed: bool = False) -> tuple[VM, Zone]:
    """A machine with the recorded nodes and zones, nothing in use yet, and its zone of the case.

    Its watermarks are the recorded ones, or ``computed`` from its memory.
    """
    start = layout.zone.start_pfn
    reserved, holes = ([PfnRange(start + at, n) for at, n in _runs(layout.kinds, letter)] for letter in "RN")
    zones = {
        nid: [_zone_config(zone) for zone in layout.others if zone.nid == nid]
        for nid in range(max([layout.zone.nid, *(zone.nid for zone in layout.others)]) + 1)
    }
    zones[layout.zone.nid].append(_zone_config(layout.zone, holes, reserved))
    nodes = [
        NodeConfig(
            _from_aligned(zones[nid]) or [_filler(layout, nid)],
            range(layout.cpus) if nid == 0 else (),
        )
        for nid in sorted(zones)
    ]
    config = MachineConfig(
        "recorded",
        nodes,
        cpus=layout.cpus,
        poison=False,
        debug=0,
        compact_unevictable_allowed=layout.unevictable_allowed,
        profile=profile,
        per_cpu_lists=True,
    )
    if computed:
        nodes = [
            evolve(node, zones=tuple(evolve(zone, watermarks=None) for zone in node.zones)) for node in nodes
        ]
    vm = VM(evolve(config, nodes=tuple(nodes)))
    zone = next(each for each in vm.zones if each.start_pfn == start)
    return vm, zone


def _runs(kinds: str, letter: str) -> Iterator[tuple[int, int]]:
    at = 0
    for kind, group in groupby(kinds):
        length = len(list(group))
        if kind == letter:
            yield at, length
        at += length


def _zone_config(
    zone: RecordedZone, holes: Sequence[PfnRange] = (), reserved: Sequence[PfnRange] = ()
) -> ZoneConfig:
    """A zone; of one without a map only how many pages are missing or reserved is known, so they are its first."""
    kind: ZoneKind = zone.kind  # type: ignore[assignment]
    marks = Watermarks(zone.min, zone.low, zone.high)
    if not holes and not reserved:
        absent, unmanaged = zone.spanned - zone.present, zone.present - zone.managed
        holes = [PfnRange(zone.start_pfn, absent)] if absent else []
        reserved = [PfnRange(zone.start_pfn + absent, unmanaged)] if unmanaged else []
    return ZoneConfig(kind, zone.start_pfn, zone.spanned, holes, reserved, marks)


def _from_aligned(zones: list[ZoneConfig]) -> list[ZoneConfig]:
    """The zones of a node in order; a hole comes before the first, if need be, as nodes start at full blocks."""
    zones = sorted(zones, key=lambda zone: zone.start_pfn)
    extra = zones[0].start_pfn % (2 * BLOCK) if zones else 0
    if extra:
        first, start = zones[0], zones[0].start_pfn - extra
        holes = (PfnRange(start, extra), *first.holes)
        zones[0] = evolve(first, start_pfn=start, pages=first.pages + extra, holes=holes)
    return zones


def _filler(layout: Layout, nid: int) -> ZoneConfig:
    """Memory for a node of which nothing is known: as little as there can be, where no zone is."""
    above = max(zone.start_pfn + zone.spanned for zone in (layout.zone, *layout.others))
    start = -(-above // (2 * BLOCK)) * 2 * BLOCK + nid * 2 * BLOCK
    return ZoneConfig("Normal", start, 2 * BLOCK, watermarks=Watermarks(0, 0, 0))
