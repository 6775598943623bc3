"""Recordings of the NUMA calls for tests: those of a real kernel, and rows that are made up or changed."""

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from movable import FidelityReport, Row, RowVerdict, replay

__all__ = [
    "EQUAL", "EXPLAINED", "FILES", "WRONG", "case", "changed", "only", "real", "report_of", "rows_of", "verdict_of",
]  # fmt: skip

EQUAL, EXPLAINED, WRONG = RowVerdict.EQUAL, RowVerdict.EXPLAINED, RowVerdict.WRONG
DATA = Path(__file__).parent / "data"
FILES = (
    "move_pages", "move_pages_target_full", "mbind_matrix", "errors_and_policies", "migrate_pages", "numa_maps",
    "cpuset_v1",
)  # fmt: skip


@cache
def _loaded(file: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((DATA / f"{file}.json").read_text())
    return loaded


def real(file: str) -> dict[str, Any]:
    """A recording, as a copy that can be changed."""
    return copy.deepcopy(dict(_loaded(file)))


@cache
def report_of(file: str) -> FidelityReport:
    """The replay of a recording as it is."""
    return replay(_loaded(file))


def rows_of(recording: Mapping[str, Any]) -> tuple[Row, ...]:
    """The rows of a replay."""
    return replay(recording).rows


def only(topic: str, section: str, *rows: Mapping[str, Any]) -> dict[str, Any]:
    """A recording of one section."""
    return {"topic": topic, section: list(rows)}


def case(name: str, note: str = "", **fields: Any) -> dict[str, Any]:
    """A row of move_pages that is made up: one page from node 0 to node 1 with MOVE where nothing else is said."""
    row: dict[str, Any] = {
        "name": name, "note": note, "count": 1, "nodes": [1], "flags": 2, "ret": 0, "errno": "0", "status": [1],
        "query_before": [0], "query_after": [1],
    }  # fmt: skip
    row.update(fields)
    row["count"] = fields.get("count", len(row["status"]))
    return row


def verdict_of(row: Mapping[str, Any], topic: str = "move_pages", section: str = "cases") -> tuple[Any, ...]:
    """The verdict of one row and the rules that explain it."""
    (verdict,) = rows_of(only(topic, section, row))
    return verdict.verdict, *verdict.rules


def changed(value: Any) -> Iterator[Any]:
    """Other values of the same kind: each number of a list another one, another errno, another text."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int):
        yield value + 1
        yield value - 1
    elif isinstance(value, str):
        yield "EBADF" if value.isupper() or value == "0" else f"{value}9"
    elif isinstance(value, list):
        for index, each in enumerate(value):
            for other in changed(each):
                yield [*value[:index], other, *value[index + 1 :]]
