"""The two files of debugfs that tell how scattered free memory is (spec/compaction.md 9.5)."""

import pytest
from allocator.machines import BLOCK, one_zone
from compaction.terrain import Terrain, odd
from hypothesis import given
from hypothesis import strategies as st

from movable.config import CompactionProfile
from movable.observe import (
    extfrag_index,
    extfrag_text,
    fragmentation_indices,
    unusable_index,
    unusable_indices,
)
from movable.vm import MAX_ORDER

COUNTS = st.lists(st.integers(0, 5000), min_size=MAX_ORDER, max_size=MAX_ORDER)


@pytest.mark.parametrize(
    ("nr_free", "order", "index"),
    [
        ([100], 9, 989),
        ([0, 0, 0, 0, 0, 0, 0, 0, 1], 9, -500),
        ([2], 1, 0),
        ([3], 1, 167),
        ([0, 1], 1, -1000),
        ([0], 3, 0),
    ],
)
def test_facts_18_to_21(nr_free: list[int], order: int, index: int) -> None:
    """Facts 18 to 21 of spec/compaction.md 12."""
    assert fragmentation_indices([*nr_free, *[0] * (MAX_ORDER - len(nr_free))])[order] == index


def test_texts() -> None:
    """A remainder keeps its sign; 6.1 pads the whole part to two columns (K07 of spec/differences-drivers.md)."""
    assert extfrag_text([-1000, -500, -5, 0, 999, 1000]) == "-1.000 0.-500 0.-05 0.000 0.999 1.000 "
    assert extfrag_text([-1000, 999], width=2) == "-1.000  0.999 "


@given(nr_free=COUNTS)
def test_unusable_part(nr_free: list[int]) -> None:
    """The part that an order cannot use grows with the order, from 0 on, and is 1000 if nothing is free."""
    indices = unusable_indices(nr_free)
    if not any(nr_free):
        assert indices == [1000] * MAX_ORDER
        return
    assert indices == sorted(indices)
    assert (indices[0], indices[-1] < 1000) == (0, nr_free[-1] > 0)


@pytest.mark.parametrize("profile", ["4.9", "6.1"])
def test_files_of_a_machine(profile: CompactionProfile) -> None:
    """A line for each zone; the core and the formula agree on every order."""
    made = Terrain.on(one_zone(4 * BLOCK, profile=profile), odd)
    nr_free = made.zone.nr_free
    assert [made.zone.fragmentation_index(order) for order in range(MAX_ORDER)] == fragmentation_indices(
        nr_free
    )
    width = 2 if profile == "6.1" else 0
    text = extfrag_text(fragmentation_indices(nr_free), width)
    assert extfrag_index(made.vm) == f"Node 0, zone   Normal {text}\n"
    assert unusable_index(made.vm).startswith("Node 0, zone   Normal 0.000 1.000 1.000 ")
