"""Several processes: the same results as one, whatever the driver does."""

import os
import signal
from typing import Any, NoReturn

import pytest
from mutants.cells import Cells
from mutants.halves import Halves
from mutants.isolating import IsolateLoops
from mutants.migrating import MigrateForgetsContents, MigrateForgetsToClear

from movable import ConfigError, Page, Report, check
from movable.conformance import CheckResult, Outcome, all_checks


class Exits(Cells):
    """Ends its process when a page is put back."""

    def _put_back(self, page: Page) -> NoReturn:
        os._exit(3)


class Crashes(Cells):
    """Is killed when a page is put back."""

    def _put_back(self, page: Page) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def _ends(report: Report) -> list[dict[str, Any]]:
    return [one | {"seconds": 0} for one in report.to_dict()["checks"]]


@pytest.mark.parametrize("driver", [Halves, MigrateForgetsContents, MigrateForgetsToClear])
def test_processes_do_not_change_the_results(driver: Any) -> None:
    """One process, two and five give the same results, blocked ones and messages included."""
    one, two, five = (check(driver, jobs=jobs, levels="L1") for jobs in (1, 2, 5))
    assert _ends(one) == _ends(two) == _ends(five)


def test_results_come_in_order() -> None:
    """on_result sees every check once, in the order of the checks."""
    seen: list[CheckResult] = []
    check(Cells, jobs=3, levels="L1", on_result=seen.append)
    assert [result.id for result in seen] == [one.id for one in all_checks()]


@pytest.mark.parametrize(("driver", "how"), [(Exits, "exit status 3"), (Crashes, "signal SIGKILL")])
def test_a_driver_that_ends_its_process_fails_that_check(driver: Any, how: str) -> None:
    """The check that was running fails and says so; the others are judged."""
    report = check(driver, jobs=2, select="LOAD,PUT-ANSWER,STORE,MIG-CLEARED")
    assert report.check("PUT-ANSWER").outcome is Outcome.FAIL
    assert f"the driver ended its process ({how})" in report.check("PUT-ANSWER").message
    assert report.check("MIG-CLEARED").outcome is Outcome.PASS


def test_a_deadline_holds_in_every_process() -> None:
    """A driver that loops is stopped there as well."""
    report = check(IsolateLoops, jobs=2, select="ISO-ANSWER", limit=0.3)
    assert report.check("ISO-ANSWER").clause == "LIVE-1"


def test_no_process_is_too_few() -> None:
    """jobs counts from 1."""
    with pytest.raises(ConfigError, match="jobs: must be 1 or more, not 0"):
        check(Cells, jobs=0)
