"""What `movable new` writes, installed by pip into a virtual environment, is found and judged, and tests itself."""

import os
import re
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

from movable.scaffold import scaffold

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAM = "import sys, movable.cli; sys.exit(movable.cli.main())"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a new driver called tape."""
    return scaffold("tape", tmp_path_factory.mktemp("new") / "movable-tape")


@pytest.fixture(scope="module")
def python(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment with the driver installed; it borrows what this environment has."""
    if find_spec("pip") is None or find_spec("setuptools") is None:
        pytest.skip("needs pip and setuptools in this environment")
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    paths = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    lines = [f"import site; site.addsitedir({path!r})" for path in paths]
    (Path(site) / "borrowed.pth").write_text("\n".join([*lines, ""]))
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([python, "-m", "pip", "install", *options, str(project)], check=True)
    return python


def _run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [python, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_new_driver_is_listed(python: Path, tmp_path: Path) -> None:
    """`movable drivers` lists it with what it claims."""
    listed = _run(python, tmp_path, "-c", PROGRAM, "drivers")
    assert listed.returncode == 0, listed.stderr
    row = next(line for line in listed.stdout.splitlines() if line.startswith("tape "))
    assert "contents, pin, drop_isolated" in row
    assert "broken" not in listed.stdout


def test_the_new_driver_is_judged_by_name(python: Path, tmp_path: Path) -> None:
    """`movable check` and `movable stateful` pass it."""
    judged = _run(python, tmp_path, "-c", PROGRAM, "check", "tape")
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "verdict: pass" in judged.stdout
    judged = _run(python, tmp_path, "-c", PROGRAM, "stateful", "tape", "--examples", "10")
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_new_drivers_tests_pass(python: Path, project: Path) -> None:
    """Plain pytest in the new folder: the suite's checks, random programs, and the driver's own tests."""
    done = _run(python, project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 70


def test_a_mistake_fails_its_tests(python: Path, project: Path, tmp_path: Path) -> None:
    """With a step of migratepage left out the same tests fail, and name the clause."""
    driver = project / "movable_tape" / "driver.py"
    text = driver.read_text()
    assert "        self.idle.add(newpage)\n" in text
    driver.write_text(text.replace("            self.idle.add(newpage)\n", ""))
    try:
        # pytest's --import-mode=prepend would find the installed copy: the folder goes first.
        done = _run(
            python,
            project,
            "-c",
            "import sys, pytest; sys.path.insert(0, '.'); sys.exit(pytest.main(['-q']))",
        )
    finally:
        driver.write_text(text)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "LIVE-4" in done.stdout
