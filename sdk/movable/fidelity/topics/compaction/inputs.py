"""Which rules a case brings into play: each is looked for in what went in, never in what came out wrong."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from movable.fidelity.topics.compaction.layout import BLOCK, KERNEL, Layout
from movable.fidelity.topics.compaction.run import Outcome
from movable.vm import CompactEvent

__all__ = [
    "A01",
    "A02",
    "A03",
    "A04",
    "LISTS",
    "Scan",
    "applicable",
    "derived_blocks",
    "kernel_frames",
    "live_frames",
    "pages_of",
    "scan_of",
]

A01, A02, A03, A04 = "A01", "A02", "A03", "A04"
LISTS = "K04, lists"
"""K04 where only the free lists are concerned: as many pages as per-CPU lists hold are not merged yet."""

_BIG_BATCH = 64
_MAX_ORDER = 10
_SCAN = re.compile(
    r"mm_compaction_isolate_(\w+): range=\((0x[0-9a-f]+) ~ (0x[0-9a-f]+)\) nr_scanned=(\d+) nr_taken=(\d+)"
)

Scan = tuple[str, int, int, int, int]
"""An event of a scanner: which pages it isolates, first and last frame, pages scanned and taken."""


def scan_of(text: str) -> Scan | None:
    """The numbers of a scanner's event; None for any other event."""
    match = _SCAN.search(text)
    return (match[1], int(match[2], 16), int(match[3], 16), int(match[4]), int(match[5])) if match else None


def applicable(layout: Layout, ours: Outcome, later: Outcome) -> frozenset[str]:
    """The rules K01 to K04 whose inputs this case has. ``ours`` is its replay by the rules of 4.9."""
    runs = [outcome.run for outcome in (ours, later) if outcome.run is not None]
    meeting = max((run.migrate_pfn for run in runs), default=layout.zone.start_pfn)
    rules = set()
    if any(count >= _BIG_BATCH for start, count in _movable_by_block(layout) if start < meeting):
        rules.add("K01")
    if _crosses_fruitless(ours.events):
        rules.add("K02")
    if any(ours.before.nr_free[1:]):
        rules.add("K03")
    if any(pfn >= meeting // BLOCK * BLOCK for pfn in layout.waiting):
        rules.add("K04")
    if any(getattr(ours, when).waiting != getattr(later, when).waiting for when in ("before", "after")):
        rules.add(LISTS)
    return frozenset(rules)


def _movable_by_block(layout: Layout) -> Iterator[tuple[int, int]]:
    movable = layout.movable
    for start, letters in layout.blocks():
        yield start, sum(start + at in movable for at in range(len(letters)))


def _crosses_fruitless(events: Iterable[CompactEvent]) -> bool:
    """Whether, before a batch has ended, the free scanner took nothing and went on to another block."""
    scans = [scan_of(str(event)) for event in events]
    return any(
        first and second and first[0] == second[0] == "freepages" and not first[4]
        for first, second in pairwise(scans)
    )


def kernel_frames(layout: Layout, start: int, end: int) -> int:
    """Frames of a range that kernel pages use: which of them are compound is not recorded (A01)."""
    base, waiting = layout.zone.start_pfn, set(layout.waiting)
    letters = layout.kinds[start - base : end - base]
    return sum(kind in KERNEL and start + at not in waiting for at, kind in enumerate(letters))


def derived_blocks(kinds: str, start_pfn: int) -> list[int]:
    """Free blocks by order if free frames are merged as far as alignment lets them (2.5)."""
    nr_free = [0] * (_MAX_ORDER + 1)
    at, end = 0, len(kinds)
    while at < end:
        order = _largest(kinds, start_pfn, at) if kinds[at] == "." else None
        if order is None:
            at += 1
            continue
        nr_free[order] += 1
        at += 1 << order
    return nr_free


def _largest(kinds: str, start_pfn: int, at: int) -> int:
    order = 0
    while order < _MAX_ORDER:
        size = 1 << order + 1
        if (start_pfn + at) % size or at + size > len(kinds) or kinds[at : at + size].strip("."):
            break
        order += 1
    return order


def pages_of(nr_free: Sequence[int]) -> int:
    """The pages in free blocks counted by order."""
    return sum(count << order for order, count in enumerate(nr_free))


def live_frames(outcome: Outcome, recorded: str) -> int | None:
    """Frames where only pages that compaction does not move differ from a recorded map; None if others do too."""
    classes: Mapping[str, str] = {".": ".", **dict.fromkeys("AUFmO", "A")}
    differing = [
        {classes.get(kind, "-"), classes.get(theirs, "-")}
        for kind, theirs in zip(outcome.after.kinds, recorded, strict=True)
        if classes.get(kind, "-") != classes.get(theirs, "-")
    ]
    return None if any("A" in each for each in differing) else len(differing)
