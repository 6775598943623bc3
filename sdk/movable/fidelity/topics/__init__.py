"""The topics that the SDK replays itself; plugins add others through the hook ``movable_recordings``."""

from movable.fidelity.model import RecordingAdapter
from movable.fidelity.topics.compaction import CompactionRecordings, CompactionZramRecordings

__all__ = ["ADAPTERS"]

ADAPTERS: tuple[RecordingAdapter, ...] = (
    CompactionRecordings(),
    CompactionZramRecordings(),
)
"""One for each topic."""
