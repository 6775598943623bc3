"""A run whose map was not recorded: its events must follow from each other by the rules of 6.1 (3.1 to 3.4)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from movable.fidelity.model import Row, RowVerdict
from movable.fidelity.topics.compaction.events import dropped_rows, recorded_events
from movable.fidelity.topics.compaction.inputs import A03, scan_of
from movable.fidelity.topics.compaction.kit import same
from movable.fidelity.topics.compaction.layout import BLOCK

__all__ = ["account_row", "unmapped_rows"]

_BATCH = 32
_MOVED = re.compile(r"mm_compaction_migratepages: nr_migrated=(\d+) nr_failed=(\d+)")


def unmapped_rows(section: str, run: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each event that says something about those before it, and one for each counter."""
    yield from dropped_rows(section, run["trace"])
    taken, last = 0, -1
    for number, event in enumerate(recorded_events(run["trace"]), start=1):
        scan, moved = scan_of(event), _MOVED.search(event)
        if scan and scan[0] == "migratepages":
            expected = _expected_end(scan[1], scan[2], scan[4], rescan=scan[1] // BLOCK == last)
            last = scan[1] // BLOCK if scan[4] else last
            taken = scan[4]
            yield same(section, f"event {number}", f"ends at {scan[2]:#x}", f"ends at {expected:#x}")
        elif scan:
            block_end = (scan[1] // BLOCK + 1) * BLOCK
            inside = (
                "inside one pageblock" if scan[2] <= block_end and scan[4] <= scan[3] else "across pageblocks"
            )
            yield same(section, f"event {number}", "inside one pageblock", inside)
        elif moved:
            counts = int(moved[1]) + int(moved[2])
            yield same(
                section, f"event {number}", f"{counts} pages in the batch", f"{taken} pages in the batch"
            )
    yield account_row(section, run["vmstat_delta"])
    for name, value in run["vmstat_delta"].items():
        yield Row(section, name, RowVerdict.EXPLAINED, str(value), "no map", (A03,))


def _expected_end(start: int, end: int, taken: int, *, rescan: bool) -> int:
    """Where a call of the migrate scanner stops: behind the 32nd page, or at the end of its block."""
    block_end = (start // BLOCK + 1) * BLOCK
    if taken == _BATCH and not rescan and end < block_end:
        return end
    return block_end


def account_row(section: str, counters: Mapping[str, int]) -> Row:
    """What the counters of any compaction say about each other (2.4)."""
    success, isolated = counters.get("pgmigrate_success", 0), counters.get("compact_isolated", 0)
    scanned = counters.get("compact_migrate_scanned", 0) + counters.get("compact_free_scanned", 0)
    broken = []
    if isolated < 2 * success:
        broken.append(f"{success} pages moved, only {isolated} isolated")
    if scanned < isolated:
        broken.append(f"{isolated} pages isolated, only {scanned} scanned")
    if counters.get("pgfree", success) < success:
        broken.append(f"{success} pages moved, only {counters['pgfree']} freed")
    return same(section, "invariant: the accounts add up", "holds", broken[0] if broken else "holds")
