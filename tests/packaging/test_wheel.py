"""The built wheel, in an empty folder: a driver and a test class of two lines are all that a stranger needs."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("sdk", "reference_drivers", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")

TEST = """
from cells import Cells
from movable import DriverConformance


class TestMine(DriverConformance):
    driver = Cells
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    if find_spec("pip") is None or find_spec("setuptools") is None:
        pytest.skip("needs pip and setuptools in this environment")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("*.so", "*.o", "__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source / name)
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True)
    shutil.rmtree(source)
    return next(target.glob("movable-*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pip installs from the wheel."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    return folder


def _python(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def empty(site: Path, tmp_path: Path) -> Path:
    """An empty folder outside the repository, from which the wheel's package is imported."""
    found = _python(site, tmp_path, "-c", "import movable; print(movable.__file__)")
    assert found.stdout.startswith(str(site)), found.stdout + found.stderr
    assert ROOT not in tmp_path.parents
    return tmp_path


def test_the_wheel_has_the_suite_and_nothing_of_the_tests(wheel: Path) -> None:
    """Plugin and templates are in the wheel; tests and wrong drivers are not."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        points = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "movable/pytest_plugin.py" in names
    assert "movable/conformance/formats/report.html.j2" in names
    assert "movable/numa/workloads/stream.toml" in names
    assert "movable/scaffold/templates/package/driver.py.tmpl" in names
    assert "movable/scaffold/templates/workflows/ci.yml.tmpl" in names
    assert "[pytest11]\nmovable = movable.pytest_plugin" in points
    assert not [name for name in names if "mutants" in name or name.startswith("tests")]


def test_two_lines_judge_a_strangers_driver(site: Path, empty: Path) -> None:
    """Plain pytest, one class of two lines, no conftest: the report names checks run, not claimed and blocked."""
    (empty / "cells.py").write_text((ROOT / "docs/tutorial/cells.py").read_text())
    (empty / "test_mine.py").write_text(TEST)
    done = _python(site, empty, "-m", "pytest", "--strict-markers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Cells (test_mine.TestMine): contract aops-4.8/" in done.stdout
    line = re.search(r"L1 contract: pass, (\d+)/\1 run passed, \d+ not claimed", done.stdout)
    assert line is not None
    assert int(line[1]) > 60
    broken = (empty / "cells.py").read_text().replace("mapping.replace_page(newpage, oldpage)", "pass")
    (empty / "cells.py").write_text(broken)
    done = _python(site, empty, "-m", "pytest", "-q")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        r"L1 contract: fail, \d+/\d+ run passed, 1 failed, \d+ blocked, \d+ not claimed", done.stdout
    )


def test_the_command_judges_the_same_driver_without_a_file(site: Path, empty: Path) -> None:
    """`movable check module:Class` needs nothing but the driver's module."""
    (empty / "cells.py").write_text((ROOT / "docs/tutorial/cells.py").read_text())
    program = "import sys, movable.cli; sys.exit(movable.cli.main())"
    done = _python(
        site, empty, "-c", program, "check", "cells:Cells", "--html", "report.html", "--badge", "b.svg"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (empty / "report.html").read_text().startswith("<!doctype html>")
    assert (empty / "b.svg").exists()
