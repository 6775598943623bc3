"""Markdown: the table for a README."""

from conformance.formats.reports import all_passed, every_outcome

from movable.conformance.formats import to_markdown


def test_the_scorecard_has_a_row_for_each_driver() -> None:
    """The first table has passed / run of every level for every driver."""
    lines = to_markdown([every_outcome("it"), all_passed()]).splitlines()
    assert lines[2] == "| driver | verdict | L1 contract | L2 faults |"
    assert lines[4:6] == ["| it | **fail** | 2/5 | not run |", "| good | **pass** | 2/2 | 1/1 |"]


def test_failures_are_told_in_full_and_the_rest_by_reason() -> None:
    """A failure has its message, what was not judged its reason."""
    page = to_markdown([every_outcome("it")])
    assert "### fail MIG-CLEARED: " in page
    assert "likely  call oldpage.clear_movable()" in page
    assert "| not-claimed | the driver does not claim pin | `PIN-HELD` |" in page
    assert "| blocked | blocked by MIG-CLEARED | `MIG-NEW-REST` |" in page
    assert "- L1 contract: fail, 2/5 run passed" in page


def test_text_of_a_driver_cannot_break_the_page() -> None:
    """Bars, angle brackets and fences in names and messages do not become markup."""
    page = to_markdown([every_outcome("a|b<c>")])
    assert "| a\\|b\\<c\\> | **fail** |" in page
    rows = [line for line in page.splitlines() if line.startswith("| fail | what ")]
    assert len(rows) == 1
    assert rows[0].count("|") - rows[0].count("\\|") == 4
    assert page.count("```") % 2 == 0


def test_a_pass_has_no_failure_sections() -> None:
    """Nothing is said of what did not happen."""
    page = to_markdown([all_passed()])
    assert "###" not in page
    assert "- L2 faults: pass, 1/1 run passed" in page
