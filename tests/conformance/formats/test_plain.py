"""Reports as JSON files."""

import json
from pathlib import Path

import pytest

from movable import ConfigError, Report
from movable.conformance import CheckResult, Outcome, read_reports, several_to_dict, write_reports


def _report(end: Outcome) -> Report:
    return Report.of("it", "aops-4.8/1.0", [CheckResult("C-1", "MARK-1", "L1", end)])


def test_several_reports_make_one_object() -> None:
    """The verdict over several is pass only if all passed, and there was one."""
    good, bad = _report(Outcome.PASS), _report(Outcome.FAIL)
    both = several_to_dict([good, bad])
    assert (both["schema"], both["verdict"]) == ("movable.reports/1", "fail")
    assert both["reports"] == [good.to_dict(), bad.to_dict()]
    assert several_to_dict([good, good])["verdict"] == "pass"
    assert several_to_dict([])["verdict"] == "fail"


def test_files_hold_one_report_or_several(tmp_path: Path) -> None:
    """One report is written as itself, several as one object."""
    file = tmp_path / "report.json"
    write_reports(file, [_report(Outcome.PASS)])
    assert json.loads(file.read_text())["schema"] == "movable.report/1"
    write_reports(file, [_report(Outcome.PASS)] * 2)
    assert json.loads(file.read_text())["schema"] == "movable.reports/1"
    with pytest.raises(ConfigError, match="cannot write"):
        write_reports(tmp_path / "no" / "folder.json", [])


@pytest.mark.parametrize("number", [1, 2])
def test_files_are_read_back(tmp_path: Path, number: int) -> None:
    """What was written is read, one report or several."""
    reports = (_report(Outcome.PASS), _report(Outcome.FAIL))[:number]
    write_reports(tmp_path / "report.json", reports)
    assert read_reports(tmp_path / "report.json") == reports


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot read"),
        ("[]", "holds no report"),
        ('{"schema": "movable.reports/1", "reports": 7}', "no list of reports"),
        ('{"schema": "other/1"}', "schema: 'other/1'"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """The error says what is wrong with the file."""
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_reports(tmp_path / "report.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ConfigError, match=r"cannot read .*gone\.json"):
        read_reports(tmp_path / "gone.json")
