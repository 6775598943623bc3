"""``movable check``: judge drivers, print the report, write it as JSON."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from movable.cli.files import demand_writable
from movable.cli.progress import Watch
from movable.cli.text import print_report, print_totals
from movable.conformance import Report, check, write_reports
from movable.drivers import broken_providers, installed_drivers
from movable.errors import ConfigError

__all__ = ["register"]


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(check_command, name="check")


def check_command(
    *names: str,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    select: Annotated[str | None, Parameter(name=["--select", "-k"])] = None,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative="")] = False,
) -> int:
    """Judge drivers by the contract. Exit status: 0 all passed, 1 one failed, 2 wrong usage.

    Parameters
    ----------
    names:
        Installed drivers (see ``movable drivers``), or ``module:attribute`` for one that is not installed.
    all_:
        Judge every installed driver; a provider that cannot be loaded makes the status 1.
    select:
        Run only checks with these ids: ids, globs (MIG-*) or parts of ids, with commas between.
    json:
        Write the report to this file: schema movable.report/1, for several drivers movable.reports/1.
    quiet:
        Print the verdict of each driver and nothing else.
    verbose:
        Print one line for every check.
    """
    targets = _targets(names, all_)
    if json is not None:
        demand_writable(json)
    console = Console(soft_wrap=True)
    broken = broken_providers() if all_ else {}
    for provider, reason in broken.items():
        console.print(Text(f"not judged: {provider}: {reason}\n", "bold red"))
    reports: list[Report] = []
    for name in targets:
        with Watch(console, name, silent=quiet) as watch:
            reports.append(check(name, select=select, on_result=watch.result))
        print_report(console, reports[-1], quiet=quiet, verbose=verbose)
    if len(reports) > 1:
        print_totals(console, reports)
    if json is not None:
        write_reports(json, reports)
    return 0 if all(report.passed for report in reports) and not broken else 1


def _targets(names: tuple[str, ...], every: bool) -> list[str]:
    """The drivers to judge, each once, in the order given."""
    if every and names:
        raise ConfigError("check: name drivers or say --all, not both")
    installed = sorted(installed_drivers())
    if not every and not names:
        raise ConfigError(f"check: name a driver or say --all; installed: {', '.join(installed) or 'none'}")
    if every and not installed:
        raise ConfigError("check: --all finds no installed driver; install a package that provides one")
    if any(":" in name for name in names):
        sys.path.insert(0, str(Path.cwd()))
    return list(dict.fromkeys(installed if every else names))
