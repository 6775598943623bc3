"""The adapter for the topic ``zram``: every section of a recording, row by row."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from movable import PAGE_SIZE, FidelityRule, RecordingError, Row, replay_sections
from movable_zsmalloc.recordings.contents import page_contents
from movable_zsmalloc.recordings.control import algorithm_row, control_rows
from movable_zsmalloc.recordings.lengths import Lengths, RealLengths, RecordedLengths
from movable_zsmalloc.recordings.sequence import sequence_rows
from movable_zsmalloc.recordings.steps import parse_size
from movable_zsmalloc.recordings.twin import RULES, Outcome, Twin, recorded_outcome, same_or_wrong

__all__ = ["ZramRecordings"]

_DISKSIZE = 64 << 20


class ZramRecordings:
    """Replays recordings of zram: page sequences, limits, sizes, compaction and control files."""

    topic = "zram"
    rules: Sequence[FidelityRule] = RULES

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        """All rows of all sections. RecordingError for a section that is not known, or of another shape."""
        sections: dict[str, Callable[[Any], Iterator[Row]]] = {
            "comp_algorithm": _algorithm_rows,
            "sequences": _sequences,
            "mem_limit": _mem_limit_rows,
            "size_sweep": _size_sweep,
            "one_by_one": _one_by_one,
            "zs_compaction": _zs_compaction_rows,
            "errors": control_rows,
        }
        yield from replay_sections(recording, sections)


def _lengths(algorithm: str) -> Lengths:
    """Where lengths come from (spec/differences-drivers.md 1.2)."""
    return RealLengths() if algorithm == "lz4" else RecordedLengths()


def _algorithm_rows(text: str) -> Iterator[Row]:
    yield algorithm_row("comp_algorithm", "the list", text)


def _sequences(sequences: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Row]:
    for algorithm, steps in sequences.items():
        yield from sequence_rows(f"sequences {algorithm}", steps, _lengths(algorithm))


def _mem_limit_rows(steps: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Pages that do not compress are written until the limit is reached, then a few more."""
    section = "mem_limit"
    set_up = re.fullmatch(r"(\S+) (\d+[KMG]?), mem_limit (\d+[KMG]?)", steps[0]["step"])
    if set_up is None:
        raise RecordingError(f"[0].step: {steps[0]['step']!r} is no 'ALGORITHM SIZE, mem_limit SIZE'")
    with Twin(_lengths(set_up[1]), parse_size(set_up[2]), limit=set_up[3]) as twin:
        fill = _Filling(twin)
        for position, step in enumerate(steps):
            recorded = recorded_outcome(step)
            if position:
                twin.begin()
            if position and not fill.do(step["step"], recorded.mm_stat[1]):
                raise RecordingError(f"[{position}]: step {step['step']!r} is not understood")
            yield fill.judge(section, step["step"], recorded)


class _Filling:
    """A device that is filled up to its limit; how many pages were written, by the recording and by the two."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._written = (0, 0, 0)
        self._kind, self._k = "incompressible", PAGE_SIZE

    def do(self, text: str, stored: int) -> bool:
        """Do a step that left this many bytes stored; False for one that is not understood."""
        twin = self._twin
        if match := re.fullmatch(r"(\S+)(?: k=(\d+))? pages until failure: (\d+) written", text):
            self._kind, self._k = match[1], int(match[2] or PAGE_SIZE)
            self._fill(int(match[3]), stored)
        elif text.startswith("zero page"):
            twin.write([(max(self._written), page_contents("zero"))])
        elif match := re.fullmatch(r"overwrite of page (\d+) at the limit", text):
            twin.write([(int(match[1]), self._page(self._written[0] + 1))])
        elif match := re.fullmatch(r"after discarding (\d+) pages?, one more", text):
            twin.discard(range(int(match[1])))
            twin.write([(0, self._page(0))])
        else:
            return False
        return True

    def judge(self, section: str, text: str, recorded: Outcome) -> Row:
        """The row of a step; one that tells how many pages fitted is wrong if neither device took as many."""
        recorded_count, ours, later = self._written
        if "until failure" in text and recorded_count not in (ours, later):
            counts = (f"{number} pages written" for number in (recorded_count, ours))
            return same_or_wrong(section, text, *counts)
        return self._twin.judge(section, text, recorded)

    def _page(self, number: int) -> bytes:
        return page_contents(self._kind, number, self._k)

    def _fill(self, count: int, stored: int) -> None:
        pages = [self._page(number) for number in range(min(count, self._twin.ours.pages))]
        self._twin.lengths.expect(self._kind, pages, stored)
        if pages:
            self._twin.lengths.expect(self._kind, [self._page(count)], stored // count)
        taken = self._twin.write((number, self._page(number)) for number in itertools.count())
        self._written = (count, *taken)


def _size_sweep(sweeps: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """For each size a fresh device, and pages of which that many bytes are random."""
    for algorithm, sweep in sweeps.items():
        columns = sweep["columns"]
        for values in sweep["rows"]:
            row = dict(zip(columns, values, strict=True))
            name = f"k {row['k']}, {row['pages']} pages"
            if not 0 < row["pages"] <= _DISKSIZE // PAGE_SIZE:
                raise RecordingError(f"{algorithm}, {name}: a row has 1 to {_DISKSIZE // PAGE_SIZE} pages")
            lengths = _lengths(algorithm)
            pages = [page_contents("k-random", number, row["k"]) for number in range(row["pages"])]
            lengths.expect("k-random", pages, row["compr_data_size"])
            with Twin(lengths, _DISKSIZE) as twin:
                twin.write(enumerate(pages))
                huge = row.get("huge_pages")
                yield twin.judge_sizes(f"size_sweep {algorithm}", name, _sizes(row), huge)


def _one_by_one(section: Mapping[str, Any]) -> Iterator[Row]:
    """The statistics after each page that is added to a fresh device."""
    columns = section["columns"]
    for name, rows in section.items():
        if name == "columns":
            continue
        k = int(name.removeprefix("k"))
        with Twin(RealLengths(), _DISKSIZE) as twin:
            written = 0
            for values in rows:
                row = dict(zip(columns, values, strict=True))
                todo = range(written, row["pages_written"])
                twin.write((index, page_contents("k-random", index, k)) for index in todo)
                written = row["pages_written"]
                yield twin.judge_sizes(f"one_by_one k {k}", f"{written} pages", _sizes(row))


def _sizes(row: Mapping[str, int]) -> tuple[int, int]:
    return row["compr_data_size"], row["mem_used_total"]


def _zs_compaction_rows(steps: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Pages are written, some of them kept, and the pool compacted: the statistics before and after."""
    twin: Twin | None = None
    try:
        for step in steps:
            text = step["step"]
            match = re.fullmatch(
                r"(\d+) pages k=(\d+), keep every (\d+)(?:th|nd|rd|st): before compact", text
            )
            if match:
                if twin is not None:
                    twin.close()
                twin = Twin(RealLengths(), _DISKSIZE)
                count, k, every = (int(group) for group in match.groups())
                if count > twin.ours.pages:
                    raise RecordingError(f"step {text!r}: the device has {twin.ours.pages} pages")
                twin.write((index, page_contents("k-random", index, k)) for index in range(count))
                twin.discard(index for index in range(count) if index % every)
            elif text == "after compact" and twin is not None:
                twin.begin()
                twin.control("compact", "1")
            else:
                raise RecordingError(f"step {text!r} is not understood")
            yield twin.judge("zs_compaction", text, recorded_outcome(step))
    finally:
        if twin is not None:
            twin.close()
