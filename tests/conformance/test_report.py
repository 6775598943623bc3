"""The report: counting, verdict, and its plain form."""

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from mutants.cells import Cells

from movable import ConfigError, Report, check
from movable.conformance import CheckResult, Outcome, several_to_dict, write_reports


def _report(*outcomes: Outcome) -> Report:
    results = (CheckResult(f"C-{n}", "MARK-1", "L1", end) for n, end in enumerate(outcomes))
    return Report.of("it", "aops-4.8/1.0", results)


def test_every_result_is_counted_once() -> None:
    """The counts of a level add up to its checks, and run is what was judged."""
    count = _report(*Outcome).levels["L1"]
    assert count.run == count.passed + count.failed + count.xfailed + count.xpassed == 4
    assert count.run + count.not_claimed + count.blocked + count.not_run == len(Outcome)


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ((Outcome.PASS,), "pass"),
        ((Outcome.PASS, Outcome.NOT_CLAIMED, Outcome.NOT_RUN), "pass"),
        ((Outcome.PASS, Outcome.XFAIL, Outcome.BLOCKED), "pass"),
        ((Outcome.PASS, Outcome.FAIL), "fail"),
        ((Outcome.PASS, Outcome.XPASS), "fail"),
        ((Outcome.NOT_CLAIMED, Outcome.NOT_RUN, Outcome.BLOCKED), "fail"),
        ((), "fail"),
    ],
)
def test_the_verdict(outcomes: tuple[Outcome, ...], verdict: str) -> None:
    """Something was run, nothing failed, and nothing passed that should have failed."""
    assert _report(*outcomes).verdict == verdict


def test_the_summary_has_the_denominator() -> None:
    """The last line says how many ran and what became of the others."""
    report = _report(Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.NOT_CLAIMED, Outcome.BLOCKED)
    line = report.levels["L1"].summary("L1")
    assert line == "L1 contract: 2/3 run passed, 1 failed, 1 blocked, 1 not claimed"


def test_the_plain_form_is_the_schema() -> None:
    """Schema movable.report/1 has these keys and no others, and is JSON."""
    data = json.loads(check(Cells, select="LOAD").to_json())
    assert list(data) == ["schema", "driver", "contract", "verdict", "levels", "checks"]
    assert data["schema"] == "movable.report/1"
    level = ["run", "passed", "failed", "xfailed", "xpassed", "not_claimed", "blocked", "not_run"]
    assert list(data["levels"]["L1"]) == level
    result = [
        "id",
        "clause",
        "level",
        "outcome",
        "seconds",
        "message",
        "repeat",
        "token",
        "figures",
        "preview",
    ]
    assert all(list(one) == result for one in data["checks"])
    assert data["checks"][0]["repeat"] == "movable check mutants.cells:Cells -k LOAD"


def test_a_report_is_read_back() -> None:
    """Plain data and report are the same thing, in both directions."""
    report = check(Cells, select="LOAD,STORE")
    assert Report.from_dict(json.loads(report.to_json())) == report


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": "other/1"}, "schema"),
        ({"verdict": None, "more": 1}, "more"),
        ({"checks": [{"id": "X"}]}, "clause"),
    ],
)
def test_data_of_another_form_is_refused(change: dict[str, Any], told: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(ConfigError, match=told):
        Report.from_dict(_report(Outcome.PASS).to_dict() | change)


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


def test_results_are_found_by_id_and_outcome() -> None:
    """A result is looked up by id, results by how they ended."""
    report = _report(Outcome.PASS, Outcome.FAIL)
    assert report.check("C-1").outcome is Outcome.FAIL
    assert report.of_outcome(Outcome.PASS) == (report.checks[0],)
    assert evolve(report, verdict="pass").passed
    with pytest.raises(KeyError):
        report.check("C-9")
