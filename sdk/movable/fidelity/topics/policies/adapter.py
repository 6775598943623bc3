"""The adapter for the topic ``mbind_set_get_errors``."""

from collections.abc import Mapping
from typing import Any

from movable.fidelity.topics.kit import Section, Sections
from movable.fidelity.topics.policies.first_touch import first_touch_rows, home_node_rows
from movable.fidelity.topics.policies.get import get_rows
from movable.fidelity.topics.policies.mbind import mbind_rows
from movable.fidelity.topics.policies.set import set_rows
from movable.fidelity.topics.rules import SETUP_MASK, rules

__all__ = ["PolicyRecordings"]


class PolicyRecordings(Sections):
    """Replays recordings of mbind, set_mempolicy, get_mempolicy and first touches."""

    topic = "mbind_set_get_errors"
    rules = rules(("N09", "N10", "N11", "N12", "N13", "N14", "N15", "N16", "N17", SETUP_MASK))

    def sections(self, recording: Mapping[str, Any]) -> Mapping[str, Section]:
        """One for each call."""
        return {
            "mbind": mbind_rows,
            "set_mempolicy": set_rows,
            "get_mempolicy": get_rows,
            "fault_placement": first_touch_rows,
            "set_mempolicy_home_node": home_node_rows,
        }
