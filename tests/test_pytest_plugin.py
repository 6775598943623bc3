"""The pytest plugin, run on sample projects that know nothing of this repository's settings."""

import os
import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = Path(__file__).parent

GOOD = """
from movable import DriverConformance
from mutants.cells import Cells

class TestMine(DriverConformance):
    driver = Cells
"""

WRONG = GOOD.replace("cells import Cells", "migrating import MigrateForgetsToClear as Cells")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project in which the sample drivers can be imported."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def _run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "--strict-markers", *arguments)


def test_two_lines_run_the_whole_suite(project: pytest.Pytester) -> None:
    """A class of two lines has a test for each check; the summary has the denominators and the reasons."""
    project.makepyfile(GOOD)
    result = _run(project, "--movable-level", "L1")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 70
    assert set(outcomes) == {"passed", "skipped"}
    assert result.ret == pytest.ExitCode.OK
    result.stdout.re_match_lines_random(
        [
            r"Cells \(.*TestMine\): contract aops-4.8/1.1, verdict pass",
            rf"  L1 contract: pass, {outcomes['passed']}/{outcomes['passed']} run passed, .* not claimed",
            r"  the driver does not claim spanning: .*SPAN-EACH",
        ]
    )


def test_a_failure_is_told_as_the_suite_tells_it(project: pytest.Pytester) -> None:
    """The check made for the mistake fails with clause, likely mistake and command; the rest is blocked by it."""
    project.makepyfile(WRONG)
    result = _run(project, "-rfs", "--movable-level", "L1")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.re_match_lines_random(
        [
            r"clause  MIG-1: .*",
            r"likely  call oldpage.clear_movable\(\).*",
            r"repeat  movable check mutants.migrating:MigrateForgetsToClear -k MIG-CLEARED",
            r"SKIPPED.* blocked by MIG-CLEARED",
            r"FAILED .*::TestMine::test_check\[MIG-CLEARED\].*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_xdist_does_not_change_the_results(project: pytest.Pytester) -> None:
    """Spread over processes every check ends as in one, blocked ones too, and the summary is the same."""
    project.makepyfile(WRONG)
    one, two = (_run(project, "--movable-level", "L1", *more) for more in ([], ["-n", "2"]))
    assert one.parseoutcomes() == two.parseoutcomes()
    summaries = [
        re.search(r"= movable conformance =+\n(.*?)\n=", run.stdout.str(), re.S) for run in (one, two)
    ]
    assert summaries[0] is not None
    assert summaries[1] is not None
    assert summaries[0][1] == summaries[1][1]


def test_one_check_is_run_by_its_id(project: pytest.Pytester) -> None:
    """-k selects a check by id; it runs although what it requires was deselected."""
    project.makepyfile(WRONG)
    result = _run(project, "-k", "MIG-CLEARED")
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes()["deselected"])


def test_expected_failures_are_xfails(project: pytest.Pytester) -> None:
    """What the driver's package expects to fail is an xfail; what passes against expectation fails."""
    package = project.mkpydir("mine")
    (package / "__init__.py").write_text(WRONG.replace("class TestMine", "class Mine").split("class")[0])
    (package / "driver.py").write_text(
        "from mutants.migrating import MigrateForgetsToClear\nclass Mine(MigrateForgetsToClear): pass\n"
    )
    (package / "expectations.toml").write_text(
        '[MIG-CLEARED]\nkind = "not-yet"\nreason = "known"\n[MIG-LOCKED]\nkind = "not-yet"\nreason = "stale"\n'
    )
    project.makepyfile(
        "from movable import DriverConformance\nfrom mine.driver import Mine\n\n"
        "class TestMine(DriverConformance):\n    driver = Mine\n"
    )
    result = _run(project, "-k", "MIG-CLEARED or MIG-LOCKED", "-rx")
    result.assert_outcomes(xfailed=1, failed=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.re_match_lines_random(
        [r"XFAIL.*expected to fail \(not-yet\): known", r"what    it passed.*"]
    )


def test_drivers_are_named_on_the_command_line(project: pytest.Pytester) -> None:
    """--movable-driver needs no file, and may be given several times."""
    result = _run(
        project, "--movable-driver", "balloon", "--movable-driver", "mutants.cells:Cells", "-k", "MIG-NOMEM"
    )
    result.assert_outcomes(passed=2, deselected=result.parseoutcomes()["deselected"])
    result.stdout.re_match_lines([r"movable\[balloon\] .*", r"movable\[mutants.cells:Cells\] .*"])


def test_options_go_before_the_class(project: pytest.Pytester) -> None:
    """Level, contract, budget and seed come from the class, and from the command line if it names them."""
    project.makepyfile(
        WRONG + '    levels = "L1"\n    seed = 3\n    contract = "aops-4.8/1.0"\n    budget = "quick"\n'
    )
    told = _run(project, "-k", "MIG-CLEARED").stdout.str()
    flags = "--seed 3 --budget quick --contract aops-4.8/1.0"
    assert f"repeat  movable check mutants.migrating:MigrateForgetsToClear -k MIG-CLEARED {flags}\n" in told
    assert "contract aops-4.8/1.0, verdict fail" in told
    assert "--seed 4 " in _run(project, "-k", "MIG-CLEARED", "--movable-seed", "4").stdout.str()


@pytest.mark.parametrize(
    ("body", "arguments", "told"),
    [
        (GOOD.replace("    driver = Cells", "    pass"), [], "say which driver to judge: driver = MyDriver"),
        (GOOD, ["--movable-level", "L9"], "L9 is no level"),
        (GOOD, ["--movable-budget", "60"], "'60' is no duration"),
        ("", ["--movable-driver", "nobody"], "there is no driver named 'nobody'"),
    ],
)
def test_wrong_usage_is_told(project: pytest.Pytester, body: str, arguments: list[str], told: str) -> None:
    """A missing driver, level or name is an error that says so, not an empty run."""
    project.makepyfile(body)
    result = _run(project, *arguments)
    assert result.ret != pytest.ExitCode.OK
    assert told in result.stdout.str() + result.stderr.str()


def test_a_run_of_nothing_fails(project: pytest.Pytester) -> None:
    """Only skips are no success: the status is 1, and the summary says why."""
    result = _run(project, "--movable-driver", "balloon", "-k", "PIN-HELD")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*no check was run: that is a failure, not a pass"])


def test_projects_without_drivers_notice_nothing(project: pytest.Pytester) -> None:
    """Where nobody asks for it the plugin adds no test and no output."""
    project.makepyfile("def test_it(): pass")
    result = _run(project)
    result.assert_outcomes(passed=1)
    assert "movable conformance" not in result.stdout.str()
