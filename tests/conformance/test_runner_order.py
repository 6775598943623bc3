"""What a run decides does not depend on the order in which it is asked; previews, rigs, figures, budgets."""

from collections.abc import Callable
from typing import Any

import pytest
from mutants.cells import Cells
from mutants.halves import Halves
from mutants.migrating import MigrateForgetsContents, MigrateForgetsToClear

from movable import CheckResult
from movable.conformance import Budget, Check, Outcome, Settings, find_contract, make_runner
from movable.conformance.outcome import CheckFailed
from movable.conformance.rig import Rig
from movable.conformance.runner import Runner
from movable.conformance.target import resolve


def _plain(results: list[CheckResult]) -> dict[str, tuple[Outcome, str, str]]:
    return {one.id: (one.outcome, one.clause, one.message) for one in results}


@pytest.mark.parametrize("driver", [Halves, MigrateForgetsContents, MigrateForgetsToClear])
def test_results_do_not_depend_on_the_order_of_asking(driver: Any) -> None:
    """Asked from the last check to the first, every check ends as in a plain run."""
    plain, backwards = make_runner(driver, levels="L1"), make_runner(driver, levels="L1")
    report = plain.run()
    results = [backwards.result(check) for check in reversed(backwards.checks)]
    assert _plain(results) == _plain(list(report.checks))


def _fails(rig: Rig) -> None:
    rig.fail("it is wrong")


def _passes(rig: Rig) -> None:
    rig.expect(rig.settings.budget == Budget(), "another budget")


def _check(name: str, run: Callable[[Any], None], **more: Any) -> Check:
    return Check(name, name, more.pop("clauses", ("MIG-1",)), run, **more)


def _runner(*checks: Check, **more: Any) -> Runner:
    return Runner(resolve(Cells), checks, frozenset(check.id for check in checks), **more)


def test_a_failed_preview_is_reported_and_not_counted() -> None:
    """A preview that fails has its message, and the verdict is that of the others."""
    report = _runner(_check("A", _passes), _check("B", _fails, preview=True)).run()
    assert (report.verdict, report.levels["L1"].run, report.levels["L1"].preview) == ("pass", 1, 1)
    assert report.check("B").preview
    assert report.check("B").message.startswith("what    it is wrong")


def _meets_another_clause(rig: Rig) -> None:
    raise CheckFailed("a breach that is not mine", clause="MIG-4")


def test_a_preview_explains_no_failure_away() -> None:
    """A check that counts stays failed although a preview was made for the same breach; a counted one blocks it."""
    stray = _check("STRAY", _meets_another_clause)
    for preview, outcome in ((True, Outcome.FAIL), (False, Outcome.BLOCKED)):
        owner = _check("OWNER", _fails, clauses=("MIG-4",), preview=preview)
        report = _runner(stray, owner).run()
        assert report.check("STRAY").outcome is outcome
        assert report.verdict == "fail"


def test_an_old_contract_counts_what_it_lists() -> None:
    """A check that version 1.0 does not list is a preview when 1.0 is judged."""
    checks = (_check("LOAD", _passes), _check("BRAND-NEW", _fails))
    assert _runner(*checks).run().verdict == "fail"
    assert _runner(*checks, contract=find_contract("aops-4.8/1.0")).run().verdict == "pass"


class _Counting(Rig):
    """A rig of another kind."""

    def search(self) -> None:
        """Count rounds, and fail at the last."""
        self.figures["schedules"] = sum(1 for _ in self.settings.budget.rounds(40))
        self.token = f"r.{self.settings.seed}"


def _searches(rig: _Counting) -> None:
    rig.search()


def _searches_and_fails(rig: _Counting) -> None:
    rig.search()
    rig.fail("a schedule was found")


def test_a_check_brings_its_rig_and_its_figures() -> None:
    """What the rig counted is in the result; of a failure the schedule too, with the command that replays it."""
    checks = (_check("S", _searches, rig=_Counting), _check("F", _searches_and_fails, rig=_Counting))
    report = _runner(*checks, settings=Settings(seed=9, budget=Budget.of("quick"))).run()
    assert report.check("S").figures == report.check("F").figures == {"schedules": 4}
    assert (report.check("S").token, report.check("F").token) == ("", "r.9")
    assert report.check("F").message.endswith("\nreplay  movable replay r.9")
    assert (report.seed, report.budget) == (9, "quick")


def test_searches_share_the_seconds_and_the_contract_level_takes_none() -> None:
    """Checks above L1 get even shares of what is left, and later deadlines; more processes, larger shares."""
    checks = (_check("A", _passes), *(_check(name, _passes, level="L3") for name in "BCDE"))
    for jobs, share in ((1, 10), (2, 20)):
        runner = _runner(*checks, settings=Settings(limit=5, budget=Budget(seconds=40)), jobs=jobs)
        assert runner.settings_of(checks[0]).limit == 5
        given = runner.settings_of(checks[1])
        assert given.budget.seconds == pytest.approx(share, rel=0.01)
        assert given.limit == pytest.approx(5 + share, rel=0.01)


def test_a_short_budget_drops_no_check() -> None:
    """When the seconds are over each search still makes a round."""
    checks = tuple(_check(name, _searches, level="L3", rig=_Counting) for name in "AB")
    report = _runner(*checks, settings=Settings(budget=Budget(seconds=1e-6))).run()
    assert [result.figures for result in report.checks] == [{"schedules": 1}] * 2
