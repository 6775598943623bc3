"""What a benchmark run measured."""

import json
import os
import platform
from os import PathLike
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

SCHEMA = "movable.bench/1"


@frozen
class BenchRow:
    """One figure. ``ratio`` compares it with the row ``of`` of the same run, higher being better."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    of: str | None = None
    note: str = ""


def _machine() -> dict[str, str]:
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": str(os.cpu_count()),
    }


@frozen
class BenchReport:
    """All rows of one run, and the machine it ran on."""

    rows: tuple[BenchRow, ...]
    machine: dict[str, str] = field(factory=_machine)

    def row(self, name: str) -> BenchRow:
        """The row of this name. KeyError if it was not measured."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values: schema, machine, rows."""
        return {"schema": SCHEMA, "machine": self.machine, "rows": [asdict(row) for row in self.rows]}

    def write_json(self, path: str | PathLike[str]) -> None:
        """Write to_dict() to a file."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n")
