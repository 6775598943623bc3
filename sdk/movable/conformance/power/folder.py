"""A folder of wrong drivers: Python files, or a package, whose classes are marked ``@wrong`` or ``@correct``."""

import importlib
import sys
from pathlib import Path

from attrs import field, frozen

from movable.conformance.power.mutation import CorrectDriver, Mutation, declared_in
from movable.errors import ConfigError

__all__ = ["DEFAULT_FOLDER", "Folder", "load_folder"]

DEFAULT_FOLDER = Path("tests/mutants")


@frozen
class Folder:
    """What a folder declares; drivers are in the order of their files, then of their definition."""

    path: Path
    mutants: tuple[Mutation, ...] = field(repr=False)
    correct: tuple[CorrectDriver, ...] = field(repr=False)

    def mutant(self, name: str) -> Mutation:
        """The wrong driver of this name.

        Raises:
            KeyError: the folder has none.
        """
        for one in self.mutants:
            if one.name == name:
                return one
        raise KeyError(name)


def load_folder(path: Path) -> Folder:
    """Import every module of a folder and return the drivers that they declare.

    A folder with ``__init__.py`` is a package, imported by its own name, sub-packages too. In any other
    folder every ``.py`` file is a module of its own.

    Raises:
        ConfigError: there is no such folder, a module cannot be imported, another module has its name, or no
            wrong driver is declared.
    """
    folder = path.resolve()
    if not folder.is_dir():
        raise ConfigError(f"folder: there is no folder {path}; name the one that holds the wrong drivers")
    root, files = _modules(folder)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    for name, file in files.items():
        _import(name, file)
    mutants, correct = declared_in(set(files))
    if not mutants:
        raise ConfigError(
            f"folder: no driver in {path} is marked as wrong; decorate each with "
            "@movable.conformance.power.wrong(check, clause)"
        )
    names = [one.name for one in mutants + correct]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"folder: in {path} more than one driver is called {', '.join(twice)}")
    return Folder(path, mutants, correct)


def _modules(folder: Path) -> tuple[Path, dict[str, Path]]:
    """Where imports start, and the modules below by name."""
    if not (folder / "__init__.py").exists():
        return folder, {file.stem: file for file in sorted(folder.glob("*.py"))}
    root = folder.parent
    while (root / "__init__.py").exists():
        root = root.parent
    files = sorted(file for file in folder.rglob("*.py") if (file.parent / "__init__.py").exists())
    return root, {_dotted(file.relative_to(root)): file for file in files}


def _dotted(file: Path) -> str:
    parts = file.parent.parts if file.name == "__init__.py" else (*file.parent.parts, file.stem)
    return ".".join(parts)


def _import(name: str, file: Path) -> None:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise ConfigError(f"folder: {file} cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != file:
        raise ConfigError(f"folder: {file} cannot be imported: {name} is another module ({found}); rename it")
