"""The report: counting, verdict, and its plain form."""

import json
from typing import Any

import pytest
from attrs import evolve
from mutants.cells import Cells

from movable import ConfigError, Report, check
from movable.conformance import CheckResult, LevelCount, Outcome


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
    assert line == "L1 contract: fail, 2/3 run passed, 1 failed, 1 blocked, 1 not claimed"


def test_the_plain_form_is_the_schema() -> None:
    """Schema movable.report/1 has these keys and no others, and is JSON."""
    data = json.loads(check(Cells, select="LOAD").to_json())
    keys = ["schema", "driver", "contract", "verdict", "levels", "checks", "seed", "budget", "movable"]
    assert list(data) == keys
    assert data["schema"] == "movable.report/1"
    level = ["verdict", "run", "passed", "failed", "xfailed", "xpassed", "not_claimed", "blocked", "not_run"]
    assert list(data["levels"]["L1"]) == [*level, "preview"]
    result = ["id", "clause", "level", "outcome", "seconds", "message", "repeat", "rule", "token", "figures"]
    assert all(list(one) == [*result, "preview"] for one in data["checks"])
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


def test_results_are_found_by_id_and_outcome() -> None:
    """A result is looked up by id, results by how they ended."""
    report = _report(Outcome.PASS, Outcome.FAIL)
    assert report.check("C-1").outcome is Outcome.FAIL
    assert report.of_outcome(Outcome.PASS) == (report.checks[0],)
    assert evolve(report, verdict="pass").passed
    with pytest.raises(KeyError):
        report.check("C-9")


def test_a_level_has_a_verdict_of_its_own() -> None:
    """A level passes, fails, or was not run: nothing run is no pass."""
    ends = {
        "pass": [Outcome.PASS, Outcome.BLOCKED],
        "fail": [Outcome.XPASS],
        "not-run": [Outcome.NOT_CLAIMED],
    }
    for verdict, outcomes in ends.items():
        assert LevelCount.of(CheckResult("C", "MARK-1", "L2", end) for end in outcomes).verdict == verdict


def test_a_preview_is_counted_as_such_and_as_nothing_else() -> None:
    """A check in preview neither fails a driver nor fills the denominator."""
    results = [
        CheckResult("C-1", "MARK-1", "L1", Outcome.PASS),
        CheckResult("C-2", "MARK-1", "L1", Outcome.FAIL, preview=True),
        CheckResult("C-3", "MARK-1", "L1", Outcome.PASS, preview=True),
    ]
    report = Report.of("it", "aops-4.8/1.0", results)
    count = report.levels["L1"]
    assert (report.verdict, count.run, count.passed, count.failed, count.preview) == ("pass", 1, 1, 0, 2)
    assert count.summary("L1") == "L1 contract: pass, 1/1 run passed, 2 in preview"
    assert Report.of("it", "aops-4.8/1.0", results[1:]).verdict == "fail"


def test_figures_are_read_back_as_they_were() -> None:
    """Counts stay whole numbers, and what is no number is refused."""
    result = CheckResult("C-1", "MARK-1", "L3", Outcome.PASS, figures={"schedules": 200, "share": 0.5})
    report = Report.of("it", "aops-4.8/1.1", [result])
    read = Report.from_dict(report.to_dict())
    assert read == report
    assert [type(value) for value in read.check("C-1").figures.values()] == [int, float]
    data = report.to_dict()
    data["checks"][0]["figures"] = {"schedules": "many"}
    with pytest.raises(ConfigError, match="figures"):
        Report.from_dict(data)
