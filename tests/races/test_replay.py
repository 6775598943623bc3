"""``movable replay``: a token in a fresh process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from races.kit import PLANTED, failed

from movable.cli import main
from movable.conformance.races import Token, replay

PIN = "r1/races.planted:without_zspage_lock/RACE-PIN/0/0.2+0.3+0.4+0.5+1.0+1.1+1.3+1.4+1.5/a78b"
"""A failure on record: an object that CPU 1 has pinned is moved by CPU 0."""


def fresh(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "import sys, movable.cli; sys.exit(movable.cli.main())", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", PLANTED)
def test_a_fresh_process_repeats_the_failure(name: str) -> None:
    """The token of a failed check fails there again: the same words, the same clause and rule, exit status 1."""
    result = failed(name)
    done = fresh("replay", result.token, "--quiet")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    for line in result.message.splitlines():
        if line.startswith(("what", "where", "clause", "rule", "likely", "replay")):
            assert line.replace("replay  ", "repeat  ") in lines
    assert lines[0].startswith("failed ")


def test_the_interleaving_comes_first_and_the_clause_last() -> None:
    """The output has a head, columns of CPUs, the preempted step, and ends with the clause that was violated."""
    done = fresh("replay", PIN)
    assert done.returncode == 1
    steps, _, end = done.stdout.partition("\n\nfailed on CPU 1\n")
    head, legend, _, columns, *rows = steps.splitlines()
    assert head == "races.planted:without_zspage_lock, RACE-PIN: 196 steps, 1 preemption"
    assert legend.startswith("(> a CPU goes on")
    assert columns.split() == ["CPU", "0", "CPU", "1"]
    assert sum(row.split(" ")[0].endswith("!") for row in rows) == 1
    assert any(row.endswith("> -> pin #2") for row in rows)
    assert any(row.strip().endswith(" steps)") for row in rows)
    assert "clause  RACE-2: " in end
    assert end.splitlines()[-1] == f"repeat  movable replay {PIN}"


def test_full_shows_every_step() -> None:
    """With --full there is a row for each step but those that only start a CPU or wait for work."""
    done = fresh("replay", PIN, "--full")
    rows = [line for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert 190 <= len(rows) <= 196
    assert "steps)" not in done.stdout


def test_quiet_shows_no_step(capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet only what failed is printed."""
    assert main(["replay", PIN, "-q"]) == 1
    assert capsys.readouterr().out.startswith("failed on CPU 1\nwhat ")


def test_a_trace_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--trace FILE writes what ui.perfetto.dev opens, with the failure at its end."""
    file = tmp_path / "race.json"
    assert main(["replay", PIN, "-q", "--trace", str(file)]) == 1
    events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    assert events[0]["args"]["name"] == PIN
    assert "pinned object moved" in events[-1]["name"]
    assert {event["tid"] for event in events} >= {0, 1}
    assert main(["replay", PIN, "--trace", str(tmp_path / "no" / "race.json")]) == 2
    assert "race.json" in capsys.readouterr().err


def test_another_driver_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """--driver takes the place of the token's: the mended driver no longer fails, and the command says so."""
    assert main(["replay", PIN, "-q", "--driver", "zsmalloc"]) == 0
    assert "did not fail this time" in capsys.readouterr().out
    nameless = PIN.replace("races.planted:without_zspage_lock", "-")
    assert main(["replay", nameless, "-q"]) == 2
    assert "--driver" in capsys.readouterr().err
    assert main(["replay", nameless, "-q", "--driver", "races.planted:without_zspage_lock"]) == 1


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("nonsense", "one looks like r1/"),
        ("r1/zsmalloc/RACE-NO/0/-/-", "RACE-NO is no race check; there are RACE-STORE"),
        ("r1/zsmalloc/STORE/0/-/-", "STORE is no race check"),
        ("r1/nobody/RACE-PIN/0/-/-", "there is no driver named 'nobody'"),
        ("r1/races.planted:nothing/RACE-PIN/0/-/-", "nothing"),
        ("r1/zsmalloc/RACE-PIN/0/-/a99999999999b", "a17bb4a"),
    ],
)
def test_wrong_tokens_are_wrong_usage(token: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown token, check or driver is told in one line, with exit status 2."""
    assert main(["replay", token]) == 2
    errors = capsys.readouterr().err
    assert says in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("dropped", ["-", "0.0+0.1+0.2+0.3+0.4+0.5", "9.9", "0.0+1.0+1.1+1.2+1.3+1.4+1.5"])
def test_operations_that_are_not_there(dropped: str) -> None:
    """A token may leave out whole CPUs, or operations that there are not."""
    done = replay(f"r1/zsmalloc/RACE-PIN/3/{dropped}/-")
    assert not done.failed
    assert done.outcome.trace.nr_steps > 0


def test_replay_returns_what_happened() -> None:
    """The function behind the command returns the run, the finding and the token that repeats it."""
    done = replay(PIN)
    assert done.failed
    assert done.finding is not None
    assert "pinned object moved" in done.finding.what
    assert done.token == Token.parse(PIN)
    assert done.outcome.trace.preemptions == 1
    assert done.cpus == 2
