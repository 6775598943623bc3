"""Replaying a sequence of steps on one device."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable import MovableError, RecordingError, Row
from movable_zsmalloc.recordings.contents import page_contents
from movable_zsmalloc.recordings.lengths import Lengths
from movable_zsmalloc.recordings.steps import (
    Compact,
    Discard,
    Read,
    ResetPeak,
    SetUp,
    Step,
    Write,
    parse_step,
)
from movable_zsmalloc.recordings.twin import Twin, recorded_outcome, same_or_wrong
from movable_zsmalloc.zram import ZramSysfs

__all__ = ["sequence_rows"]


def sequence_rows(section: str, steps: Sequence[Mapping[str, Any]], lengths: Lengths) -> Iterator[Row]:
    """The rows of a sequence, the first of which sets the device up."""
    first = parse_step(steps[0]["step"])
    if not isinstance(first, SetUp):
        raise RecordingError(f"{section} [0]: must set the device up, not {steps[0]['step']!r}")
    replay = _Replay(section, lengths, first.disksize)
    with replay.twin:
        for position, step in enumerate(steps):
            try:
                yield replay.row(step, first=not position)
            except (MovableError, ArithmeticError) as error:
                raise RecordingError(f"{section} [{position}]: {error}") from error


class _Replay:
    """A device in the middle of a sequence; ``stored`` is its second field as it was recorded last."""

    def __init__(self, section: str, lengths: Lengths, disksize: int) -> None:
        self.section = section
        self.lengths = lengths
        self.twin = Twin(lengths, disksize)
        self.contents: dict[int, bytes] = {}
        self.stored = 0

    def row(self, step: Mapping[str, Any], *, first: bool) -> Row:
        """Replay one step and judge it. RecordingError if a step other than the first sets the device up."""
        if "debug_stat" in step:
            ours = ZramSysfs(self.twin.ours).read("debug_stat").splitlines()[0]
            return same_or_wrong(self.section, "debug_stat", step["debug_stat"].splitlines()[0], ours)
        todo = parse_step(step["step"])
        if isinstance(todo, SetUp) and not first:
            raise RecordingError("the device is set up once only, by the first step")
        if "mm_stat" not in step:
            return self._read_row(step, todo)
        recorded = recorded_outcome(step)
        damaged = self._do(todo, recorded.mm_stat[1])
        self.stored = recorded.mm_stat[1]
        if damaged:
            return same_or_wrong(
                self.section, step["step"], "contents as written", f"page {damaged[0]} differs"
            )
        return self.twin.judge(self.section, step["step"], recorded)

    def _read_row(self, step: Mapping[str, Any], todo: Step) -> Row:
        if not isinstance(todo, Read) or todo.indices is not None:
            raise RecordingError(f"step {step['step']!r} has no mm_stat")
        index = next(
            (index for index in reversed(range(self.twin.ours.pages)) if index not in self.contents), None
        )
        if index is None:
            raise RecordingError("every page of the device is written")
        zeros = not any(self.twin.ours.read_page(index))
        return same_or_wrong(
            self.section,
            step["step"],
            f"all zero {step['all_zero']}, errno {step['errno']}",
            f"all zero {int(zeros)}, errno 0",
        )

    def _do(self, todo: Step, stored: int) -> list[int]:
        """Do a step on both devices; the pages that read back wrong."""
        twin = self.twin
        if not isinstance(todo, SetUp):
            twin.begin()
        match todo:
            case Write():
                self._write(todo, stored)
            case Discard():
                twin.discard(todo.indices)
                for index in todo.indices:
                    self.contents.pop(index, None)
            case Compact():
                twin.control("compact", "1")
            case ResetPeak():
                twin.control("mem_used_max", "0")
            case Read(indices=indices) if indices is not None:
                return [
                    index
                    for index in indices
                    if twin.ours.read_page(index) != self.contents.get(index, page_contents("zero"))
                ]
        return []

    def _write(self, todo: Write, stored: int) -> None:
        pages = [page_contents(todo.kind, number, todo.k) for number in todo.numbers]
        grown = stored - self.stored + self.twin.held_lengths(todo.indices)
        if grown > 0:
            self.lengths.expect(todo.kind, pages, grown)
        taken, _ = self.twin.write(zip(todo.indices, pages, strict=True))
        self.contents.update(zip(todo.indices[:taken], pages[:taken], strict=True))
