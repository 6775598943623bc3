"""Recordings with rubbish in them: a verdict for each row, or an error that names the place."""

import random
from typing import Any

import pytest
from fidelity.numa_kit import FILES, real

from movable import RecordingError, replay

RUBBISH: list[Any] = [
    None, 0, 1, -1, 777, 1 << 40, -(1 << 63), "", "x", "bad pointer", [], [1], [-14, 99], {}, "EFAULT",
    "200001000000 default", True, "pinned", "thp_x", "hugetlb_node1_nr", "to_1_and_4", "1000000000 pages",
]  # fmt: skip


def spoil(recording: dict[str, Any], chance: random.Random) -> None:
    """Put rubbish into one field of some rows, and take others away."""
    for content in recording.values():
        if not isinstance(content, list) or not isinstance(content[0], (dict, list)):
            continue
        content[:] = chance.sample(content, min(12, len(content)))
        for row in content:
            key = chance.choice(list(row) if isinstance(row, dict) else range(len(row)))
            if chance.random() < 0.2:
                del row[key]
            else:
                row[key] = chance.choice(RUBBISH)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("seed", range(4))
def test_rubbish_in_rows(file: str, seed: int) -> None:
    """Whatever a field holds, rows get a verdict; nothing but a RecordingError comes out."""
    recording = real(file)
    spoil(recording, random.Random(f"{file} {seed}"))
    rows = sum(
        len(content) for name, content in recording.items() if name in ("cases", "rows", "lines", "pairs")
    )
    assert len(replay(recording).rows) >= rows


@pytest.mark.parametrize("content", [5, "text", [5], [None], {"a": 1}, [[]]])
@pytest.mark.parametrize(
    ("topic", "section"),
    [
        ("move_pages", "cases"), ("mbind_matrix", "rows"), ("mbind_set_get_errors", "get_mempolicy"),
        ("migrate_pages", "pairs"), ("numa_maps", "lines"), ("numa_maps", "whole_file_selected"),
        ("cpuset_v1", "errors"),
    ],
)  # fmt: skip
def test_sections_that_are_none(topic: str, section: str, content: Any) -> None:
    """A section of another shape is a RecordingError, or has wrong rows only."""
    try:
        report = replay({"topic": topic, section: content})
    except RecordingError:
        return
    assert len(report.of_verdict(report.rows[0].verdict)) == len(report.rows)
    assert not report.passed


def test_a_section_that_is_not_known() -> None:
    """A section that no reader knows is an error that names those that are."""
    with pytest.raises(RecordingError, match="weather: this section is not known; known: cases"):
        replay({"topic": "move_pages", "weather": []})


@pytest.mark.parametrize("lost", ["buddyinfo_before", "count", "notes"])
def test_a_full_target_without_its_inputs(lost: str) -> None:
    """Without what the call is made of there is nothing to replay."""
    recording = real("move_pages_target_full")
    del recording[lost]
    with pytest.raises(RecordingError, match="has another shape"):
        replay(recording)
