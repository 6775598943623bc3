"""Replaying recordings of a real kernel, and comparing row by row what the emulator does."""

from movable.fidelity.model import FidelityRule, RecordingAdapter, RecordingError, Row, RowVerdict
from movable.fidelity.replay import load_recording, replay
from movable.fidelity.report import SCHEMA, FidelityReport, write_fidelity_reports
from movable.fidelity.sections import replay_sections

__all__ = [
    "SCHEMA",
    "FidelityReport",
    "FidelityRule",
    "RecordingAdapter",
    "RecordingError",
    "Row",
    "RowVerdict",
    "load_recording",
    "replay",
    "replay_sections",
    "write_fidelity_reports",
]
