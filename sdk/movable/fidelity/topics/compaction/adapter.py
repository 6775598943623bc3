"""The adapters for the topics ``compaction_a`` and ``compaction_zram``."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from movable.fidelity.model import FidelityRule, Row
from movable.fidelity.sections import NO_ROWS, Section, replay_sections
from movable.fidelity.topics.compaction.cases import case_rows
from movable.fidelity.topics.compaction.direct import direct_rows, is_direct
from movable.fidelity.topics.compaction.lines import line_rows
from movable.fidelity.topics.compaction.pattern import pattern_rows
from movable.fidelity.topics.compaction.rules import RULES
from movable.fidelity.topics.compaction.unmapped import unmapped_rows
from movable.fidelity.topics.compaction.writes import memory_rows, node_rows, sysctl_rows
from movable.fidelity.topics.compaction.zram import zram_rows

__all__ = ["CompactionRecordings", "CompactionZramRecordings"]

_OTHERS = NO_ROWS | {"legend"}


class CompactionRecordings:
    """Replays recordings of compaction: whole-node runs frame by frame, direct runs, triggers and sysctls."""

    topic = "compaction_a"
    rules: Sequence[FidelityRule] = RULES

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        """All rows of all sections. RecordingError for a section that is not known, or of another shape."""
        sections: dict[str, Section] = {
            "cases": partial(_case_rows, recording),
            "small_run_all_events": partial(unmapped_rows, "small_run_all_events"),
            "compact_memory_writes": memory_rows,
            "node_compact_writes": node_rows,
            "sysctl_writes": sysctl_rows,
        }
        yield from replay_sections(recording, sections, _OTHERS)


class CompactionZramRecordings:
    """Replays recordings of compaction of zsmalloc pages: which frames are in use afterwards."""

    topic = "compaction_zram"
    rules: Sequence[FidelityRule] = RULES

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        """All rows of all cases. RecordingError for a section that is not known, or of another shape."""
        yield from replay_sections(recording, {"cases": partial(_zram_rows, recording)}, _OTHERS)


def _case_rows(recording: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for case in cases:
        rows = direct_rows if is_direct(case) else case_rows
        yield from pattern_rows(case["name"], case)
        yield from rows(case["name"], recording, case)
        yield from _text_rows(case["name"], case)


def _zram_rows(recording: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for number, case in enumerate(cases, start=1):
        name = f"case {number}, {case['pages_written']} pages, {case['anon_between']} between"
        yield from case_rows(name, recording, case)
        yield from zram_rows(name, case)
        yield from _text_rows(name, case)


def _text_rows(name: str, case: Mapping[str, Any]) -> Iterator[Row]:
    for when in ("before", "after"):
        yield from line_rows(f"{name}, texts {when}", case[when])
