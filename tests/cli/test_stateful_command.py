"""``movable stateful``: exit status, table, falsifying program and the report's file."""

import json
from pathlib import Path

import pytest

from movable.cli import main


def test_a_correct_driver_has_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    """A pass prints the table, what never ran, and the denominators."""
    assert main(["stateful", "balloon", "--examples", "5", "--steps", "5"]) == 0
    out = capsys.readouterr().out
    assert "verdict: pass" in out
    assert "transitions ran" in out
    header = next(line for line in out.splitlines() if line.startswith("rule"))
    assert header.split()[:3] == ["rule", "empty", "stored"]
    row = next(line for line in out.splitlines() if line.startswith("pin "))
    assert set(row.split()[1:]) == {"-"}
    assert "never ran: " in out


def test_a_wrong_driver_has_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure prints the clause and the program that repeats it; the file holds the same."""
    path = tmp_path / "report.json"
    address = "mutants.migrating:MigrateForgetsContents"
    assert main(["stateful", address, "--examples", "30", "--json", str(path), "-q"]) == 1
    out = capsys.readouterr().out
    report = json.loads(path.read_text())
    assert (report["schema"], report["verdict"], report["clause"]) == ("movable.stateful/1", "fail", "DATA-1")
    assert "FAIL DATA-1" in out
    assert f"state = driver_machine('{address}')()" in out
    assert all(line.strip() in out for line in report["program"].splitlines())
    assert not [line for line in out.splitlines() if line.startswith("rule ")]


def test_wrong_usage_has_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown driver, a number below 1, and a file that cannot be written are usage errors."""
    assert main(["stateful", "ballon"]) == 2
    assert "ballon" in capsys.readouterr().err
    assert main(["stateful", "balloon", "--steps", "0"]) == 2
    assert "steps: must be 1 or more" in capsys.readouterr().err
    assert main(["stateful", "balloon", "--json", str(tmp_path / "no" / "file")]) == 2
    assert "cannot write" in capsys.readouterr().err
