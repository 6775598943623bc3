"""The topic ``cpuset_v1``: mems that change under a task, control files, and calls made inside a cpuset."""

from collections.abc import Mapping
from typing import Any

from movable.fidelity.topics.cpuset_v1.errors import error_rows
from movable.fidelity.topics.cpuset_v1.transitions import transition_rows
from movable.fidelity.topics.kit import Section, Sections
from movable.fidelity.topics.rules import rules

__all__ = ["CpusetRecordings"]


class CpusetRecordings(Sections):
    """Replays recordings of cpusets in the legacy hierarchy."""

    topic = "cpuset_v1"
    rules = rules(("N10", "N20", "N22"))

    def sections(self, recording: Mapping[str, Any]) -> Mapping[str, Section]:
        """Transitions of mems, and errors."""
        return {"cases": transition_rows, "errors": error_rows}
