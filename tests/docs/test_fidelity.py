"""The fidelity table names what there is."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

from movable.conformance import all_checks


def rows(root: Path) -> list[list[str]]:
    """The cells of every row of the tables: section, behaviour, how it stands, what holds it."""
    lines = (root / "docs/explanation/fidelity.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in cells if row[0] != "section" and not row[0].startswith("---")]


def test_every_row_says_how_it_stands(root: Path) -> None:
    """Each row is modelled, simplified or absent, and what is modelled is held by something."""
    table = rows(root)
    assert len(table) > 40
    assert {re.split(r"\W", row[2])[0] for row in table} == {"modelled", "simplified", "absent"}
    assert [row for row in table if row[2].startswith("modelled") and not row[3]] == []


def test_named_tests_exist(root: Path) -> None:
    """Every folder of tests that the table names is there and has tests."""
    named = {name for row in rows(root) for name in re.findall(r"`([\w/]*tests[\w/]*)`", row[3])}
    assert named
    assert [name for name in sorted(named) if not list((root / name).glob("test_*.py"))] == []


def test_named_checks_exist(root: Path) -> None:
    """Every check or family of checks that the table names is there."""
    known = [check.id for check in all_checks()]
    named = {name for row in rows(root) for name in re.findall(r"\b[A-Z]+-[A-Z*-]+", row[3])}
    assert named
    assert [name for name in sorted(named) if not any(fnmatchcase(one, name) for one in known)] == []
