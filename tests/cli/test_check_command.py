"""``movable check``: exit status, text, files."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from movable import Report
from movable.cli import main

CELLS = "mutants.cells:Cells"
WRONG = "mutants.migrating:MigrateForgetsToClear"


def test_a_driver_that_passes_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """The report ends with the denominator and the verdict, and the status is 0."""
    assert main(["check", "mutants.shelves:Shelves"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Shelves: contract aops-4.8/1.1, ")
    levels = [line for line in lines if re.match("L[1-4] [a-z]+: pass, ", line)]
    assert levels[0].startswith("L1 contract: pass, ")
    assert lines[-1 - len(levels) : -1] == levels
    assert lines[-1] == "verdict: pass"


def test_a_driver_that_fails_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A failure is told in full: what, where, clause, rule, likely mistake, command; the status is 1."""
    assert main(["check", WRONG, "--level", "L1"]) == 1
    out = capsys.readouterr().out
    told = out[out.index("FAIL MIG-CLEARED") :].splitlines()
    assert [line.split()[0] for line in told[1:7]] == ["what", "where", "clause", "rule", "likely", "repeat"]
    assert told[3].startswith("  clause  MIG-1: ")
    assert told[6].strip() == f"repeat  movable check {WRONG} -k MIG-CLEARED"
    assert told[8].startswith("blocked by MIG-CLEARED: ")
    assert told[8].endswith(" more (-v lists them)")
    assert told[-1] == "verdict: fail"


def test_the_repeat_command_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    """What the report offers to type runs that check alone, and fails alike."""
    assert main(["check", WRONG, "-k", "MIG-CLEARED"]) == 1
    assert "L1 contract: fail, 0/1 run passed, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check"], "name a driver or say --all; installed: balloon"),
        (["check", "nobody"], "installed: balloon"),
        (["check", "balloon", "--all"], "not both"),
        (["check", "no.module:It"], "cannot be imported"),
        (["check", CELLS, "-k", "NOTHING"], "no check matches"),
        (["check", CELLS, "--json", "no/such/folder/report.json"], "cannot write no/such/folder/report.json"),
        (["check", CELLS, "--json", "/"], "cannot write /"),
        (["check", CELLS, "--html", "no/such/folder/r.html"], "--html: cannot write no/such/folder/r.html"),
        (["check", CELLS, "--level", "L7"], "L7 is no level; there are L1 (contract), L2 (faults)"),
        (["check", CELLS, "--budget", "60"], "budget: '60' is no duration; write quick, 30s"),
        (["check", CELLS, "--quick", "--budget", "60s"], "--quick or --budget, not both"),
        (["check", CELLS, "--contract", "aops-9"], "there are aops-4.8/1.0, aops-4.8/1.1"),
        (["check", CELLS, "--jobs", "0"], "jobs: must be 1 or more"),
        (["check", CELLS, "--compare", "no/report.json"], "cannot read no/report.json"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage is one line on the error stream that says what to do, and status 2."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("movable: ")
    assert told in captured.err
    assert "verdict" not in captured.out


def test_an_unknown_option_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The parser's own errors have status 2 as well."""
    with pytest.raises(SystemExit) as exited:
        main(["check", CELLS, "--jsn", "x"])
    assert exited.value.code == 2
    assert "--jsn" in capsys.readouterr().err


def test_the_file_holds_the_report(tmp_path: Path) -> None:
    """--json writes schema movable.report/1 for one driver."""
    file = tmp_path / "report.json"
    assert main(["check", WRONG, "-k", "LOAD,MIG-CLEARED", "--json", str(file)]) == 1
    report = Report.from_dict(json.loads(file.read_text()))
    assert (report.driver, report.verdict) == ("MigrateForgetsToClear", "fail")
    assert report.levels["L1"].run == 2


def test_the_file_holds_several_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several drivers are judged one after the other; the worst decides, and the file holds a list."""
    file = tmp_path / "reports.json"
    assert main(["check", CELLS, WRONG, CELLS, "-k", "MIG-CLEARED", "--json", str(file)]) == 1
    data = json.loads(file.read_text())
    assert data["schema"] == "movable.reports/1"
    assert [one["driver"] for one in data["reports"]] == ["Cells", "MigrateForgetsToClear"]
    assert capsys.readouterr().out.endswith("1/2 drivers passed\n")


def test_quiet_prints_the_verdict_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet leaves the denominator and the verdict of each driver."""
    main(["check", CELLS, "-q", "-k", "LOAD"])
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(":")[0] for line in lines} == {"Cells"}
    assert lines[0].startswith("Cells: L1 contract: pass, 1/1 run passed")
    assert lines[-1] == "Cells: verdict: pass"


def test_verbose_prints_every_check_that_ran(capsys: pytest.CaptureFixture[str]) -> None:
    """--verbose has a line for each check selected, with its time."""
    main(["check", CELLS, "-v", "-k", "MIG-NEW-*"])
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith("MIG-NEW-")]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("MIG-NEW-REF", "pass", "ms"),
        ("MIG-NEW-REST", "pass", "ms"),
    ]
    assert "STORE" not in out


def test_advice_and_reasons_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """What was not judged says why; advice is told and fails nobody."""
    assert main(["check", "mutants.living:MovesEvenPages", "--level", "L1"]) == 0
    out = capsys.readouterr().out
    assert "advice (LIVE-3, LIVE-EVERY): 4 of 8 pages" in out
    assert "nothing to judge: no page that was left after drops could be isolated: ISO-NOT-REUSED" in out


def _file(folder: Path, option: str, name: str) -> str:
    path = folder / name
    assert main(["check", CELLS, "-q", "-k", "LOAD,STORE", option, str(path)]) == 0
    return path.read_text()


def test_every_format_is_written(tmp_path: Path) -> None:
    """Five options write the same report in five formats; a badge whose name ends in .svg is a picture."""
    assert json.loads(_file(tmp_path, "--json", "r.json"))["levels"]["L1"]["passed"] == 2
    assert ET.fromstring(_file(tmp_path, "--junit", "r.xml")).attrib["failures"] == "0"
    assert "<!doctype html>" in _file(tmp_path, "--html", "r.html")
    assert "| Cells | **pass** | 2/2 |" in _file(tmp_path, "--markdown", "r.md")
    assert json.loads(_file(tmp_path, "--badge", "badge.json"))["message"] == "L1 2/2"
    assert ET.fromstring(_file(tmp_path, "--badge", "badge.svg")).tag.endswith("svg")


def test_levels_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """--level leaves the others as not run, with that reason."""
    assert main(["check", CELLS, "--level", "L4", "-v"]) == 0
    out = capsys.readouterr().out
    assert "L1 contract: not run, " in out
    assert "L4 placement: pass, " in out


def test_an_earlier_contract_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """--contract names the version; what came later is reported as preview."""
    assert main(["check", CELLS, "--contract", "aops-4.8/1.0", "--level", "L1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Cells: contract aops-4.8/1.0, ")
    assert re.search(r"L1 contract: pass, \d+/\d+ run passed, .*\d+ in preview", out)


def test_what_is_not_the_default_is_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that repeats a failure names seed and budget, and runs."""
    assert main(["check", WRONG, "-k", "MIG-CLEARED", "--seed", "5", "--quick"]) == 1
    repeat = f"movable check {WRONG} -k MIG-CLEARED --seed 5 --budget quick"
    assert f"repeat  {repeat}\n" in capsys.readouterr().out
    assert main(repeat.split()[1:]) == 1


def test_jobs_print_the_same_report(tmp_path: Path) -> None:
    """Two processes give the same results as one, in the same order."""
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    assert main(["check", WRONG, "-q", "--json", str(one)]) == 1
    assert main(["check", WRONG, "-q", "--json", str(two), "--jobs", "2"]) == 1
    ended = [
        [result | {"seconds": 0} for result in json.loads(path.read_text())["checks"]] for path in (one, two)
    ]
    assert ended[0] == ended[1]


def test_a_regression_is_told_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--compare lists what got worse; without a change it says so and the status is the verdict's."""
    old = tmp_path / "old.json"
    assert main(["check", CELLS, "-q", "-k", "MIG-CLEARED", "--json", str(old)]) == 0
    capsys.readouterr()
    assert main(["check", CELLS, "-q", "-k", "MIG-CLEARED", "--compare", str(old)]) == 0
    assert "compared: 0 better, 0 worse, 0 new, 0 gone, 1 as before" in capsys.readouterr().out
    data = json.loads(old.read_text())
    data["driver"] = "MigrateForgetsToClear"
    old.write_text(json.dumps(data))
    assert main(["check", WRONG, "-q", "-k", "MIG-CLEARED", "--compare", str(old)]) == 1
    assert "worse   MigrateForgetsToClear MIG-CLEARED: pass -> fail" in capsys.readouterr().out


def test_a_run_of_nothing_is_told_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Where every check is left out or not claimed the report says that nothing ran, and the status is 1."""
    assert main(["check", "balloon", "-k", "PIN-HELD"]) == 1
    assert capsys.readouterr().out.endswith(
        "no check was run: that is a failure, not a pass\nverdict: fail\n"
    )


@pytest.mark.slow
def test_nothing_depends_on_the_hash_seed(tmp_path: Path) -> None:
    """In other processes with other hash seeds the same seed gives the same report, but for times."""
    reports = []
    for hash_seed in ("1", "2"):
        file = tmp_path / f"{hash_seed}.json"
        program = "from movable.cli import main; raise SystemExit(main())"
        arguments = ["check", "zsmalloc", "--level", "L1", "--seed", "7", "-q", "--json", str(file)]
        subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        )
        data = json.loads(file.read_text())
        reports.append([result | {"seconds": 0} for result in data["checks"]])
    assert reports[0] == reports[1]


def test_a_piped_report_has_no_control_codes(tmp_path: Path) -> None:
    """Run as a command with its output in a file, the report is plain text."""
    done = subprocess.run(
        [sys.executable, "-c", "from movable.cli import main; raise SystemExit(main())", "check", "balloon"],
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout
    assert done.stdout.endswith(b"verdict: pass\n")


DRIVER = '''
from mutants.cells import Cells

class Mine(Cells):
    """A driver in the folder where one works."""
'''


def test_a_driver_in_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """module:attribute looks in the working folder first, as `python -m` does."""
    (tmp_path / "driver_of_mine.py").write_text(DRIVER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["check", "driver_of_mine:Mine", "-k", "LOAD"]) == 0
    assert "Mine: contract" in capsys.readouterr().out
