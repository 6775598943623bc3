"""The recorded texts of /proc and debugfs, taken apart: zones, free blocks, block types."""

import re
from collections.abc import Iterator

from attrs import frozen

from movable.fidelity.model import RecordingError

__all__ = [
    "RecordedZone",
    "TextLine",
    "block_totals",
    "figures",
    "free_blocks",
    "list_sizes",
    "text_lines",
    "zones_of",
]

_LINE = re.compile(r"(Node +(\d+), zone +(\w+)(?:, type +(\w+))?) (.*)")
_ZONE = re.compile(r"Node (\d+), zone +(\w+)\n")


@frozen
class TextLine:
    """A line that tells numbers of a zone, perhaps of one migrate type: all behind the names is ``rest``."""

    head: str
    nid: int
    kind: str
    migratetype: str | None
    rest: str

    @property
    def text(self) -> str:
        """The whole line."""
        return f"{self.head} {self.rest}"

    @property
    def numbers(self) -> list[int]:
        """Its whole numbers."""
        return [int(word) for word in self.rest.split()]


@frozen
class RecordedZone:
    """A zone as zoneinfo shows it. Numbers are pages; ``waiting`` are in the CPUs' lists of free pages."""

    nid: int
    kind: str
    start_pfn: int
    spanned: int
    present: int
    managed: int
    min: int
    low: int
    high: int
    waiting: tuple[int, ...]


def text_lines(text: str) -> Iterator[TextLine]:
    """The lines of a text that are about a zone."""
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match:
            yield TextLine(match[1], int(match[2]), match[3], match[4], match[5])


def free_blocks(text: str, nid: int, kind: str) -> list[int]:
    """Free blocks by order of one zone of a buddyinfo text."""
    for line in text_lines(text):
        if (line.nid, line.kind, line.migratetype) == (nid, kind, None):
            return line.numbers
    raise RecordingError(f"buddyinfo: there is no line for node {nid}, zone {kind}")


def block_totals(text: str, nid: int, kind: str) -> dict[str, int]:
    """Pageblocks by the name of their type, of one zone of a pagetypeinfo text."""
    names: list[str] = []
    for line in text.split("\n"):
        if line.startswith("Number of blocks type"):
            names = line.removeprefix("Number of blocks type").split()
        match = _LINE.fullmatch(line)
        if match and names and (int(match[2]), match[3], match[4]) == (nid, kind, None):
            return dict(zip(names, map(int, match[5].split()), strict=True))
    raise RecordingError(f"pagetypeinfo: there are no pageblocks of node {nid}, zone {kind}")


def figures(text: str) -> list[float]:
    """The numbers with a point of a line; 4.9 and 6.1 print a negative remainder with a sign of its own."""
    return [float(word.replace(".-", ".")) for word in text.split() if "." in word]


def zones_of(zoneinfo: str) -> list[RecordedZone]:
    """The zones with pages of a zoneinfo text (K08)."""
    parts = _ZONE.split(zoneinfo)[1:]
    zones = [
        _zone(int(nid), kind, body)
        for nid, kind, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]
    return [zone for zone in zones if zone.present]


def _zone(nid: int, kind: str, body: str) -> RecordedZone:
    numbers = {name: int(value) for name, value in re.findall(r"(?m)^ *(\w+):? +(\d+)$", body)}
    waiting = tuple(int(count) for count in re.findall(r"count: +(\d+)", body))
    names = ("spanned", "present", "managed", "min", "low")
    high = re.search(r"(?m)^ {8}high +(\d+)$", body)
    if high is None or any(name not in numbers for name in names):
        raise RecordingError(f"zoneinfo: node {nid}, zone {kind} is incomplete")
    return RecordedZone(
        nid,
        kind,
        numbers.get("start_pfn", 0),
        **{name: numbers[name] for name in names},
        high=int(high[1]),
        waiting=waiting,
    )


def list_sizes(zoneinfo: str, nid: int, kind: str) -> tuple[int, int]:
    """High and batch of the first CPU's lists for a zone."""
    parts = _ZONE.split(zoneinfo)[1:]
    for number, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        match = re.search(r"high: +(\d+)\s+batch: +(\d+)", body)
        if (int(number), name) == (nid, kind) and match:
            return int(match[1]), int(match[2])
    raise RecordingError(f"zoneinfo: there are no per-CPU lists of node {nid}, zone {kind}")
