"""``movable new``: write the files of a new driver."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from movable.scaffold import scaffold

__all__ = ["register"]


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(new_command, name="new")


def new_command(name: str, *, into: Annotated[Path | None, Parameter(name="--into")] = None) -> int:
    """Write a new driver: an installable package, correct as it stands, with its tests. Exit status: 0, 2 wrong usage.

    Parameters
    ----------
    name:
        What the driver is called: lower-case letters and digits, in words joined by - or _.
    into:
        The folder to write to, which must not exist or be empty; movable-NAME in the current one by default.
    """
    root = scaffold(name, into)
    console = Console(soft_wrap=True)
    console.print(Text(f"wrote {root}"))
    for line in (f"cd {root}", "python -m pip install -e '.[test]'", f"movable check {name}", "pytest"):
        console.print(Text(f"  {line}"))
    return 0
