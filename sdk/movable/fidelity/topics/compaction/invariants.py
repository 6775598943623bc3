"""What must hold in both kernels, whatever the frames: checked on a replay by the rules of 4.9 (2.4)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from movable.fidelity.model import Row
from movable.fidelity.topics.compaction.inputs import scan_of
from movable.fidelity.topics.compaction.kit import same
from movable.fidelity.topics.compaction.layout import BLOCK, MOVABLE
from movable.fidelity.topics.compaction.run import Outcome
from movable.flags import CompactResult, MigrateType

__all__ = ["kept_rows", "whole_node_rows"]

_AMOUNT = 0.10
_HOLDS = "holds"


def _row(section: str, name: str, broken: list[str]) -> Row:
    """An invariant: what breaks it, if anything does."""
    return same(section, f"invariant: {name}", _HOLDS, broken[0] if broken else _HOLDS)


def kept_rows(section: str, outcome: Outcome, allocated: int = 0) -> Iterator[Row]:
    """What every kind of compaction keeps: direction, what cannot move, targets, numbers and contents of pages.

    ``allocated`` free pages were taken by the request that compaction served.
    """
    layout, moved = outcome.layout, outcome.moved
    start = layout.zone.start_pfn
    down = [f"{a:#x} moved down to {b:#x}" for a, b in moved.items() if b < a]
    yield _row(section, "no page moves to a lower frame", down)
    fixed = [f"{pfn:#x} moved" for pfn in moved if pfn not in layout.movable]
    fixed += [
        f"{start + at:#x} was {kind}, is {now}"
        for at, (kind, now) in enumerate(zip(layout.kinds, outcome.after.kinds, strict=True))
        if kind not in ".-" and kind not in MOVABLE + "UO" and now != kind
    ]
    yield _row(section, "what cannot move keeps its frame", fixed)
    free = {start + at for at, kind in enumerate(layout.kinds) if kind == "."} | set(layout.waiting)
    strange = [f"{b:#x} was in use" for b in moved.values() if b not in free]
    strange += [
        f"{b:#x} lies in a {outcome.before.types[b // BLOCK * BLOCK].name} block"
        for b in moved.values()
        if outcome.after.types[b // BLOCK * BLOCK] is not MigrateType.MOVABLE
    ]
    yield _row(section, "targets were free and lie in MOVABLE blocks", strange)
    counts = (outcome.before, outcome.after)
    free_pages = [state.free_pages + state.waiting for state in counts]
    free_pages[1] += allocated
    lost = [f"{free_pages[0]} free pages became {free_pages[1]}"] * (free_pages[0] != free_pages[1])
    lost += [f"{len(set(outcome.frames.values()))} frames hold {len(outcome.frames)} pages"] * (
        len(set(outcome.frames.values())) != len(outcome.frames)
    )
    yield _row(section, "numbers of free and used pages stay", lost)
    torn = [f"the page of {pfn:#x} has other contents" for pfn in outcome.lost]
    end = start + layout.zone.spanned
    torn += [f"{b:#x} is outside the zone" for b in moved.values() if not start <= b < end]
    yield _row(section, "contents and node of every page stay", torn)


def whole_node_rows(section: str, case: Mapping[str, Any], outcome: Outcome, later: Outcome) -> Iterator[Row]:
    """All of 2.4, for a whole-node run; ``later`` is the replay by the rules of 6.1, where no map tells more."""
    yield from kept_rows(section, outcome)
    run, moved = outcome.run, outcome.moved
    if run is None:
        return
    yield _row(section, "the lowest movable pages moved", _sources(outcome))
    above = run.migrate_pfn
    low = [f"{b:#x} is below {above:#x}" for b in moved.values() if b < above // BLOCK * BLOCK]
    yield _row(section, "targets lie above the frontier", low)
    ended = [f"ended as {run.result.name.lower()}"] * (run.result is not CompactResult.COMPLETE)
    ended += ["the scanners stand in different blocks"] * (run.free_pfn // BLOCK > run.migrate_pfn // BLOCK)
    yield _row(section, "the run is complete where the scanners meet", ended)
    yield _row(section, "the accounts add up", _accounts(outcome))
    yield _row(section, "as much is moved as was recorded", _amounts(case, outcome, later))


def _sources(outcome: Outcome) -> list[str]:
    """All movable pages below the last batch moved; inside it the upper ones did; above it none."""
    moved, movable = outcome.moved, outcome.layout.movable
    scans = [scan for scan in map(scan_of, map(str, outcome.events)) if scan and scan[0] == "migratepages"]
    low, high = scans[-1][1:3] if scans else (0, 0)
    broken = [f"{pfn:#x} stayed" for pfn in movable if pfn < low and pfn not in moved]
    broken += [f"{pfn:#x} moved" for pfn in moved if pfn >= high]
    inside = sorted(pfn for pfn in movable if low <= pfn < high)
    stayed = [pfn for pfn in inside if pfn not in moved]
    if stayed and any(pfn < stayed[-1] for pfn in inside if pfn in moved):
        broken.append(f"{stayed[-1]:#x} stayed above pages that moved")
    return broken


def _accounts(outcome: Outcome) -> list[str]:
    counters = outcome.vmstat
    taken = {"migratepages": 0, "freepages": 0}
    failing = 0
    for event in map(str, outcome.events):
        scan = scan_of(event)
        if scan:
            taken[scan[0]] += scan[4]
        match = re.match(r"mm_migrate_pages: nr_succeeded=\d+ nr_failed=(\d+)", event)
        failing = int(match[1]) if match else failing
    isolated, success = taken["migratepages"] + taken["freepages"], counters["pgmigrate_success"]
    checks = {
        # The sources that moved are freed, and the targets that were left over.
        "pgfree": (counters["pgfree"], success + (taken["freepages"] - success)),
        "compact_isolated": (counters["compact_isolated"], isolated),
        "pgmigrate_fail": (counters["pgmigrate_fail"], failing),
        "pages moved": (success, len(outcome.moved)),
    }
    return [f"{name} {value}, not {wanted}" for name, (value, wanted) in checks.items() if value != wanted]


def _amounts(case: Mapping[str, Any], outcome: Outcome, later: Outcome) -> list[str]:
    recorded = case["vmstat_delta"].get("pgmigrate_success", 0)
    broken = []
    if abs(len(outcome.moved) - recorded) > recorded * _AMOUNT:
        broken.append(f"{len(outcome.moved)} pages moved, {recorded} were recorded")
    ends = [each.run.migrate_pfn for each in (outcome, later) if each.run is not None]
    if abs(ends[0] - ends[-1]) >= BLOCK:
        broken.append(f"the frontier is at {ends[0]:#x}, recorded at {ends[-1]:#x}")
    large = outcome.after.large_blocks - later.after.large_blocks
    if abs(large) > 1:
        broken.append(f"{large:+d} blocks of order 9 and more")
    return broken
