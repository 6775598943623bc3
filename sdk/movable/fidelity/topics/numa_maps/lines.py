"""Lines of numa_maps: their fields, and whether a line can be one (spec/migration.md 9.10)."""

import re
from collections.abc import Mapping, Sequence

from attrs import evolve, field, frozen

from movable.fidelity.topics.kit import EVERY_NODE

__all__ = ["Line", "faults_of", "parse_line"]

_LIST = r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*"
_MODES, _FLAGS = r"prefer(?: \(many\))?|bind|interleave", r"=static|=relative|=balancing"
_POLICY = rf"default|local(?:=static|=relative)?|(?:{_MODES})(?:{_FLAGS})*:{_LIST}"
_LINE = re.compile(
    rf"(?P<start>[0-9a-f]{{8,16}}) (?P<policy>{_POLICY})(?P<what> file=\S+| heap| stack)?(?P<huge> huge)?"
    r"(?: anon=(?P<anon>\d+))?(?: dirty=(?P<dirty>\d+))?(?: mapped=(?P<mapped>\d+))?(?: mapmax=(?P<mapmax>\d+))?"
    r"(?: swapcache=(?P<swapcache>\d+))?(?: active=(?P<active>\d+))?(?: writeback=(?P<writeback>\d+))?"
    r"(?P<nodes>(?: N\d+=\d+)*)(?: kernelpagesize_kB=(?P<size>\d+))?"
)
_AREA = re.compile(r"(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) \S+ \S+ \S+ \d+ *(?P<name>.*)")
_COUNTS = ("anon", "dirty", "mapped", "mapmax", "swapcache", "active", "writeback")


@frozen
class Line:
    """A line: ``counts`` has the fields that are printed, by name; ``what`` is file, heap or stack with its blank."""

    start: int
    policy: str
    what: str = ""
    huge: bool = False
    counts: Mapping[str, int] = field(factory=dict)
    nodes: Mapping[int, int] = field(factory=dict)
    page_kilobytes: int = 0

    @property
    def pages(self) -> int:
        """All pages counted."""
        return sum(self.nodes.values())

    @property
    def active(self) -> int:
        """Active pages: all of them where the field is left out."""
        return self.counts.get("active", self.pages)

    def with_active(self, active: int) -> "Line":
        """The line with another number of active pages; the field is left out if that is all of them."""
        counts = {name: number for name, number in self.counts.items() if name != "active"}
        return evolve(self, counts=counts if active == self.pages else {**counts, "active": active})

    def __str__(self) -> str:
        words = [f"{self.start:08x} {self.policy}{self.what}{' huge' if self.huge else ''}"]
        words += [f"{name}={self.counts[name]}" for name in _COUNTS if name in self.counts]
        words += [f"N{node}={pages}" for node, pages in self.nodes.items()]
        if self.page_kilobytes:
            words.append(f"kernelpagesize_kB={self.page_kilobytes}")
        return " ".join(words)


def parse_line(text: str) -> Line | None:
    """The fields of a line; None if it is none."""
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    pairs = (word[1:].split("=") for word in match["nodes"].split())
    return Line(
        start=int(match["start"], 16),
        policy=match["policy"],
        what=match["what"] or "",
        huge=match["huge"] is not None,
        counts={name: int(match[name]) for name in _COUNTS if match[name] is not None},
        nodes={int(node): int(pages) for node, pages in pairs},
        page_kilobytes=int(match["size"] or 0),
    )


def faults_of(lines: Sequence[str], areas: Sequence[str]) -> list[str]:
    """For each line of a file what is wrong with it, empty if nothing is; ``areas`` are the lines of maps."""
    known = {int(match["start"], 16): match for match in map(_AREA.fullmatch, areas) if match is not None}
    faults, last = [], -1
    for text in lines:
        line = parse_line(text)
        if line is None:
            faults.append("it is no line of numa_maps")
            continue
        found = [*_own_faults(line), *(_area_faults(line, known) if areas else ())]
        if line.start <= last:
            found.append("its address is not above the one before")
        last = line.start
        faults.append("; ".join(found))
    return faults


def _own_faults(line: Line) -> list[str]:
    counts, pages = line.counts, line.pages
    wrong = {
        "zero is printed": any(not number for name, number in counts.items() if name != "active"),
        "no page and a page size, or the reverse": bool(pages) != bool(line.page_kilobytes),
        "counts without pages": bool(counts) and not pages,
        "a page size that the machine lacks": line.page_kilobytes not in (0, 4, 2048),
        "nodes out of order or absent": list(line.nodes) != sorted(set(line.nodes) & EVERY_NODE),
        "a node without pages": 0 in line.nodes.values(),
        "more pages of a kind than pages": any(
            counts.get(name, 0) > pages for name in ("anon", "dirty", "swapcache", "writeback")
        ),
        "mapmax of one": counts.get("mapmax", 2) < 2,
        "active of all": counts.get("active", -1) >= pages > 0,
        "mapped where anon or dirty says it, or not where neither does": bool(pages)
        and ("mapped" in counts) != (pages not in (counts.get("anon", 0), counts.get("dirty", 0))),
        "mapped is not all pages": counts.get("mapped", pages) != pages,
        "anonymous memory with pages that are not": not line.what.startswith(" file")
        and counts.get("anon", 0) != pages,
    }
    return [fault for fault, holds in wrong.items() if holds]


def _area_faults(line: Line, areas: Mapping[int, re.Match[str]]) -> list[str]:
    """Whether maps has the area, under the same name and large enough."""
    area = areas.get(line.start)
    if area is None:
        return ["maps has no such area"]
    name, size = area["name"].strip(), int(area["end"], 16) - line.start
    shown = {"[heap]": " heap", "[stack]": " stack"}.get(
        name, f" file={name}" if name.startswith("/") else ""
    )
    faults = [] if line.what == shown else [f"maps calls it {name or 'nothing'}"]
    if line.pages * line.page_kilobytes << 10 > size:
        faults.append("it has more pages than its area")
    return faults
