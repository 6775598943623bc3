"""The command line as a whole: its sub-commands, version and exit statuses."""

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from cyclopts import App

from movable.cli import bench, check, contract, drivers, explain, fidelity, new, numa, power, replay, stateful
from movable.drivers import installed_offers
from movable.errors import MovableError

__all__ = ["EXIT_FAIL", "EXIT_PASS", "EXIT_USAGE", "main", "make_app"]

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_USAGE = 2


def make_app() -> App:
    """Build the parser with every sub-command."""
    app = App(
        name="movable",
        help="Emulated memory compaction and page migration, and a judge for drivers of movable pages.",
        version=_version,
        version_flags=["--version"],
        help_flags=["--help", "-h"],
    )
    for command in (check, replay, contract, stateful, drivers, new, bench, fidelity, power, explain, numa):
        command.register(app)
    for command in installed_offers("movable_commands"):
        _add(app, command)
    return app


def _add(app: App, command: object) -> None:
    """Add a plugin's command; one that does not fit is left out and named, so that the others still work."""
    if not isinstance(command, App):
        print(f"movable: a plugin's command was left out: {command!r} is no cyclopts App", file=sys.stderr)
        return
    try:
        app.command(command)
    except Exception as error:
        print(f"movable: a plugin's command {command.name} was left out: {error}", file=sys.stderr)


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 pass, 1 fail, 2 usage."""
    arguments = list(sys.argv[1:] if tokens is None else tokens)
    try:
        status = make_app()(arguments or ["--help"], result_action="return_value")
    except MovableError as error:
        print(f"movable: {error}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_FAIL
    return status if isinstance(status, int) else EXIT_PASS


def _version() -> str:
    try:
        return f"movable {version('movable')}"
    except PackageNotFoundError:
        return "movable (not installed)"
