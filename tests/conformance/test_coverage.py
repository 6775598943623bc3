"""Every statement of the driver-facing sections has a clause or a reason."""

from itertools import groupby

import pytest

from movable.conformance import CONTRACT
from movable.conformance.coverage import COVERAGE, SECTIONS, coverage_markdown

FIRST = {"migration.md 6.8": 16, "drivers.md 6.5": 11, "drivers.md 6.2": 7, "drivers.md 6.3": 6}


@pytest.mark.parametrize("section", SECTIONS)
def test_no_item_of_a_section_is_missing(section: str) -> None:
    """Items go from 1 to the section's last one, and letters of one item from a on, without a gap."""
    items = [item for item in COVERAGE if item.section == section]
    assert [place for place, _ in groupby(items, lambda item: item.place)] == list(
        range(1, SECTIONS[section] + 1)
    )
    for place, group in groupby(items, lambda item: item.place):
        letters = [item.number.removeprefix(str(place)) for item in group]
        assert letters == ([""] if len(letters) == 1 else list("abcdefghij")[: len(letters)])


def test_the_numbered_duties_are_all_there() -> None:
    """The sections whose items have numbers or rows in the specification have no fewer of them here."""
    assert all(SECTIONS[name] >= number for name, number in FIRST.items())
    assert {item.section for item in COVERAGE} == set(SECTIONS)


def test_an_item_has_clauses_or_a_reason() -> None:
    """A statement is covered by clauses that exist, or says why it cannot be; never both."""
    known = {clause.id for clause in CONTRACT}
    for item in COVERAGE:
        assert bool(item.clauses) != bool(item.reason), item
        assert known.issuperset(item.clauses), item
        assert item.sentence.endswith(".")


def test_clauses_taken_from_these_sections_cover_something_there() -> None:
    """A clause taken from one of these sections is named by a statement; all but what users ask, which is ours."""
    named = {name for item in COVERAGE for name in item.clauses}
    from_there = {
        clause.id
        for clause in CONTRACT
        if any(f"spec/{section}" in clause.source for section in SECTIONS)
        and not clause.id.startswith("RACE-")
    }
    assert from_there - named <= {"CALL-4"}


def test_the_page_has_a_row_for_every_statement() -> None:
    """The Markdown page names each section and each statement."""
    page = coverage_markdown()
    assert all(f"## {section}\n" in page for section in SECTIONS)
    assert all(f"| {item.number} | {item.sentence} |" in page for item in COVERAGE)
