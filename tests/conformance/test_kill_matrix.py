"""The suite's own test: every wrong driver is found by the check made for its mistake, no correct one is."""

from pathlib import Path

import pytest
from mutants.cells import Cells
from mutants.halves import Halves

from movable import DriverSpec, check
from movable.conformance import Outcome, Report, all_checks
from movable.conformance.power import CorrectDriver, Mutation, load_folder, one_cpu_checks

FOLDER = load_folder(Path(__file__).parents[1] / "mutants")
MUTANTS = tuple(mutant for mutant in FOLDER.mutants if not mutant.race)
ONE_CPU = one_cpu_checks()
ONE_PER_CHECK = tuple({mutant.check: mutant for mutant in MUTANTS}.values())

# What only the core can see: a lock not held, a list link, a second clear, a page freed on a list.
SEEN_BY_THE_CORE_ALONE = {
    "ClearsUnlocked",
    "DropsIsolatedMarked",
    "IsolateKeepsItsList",
    "B16MarksUnlocked",
    "B22ClearsTwice",
    "MigrateClearsTwice",
    "MigratePutsTwice",
    "UnlinksThenRefuses",
}


def _limit(mutant: Mutation) -> float:
    """Seconds for one check: few where the mistake is to wait for ever."""
    return 1.0 if mutant.clause == "LIVE-1" else 10.0


def _checked(driver: CorrectDriver, seed: int = 0) -> Report:
    """A correct driver, judged by all checks that are for it, at a tenth of the usual effort."""
    return check(driver.driver, seed=seed, select=ONE_CPU if driver.one_cpu else None, budget="quick")


def _killed(mutant: Mutation, report: Report) -> bool:
    """True if the check made for the mistake found it and names the clause."""
    result = report.check(mutant.check)
    if mutant.advisory:
        return result.outcome is Outcome.PASS and "note" in result.message and report.passed
    return result.outcome is Outcome.FAIL and result.clause == mutant.clause


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_check_made_for_a_mistake_finds_it(mutant: Mutation) -> None:
    """Run alone, the check made for the mistake fails, and names clause and rule."""
    report = check(mutant.driver, select=mutant.check, limit=_limit(mutant))
    result = report.check(mutant.check)
    assert _killed(mutant, report), f"{result.outcome}, {result.clause}\n{result.message}"
    if not mutant.advisory:
        assert f"clause  {mutant.clause}:" in result.message
    if mutant.rule:
        assert f"rule    {mutant.rule}\n" in result.message


@pytest.mark.long
@pytest.mark.parametrize("mutant", ONE_PER_CHECK, ids=lambda mutant: mutant.name)
def test_a_wrong_driver_fails_that_check_alone(mutant: Mutation) -> None:
    """In a run of all checks but races one mistake is one failure: the others pass, or are blocked by it."""
    report = check(mutant.driver, limit=_limit(mutant), select=ONE_CPU)
    result = report.check(mutant.check)
    assert _killed(mutant, report), f"{result.outcome}, {result.clause}\n{result.message}"
    failed = [one.id for one in report.of_outcome(Outcome.FAIL)]
    assert failed == ([] if mutant.advisory else [mutant.check])
    assert {one.message for one in report.of_outcome(Outcome.BLOCKED)} <= {f"blocked by {mutant.check}"}


@pytest.mark.parametrize("driver", FOLDER.correct, ids=lambda driver: driver.name)
@pytest.mark.parametrize("seed", range(2))
def test_a_correct_driver_passes(driver: CorrectDriver, seed: int) -> None:
    """A correct driver passes whatever the seed, and not because nothing was run."""
    report = _checked(driver, seed)
    assert report.passed, [result.message for result in report.of_outcome(Outcome.FAIL)]
    assert report.levels["L1"].run >= 65
    assert report.levels["L1"].blocked == report.levels["L1"].failed == 0


def test_every_check_is_passed_by_a_correct_driver() -> None:
    """No check is out of reach: one correct driver or another passes it."""
    passed = {one.id for each in FOLDER.correct for one in _checked(each).of_outcome(Outcome.PASS)}
    assert passed == {one.id for one in all_checks()}


def test_a_correct_driver_passes_under_full_recounts() -> None:
    """With a recount of the core's structures after every operation a correct driver still passes."""
    assert check(Halves, debug=2, select="MIG,PUT,FREE,ISO", levels="L1").passed


@pytest.mark.long
def test_every_check_can_fail() -> None:
    """Each check, run alone, fails for some wrong driver or gives it advice: none is there for show."""
    silent = {one.id for one in all_checks()} - {mutant.check for mutant in FOLDER.mutants}
    for mutant in FOLDER.mutants:
        if not silent or mutant.clause == "LIVE-1":
            continue
        report = check(mutant.driver, select=",".join(silent), limit=_limit(mutant))
        silent -= {one.id for one in report.of_outcome(Outcome.FAIL)}
    assert not silent


def test_the_ledger_judges_without_the_core() -> None:
    """With the core's own checks off, the suite's ledger alone finds all but what it cannot see."""
    missed = {
        mutant.name
        for mutant in MUTANTS
        if check(mutant.driver, select=mutant.check, limit=_limit(mutant), debug=0).passed
        and not mutant.advisory
    }
    assert missed <= SEEN_BY_THE_CORE_ALONE


def test_a_driver_behind_another_name_is_judged_alike() -> None:
    """A DriverSpec and the class it wraps end in the same results."""
    spec = DriverSpec("cells", Cells, lambda driver: driver, Cells.capabilities)
    assert _ends(spec) == _ends(Cells)


def _ends(driver: DriverSpec | type[Cells]) -> list[Outcome]:
    return [one.outcome for one in check(driver, select=ONE_CPU).checks]
