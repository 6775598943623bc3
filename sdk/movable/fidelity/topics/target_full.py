"""The topic ``move_pages_target_full``: more pages in one call than the target node can take."""

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from movable.fidelity.model import RecordingError, Row
from movable.fidelity.topics.kit import PAGE, Claim, Section, Sections, attempt, judge, machine
from movable.fidelity.topics.move_pages.models import CHUNK
from movable.fidelity.topics.rules import rules
from movable.flags import GFP, Mpol, MpolMF
from movable.process import Process
from movable.vm import VM

__all__ = ["TargetFullRecordings"]

_FIRST = 0x1_7000_0000
_UNWRITTEN = 777
_MOST_PAGES = 1 << 17
_SLACK = 1024
"""Pages that the free lists of a kernel may miss: those on the lists of its CPUs, and what others took meanwhile."""
_FREE_LIST = re.compile(r"Node (\d+), zone +\S+ +([\d ]+)")
_INPUTS = {"meta", "topic", "notes", "buddyinfo_before", "buddyinfo_after", "count"}
_STATUSES = re.compile(r"status_(?:(\d+)|unwritten_(\d+)|(other))")


class TargetFullRecordings(Sections):
    """Replays a recording that is one call: its answer, how many statuses are written, and that no page is lost."""

    topic = "move_pages_target_full"
    rules = rules(("N07",))

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        """The one row. RecordingError for a recording of another shape."""
        try:
            yield _row(recording)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise RecordingError(f"has another shape ({type(error).__name__}: {error})") from error

    def sections(self, recording: Mapping[str, Any]) -> Mapping[str, Section]:
        """None: the whole recording is the row."""
        return {}


@frozen
class _Asked:
    """How many pages on which nodes are to move where, and how many the target has free above its marks."""

    count: int
    sources: tuple[int, ...]
    target: int
    free: int


@frozen
class _Seen:
    """An outcome: the statuses by value, the first that is not the target, and how many pages moved."""

    errno: str
    statuses: Mapping[int, int]
    first_bad: tuple[int, int]
    moved: int
    pages: int


def _row(recording: Mapping[str, Any]) -> Row:
    targets = [int(match[1]) for match in map(_STATUSES.fullmatch, recording) if match and match[1]]
    sources = re.findall(r"nodes? ((?:\d+(?:,| and |, )?)+)", recording["notes"])
    target = targets[0] if targets else int(re.findall(r"to node (\d)", recording["notes"])[0])
    asked = _Asked(
        count=recording["count"],
        sources=tuple(
            sorted({int(node) for text in sources[:1] for node in re.findall(r"\d+", text)} - {target})
        ),
        target=target,
        free=_free(recording["buddyinfo_before"], target),
    )
    if not 0 < asked.count <= _MOST_PAGES or not asked.sources:
        raise ValueError(f"count {asked.count} from nodes {asked.sources} cannot be replayed")
    full = asked.count > asked.free
    seen = _ours(asked)
    recorded = {key: value for key, value in recording.items() if _compared(key)}
    placed = recording.get("placement_after")
    recorded.pop("placement_after", None)
    if placed is not None:
        recorded["pages_after"] = sum(placed) + recording.get("other", 0)
        recorded["moved"] = _moved(recording, placed[target], asked, full=full)
    unread = sorted(set(recording) - _INPUTS - set(recorded) - {"placement_after", "other"})
    recorded.pop("other", None)
    ours = _fields(seen, asked, recorded)
    note = "the exact split of the pages is not compared, but what is told of it must add up"
    claim = _claim(seen, asked, recorded, full=full)
    name = f"{asked.count} pages to node {target}"
    return judge("call", name, recorded, ours, claim, note=note, unread=unread)


def _compared(key: str) -> bool:
    return key in (
        "ret",
        "errno",
        "first_bad_index",
        "first_bad_status",
        "status_histogram",
        "placement_after",
    ) or bool(_STATUSES.fullmatch(key))


def _free(text: str, node: int) -> int:
    """Free pages of a node by a text of buddyinfo."""
    lines = (match for match in map(_FREE_LIST.match, text.splitlines()) if match is not None)
    return sum(
        int(number) << order
        for match in lines
        if int(match[1]) == node
        for order, number in enumerate(match[2].split())
    )


def _moved(recording: Mapping[str, Any], on_target: int, asked: _Asked, *, full: bool) -> str:
    """Whether the pages on the target are what its free lists lost, as a word."""
    if not full or "buddyinfo_after" not in recording:
        return "all" if on_target == asked.count else str(on_target)
    lost = asked.free - _free(recording["buddyinfo_after"], asked.target)
    return "as many as there was room for" if abs(on_target - lost) <= _SLACK else str(on_target)


# -- the call --------------------------------------------------------------------------------------


def _ours(asked: _Asked) -> _Seen:
    with machine() as vm:
        process = vm.process()
        addresses = _fill(process, asked)
        _leave_free(vm, asked)
        status = array("i", [_UNWRITTEN] * asked.count)
        nodes = array("i", [asked.target] * asked.count)
        _, error = attempt(lambda: process.move_pages(0, addresses, nodes, MpolMF.MOVE, status=status))
        placed = Counter(process.move_pages(0, addresses))
    bad = next((index for index, each in enumerate(status) if each != asked.target), -1)
    return _Seen(
        errno=error,
        statuses=Counter(status),
        first_bad=(bad, status[bad] if bad >= 0 else 0),
        moved=placed[asked.target],
        pages=sum(number for node, number in placed.items() if node >= 0),
    )


def _fill(process: Process, asked: _Asked) -> "array[int]":
    """The pages, an equal part on each of the nodes."""
    start, left = _FIRST * PAGE, asked.count
    process.mmap(asked.count * PAGE, address=start, fixed=True)
    for index, node in enumerate(asked.sources):
        part = left // (len(asked.sources) - index)
        process.set_mempolicy(Mpol.BIND, [node])
        process.touch(start + (asked.count - left) * PAGE, part * PAGE)
        left -= part
    process.set_mempolicy(Mpol.DEFAULT)
    return array("Q", range(start, start + asked.count * PAGE, PAGE))


def _leave_free(vm: VM, asked: _Asked) -> None:
    """Take memory of the target until as many pages are free above its minimum as the recording's lists show."""
    (zone,) = (zone for zone in vm.zones if zone.nid == asked.target)
    spare = zone.free_pages - zone.watermark.min - asked.free
    for order in reversed(range(11)):
        while spare >> order and vm.alloc_pages(order, GFP.KERNEL | GFP.THISNODE, asked.target) is not None:
            spare -= 1 << order


# -- judging ---------------------------------------------------------------------------------------


def _fields(seen: _Seen, asked: _Asked, recorded: Mapping[str, Any]) -> Mapping[str, Any]:
    """The outcome under the names of the recording."""
    full = seen.errno != "0"
    moved = (
        "as many as there was room for"
        if full and abs(seen.moved - asked.free) <= _SLACK
        else str(seen.moved)
    )
    fields: dict[str, Any] = {
        "ret": -1 if full else 0,
        "errno": seen.errno,
        "first_bad_index": seen.first_bad[0],
        "first_bad_status": seen.first_bad[1],
        "status_histogram": {str(value): number for value, number in sorted(seen.statuses.items())},
        "pages_after": seen.pages,
        "moved": "all" if seen.moved == asked.count else moved,
    }
    told: list[int] = []
    for key in recorded:
        match = _STATUSES.fullmatch(key)
        if match is not None and not match[3]:
            told.append(int(match[1] or match[2]))
            fields[key] = seen.statuses.get(told[-1], 0)
    fields["status_other"] = sum(number for value, number in seen.statuses.items() if value not in told)
    return fields


def _claim(seen: _Seen, asked: _Asked, recorded: Mapping[str, Any], *, full: bool) -> Claim | None:
    """N07: 4.9 has reported the chunks before the one that failed, 6.1 nothing of a batch that fails."""
    if not full:
        return None
    chunks = seen.moved // CHUNK
    earlier = _statuses(asked, chunks * CHUNK, seen.moved)
    later = _statuses(asked, 0, seen.moved)
    return Claim(["N07"], _fields(earlier, asked, recorded), _fields(later, asked, recorded))


def _statuses(asked: _Asked, written: int, moved: int) -> _Seen:
    statuses = {asked.target: written, _UNWRITTEN: asked.count - written}
    present: Mapping[int, int] = {value: number for value, number in statuses.items() if number}
    return _Seen("ENOMEM", present, (written, _UNWRITTEN), moved, asked.count)
