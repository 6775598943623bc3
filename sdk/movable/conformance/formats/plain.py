"""Reports as JSON: one as ``movable.report/1``, several as ``movable.reports/1``."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from movable.conformance.report import Report
from movable.errors import ConfigError

__all__ = ["SCHEMA_SEVERAL", "read_reports", "several_to_dict", "to_json", "write_reports"]

SCHEMA_SEVERAL = "movable.reports/1"


def several_to_dict(reports: Iterable[Report]) -> dict[str, Any]:
    """Several reports in one object, schema ``movable.reports/1``: verdict over all, and ``reports``."""
    every = tuple(reports)
    verdict = "pass" if every and all(report.passed for report in every) else "fail"
    return {"schema": SCHEMA_SEVERAL, "verdict": verdict, "reports": [report.to_dict() for report in every]}


def to_json(reports: Sequence[Report]) -> str:
    """One report as ``movable.report/1``, any other number as ``movable.reports/1``."""
    data = reports[0].to_dict() if len(reports) == 1 else several_to_dict(reports)
    return json.dumps(data, indent=2) + "\n"


def write_reports(path: Path, reports: Sequence[Report]) -> None:
    """Write a JSON file.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        path.write_text(to_json(reports), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"json: cannot write {path}: {error.strerror}") from error


def read_reports(path: Path) -> tuple[Report, ...]:
    """Read a JSON file of either schema.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"report: cannot read {path}: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"report: {path} holds no report")
    parts = data.get("reports") if data.get("schema") == SCHEMA_SEVERAL else [data]
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ConfigError(f"report: {path}: reports is no list of reports")
    return tuple(Report.from_dict(part) for part in parts)
