"""Writes the files of a new driver."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from movable.drivers import installed_drivers
from movable.errors import ConfigError
from movable.scaffold.names import DriverName

__all__ = ["FILES", "scaffold"]

FILES = {
    "pyproject.toml.tmpl": "pyproject.toml",
    "README.md.tmpl": "README.md",
    "gitignore.tmpl": ".gitignore",
    "workflows/ci.yml.tmpl": ".github/workflows/ci.yml",
    "package/__init__.py.tmpl": "{package}/__init__.py",
    "package/driver.py.tmpl": "{package}/driver.py",
    "package/workload.py.tmpl": "{package}/workload.py",
    "package/expectations.toml.tmpl": "{package}/expectations.toml",
    "package/py.typed.tmpl": "{package}/py.typed",
    "tests/test_conformance.py.tmpl": "tests/test_conformance.py",
    "tests/test_driver.py.tmpl": "tests/test_driver.py",
}
"""Templates, and the file that each becomes."""


def scaffold(name: str, into: Path | None = None) -> Path:
    """Write a new driver into a folder of its own and return that folder.

    Args:
        name: what the driver is called; see `DriverName`.
        into: the folder to write to, which must not exist or be empty; by default one in the current folder, called
            like the distribution.

    Raises:
        ConfigError: the name cannot be used or is taken, or the folder is there already.
    """
    names = DriverName.of(name)
    if names.name in installed_drivers():
        raise ConfigError(f"name: a driver named {name!r} is installed already; choose another")
    root = Path(names.distribution) if into is None else into
    _demand_empty(root)
    words = {
        "name": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "type": names.type,
    }
    templates = files("movable.scaffold") / "templates"
    for template, file in FILES.items():
        _write(root / file.format(**words), templates / template, words)
    return root


def _demand_empty(root: Path) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigError(f"into: {root} is there already; name a folder that does not exist or is empty")


def _write(path: Path, template: Traversable, words: dict[str, str]) -> None:
    text = Template(template.read_text(encoding="utf-8")).substitute(words)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"into: cannot write {path}: {error.strerror}") from error
