"""Reading a recording and handing it to the adapter of its topic."""

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from movable.drivers import installed_offers
from movable.fidelity.model import RecordingAdapter, RecordingError, Row
from movable.fidelity.report import FidelityReport

__all__ = ["load_recording", "replay"]

OnRow = Callable[[Row], None]


def load_recording(path: str | PathLike[str]) -> Mapping[str, Any]:
    """A recording from a JSON file. RecordingError names the file and what is wrong with it."""
    try:
        recording = json.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RecordingError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(recording, dict) or not isinstance(recording.get("topic"), str):
        raise RecordingError(f'{path}: no recording: it is no object with a text under "topic"')
    return recording


def replay(recording: Mapping[str, Any], name: str = "", *, on_row: OnRow | None = None) -> FidelityReport:
    """Replay a recording on the emulator; a row is handed to ``on_row`` as soon as it is judged.

    RecordingError if no adapter knows the topic, or the recording has another shape, or no row at all.
    """
    topic = recording["topic"]
    adapters: dict[str, RecordingAdapter] = {
        adapter.topic: adapter for adapter in installed_offers("movable_recordings")
    }
    if topic not in adapters:
        known = ", ".join(sorted(adapters)) or "none"
        raise RecordingError(f"{name or 'topic'}: nothing replays the topic {topic!r}; known: {known}")
    adapter = adapters[topic]
    rows = []
    try:
        for row in adapter.replay(recording):
            rows.append(row)
            if on_row is not None:
                on_row(row)
    except RecordingError as error:
        raise RecordingError(f"{name or topic}: {error}") from error
    if not rows:
        raise RecordingError(f"{name or topic}: the recording has no row to replay")
    kernel = recording.get("meta", {}).get("kernel", "")
    return FidelityReport(name, topic, str(kernel), tuple(rows), tuple(adapter.rules))
