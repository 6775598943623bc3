"""The command as a whole, and ``movable drivers``."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from movable.cli import main


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names the version, --help and no argument list the commands; all end with 0."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("movable ")
    for arguments in (["--help"], []):
        assert main(arguments) == 0
        out = capsys.readouterr().out
        assert all(command in out for command in ("check", "drivers", "bench"))


def test_an_unknown_command_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that there is not has status 2."""
    with pytest.raises(SystemExit) as exited:
        main(["chekc"])
    assert exited.value.code == 2
    assert "chekc" in capsys.readouterr().err


def test_drivers_lists_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each installed driver has a row with what it claims."""
    assert main(["drivers"]) == 0
    assert any(line.startswith("balloon") for line in capsys.readouterr().out.splitlines())


def _provider(folder: Path, name: str, module: str) -> None:
    """A distribution as pip would leave it: a module and its entry point."""
    (folder / f"{name}.py").write_text(module)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[movable]\n{name} = {name}\n")


GOOD = """
import movable
from mutants.cells import Cells

@movable.hookimpl
def movable_drivers():
    return [movable.DriverSpec("foreign", Cells, lambda driver: driver, summary="Not ours.")]
"""


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from movable.cli import main; raise SystemExit(main())", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{Path(__file__).parents[1]}"},
        check=False,
    )


def test_a_foreign_driver_is_listed_and_judged(tmp_path: Path) -> None:
    """A driver of another distribution is found through its entry point; a broken one says what is wrong."""
    _provider(tmp_path, "foreign", GOOD)
    _provider(tmp_path, "broken", "import no_such_module")
    listed = _run(tmp_path, "drivers")
    assert listed.returncode == 0
    assert "Not ours." in listed.stdout
    assert "broken: broken = broken: ModuleNotFoundError: No module named 'no_such_module'" in listed.stdout
    judged = _run(tmp_path, "check", "foreign", "-k", "MIG-*")
    assert judged.returncode == 0, judged.stdout + judged.stderr
    everything = _run(tmp_path, "check", "--all", "-q", "-k", "LOAD")
    assert everything.returncode == 1
    assert "not judged: broken = broken: ModuleNotFoundError" in everything.stdout
    assert re.search(r"(\d+)/\1 drivers passed\n$", everything.stdout)
    unknown = _run(tmp_path, "check", "foriegn")
    assert unknown.returncode == 2
    assert re.search(r"installed: .*balloon.*foreign", unknown.stderr)
