"""``movable fidelity``: what it prints, writes and ends with."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fidelity.clocks import recording
from fidelity.conftest import Write

from movable.cli import main

GOOD = recording(hall=[[1, 1], [2, 7]])
BAD = recording(hall=[[1, 1], [2, 7]], attic=[[3, 4]])


def test_it_prints_sections_wrong_rows_rules_and_a_verdict(
    offers: list[Any], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong row is printed with both results and the reason, rules with how often they explain: status 1."""
    path = write(BAD)
    assert main(["fidelity", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: clocks, Linux 6.1"
    assert [" ".join(line.split()) for line in lines if " rows  " in line] == [
        "hall 2 rows 1 equal, 1 explained",
        "attic 1 rows 1 wrong",
    ]
    place = lines.index("wrong attic: at 3")
    assert [line.strip() for line in lines[place + 1 : place + 4]] == [
        "recorded  4",
        "here      3",
        "no rule applies",
    ]
    assert (
        "T01  1 rows: until 5.0 the clock is right, later it is five minutes fast (spec/clocks.md 1)" in lines
    )
    assert not any("T02" in line or "hall: at" in line for line in lines)
    assert lines[-1] == "verdict: 1 equal, 1 explained, 1 wrong: fail"


def test_it_passes_without_a_wrong_row(
    offers: list[Any], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal and explained rows are a pass: status 0."""
    assert main(["fidelity", str(write(GOOD))]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "verdict: 1 equal, 1 explained: pass"


def test_verbose_prints_every_row(
    offers: list[Any], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """--verbose prints equal rows and explained ones with their rules as well."""
    assert main(["fidelity", "--verbose", str(write(BAD))]) == 1
    out = capsys.readouterr().out
    assert all(
        text in out for text in ("equal hall: at 1", "explained by T01 hall: at 2", "wrong attic: at 3")
    )


def test_quiet_prints_a_line_for_each_recording(
    offers: list[Any], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """--quiet prints one line a recording; one that fails makes the status 1, whatever the order."""
    good, bad = write(GOOD, "good.json"), write(BAD, "bad.json")
    assert main(["fidelity", "-q", str(good), str(bad), str(good)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{good}: 1 equal, 1 explained, pass",
        f"{bad}: 1 equal, 1 explained, 1 wrong, fail",
        f"{good}: 1 equal, 1 explained, pass",
    ]


def test_all_rows_are_written_as_json(
    offers: list[Any], write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json writes every recording with all its rows, whether it passes or not."""
    target = tmp_path / "report.json"
    arguments = [str(write(GOOD, "good.json")), str(write(BAD, "bad.json"))]
    assert main(["fidelity", *arguments, "--json", str(target), "-q"]) == 1
    document = json.loads(target.read_text())
    assert [each["recording"] for each in document["recordings"]] == arguments
    assert [each["passed"] for each in document["recordings"]] == [True, False]
    assert [len(each["rows"]) for each in document["recordings"]] == [2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as JSON"),
        ("[1]", "no recording"),
        ({"clocks": {}}, "no recording"),
        ({"topic": "weather"}, "nothing replays the topic 'weather'; known: clocks, compaction_a, "),
        (recording(), "the recording has no row to replay"),
        (recording(hall=[["noon", 1]]), "hall: 'noon' is no time"),
    ],
)
def test_a_file_that_is_no_recording_ends_with_2(
    offers: list[Any], write: Write, capsys: pytest.CaptureFixture[str], content: object, message: str
) -> None:
    """A file that cannot be replayed is named on stderr in one line: status 2."""
    path = write(content)
    assert main(["fidelity", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"movable: {path}: ")
    assert message in err
    assert err.count("\n") == 1


def test_files_are_looked_at_before_any_is_replayed(
    offers: list[Any], write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a file that cannot be read among them nothing is replayed or written: status 2."""
    target = tmp_path / "report.json"
    assert main(["fidelity", str(write(GOOD)), str(tmp_path / "nothing"), "--json", str(target)]) == 2
    seen = capsys.readouterr()
    assert (seen.out, target.exists()) == ("", False)
    assert f"{tmp_path / 'nothing'}: cannot be read" in seen.err


def test_wrong_use(
    offers: list[Any], write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No recording, or a report that cannot be written, is refused before anything is replayed: status 2."""
    assert main(["fidelity"]) == 2
    assert "fidelity: name the recordings to replay" in capsys.readouterr().err
    for target in (tmp_path, tmp_path / "no" / "where.json"):
        assert main(["fidelity", str(write(GOOD)), "--json", str(target)]) == 2
        seen = capsys.readouterr()
        assert seen.out == ""
        assert f"--json: cannot write {target}" in seen.err
    with pytest.raises(SystemExit) as exited:
        main(["fidelity", "--loud"])
    assert exited.value.code == 2


PLUGIN = """
import movable
from fidelity.clocks import Clocks

@movable.hookimpl
def movable_recordings():
    return [Clocks()]
"""


def test_a_plugin_adds_a_topic(write: Write, tmp_path: Path) -> None:
    """An adapter of another distribution is found through its entry point, beside those that are there."""
    (tmp_path / "clockwork.py").write_text(PLUGIN)
    info = tmp_path / "clockwork-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clockwork\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[movable]\nclockwork = clockwork\n")

    def run(content: object) -> subprocess.CompletedProcess[str]:
        command = "from movable.cli import main; raise SystemExit(main())"
        return subprocess.run(
            [sys.executable, "-c", command, "fidelity", "-q", str(write(content))],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}"},
            check=False,
        )

    replayed = run(GOOD)
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert replayed.stdout.endswith("1 equal, 1 explained, pass\n")
    unknown = run({"topic": "weather"})
    assert unknown.returncode == 2
    known = unknown.stderr.split("known: ")[1].strip().split(", ")
    assert {"clocks", "move_pages", "zram"} < set(known)
