"""``movable new``: what it writes is correct as it stands, and what it cannot write it refuses."""

import importlib
import sys
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType

import pytest

from movable import ConfigError, DriverSpec, check
from movable.cli import main
from movable.scaffold import DriverName, scaffold
from movable.scaffold.generate import FILES
from movable.stateful import run_stateful


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A new driver called tape-cache, in a folder of its own."""
    return scaffold("tape-cache", tmp_path / "new")


@pytest.fixture
def package(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Its package, imported from where it was written."""
    monkeypatch.syspath_prepend(str(root))
    yield importlib.import_module("movable_tape_cache")
    for name in [name for name in sys.modules if name.startswith("movable_tape_cache")]:
        del sys.modules[name]


def _spec(package: ModuleType) -> DriverSpec:
    specs: list[DriverSpec] = package.movable_drivers()
    assert len(specs) == 1
    return specs[0]


def _templates(folder: Traversable) -> Iterator[str]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from (f"{item.name}/{name}" for name in _templates(item))
        else:
            yield item.name


def test_the_files_are_written(root: Path) -> None:
    """Every template becomes one file, and there is no other."""
    written = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert written == {file.format(package="movable_tape_cache") for file in FILES.values()}
    assert set(_templates(files("movable.scaffold") / "templates")) == set(FILES)


def test_names_are_filled_in(root: Path) -> None:
    """No placeholder is left but those of the CI file, which are its own."""
    for path in (path for path in root.rglob("*") if path.is_file()):
        assert "$" not in path.read_text().replace("${{ matrix.python }}", ""), path
    assert path.exists()
    assert "python-version: ${{ matrix.python }}" in (root / ".github/workflows/ci.yml").read_text()
    assert "movable check tape-cache" in (root / ".github/workflows/ci.yml").read_text()


def test_the_project_file_registers_the_driver(root: Path) -> None:
    """The entry point is in group `movable`, under the driver's name; the expectations are packaged."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert project["project"]["name"] == "movable-tape-cache"
    assert project["project"]["entry-points"]["movable"] == {"tape-cache": "movable_tape_cache"}
    assert "expectations.toml" in project["tool"]["setuptools"]["package-data"]["movable_tape_cache"]
    assert tomllib.loads((root / "movable_tape_cache/expectations.toml").read_text()) == {}


def test_python_files_compile_and_say_what_they_are(root: Path) -> None:
    """Each module compiles, begins with a docstring, and the tests are those of the suite's two classes."""
    for path in root.rglob("*.py"):
        code = compile(path.read_text(), path, "exec")
        assert code.co_consts[0], path
    test = (root / "tests/test_conformance.py").read_text()
    assert "class TestTapeCache(DriverConformance):" in test
    assert "class TestTapeCachePrograms(DriverPrograms):" in test


def test_the_driver_passes_as_it_stands(package: ModuleType) -> None:
    """The new driver passes every check of every level that it claims, most of L1."""
    report = check(_spec(package))
    assert report.passed, [result.message for result in report.checks if result.outcome == "fail"]
    assert report.levels["L1"].passed == report.levels["L1"].run >= 70


def test_the_driver_passes_random_programs(package: ModuleType) -> None:
    """No program of steps breaks the new driver."""
    report = run_stateful(_spec(package), examples=15)
    assert report.passed, report.program
    assert report.driver == "tape-cache"


def test_a_mistake_in_it_is_found(root: Path, package: ModuleType) -> None:
    """The suite is not blind to the new driver: a line less, and the check made for it fails."""
    driver = root / "movable_tape_cache/driver.py"
    line = "            self.objects[handle] = newpage\n"
    assert line in driver.read_text()
    driver.write_text(driver.read_text().replace(line, ""))
    for name in [name for name in sys.modules if name.startswith("movable_tape_cache")]:
        del sys.modules[name]
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        report = check(_spec(importlib.import_module("movable_tape_cache")))
    finally:
        sys.dont_write_bytecode = before
    assert "MIG-HANDLES" in [result.id for result in report.checks if result.outcome == "fail"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot name a driver"),
        ("Tape Cache", "'tape-cache', say"),
        ("TapeCache", "'tape-cache', say"),
        ("2fast", "'fast', say"),
        ("tape--cache", "'tape-cache', say"),
        ("tape/../cache", "'tape-cache', say"),
        ("bänder", "cannot name a driver"),
        ("x" * 41, "at most 40"),
        ("class", "Python itself"),
        ("match", "Python itself"),
        ("json", "Python itself"),
        ("movable", "something else in movable"),
        ("movable_tape", "something else in movable"),
        ("tests", "something else in movable"),
        ("balloon", "installed already"),
    ],
)
def test_names_that_cannot_be_are_refused(text: str, said: str, tmp_path: Path) -> None:
    """A bad name is refused with the reason, a name close to it if there is one, and nothing is written."""
    with pytest.raises(ConfigError, match=r"^name: ") as refused:
        scaffold(text, tmp_path / "new")
    assert said in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_name_has_four_forms() -> None:
    """What is typed gives the distribution, the package and the class."""
    name = DriverName.of("tape_cache-2")
    assert (name.name, name.distribution) == ("tape_cache-2", "movable-tape-cache-2")
    assert (name.package, name.type) == ("movable_tape_cache_2", "TapeCache2")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder with something in it, or a file, is refused; an empty folder is used."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("kept")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "empty").mkdir()
    for name in ("full", "file"):
        with pytest.raises(ConfigError, match="is there already"):
            scaffold("tape", tmp_path / name)
    assert (tmp_path / "full" / "precious").read_text() == (tmp_path / "file").read_text() == "kept"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["precious"]
    assert (scaffold("tape", tmp_path / "empty") / "pyproject.toml").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Where a file is in the way of a folder the error names the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write .*file"):
        scaffold("tape", tmp_path / "file" / "below")


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`movable new NAME` writes to movable-NAME and says what to do next; a bad name has status 2."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", "tape"]) == 0
    out = capsys.readouterr().out
    assert "wrote movable-tape" in out
    assert "movable check tape" in out
    assert (tmp_path / "movable-tape" / "movable_tape" / "driver.py").exists()
    assert main(["new", "tape"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["new", "class"]) == 2
