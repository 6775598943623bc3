"""Who may reach into the C core. `make layers` holds the floors above it, which are all Python."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SDK = ROOT / "sdk" / "movable"


def imports(path: Path) -> set[str]:
    """The modules that a file imports, with the names taken from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def reaching_into_the_core(folder: Path) -> list[str]:
    """The files of a folder that import the extension module."""
    return [
        str(path.relative_to(ROOT))
        for path in sorted(folder.rglob("*.py"))
        if any(name.startswith("movable._core") for name in imports(path))
    ]


def test_the_suite_does_not_reach_into_the_core() -> None:
    """No file of the conformance suite or the command line imports the C core."""
    assert reaching_into_the_core(SDK / "conformance") == []
    assert reaching_into_the_core(SDK / "cli") == []


def test_reference_drivers_do_not_reach_into_the_core() -> None:
    """No file of a reference driver, its tests included, imports the C core."""
    assert reaching_into_the_core(ROOT / "reference_drivers") == []


def test_the_search_would_find_one() -> None:
    """The same search finds the module that does reach into the core."""
    assert "sdk/movable/machine.py" in reaching_into_the_core(SDK)
