"""Reading a recording and handing it to the adapter of its topic."""

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from movable.drivers import installed_offers
from movable.errors import MovableError
from movable.fidelity.model import RecordingAdapter, RecordingError, Row, RowVerdict
from movable.fidelity.report import FidelityReport
from movable.fidelity.topics import ADAPTERS

__all__ = ["load_recording", "replay"]

OnRow = Callable[[Row], None]


def load_recording(path: str | PathLike[str]) -> Mapping[str, Any]:
    """A recording from a JSON file. RecordingError names the file and what is wrong with it."""
    try:
        recording = json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(recording, dict) or not isinstance(recording.get("topic"), str):
        raise RecordingError(f'{path}: no recording: it is no object with a text under "topic"')
    return recording


def replay(recording: Mapping[str, Any], name: str = "", *, on_row: OnRow | None = None) -> FidelityReport:
    """Replay a recording on the emulator; a row is handed to ``on_row`` as soon as it is judged.

    RecordingError if no adapter knows the topic, or the recording has another shape, or no row at all.
    MovableError if an adapter explains a row by a rule that it does not list.
    """
    topic = recording["topic"]
    adapter = _adapter(topic, name)
    known = {rule.id for rule in adapter.rules}
    rows = []
    try:
        for row in adapter.replay(recording):
            _demand_rules(row, known)
            rows.append(row)
            if on_row is not None:
                on_row(row)
    except RecordingError as error:
        raise RecordingError(f"{name or topic}: {error}") from error
    if not rows:
        raise RecordingError(f"{name or topic}: the recording has no row to replay")
    meta = recording.get("meta")
    kernel = meta.get("kernel", "") if isinstance(meta, Mapping) else ""
    return FidelityReport(name, topic, str(kernel), tuple(rows), tuple(adapter.rules))


def _adapter(topic: str, name: str) -> RecordingAdapter:
    offers = installed_offers("movable_recordings")
    adapters = [each for each in (*ADAPTERS, *offers) if isinstance(getattr(each, "topic", None), str)]
    fitting: list[RecordingAdapter] = [each for each in adapters if each.topic == topic]
    if not fitting:
        known = ", ".join(sorted({each.topic for each in adapters})) or "none"
        raise RecordingError(f"{name or 'topic'}: nothing replays the topic {topic!r}; known: {known}")
    if len(fitting) > 1:
        both = " and ".join(type(each).__module__ for each in fitting)
        raise RecordingError(f"{name or 'topic'}: the topic {topic!r} is replayed by {both}; uninstall one")
    return fitting[0]


def _demand_rules(row: Row, known: set[str]) -> None:
    """An explanation is a rule, and the report lists it."""
    if row.verdict is RowVerdict.EXPLAINED and not (row.rules and known.issuperset(row.rules)):
        raise MovableError(
            f"{row.section}: {row.name}: explained by {', '.join(row.rules) or 'nothing'}; "
            f"the adapter's rules are {', '.join(sorted(known)) or 'none'}"
        )
