"""A driver from another distribution, installed by pip, is found and judged like the reference drivers."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "cells-driver"
version = "1.0"

[project.entry-points.movable]
cells = "cells_driver"

[tool.setuptools]
py-modules = ["cells_driver"]
"""

PROVIDER = """

from movable import Capabilities, DriverSpec


@hookimpl
def movable_drivers() -> list[DriverSpec]:
    return [
        DriverSpec(
            name="cells",
            factory=Cells,
            workload=lambda driver: driver,
            capabilities=Capabilities(),
            summary="One page per object.",
        )
    ]
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `movable` with the distributions in `site` installed as well."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    program = "import sys, movable.cli; sys.exit(movable.cli.main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed a distribution with the tutorial's driver."""
    if find_spec("pip") is None or find_spec("setuptools") is None:
        pytest.skip("needs pip and setuptools in this environment")
    source, site = tmp_path_factory.mktemp("cells-driver"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "cells_driver.py").write_text((ROOT / "docs/tutorial/cells.py").read_text() + PROVIDER)
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True)
    shutil.rmtree(source)
    return site


def test_the_driver_is_listed(installed: Path) -> None:
    """`movable drivers` lists the foreign driver beside the reference drivers."""
    listed = run(installed, "drivers")
    assert listed.returncode == 0, listed.stderr
    assert "cells" in listed.stdout
    assert "balloon" in listed.stdout


def test_the_driver_is_judged_by_name(installed: Path, tmp_path: Path) -> None:
    """`movable check NAME` judges the foreign driver, prints the denominator, and exits with 0."""
    report = tmp_path / "report.json"
    judged = run(installed, "check", "cells", "--json", str(report))
    assert judged.returncode == 0, judged.stdout + judged.stderr
    content = json.loads(report.read_text())
    level = content["levels"]["L1"]
    assert (content["schema"], content["driver"], content["verdict"]) == ("movable.report/1", "cells", "pass")
    assert level["run"] == level["passed"] >= 30
    assert f"{level['passed']}/{level['run']}" in judged.stdout


MOVE = "mapping.replace_page(newpage, oldpage)"
UNCLEARED = (
    "newpage.copy_from(oldpage); newpage.private = handle; newpage.get(); newpage.set_movable(mapping); "
    "oldpage.private = 0; oldpage.put()"
)
MISTAKES = {
    "old page not cleared": (
        MOVE,
        UNCLEARED,
        "MIG-CLEARED",
        "MIG-1",
    ),
    "lost putback": (
        '"""Take the page back: it did not move."""\n        with self.lock:\n            self.idle.add(page)',
        '"""Lose the page."""',
        "PUT-AGAIN",
        "PUT-4",
    ),
    "wrong refcount": (MOVE, f"{MOVE}; oldpage.get()", "MIG-OLD-REF", "MIG-4"),
}


@pytest.mark.parametrize(("old", "new", "check_id", "clause"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told(
    installed: Path, tmp_path: Path, old: str, new: str, check_id: str, clause: str
) -> None:
    """The same driver with a mistake fails the check made for it alone, by its clause, and exits with 1."""
    site = tmp_path / "site"
    shutil.copytree(installed, site)
    module = site / "cells_driver.py"
    assert old in module.read_text()
    module.write_text(module.read_text().replace(old, new))
    judged = run(site, "check", "cells", "--level", "L1", "--json", str(tmp_path / "report.json"))
    assert judged.returncode == 1, judged.stdout + judged.stderr
    checks = json.loads((tmp_path / "report.json").read_text())["checks"]
    failed = [check for check in checks if check["outcome"] == "fail"]
    told = [(check["id"], check["clause"], check["repeat"]) for check in failed]
    assert told == [(check_id, clause, f"movable check cells -k {check_id}")]
    assert clause in judged.stdout


def test_an_uninstalled_driver_is_unknown() -> None:
    """Without the distribution the name is refused with what is installed, and the exit status is 2."""
    judged = run(Path(os.devnull), "check", "cells")
    assert judged.returncode == 2
    assert "balloon" in judged.stderr
