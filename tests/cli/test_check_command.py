"""``movable check``: exit status, text, files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from movable import Report
from movable.cli import main

CELLS = "mutants.cells:Cells"
WRONG = "mutants.migrating:MigrateForgetsToClear"


def test_a_driver_that_passes_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """The report ends with the denominator and the verdict, and the status is 0."""
    assert main(["check", CELLS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Cells: contract aops-4.8/1.0, ")
    assert lines[-2].startswith("L1 contract: ")
    assert "run passed" in lines[-2]
    assert lines[-1] == "verdict: pass"


def test_a_driver_that_fails_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A failure is told in full: what, where, clause, rule, likely mistake, command; the status is 1."""
    assert main(["check", WRONG]) == 1
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
    assert "L1 contract: 0/1 run passed, 1 failed" in capsys.readouterr().out


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
    assert [line.split(":")[0] for line in lines] == ["Cells", "Cells"]
    assert lines[1] == "Cells: verdict: pass"


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
    assert main(["check", "mutants.living:MovesEvenPages"]) == 0
    out = capsys.readouterr().out
    assert "advice (LIVE-3, LIVE-EVERY): 4 of 8 pages" in out
    assert "nothing to judge: no page that was left after drops could be isolated: ISO-NOT-REUSED" in out


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
