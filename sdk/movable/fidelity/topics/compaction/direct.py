"""A case whose compaction was started by allocations: only what holds for every compaction compares (2.2, 2.4)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from movable.config import CompactionProfile
from movable.fidelity.model import Row, RowVerdict
from movable.fidelity.topics.compaction.compare import CASE_KEYS, pairs_of
from movable.fidelity.topics.compaction.events import dropped_rows
from movable.fidelity.topics.compaction.inputs import A02
from movable.fidelity.topics.compaction.invariants import kept_rows
from movable.fidelity.topics.compaction.kit import LIVE_FRAMES, judge
from movable.fidelity.topics.compaction.layout import Layout, layout_of
from movable.fidelity.topics.compaction.run import Outcome, replay_case
from movable.flags import GFP
from movable.page import Page
from movable.vm import VM, CompactRun, Zone

__all__ = ["DIRECT", "direct_rows", "is_direct"]

DIRECT = ("K10", "K11", "K12", "K13", "K14", "K15", "K16", "K17")
"""Every row of compaction that an allocation starts is affected, whatever else it depends on (2.2)."""

_HUGE_ORDER = 9
_AMOUNT = 0.10
"""Amounts agree to this part (2.4)."""
_POOL, _FAULTS = 4, 5
_REQUESTS = {
    _POOL: (8, GFP.HIGHUSER_MOVABLE | GFP.COMP | GFP.NOWARN | GFP.REPEAT | GFP.THISNODE),
    _FAULTS: (4, GFP.TRANSHUGE | GFP.THISNODE),
}
"""By mode: how many huge pages are asked for, and how (K17)."""


def is_direct(case: Mapping[str, Any]) -> bool:
    """Whether the action of a case was to allocate huge pages."""
    return int(case.get("mode", 0)) in _REQUESTS


def direct_rows(name: str, recording: Mapping[str, Any], case: Mapping[str, Any]) -> Iterator[Row]:
    """The invariants on both sides, in both profiles; everything else differs by the rules of direct runs."""
    layout = layout_of(recording, case)
    yield from dropped_rows(name, case["trace"])
    yield from _recorded_rows(name, case, layout)
    profiles: tuple[CompactionProfile, ...] = ("6.1", "4.9")
    for profile in profiles:
        section = f"{name}, {profile}"
        outcome, allocated = _replay(layout, profile, int(case["mode"]))
        yield from kept_rows(section, outcome, allocated)
        for pair in pairs_of(case, outcome):
            yield judge(section, pair.name, pair.recorded, pair.ours, (*pair.artefacts, *DIRECT), pair.note)
    for key in sorted(case.keys() - CASE_KEYS):
        yield Row(name, key, RowVerdict.EXPLAINED, str(case[key])[:200], "not replayed", ("K17",))


def _replay(layout: Layout, profile: CompactionProfile, mode: int) -> tuple[Outcome, int]:
    """Ask for the huge pages; the outcome, and how many pages they took."""
    count, gfp = _REQUESTS[mode]
    taken: list[Page | None] = []

    def allocate(vm: VM, zone: Zone) -> CompactRun | None:
        taken.extend(vm.alloc_pages(_HUGE_ORDER, gfp, zone.nid) for _ in range(count))
        return None

    outcome = replay_case(layout, profile, allocate)
    return outcome, sum(page is not None for page in taken) << _HUGE_ORDER


def _recorded_rows(section: str, case: Mapping[str, Any], layout: Layout) -> Iterator[Row]:
    """The recording itself keeps the invariants that its map and counters can show (2.4)."""
    start, kinds = case["zone_start_pfn"], case["map_before"]
    usable = {start + at for at, kind in enumerate(kinds) if kind == "."} | set(layout.waiting)
    pairs = zip(case.get("pfn_before", ()), case.get("pfn_after", ()), strict=True)
    moves = {start + before: start + after for before, after in pairs if after >= 0}
    moved = {before: after for before, after in moves.items() if before != after}
    shared = [f"{pfn:#x} holds {count} pages" for pfn, count in Counter(moves.values()).items() if count > 1]
    yield _kept(section, "has a frame for each page", shared)
    counted = case["vmstat_delta"].get("pgmigrate_success", 0)
    too_many = len(moved) > counted * (1 + _AMOUNT) + LIVE_FRAMES
    uncounted = [f"{len(moved)} pages moved, {counted} were counted"] if too_many else []
    yield _kept(section, "moved was counted", uncounted)
    down = [f"{before:#x} moved down to {after:#x}" for before, after in moved.items() if after < before]
    # Beside the faults khugepaged copies pages into huge ones, wherever those are (6).
    yield _kept(
        section, "moved to higher frames", [] if int(case["mode"]) == _FAULTS else down, live=len(down)
    )
    yield _kept(section, "as pinned stays", [f"{pfn:#x} moved" for pfn in moved if pfn in layout.pinned])
    strange = [
        f"{pfn:#x} was in use by others" for pfn in moved.values() if pfn not in usable and pfn not in moves
    ]
    yield _kept(section, "moved to usable frames", strange, live=len(strange))


def _kept(section: str, what: str, broken: list[str], *, live: int = 0) -> Row:
    """An invariant of what was recorded; A02 explains a break by a living system, if it concerns so few pages."""
    rules = (A02,) if 0 < live <= LIVE_FRAMES else ()
    return judge(
        section, f"invariant: what was recorded {what}", "holds", broken[0] if broken else "holds", rules
    )
