"""The topic ``numa_maps``: labelled lines whose set-up is replayed, and a whole file whose format is checked."""

from movable.fidelity.topics.numa_maps.adapter import NumaMapsRecordings

__all__ = ["NumaMapsRecordings"]
