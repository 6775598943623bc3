"""Everything a whole-node run left behind, recorded and replayed side by side."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from movable.fidelity.topics.compaction.events import recorded_events
from movable.fidelity.topics.compaction.inputs import (
    A01,
    A02,
    LISTS,
    derived_blocks,
    kernel_frames,
    live_frames,
    pages_of,
    scan_of,
)
from movable.fidelity.topics.compaction.kit import LIVE_FRAMES, NOISE
from movable.fidelity.topics.compaction.run import Outcome
from movable.fidelity.topics.compaction.texts import figures, free_blocks, text_lines

__all__ = ["CASE_KEYS", "COUNTERS", "Pair", "pairs_of"]

CASE_KEYS = {
    "name", "node", "zone_start_pfn", "zone_spanned", "fill_pages", "pattern", "seed", "mode", "before", "after",
    "trace", "trace_total_lines", "write_errno", "vmstat_delta", "map_before", "map_after", "page_index", "pfn_before",
    "pfn_after", "live_pages", "moved_pages", "pages_written", "anon_between", "discarded_2_of_3", "mm_stat_before",
    "mm_stat_after", "mm_stat_after_zs_compact", "vmstat_delta_zs_compact", "pages_read_back_wrong",
}  # fmt: skip
"""The parts of a case that a replay starts from or compares."""

COUNTERS = (
    "pgmigrate_success",
    "pgmigrate_fail",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "compact_isolated",
)
"""What compaction alone moves: no other activity of a live system touches these."""

_ORDER: tuple[str, ...] = ("K01", "K02", "K04")
_FREE_SCAN = (*_ORDER, "K03")
_CLOSE = 0.005
"""Figures of files that are read one after the other differ by no more (A02)."""


class Pair(NamedTuple):
    """Two results to compare; ``artefacts`` explain a difference by the set-up, ``rules`` may explain one of 4.9."""

    name: str
    recorded: str
    ours: str
    artefacts: tuple[str, ...] = ()
    rules: tuple[str, ...] = _ORDER
    note: str = ""


def pairs_of(case: Mapping[str, Any], outcome: Outcome) -> Iterator[Pair]:
    """All results of a case, in the recording's order of importance."""
    if "page_index" in case:
        yield from _frames(case, outcome)
    yield from _maps(case, outcome)
    yield from _events(case, outcome)
    yield from _counters(case, outcome)
    yield from _free_memory(case, outcome)


def _frames(case: Mapping[str, Any], outcome: Outcome) -> Iterator[Pair]:
    """Where the pages of each pageblock went, and how many are alive and moved."""
    start = case["zone_start_pfn"]
    recorded = {
        start + before: start + after
        for before, after in zip(case["pfn_before"], case["pfn_after"], strict=True)
    }
    for first, letters in outcome.layout.blocks():
        inside = [pfn for pfn in range(first, first + len(letters)) if pfn in recorded]
        if not inside:
            continue
        theirs = [recorded[pfn] for pfn in inside]
        ours = [outcome.frames.get(pfn, -1) for pfn in inside]
        differing = [each for each in zip(inside, theirs, ours, strict=True) if each[1] != each[2]]
        note = f"{len(inside) - len(differing)} of {len(inside)} frames equal"
        if differing:
            note += "; {:#x} went to {:#x}, ours to {:#x}".format(*differing[0])
        yield Pair(
            f"destinations of {len(inside)} pages of block {first:#x}",
            _digest(inside, theirs),
            _digest(inside, ours),
            note=note,
        )
    yield Pair("live_pages", str(case["live_pages"]), str(sum(pfn in outcome.frames for pfn in recorded)))
    moved = sum(outcome.frames.get(pfn, pfn) != pfn for pfn in recorded)
    yield Pair("moved_pages", str(case["moved_pages"]), str(moved))


def _digest(sources: list[int], targets: list[int]) -> str:
    """How many pages moved, and a short hash of where to: equal only if all frames are."""
    moved = sum(a != b for a, b in zip(sources, targets, strict=True))
    return f"{moved} moved, frames {sha256(repr(targets).encode()).hexdigest()[:12]}"


def _maps(case: Mapping[str, Any], outcome: Outcome) -> Iterator[Pair]:
    """Which frames are in use afterwards, pageblock by pageblock."""
    recorded, base = case["map_after"], outcome.layout.zone.start_pfn
    live = live_frames(outcome, recorded)
    artefacts = (A02,) if live is not None and 0 < live <= LIVE_FRAMES else ()
    for first, letters in outcome.layout.blocks():
        place = slice(first - base, first - base + len(letters))
        theirs, ours = (_occupied(kinds[place]) for kinds in (recorded, outcome.after.kinds))
        differing = [first + at for at, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b]
        note = f"{len(differing)} frames differ, the first is {differing[0]:#x}" if differing else ""
        yield Pair(f"map after, block {first:#x}", _summary(theirs), _summary(ours), artefacts, note=note)


def _occupied(kinds: str) -> str:
    """A map in three letters: free, a page that may move, anything else."""
    return "".join("." if kind == "." else "m" if kind in "AUFmO" else "x" for kind in kinds)


def _summary(kinds: str) -> str:
    counts = f"{kinds.count('.')} free, {kinds.count('m')} movable, {kinds.count('x')} other"
    return f"{counts}, frames {sha256(kinds.encode()).hexdigest()[:12]}"


def _events(case: Mapping[str, Any], outcome: Outcome) -> Iterator[Pair]:
    """The events of the trace, one by one; a trace keeps only the first lines of a run."""
    ours = [str(event) for event in outcome.events]
    recorded = recorded_events(case["trace"])
    for number, text in enumerate(recorded):
        mine = ours[number] if number < len(ours) else "no more events"
        scan = scan_of(text)
        rules = _FREE_SCAN if scan and scan[0] == "freepages" else _ORDER
        yield Pair(f"event {number + 1}", text, mine, _compound(outcome, text, mine), rules)
    batches = sum(text.startswith("mm_migrate_pages:") for text in ours)
    yield Pair("trace_total_lines", str(case["trace_total_lines"]), str(len(ours) + batches))


def _compound(outcome: Outcome, recorded: str, ours: str) -> tuple[str, ...]:
    """A01: the same call over a block with kernel pages, of which the real scanner saw fewer."""
    theirs, mine = scan_of(recorded), scan_of(ours)
    if not theirs or not mine or theirs[0] != "migratepages":
        return ()
    if (theirs[:3], theirs[4]) != (mine[:3], mine[4]):
        return ()
    return (A01,) if 0 < mine[3] - theirs[3] <= kernel_frames(outcome.layout, theirs[1], theirs[2]) else ()


def _counters(case: Mapping[str, Any], outcome: Outcome) -> Iterator[Pair]:
    """The counters of vmstat: all that the recording tells of, and those of compaction anyway."""
    recorded = case["vmstat_delta"]
    for name in dict.fromkeys((*COUNTERS, "pgfree", *recorded)):
        theirs, ours = recorded.get(name, 0), outcome.vmstat.get(name)
        if name in COUNTERS:
            rules = _FREE_SCAN if name == "compact_free_scanned" else _ORDER
            artefacts = _scanned_less(case, outcome) if name == "compact_migrate_scanned" else ()
        else:
            rules = _ORDER if name == "pgfree" else (LISTS,) if name == "nr_free_pages" else ()
            artefacts = (A02,) if abs(theirs - (ours or 0)) <= NOISE else ()
        mine = "not emulated" if ours is None else str(ours)
        yield Pair(name, str(theirs), mine, artefacts, rules)


def _scanned_less(case: Mapping[str, Any], outcome: Outcome) -> tuple[str, ...]:
    """A01: what the real scanner did not see is what it jumped over inside kernel blocks."""
    if outcome.run is None:
        return ()
    fewer = outcome.vmstat["compact_migrate_scanned"] - case["vmstat_delta"].get("compact_migrate_scanned", 0)
    seen = unseen = 0
    ours = {
        scan[1]: scan for scan in map(scan_of, map(str, outcome.events)) if scan and scan[0] == "migratepages"
    }
    told = set()
    for scan in map(scan_of, recorded_events(case["trace"])):
        if scan and scan[0] == "migratepages" and scan[1] in ours:
            told.add(scan[1])
            seen += ours[scan[1]][3] - scan[3]
    for first, scan in ours.items():
        if first not in told:
            unseen += kernel_frames(outcome.layout, first, scan[2])
    return (A01,) if seen <= fewer <= seen + unseen and fewer > 0 else ()


def _free_memory(case: Mapping[str, Any], outcome: Outcome) -> Iterator[Pair]:
    """Free blocks by order before and after, and the figures that follow from them."""
    zone, states = outcome.layout.zone, (("before", outcome.before), ("after", outcome.after))
    for when, state in states:
        recorded = free_blocks(case[when]["buddyinfo"], zone.nid, zone.kind)
        kinds = case[f"map_{when}"]
        artefacts = _taken_meanwhile(outcome, when, kinds, recorded)
        rules = _ORDER if when == "after" else ()
        rules = (*rules, LISTS)
        yield Pair(f"buddyinfo {when}", _words(recorded), _words(state.nr_free), artefacts, rules)
        for name, ours in (("extfrag_index", state.extfrag), ("unusable_index", state.unusable)):
            text = case[when].get(name)
            if text is None:
                continue
            theirs = next(
                line.text for line in text_lines(text) if (line.nid, line.kind) == (zone.nid, zone.kind)
            )
            apart = _apart(theirs, ours)
            if apart == 0:
                yield Pair(f"{name} {when}", theirs, ours, (), ("K07",))
            elif recorded == state.nr_free:
                yield Pair(f"{name} {when}", theirs, ours, (A02,) if apart <= _CLOSE else ())
            else:
                yield Pair(f"{name} {when}", theirs, ours, artefacts, rules)


def _taken_meanwhile(outcome: Outcome, when: str, kinds: str, recorded: list[int]) -> tuple[str, ...]:
    """A02: the recording's own map and its free blocks disagree, or pages that do not move changed meanwhile."""
    derived = derived_blocks(kinds, outcome.layout.zone.start_pfn)
    apart = derived != recorded and abs(pages_of(derived) - pages_of(recorded)) <= LIVE_FRAMES
    live = live_frames(outcome, kinds) if when == "after" else 0
    return (A02,) if apart or (live is not None and 0 < live <= LIVE_FRAMES) else ()


def _words(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


def _apart(recorded: str, ours: str) -> float:
    """How far the figures of two lines differ at most."""
    pairs = zip(figures(recorded), figures(ours), strict=True)
    return max((abs(a - b) for a, b in pairs), default=0.0)
