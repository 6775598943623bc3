"""Every entry of the catalogue of bugs is a wrong driver, a test of the core, or said to be of a later part."""

import re
from pathlib import Path

import pytest
from mutants.bugs.entries import ENTRIES

from movable.conformance import all_checks
from movable.conformance.power import Mutation, load_folder

MUTANTS = load_folder(Path(__file__).parents[1] / "mutants").mutants
BUGS = [mutant for mutant in MUTANTS if mutant.bug]


def test_there_are_59_entries_without_a_gap() -> None:
    """The catalogue goes from B01 to B59."""
    assert list(ENTRIES) == [f"B{number:02}" for number in range(1, 60)]


def test_entries_that_a_driver_can_commit_have_a_wrong_driver() -> None:
    """Those marked ``driver``, and no others, are planted; the others say why they are not."""
    planted = {mutant.bug for mutant in BUGS}
    assert planted == {name for name, entry in ENTRIES.items() if entry.where == "driver"}
    assert all(entry.reason for entry in ENTRIES.values() if entry.where != "driver")


@pytest.mark.parametrize("mutant", BUGS, ids=lambda mutant: mutant.name)
def test_a_bugs_driver_is_named_after_it_and_of_its_class(mutant: Mutation) -> None:
    """The name begins with the entry, the class is the catalogue's."""
    assert mutant.bug is not None
    assert re.match(rf"{mutant.bug}[A-Z]", mutant.name)
    assert mutant.kind == ENTRIES[mutant.bug].kind


def test_checks_that_wrong_drivers_name_exist() -> None:
    """Every check named is there; those of races are there all together, or there is no level L3 at all."""
    known = {one.id for one in all_checks()}
    missing = {mutant.check for mutant in MUTANTS} - known
    assert not missing or (
        all(name.startswith("RACE-") for name in missing)
        and not any(name.startswith("RACE-") for name in known)
    )
