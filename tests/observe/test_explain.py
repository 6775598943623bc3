"""The numbered steps of the migration document, as they happen to real pages (spec/migration.md 8)."""

import pytest

from movable import PAGE_KINDS, STEPS, MigrateMode, MovableError, explain_migration
from movable.cli import main

NO_TREE = ("B5", "B7", "B9", "B10", "B11")
DOCUMENT = ("A1", "A2", "A3", *(f"B{number}" for number in range(1, 17)), "19", "20")


def test_the_document_has_its_steps() -> None:
    """A1 to A3, B1 to B16, 19 and 20; 17 and 18 do not exist."""
    assert tuple(STEPS) == DOCUMENT


@pytest.mark.parametrize("mode", MigrateMode, ids=str)
@pytest.mark.parametrize("kind", sorted(set(PAGE_KINDS) - {"nomethod"}))
def test_every_step_happens_once_and_in_order(kind: str, mode: MigrateMode) -> None:
    """A page in a cache goes through all steps, an anonymous one through those that need no tree."""
    explanation = explain_migration(kind, mode)
    absent = NO_TREE if kind in ("anon", "shared", "locked") else ()
    assert explanation.result == 0
    assert [step.name for step in explanation.steps] == [name for name in DOCUMENT if name not in absent]
    assert explanation.absent == absent
    assert len({step.where for step in explanation.steps}) == len(explanation.steps)


def test_the_ledger_of_references() -> None:
    """References of an anonymous page mapped twice, and of a file's page, at each point (2.3)."""
    steps = {step.name: step for step in explain_migration("shared").steps}
    ledger = [(step.refs, step.new_refs) for step in (steps["A2"], steps["B4"], steps["B14"], steps["B16"])]
    assert ledger == [(3, 1), (1, 1), (1, 1), (1, 3)]
    steps = {step.name: step for step in explain_migration("file").steps}
    names = ("A2", "B4", "B8", "B11", "B16")
    assert [(steps[name].refs, steps[name].new_refs) for name in names] == [
        (3, 1),
        (2, 1),
        (0, 1),
        (1, 2),
        (1, 3),
    ]


def test_a_page_that_is_written_out_first() -> None:
    """Without migratepage the first attempt ends with the entries restored; the second goes through (5.4)."""
    names = [step.name for step in explain_migration("nomethod").steps]
    first = names[: names.index("A2", 2)]
    assert first == ["A1", "A2", "A3", "B1", "B2", "B3", "B4", "B16", "B16"]
    assert names[len(first) :] == [name for name in DOCUMENT if name != "A1"]
    assert explain_migration("nomethod", MigrateMode.ASYNC).result == 1


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`movable explain migrate` prints every step with its place; a wrong name ends with 2 and tells the right ones."""
    assert main(["explain", "migrate", "file", "--mode", "async"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in DOCUMENT)
    assert "migrate" in printed
    assert main(["explain", "migrate", "paper"]) == 2
    assert "anon, shared, locked" in capsys.readouterr().err
    assert main(["explain", "migrate", "--mode", "later"]) == 2
    assert "--mode: must be one of async" in capsys.readouterr().err


def test_a_kind_that_does_not_exist() -> None:
    """explain_migration names the argument and the kinds there are."""
    with pytest.raises(MovableError, match="kind: must be one of anon"):
        explain_migration("paper")
