"""The texts of /proc and debugfs, line by line: each is printed anew from its own numbers (K07, 2.3)."""

from collections.abc import Iterator, Mapping
from typing import Any

from movable.fidelity.model import Row
from movable.fidelity.topics.compaction.inputs import A02
from movable.fidelity.topics.compaction.kit import judge, same
from movable.fidelity.topics.compaction.texts import TextLine, figures, text_lines
from movable.observe import extfrag_text, fragmentation_indices, unusable_indices, zone_line

__all__ = ["line_rows"]

_CLOSE = 0.005
"""How far the figures of two files that are read one after the other may be apart (A02)."""

_BLOCKS_WIDTH = 12


def line_rows(section: str, state: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each line about a zone in the texts of one moment."""
    free: dict[tuple[int, str], list[int]] = {}
    for line in text_lines(state["buddyinfo"]):
        free[line.nid, line.kind] = line.numbers
        yield same(section, f"buddyinfo {line.head}", line.text, zone_line(line.nid, line.kind, line.numbers))
    for line in text_lines(state["pagetypeinfo"]):
        yield same(section, f"pagetypeinfo {line.head}", line.text, _type_line(line))
    for name in ("extfrag_index", "unusable_index"):
        for line in text_lines(state.get(name, "")):
            yield _index_row(section, name, line, free[line.nid, line.kind])


def _type_line(line: TextLine) -> str:
    if line.migratetype is None:
        return zone_line(line.nid, line.kind, line.numbers, width=_BLOCKS_WIDTH)
    return zone_line(line.nid, line.kind, line.numbers, migratetype=line.migratetype)


def _index_row(section: str, name: str, line: TextLine, nr_free: list[int]) -> Row:
    """Figures reckoned from the free blocks of the same moment, printed as 4.9 does."""
    indices = fragmentation_indices(nr_free) if name == "extfrag_index" else unusable_indices(nr_free)
    head = zone_line(line.nid, line.kind, ())
    ours = head + extfrag_text(indices)
    padded = head + extfrag_text(indices, width=2)
    if name == "extfrag_index" and line.text == padded:
        return judge(section, f"{name} {line.head}", line.text, ours, ("K07",))
    pairs = zip(figures(line.text), figures(ours), strict=True)
    close = all(abs(a - b) <= _CLOSE for a, b in pairs)
    return judge(section, f"{name} {line.head}", line.text, ours, (A02,) if close else ())
