"""The power of the race checks: no race takes four times as many schedules as were once enough."""

import json

import pytest
from power.record import FACTOR, RECORDED, available, races, schedules_needed

from movable.conformance import all_checks
from movable.conformance.power import Mutation

NEEDED: dict[str, int] = json.loads(RECORDED.read_text(encoding="utf-8"))


def test_every_race_is_recorded() -> None:
    """The record holds each wrong driver that is a race, with a number of schedules, and no other name."""
    assert sorted(NEEDED) == sorted(one.name for one in races())
    assert all(number >= 1 for number in NEEDED.values())


def test_races_can_be_measured_once_there_are_checks_of_races() -> None:
    """With a level L3 every race has its check; without one none has."""
    there = {one.level for one in all_checks()}
    assert len(available()) == (len(races()) if "L3" in there else 0)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", available(), ids=lambda mutant: mutant.name)
def test_a_race_is_found_as_fast_as_before(mutant: Mutation) -> None:
    """Under every seed the check made for it finds a race, in the median within four times the schedules on record."""
    needed = schedules_needed(mutant)
    assert needed is not None, f"{mutant.check} does not find {mutant.name} under every seed"
    assert needed <= FACTOR * NEEDED[mutant.name]
