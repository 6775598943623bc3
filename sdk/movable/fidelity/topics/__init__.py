"""The topics that the SDK replays itself; plugins add others through the hook ``movable_recordings``."""

from movable.fidelity.model import RecordingAdapter
from movable.fidelity.topics.compaction import CompactionRecordings, CompactionZramRecordings
from movable.fidelity.topics.cpuset_v1 import CpusetRecordings
from movable.fidelity.topics.mbind_matrix import MbindMatrixRecordings
from movable.fidelity.topics.migrate_pages import MigratePagesRecordings
from movable.fidelity.topics.move_pages import MovePagesRecordings
from movable.fidelity.topics.numa_maps import NumaMapsRecordings
from movable.fidelity.topics.policies import PolicyRecordings
from movable.fidelity.topics.target_full import TargetFullRecordings

__all__ = ["ADAPTERS"]

ADAPTERS: tuple[RecordingAdapter, ...] = (
    CpusetRecordings(),
    MbindMatrixRecordings(),
    MigratePagesRecordings(),
    MovePagesRecordings(),
    NumaMapsRecordings(),
    PolicyRecordings(),
    TargetFullRecordings(),
    CompactionRecordings(),
    CompactionZramRecordings(),
)
"""One for each topic."""
