"""Recordings for tests: the one of a real kernel, cut to size, and some that are made up."""

import copy
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from movable import FidelityReport, Row, RowVerdict, replay

__all__ = ["RECORDING", "changed_line", "errors", "of_section", "real", "sequences", "verdicts"]

RECORDING = Path(__file__).parent / "recordings" / "zram-6.1.json"


@cache
def _loaded() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(RECORDING.read_text())
    return loaded


def real(*sections: str) -> dict[str, Any]:
    """These sections of the real recording, as a copy that can be changed."""
    return {"topic": "zram", **{name: copy.deepcopy(_loaded()[name]) for name in sections}}


def sequences(algorithm: str, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A recording of one sequence."""
    return {"topic": "zram", "sequences": {algorithm: list(steps)}}


def errors(*rows: Mapping[str, Any]) -> dict[str, Any]:
    """A recording of things that were tried."""
    return {"topic": "zram", "errors": list(rows)}


def of_section(recording: Mapping[str, Any]) -> tuple[Row, ...]:
    """The rows of a replay."""
    report: FidelityReport = replay(recording)
    return report.rows


def verdicts(recording: Mapping[str, Any]) -> list[RowVerdict]:
    """The verdicts of a replay."""
    return [row.verdict for row in of_section(recording)]


def changed_line(line: str, place: int, by: int) -> str:
    """A statistics line with one of its numbers changed."""
    numbers = [int(word) for word in line.split()]
    numbers[place] += by
    return " ".join(map(str, numbers))
