"""What came out of a replay."""

import json
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from movable.fidelity.model import FidelityRule, Row, RowVerdict

__all__ = ["SCHEMA", "FidelityReport", "write_fidelity_reports"]

SCHEMA = "movable.fidelity/1"


@frozen
class FidelityReport:
    """The rows of one recording: of which kernel, on what topic, and the rules that there are for it."""

    recording: str
    topic: str
    kernel: str
    rows: tuple[Row, ...]
    rules: tuple[FidelityRule, ...]

    @property
    def passed(self) -> bool:
        """True if no row is wrong, and there are rows."""
        return bool(self.rows) and not self.of_verdict(RowVerdict.WRONG)

    def of_verdict(self, verdict: RowVerdict) -> tuple[Row, ...]:
        """The rows that were judged so."""
        return tuple(row for row in self.rows if row.verdict is verdict)

    def counts(self) -> Counter[RowVerdict]:
        """How many rows were judged how."""
        return Counter(row.verdict for row in self.rows)

    def sections(self) -> dict[str, Counter[RowVerdict]]:
        """The same by section, in the recording's order."""
        sections: dict[str, Counter[RowVerdict]] = {}
        for row in self.rows:
            sections.setdefault(row.section, Counter())[row.verdict] += 1
        return sections

    def rule_counts(self) -> Counter[str]:
        """How many rows each rule helps to explain."""
        return Counter(rule for row in self.of_verdict(RowVerdict.EXPLAINED) for rule in row.rules)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "recording": self.recording,
            "topic": self.topic,
            "kernel": self.kernel,
            "passed": self.passed,
            "counts": {verdict.value: self.counts()[verdict] for verdict in RowVerdict},
            "rules": [asdict(rule) for rule in self.rules],
            "rows": [asdict(row) for row in self.rows],
        }


def write_fidelity_reports(path: str | PathLike[str], reports: Sequence[FidelityReport]) -> None:
    """Write reports to a JSON file, schema ``movable.fidelity/1``."""
    document = {"schema": SCHEMA, "recordings": [report.to_dict() for report in reports]}
    Path(path).write_text(json.dumps(document, indent=2) + "\n")
