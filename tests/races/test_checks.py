"""Race checks: what correct drivers pass, what planted mistakes fail, and what a report says of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants.shelves import Shelves
from races.kit import PLANTED, failed

from movable import MovableError, check
from movable.conformance import CheckResult, Outcome, all_checks, resolve
from movable.conformance.races import Arena, Races, Token
from movable.conformance.settings import Budget, Settings
from movable.sched import Op

RACES = tuple(one.id for one in all_checks() if one.rig is Races)
SELECT = "RACE-*"
ROOT = Path(__file__).parents[2]


def _tutorial() -> object:
    names: dict[str, object] = {"__name__": "cells"}
    path = ROOT / "docs" / "tutorial" / "cells.py"
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), names)
    return names["Cells"]


@pytest.fixture(scope="module", params=PLANTED)
def planted(request: pytest.FixtureRequest) -> tuple[str, CheckResult]:
    """A driver without one lock, and the result of a check that finds it."""
    return request.param, failed(request.param)


@pytest.mark.parametrize("check_id", RACES)
def test_a_correct_driver_passes_each_check(check_id: str) -> None:
    """A driver that keeps its locks passes, and the result says how much was tried."""
    result = check(Shelves, select=check_id, budget=Budget(0.25)).check(check_id)
    if result.outcome is Outcome.NOT_CLAIMED:
        assert check_id in ("RACE-USERS", "RACE-PIN")
        return
    assert result.outcome is Outcome.PASS, result.message
    assert result.figures["schedules"] >= 30
    assert result.figures["steps"] > result.figures["switches"] > 0


def test_the_tutorials_driver_passes() -> None:
    """What the tutorial builds passes every race check that it claims."""
    report = check(_tutorial(), select=SELECT, budget=Budget(0.2))  # type: ignore[arg-type]
    assert report.passed, [one.message for one in report.of_outcome(Outcome.FAIL)]
    assert len(report.of_outcome(Outcome.PASS)) >= 8


def test_a_deleted_lock_is_found_and_made_small(planted: tuple[str, CheckResult]) -> None:
    """Each lock that is left out is found at the default budget, in at most three preemptions."""
    _, result = planted
    assert result.figures["preemptions"] <= 3
    token = Token.parse(result.token)
    assert token.dropped
    assert len(token.schedule) >= 1
    assert result.figures["shrunk_steps"] > 0


def test_the_message_says_what_to_do(planted: tuple[str, CheckResult]) -> None:
    """A failed race tells what, where, which clause, the likely mistake, and the commands that repeat it."""
    name, result = planted
    heads = [line.split(" ", 1)[0] for line in result.message.splitlines()]
    for head in ("what", "where", "clause", "likely", "repeat", "replay"):
        assert head in heads, head
    assert f"{result.clause}:" in result.message
    assert f"movable replay {result.token}" in result.message
    assert result.token.startswith(f"r1/{name}/{PLANTED[name]}/0")


def test_a_race_on_a_cpu_shows_all_cpus() -> None:
    """Where a CPU failed, the message has the lines that each CPU was at."""
    result = failed("races.planted:without_zspage_lock")
    lines = [line for line in result.message.splitlines() if line.startswith("cpu ")]
    assert any(line.startswith("cpu 1") for line in lines)
    assert all(" in " in line and ".py:" in line for line in lines)


def test_a_check_that_never_switches_is_an_error() -> None:
    """CPUs that did not take turns prove nothing: no pass, but an error of the check."""
    rig = Races(resolve(Shelves).spec, "RACE-IDLE 0", settings=Settings())

    def script(arena: Arena) -> list[list[Op]]:
        arena.populate()
        return [[Op("nothing", lambda: None)]]

    with pytest.raises(MovableError, match="never switched between CPUs"):
        rig.explore(script, usual=6)
    assert rig.figures["schedules"] >= 6
    rig.dispose()


_SCRIPT = """
import json
from movable import check
from movable.conformance.settings import Budget
from races.planted import without_zspage_lock
from mutants.shelves import Shelves
found = []
for driver, name in ((without_zspage_lock, "RACE-PIN"), (Shelves, "RACE-DROP")):
    result = check(driver, select=name, seed=5, budget=Budget(0.25)).check(name)
    found.append([result.outcome, result.token, result.figures])
print(json.dumps(found))
"""


def test_another_process_finds_the_same() -> None:
    """One seed gives the same token and figures in every process, whatever PYTHONHASHSEED is."""
    found = [
        subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "77")
    ]
    assert found[0] == found[1]
    first, second = json.loads(found[0])
    assert (first[0], second[0]) == ("fail", "pass")


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["balloon", "zsmalloc"])
@pytest.mark.parametrize("seed", range(3))
def test_reference_drivers_pass(driver: str, seed: int) -> None:
    """No race check fails a reference driver, whatever the seed."""
    report = check(driver, select=SELECT, seed=seed)
    assert report.passed, [one.message for one in report.of_outcome(Outcome.FAIL)]
    assert report.levels["L3"].run >= 8


@pytest.mark.long
@pytest.mark.parametrize("driver", ["balloon", "zsmalloc"])
def test_reference_drivers_pass_twenty_seeds(driver: str) -> None:
    """Twenty more seeds at a quarter of the budget find nothing either."""
    for seed in range(100, 120):
        report = check(driver, select=SELECT, seed=seed, budget=Budget(0.25))
        assert report.passed, [one.message for one in report.of_outcome(Outcome.FAIL)]


@pytest.mark.parametrize("driver", ["balloon", "zsmalloc"])
def test_reference_drivers_pass_quickly(driver: str) -> None:
    """A tenth of the budget is enough to see that the reference drivers are judged, and pass."""
    report = check(driver, select=SELECT, budget=Budget(0.1))
    assert report.passed, [one.message for one in report.of_outcome(Outcome.FAIL)]
    assert report.levels["L3"].run >= 8
