"""How the end of a check becomes a result: expectations, blocking, hostile code."""

import threading
from collections.abc import Mapping
from itertools import count
from typing import Any, NoReturn

import pytest
from attrs import evolve
from mutants.cells import Cells
from mutants.isolating import IsolateLoops
from mutants.migrating import MigrateForgetsContents, MigrateForgetsToClear

from movable import VM, Capabilities, ConfigError, DriverSpec, Expectation, check, check_all
from movable.conformance import CheckResult, Outcome, all_checks


def _spec(factory: Any, expectations: Mapping[str, Expectation] | None = None) -> DriverSpec:
    return DriverSpec("it", factory, lambda driver: driver, Capabilities(), expectations=expectations or {})


def test_an_expected_failure_is_no_failure() -> None:
    """A check that fails as the driver's package says is xfail, and the verdict stays."""
    expected = {"MIG-CLEARED": Expectation("not-yet", "known", "migrate-old-movable")}
    report = check(_spec(MigrateForgetsToClear, expected), levels="L1")
    result = report.check("MIG-CLEARED")
    assert result.outcome is Outcome.XFAIL
    assert result.message.startswith("expected to fail (not-yet): known\nwhat ")
    assert report.passed
    assert report.check("MIG-NEW-REST").message == "blocked by MIG-CLEARED"


def test_another_failure_than_the_expected_one_is_a_failure() -> None:
    """An expectation that names a rule covers that rule only."""
    expected = {"MIG-CLEARED": Expectation("upstream-bug", "known", "migrate-old-ref")}
    result = check(_spec(MigrateForgetsToClear, expected)).check("MIG-CLEARED")
    assert result.outcome is Outcome.FAIL
    assert "with rule migrate-old-ref, but failed otherwise" in result.message


def test_a_pass_against_expectation_fails() -> None:
    """A check that was expected to fail and passes makes the verdict fail: the list is stale."""
    report = check(_spec(Cells, {"MIG-CLEARED": Expectation("not-planned", "never")}))
    assert report.check("MIG-CLEARED").outcome is Outcome.XPASS
    assert not report.passed


def test_an_expectation_for_no_check_is_an_error_before_anything_runs() -> None:
    """A typo among expectations is found at once."""
    ran: list[CheckResult] = []
    spec = _spec(Cells, {"MIG-CLAERED": Expectation("not-yet", "typo")})
    with pytest.raises(ConfigError, match="no check is called MIG-CLAERED"):
        check(spec, on_result=ran.append)
    with pytest.raises(ConfigError, match="MIG-CLAERED"):
        check_all([Cells, spec], on_result=ran.append)
    assert not ran


def test_one_mistake_is_one_failure() -> None:
    """What rests on a failed check is blocked by it, by name."""
    report = check(MigrateForgetsContents)
    assert [one.id for one in report.of_outcome(Outcome.FAIL)] == ["MIG-DATA"]
    blocked = report.of_outcome(Outcome.BLOCKED)
    assert len(blocked) > 10
    assert {one.message for one in blocked} == {"blocked by MIG-DATA"}


def test_unselected_checks_are_not_run_and_block_nothing() -> None:
    """A check selected alone runs, whatever it requires; the others say that they were not selected."""
    report = check(MigrateForgetsToClear, select="MIG-CLEARED")
    assert report.check("MIG-CLEARED").outcome is Outcome.FAIL
    assert sum(level.not_run for level in report.levels.values()) == len(all_checks()) - 1
    assert report.check("LOAD").message == "not selected"


def test_a_run_of_nothing_fails() -> None:
    """A verdict over no check at all is not a pass."""
    report = check("balloon", select="PIN-*")
    assert report.levels["L1"].run == 0
    assert report.levels["L1"].not_claimed == 2
    assert report.verdict == "fail"


def test_results_are_told_as_they_come() -> None:
    """on_result sees one result for every check, in order."""
    told: list[str] = []
    report = check(Cells, select="LOAD", on_result=lambda result: told.append(result.id))
    assert told == [one.id for one in report.checks] == [one.id for one in all_checks()]


def test_a_driver_that_loops_is_stopped() -> None:
    """A callback that does not return fails within its limit, and the failure names it."""
    result = check(IsolateLoops, select="ISO-ANSWER", limit=0.2).check("ISO-ANSWER")
    assert result.clause == "LIVE-1"
    assert "isolate_page did not return within 0.2 s" in result.message
    assert result.seconds < 3


class LoadsForEver(Cells):
    """Its constructor does not return."""

    def __init__(self, vm: VM) -> None:
        for _ in count():
            pass


class ClosesForEver(Cells):
    """Its close() does not return."""

    def close(self) -> None:
        """Wait."""
        for _ in count():
            pass


def test_a_constructor_that_loops_is_stopped() -> None:
    """The failure names the driver's factory."""
    result = check(LoadsForEver, select="LOAD", limit=0.2).check("LOAD")
    assert "the driver's factory did not return" in result.message


def test_a_close_that_loops_costs_time_once() -> None:
    """A teardown that was stopped once is not tried again."""
    report = check(ClosesForEver, select="LOAD,STORE,UNLOAD,MARK-REST", limit=0.2)
    assert [one.id for one in report.of_outcome(Outcome.FAIL)] == ["UNLOAD"]
    assert sum(one.seconds for one in report.checks) < 4


class Exits(Cells):
    """It leaves the program from a request."""

    def load(self, handle: int) -> NoReturn:
        """Leave."""
        raise SystemExit(3)


def test_a_driver_that_exits_is_a_failure() -> None:
    """SystemExit from a driver ends the check, not the suite."""
    result = check(Exits, select="STORE").check("STORE")
    assert result.outcome is Outcome.FAIL
    assert "SystemExit: 3" in result.message


class Interrupts(Cells):
    """Somebody presses Ctrl-C while it loads an object."""

    def load(self, handle: int) -> NoReturn:
        """Stop."""
        raise KeyboardInterrupt


def test_a_person_can_interrupt() -> None:
    """KeyboardInterrupt is the user's, and ends the run."""
    with pytest.raises(KeyboardInterrupt):
        check(Interrupts, select="STORE")


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [
        ("load", None, "load(1) answered None, not bytes"),
        ("load", 7, "load(1) answered 7, not bytes"),
        ("store", [], "store() answered [], which is not hashable"),
        ("pages", 5, "answered 5, not pages"),
        ("pages", ["x"], "answered ['x'], not pages"),
        ("drop", None, "drop() answered None, not True or False"),
        ("pin", 1, "pin() answered 1, not a context manager"),
    ],
)
def test_a_workload_that_answers_nonsense_is_a_failure(method: str, answer: object, told: str) -> None:
    """A wrong answer of the workload is told as such, not as an error of the suite."""
    driver = type("Odd", (Cells,), {method: lambda *_: answer})
    assert any(told in one.message for one in check(driver).of_outcome(Outcome.FAIL))


def test_a_handle_given_out_twice_is_a_failure() -> None:
    """Two live objects have two handles."""
    driver = type("Odd", (Cells,), {"store": lambda self, data: Cells.store(self, data) and 1})
    assert "a handle that is in use" in check(driver, select="STORE").check("STORE").message


def test_the_suite_runs_outside_the_main_thread() -> None:
    """Without a deadline, the judgement is the same in another thread."""
    reports = []
    thread = threading.Thread(target=lambda: reports.append(check(Cells, select="MIG-*")))
    thread.start()
    thread.join()
    assert reports[0].passed


def test_the_same_seed_gives_the_same_run() -> None:
    """Results but for their times depend on driver and seed alone."""
    first, second = (check(MigrateForgetsContents, seed=5) for _ in range(2))
    assert [evolve(one, seconds=0.0) for one in first.checks] == [
        evolve(one, seconds=0.0) for one in second.checks
    ]
