"""The page with the kill matrix, and the command that writes it."""

import json
from pathlib import Path

import pytest

from movable import ConfigError
from movable.cli import main
from movable.conformance.power import load_folder, measure_power

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests/mutants"

STRANGER = '''
from movable.conformance.power import correct, wrong
from mutants.cells import Cells


@correct(one_cpu=True)
class StrangersPlain(Cells):
    """Right."""


@wrong("MIG-NEW-REF", "MIG-3")
class StrangersForgets(Cells):
    """Takes no reference."""

    def _take(self, newpage, mapping):
        newpage.set_movable(mapping)
'''
SURVIVOR = '''

@wrong("MIG-DATA", "DATA-1")
class StrangersSurvives(Cells):
    """Is right after all."""
'''


def _folder(tmp_path: Path, name: str, text: str) -> Path:
    folder = tmp_path / "strange"
    folder.mkdir()
    (folder / f"{name}.py").write_text(text)
    return folder


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_page_is_what_the_command_writes() -> None:
    """docs/kill_matrix.md is up to date: write it anew with ``movable power --markdown docs/kill_matrix.md``."""
    report = measure_power(FOLDER)
    assert not report.accused
    assert (ROOT / "docs/kill_matrix.md").read_text(
        encoding="utf-8"
    ) == f"# Kill matrix\n\n{report.to_markdown()}"


def test_a_strangers_folder_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any folder of modules will do: the wrong driver is killed, the right one passes, the status is 0."""
    folder = _folder(tmp_path, "strange_one", STRANGER)
    assert main(["power", str(folder), "--json", str(tmp_path / "power.json")]) == 0
    out = capsys.readouterr().out
    assert "killed 1/1, 1 by the check made for the mistake; 0/1 correct drivers failed over 1 seeds" in out
    data = json.loads((tmp_path / "power.json").read_text())
    assert (data["schema"], data["verdict"]) == ("movable.power/1", "pass")
    assert data["mutants"][0]["killed_by"] == ["MIG-NEW-REF"]


def test_a_survivor_is_named_and_fails_the_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong driver that no check finds is listed with the end of its check; the status is 1."""
    folder = _folder(tmp_path, "strange_two", STRANGER + SURVIVOR)
    assert main(["power", str(folder), "-k", "Survives,Forgets"]) == 1
    assert "survived: StrangersSurvives: MIG-DATA: pass" in capsys.readouterr().out


def test_a_folder_that_cannot_be_used_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No folder, one without wrong drivers, one that cannot be imported, no default: each is told, with status 2."""
    with pytest.raises(ConfigError, match="there is no folder"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="cannot be imported: SyntaxError"):
        load_folder(_folder(tmp_path, "strange_three", "def"))
    (tmp_path / "strange" / "strange_three.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["power"]) == 2
    assert "there is no tests/mutants here" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--seeds", "0"), ("--jobs", "0"), ("-k", "zzz")])
def test_wrong_numbers_and_names_are_errors(option: str, value: str) -> None:
    """Numbers below 1 and names that match nothing have status 2."""
    assert main(["power", str(FOLDER), option, value]) == 2
