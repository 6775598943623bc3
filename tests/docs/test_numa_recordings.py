"""The page on recordings of the NUMA calls says what the replay does."""

from pathlib import Path

import pytest
from fidelity.numa_kit import EQUAL, FILES, WRONG, report_of

from movable.fidelity.topics import ADAPTERS


def cells(root: Path) -> list[list[str]]:
    """The rows of the page's tables."""
    lines = (root / "docs/explanation/numa_recordings.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_the_table_of_rules_is_complete(root: Path) -> None:
    """Every rule of every topic is listed with its sentence, and no other."""
    rules = {rule.id: rule.sentence.removeprefix("set-up: ") for each in ADAPTERS for rule in each.rules}
    numa = {each: sentence for each, sentence in rules.items() if each[0] in "NS"}
    assert {row[0]: row[2] for row in cells(root) if len(row) == 4 and row[0][1:].isdigit()} == numa


@pytest.mark.parametrize("file", FILES)
def test_the_tally_is_that_of_the_recordings(root: Path, file: str) -> None:
    """Rows, equal ones and explained ones by rule are as a replay of the recordings in the tests counts them."""
    report = report_of(file)
    told = {row[1]: row[2:] for row in cells(root) if row[0] == f"`{report.topic}`"}
    assert set(told) == set(report.sections())
    for section, counts in report.sections().items():
        rules = sorted(rule for row in report.rows if row.section == section for rule in row.rules)
        by_rule = ", ".join(f"{rule} {rules.count(rule)}" for rule in dict.fromkeys(rules))
        equal = str(counts[EQUAL] or "")
        assert told[section] == [str(counts.total()), equal, by_rule, str(counts[WRONG])]
