"""The adapter for the topic ``numa_maps``."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable.fidelity.model import Row, RowVerdict
from movable.fidelity.topics.kit import EVERY_NODE, PAGE, Claim, Section, Sections, each_row, judge, machine
from movable.fidelity.topics.later import (
    BALANCING,
    MODES,
    STATIC,
    LaterPolicy,
    make_policy,
    place,
    policy_is_local,
)
from movable.fidelity.topics.numa_maps.lines import Line, faults_of, parse_line
from movable.fidelity.topics.numa_maps.scenes import Labelled, Scene, policy_of, scenes_of
from movable.fidelity.topics.rules import SETUP_PROGRAM, rules

__all__ = ["NumaMapsRecordings"]

_MISSING = "no such line"


class NumaMapsRecordings(Sections):
    """Replays recordings of numa_maps: what a line shows after a set-up that its label names."""

    topic = "numa_maps"
    rules = rules(("N10", "N11", "N12", "N21", SETUP_PROGRAM))
    others = Sections.others | {"maps_of_the_same"}

    def sections(self, recording: Mapping[str, Any]) -> Mapping[str, Section]:
        """Labelled lines, and a whole file beside the maps of the same process."""
        areas = recording.get("maps_of_the_same", ())
        return {"lines": _lines, "whole_file_selected": lambda lines: _whole_file(lines, areas)}


def _lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    return each_row("lines", rows, _line)


def _line(row: Mapping[str, Any]) -> Row:
    """The verdict by the first reading of the label that fits."""
    recorded = parse_line(row["line"])
    if recorded is None:
        raise ValueError(f"line {row['line']!r} is no line of numa_maps")
    file = recorded.what.removeprefix(" file=").replace("\\040", " ") if "file=" in recorded.what else ""
    what = "" if file else recorded.what.strip()
    labelled = Labelled(row["label"], row.get("setup", ""), recorded.start, file, what)
    unread = sorted(set(row) - {"label", "setup", "line"})
    verdicts: list[Row] = []
    for scene in scenes_of(labelled):
        ours = _our_line(scene, recorded.start)
        claim = _claim(labelled, ours)
        verdicts.append(
            judge("lines", row["label"], {"line": row["line"]}, {"line": ours}, claim, unread=unread)
        )
        if verdicts[-1].verdict is not RowVerdict.WRONG:
            break
    return min(verdicts, key=lambda each: each.verdict is RowVerdict.WRONG)


def _our_line(scene: Scene, start: int) -> str:
    """The line of the area that starts at this address."""
    with machine() as vm:
        process = scene(vm)
        wanted = f"{start:08x} "
        return next((line for line in process.numa_maps().splitlines() if line.startswith(wanted)), _MISSING)


def _claim(row: Labelled, ours: str) -> Claim | None:
    """N10 to N12 where one kernel refuses the set-up's call; else N21 where there are new anonymous pages."""
    refused = _refused(row)
    if refused is not None:
        return refused
    line = parse_line(ours)
    if line is None or line.huge or not line.counts.get("anon"):
        return None
    inactive = line.with_active(line.active - line.counts["anon"])
    return Claim(["N21"], {"line": ours}, {"line": str(inactive)})


def _refused(row: Labelled) -> Claim | None:
    """What both kernels show after a call that only 6.1, or only 4.9 (N12), takes."""
    if not row.label.startswith(("mbind_", "task_")):
        return None
    policy = policy_of(row.label)
    made = make_policy(policy.word, policy.nodes, EVERY_NODE)
    by_mbind = row.label.startswith("mbind_")
    reset = "reset" in row.label
    if policy_is_local(policy.word, policy.nodes):
        text = "default" if reset else f"local={'static' if policy.word & STATIC else 'relative'}"
        plain = _eight_pages(row.base, "default", None).with_active(0)
        refused = Line(row.base, "default") if by_mbind else plain
        return Claim(["N12"], {"line": str(_eight_pages(row.base, text, None))}, {"line": str(refused)})
    if not isinstance(made, LaterPolicy) or not (
        made.mode == MODES["PREFERRED_MANY"] or made.flags & BALANCING
    ):
        return None
    shown = "default" if reset else str(made)
    later = _eight_pages(row.base, shown, made).with_active(0)
    earlier = Line(row.base, "default") if by_mbind else _eight_pages(row.base, "default", None)
    rule = "N11" if made.flags & BALANCING else "N10"
    return Claim([rule], {"line": str(earlier)}, {"line": str(later)})


def _eight_pages(start: int, text: str, policy: LaterPolicy | None) -> Line:
    """Eight anonymous pages touched on CPU 0 under a policy, all of them active."""
    nodes = Counter(place(policy, 0, start // PAGE + index, EVERY_NODE) for index in range(8))
    return Line(
        start, text, counts={"anon": 8, "dirty": 8}, nodes=dict(sorted(nodes.items())), page_kilobytes=4
    )


def _whole_file(lines: Sequence[str], areas: Sequence[str]) -> Iterator[Row]:
    """Lines of the recorder's own program: their format, and what maps says of the same areas."""
    for text, fault in zip(lines, faults_of(lines, areas), strict=True):
        name, ours = text.split(" ", 1)[0], "a line of the format of 9.10"
        if fault:
            yield Row("whole_file_selected", name, RowVerdict.WRONG, text, ours, (), fault)
        else:
            note = "format, order, sums and the area in maps are checked; the counts are the recorder's program's"
            yield Row("whole_file_selected", name, RowVerdict.EXPLAINED, text, ours, (SETUP_PROGRAM,), note)
