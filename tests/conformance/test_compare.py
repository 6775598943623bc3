"""Two runs compared."""

import pytest

from movable import Report
from movable.conformance import CheckResult, Comparison, Outcome, compare

P, F, X, B, N = Outcome.PASS, Outcome.FAIL, Outcome.XFAIL, Outcome.BLOCKED, Outcome.NOT_CLAIMED


def _report(driver: str = "it", /, **ends: Outcome) -> Report:
    return Report.of(
        driver, "aops-4.8/1.1", [CheckResult(name, "MARK-1", "L1", end) for name, end in ends.items()]
    )


def _changes(old: Report, new: Report) -> Comparison:
    return compare([old], [new])


@pytest.mark.parametrize(
    ("old", "new"), [(P, F), (P, B), (P, X), (P, N), (X, F), (N, F), (P, Outcome.XPASS), (X, Outcome.XPASS)]
)
def test_less_is_worse(old: Outcome, new: Outcome) -> None:
    """A pass that is lost is worse, and so is a failure that was not there; the other way round is better."""
    worse = _changes(_report(A=old), _report(A=new))
    assert [str(change) for change in worse.worse] == [f"it A: {old} -> {new}"]
    assert worse.regressed
    better = _changes(_report(A=new), _report(A=old))
    assert [change.check for change in better.better] == ["A"]
    assert not better.regressed


@pytest.mark.parametrize(("old", "new"), [(F, B), (B, F), (F, F), (P, P), (X, N), (F, Outcome.XPASS)])
def test_between_failures_nothing_is_better(old: Outcome, new: Outcome) -> None:
    """A failure that turns into one hidden by another is as before."""
    found = _changes(_report(A=old), _report(A=new))
    assert (found.same, found.regressed) == (1, False)


def test_new_and_gone_checks_are_told() -> None:
    """A check of one run alone is new or gone; a new one that fails is a regression, one that passes is not."""
    found = _changes(_report(A=P), _report(B=P))
    assert ([c.check for c in found.gone], [c.check for c in found.new], found.regressed) == (
        ["A"],
        ["B"],
        False,
    )
    assert _changes(_report(A=P), _report(A=P, B=F)).regressed
    assert found.summary() == "0 better, 0 worse, 1 new, 1 gone, 0 as before"


def test_what_did_not_run_is_not_there() -> None:
    """A selected run compares what it ran."""
    found = _changes(_report(A=P, B=P), _report(A=P, B=Outcome.NOT_RUN))
    assert (found.same, [str(change) for change in found.gone]) == (1, ["it B: pass -> not there"])
    assert not found.regressed


def test_drivers_are_told_apart_and_previews_left_out() -> None:
    """The same check of two drivers is two checks; a preview is none."""
    found = compare([_report("a", A=P), _report("b", A=F)], [_report("a", A=F), _report("b", A=P)])
    assert ([c.driver for c in found.worse], [c.driver for c in found.better]) == (["a"], ["b"])
    preview = Report.of("it", "aops-4.8/1.1", [CheckResult("A", "MARK-1", "L1", F, preview=True)])
    assert _changes(_report(A=P), preview).gone
