"""The topic ``mbind_set_get_errors``: policies, their errors, read-backs, and where first touches go."""

from movable.fidelity.topics.policies.adapter import PolicyRecordings

__all__ = ["PolicyRecordings"]
