"""What the installed distribution says about itself and brings along."""

import tomllib
from importlib.metadata import distribution, entry_points
from pathlib import Path

import movable

ROOT = Path(__file__).parents[2]


def test_the_version_is_one() -> None:
    """The module, the distribution and the project file carry the same version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert movable.__version__ == distribution("movable").version == project["version"]


def test_every_public_name_is_there() -> None:
    """Each name in `__all__` exists, once."""
    assert len(movable.__all__) == len(set(movable.__all__))
    assert [name for name in movable.__all__ if not hasattr(movable, name)] == []


def test_the_balloon_is_registered_like_a_foreign_driver() -> None:
    """The balloon is found through the entry-point group `movable`."""
    assert {entry.name: entry.value for entry in entry_points(group="movable")}[
        "balloon"
    ] == "movable_balloon"
    assert "balloon" in movable.installed_drivers()


def test_the_package_is_typed_and_has_its_headers() -> None:
    """The package carries its typing marker and the headers for native drivers."""
    package = Path(movable.__file__).parent
    assert (package / "py.typed").exists()
    assert (package / "include" / "movable" / "driver.h").exists()
