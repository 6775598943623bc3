"""The topic ``move_pages``: pages of every state, arrays, callers, transparent huge pages and hugetlb pages."""

from movable.fidelity.topics.move_pages.adapter import MovePagesRecordings

__all__ = ["MovePagesRecordings"]
