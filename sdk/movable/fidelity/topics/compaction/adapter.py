"""The adapters for the topics ``compaction_a`` and ``compaction_zram``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable.fidelity.model import FidelityRule, Row
from movable.fidelity.topics.compaction.cases import case_rows
from movable.fidelity.topics.compaction.rules import RULES

__all__ = ["CompactionRecordings", "CompactionZramRecordings"]

_KNOWN = {"meta", "topic", "notes", "legend"}


class CompactionRecordings:
    """Replays recordings of compaction: whole-node runs frame by frame, direct runs, triggers and sysctls."""

    topic = "compaction_a"
    rules: Sequence[FidelityRule] = RULES

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        """All rows of all sections. RecordingError for a section that is not known, or of another shape."""
        for case in recording["cases"]:
            yield from case_rows(case["name"], recording, case)


class CompactionZramRecordings:
    topic = "compaction_zram"
    rules: Sequence[FidelityRule] = RULES

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        for number, case in enumerate(recording["cases"], start=1):
            yield from case_rows(f"case {number}", recording, case)
