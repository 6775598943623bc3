"""Compaction of recorded page maps (spec/differences-drivers.md 2), by the rules of 6.1 and of 4.9."""

from movable.fidelity.topics.compaction.adapter import CompactionRecordings, CompactionZramRecordings

__all__ = ["CompactionRecordings", "CompactionZramRecordings"]
