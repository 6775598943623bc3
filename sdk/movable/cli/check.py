"""``movable check``: judge drivers, print the report, write it in any format, compare it with an older one."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from movable.cli.outputs import NO_OUTPUTS, Outputs
from movable.cli.progress import Watch
from movable.cli.text import print_comparison, print_report, print_totals
from movable.conformance import (
    Outcome,
    Report,
    check,
    compare,
    make_runner,
    read_reports,
    resolve,
    update_expectations,
)
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
    level: str | None = None,
    budget: str | None = None,
    quick: Annotated[bool, Parameter(negative="")] = False,
    seed: int = 0,
    lines: Annotated[bool, Parameter(negative="")] = False,
    jobs: int = 1,
    contract: str | None = None,
    outputs: Outputs = NO_OUTPUTS,
    older: Annotated[Path | None, Parameter(name="--compare")] = None,
    update: Annotated[bool, Parameter(name="--update-expectations", negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative="")] = False,
) -> int:
    """Judge drivers by the contract. Exit status: 0 all passed, 1 one failed or regressed, 2 wrong usage.

    Parameters
    ----------
    names:
        Installed drivers (see ``movable drivers``), or ``module:attribute`` for one that is not installed.
    all_:
        Judge every installed driver; a provider that cannot be loaded makes the status 1.
    select:
        Run only checks with these ids: ids, globs (MIG-*) or parts of ids, with commas between.
    level:
        Run only these levels: L1 (contract), L2 (faults), L3 (races), L4 (placement), with commas between.
    budget:
        How long the checks above L1 may search, together, for one driver: 60s, 10m, 1h30m. Without it they make
        the same number of steps on every machine.
    quick:
        A tenth of the usual number of steps.
    seed:
        Chooses what is stored and which schedules run; the same seed gives the same run.
    lines:
        Let CPUs change places between the lines of the driver's own code in all schedules, not in a third of them.
    jobs:
        Processes that share the work; the results are the same.
    contract:
        Judge by this contract: aops-4.8 (its newest version) or a version of it, aops-4.8/1.0.
    outputs:
        Files to write the report to.
    older:
        Compare with an older JSON report, and print what got better or worse, is new or gone.
    update:
        Write the failures of this run to expectations.toml in the driver's package, as known ones.
    quiet:
        Print the verdict of each driver and nothing else.
    verbose:
        Print one line for every check.
    """
    targets = _targets(names, all_)
    if quick and budget is not None:
        raise ConfigError("check: say --quick or --budget, not both")
    outputs.demand()
    old = read_reports(older) if older is not None else None
    for name in targets:
        make_runner(name, select=select, levels=level, contract=contract, jobs=jobs)
    console = Console(soft_wrap=True)
    broken = _tell_broken(console) if all_ else {}
    judge = partial(
        check,
        select=select,
        levels=level,
        budget="quick" if quick else budget,
        contract=contract,
        jobs=jobs,
        seed=seed,
        lines=lines,
    )
    reports = [_judged(console, name, judge, quiet=quiet, verbose=verbose) for name in targets]
    if len(reports) > 1:
        print_totals(console, reports)
    outputs.write(reports)
    regressed = old is not None and _compare(console, old, reports)
    if update:
        mended = [_update(console, name, report) for name, report in zip(targets, reports, strict=True)]
        return 0 if all(mended) else 1
    return 0 if all(report.passed for report in reports) and not broken and not regressed else 1


def _tell_broken(console: Console) -> dict[str, str]:
    """Print the providers that cannot be loaded; why, by name."""
    broken = broken_providers()
    for provider, reason in broken.items():
        console.print(Text(f"not judged: {provider}: {reason}\n", "bold red"))
    return broken


def _judged(
    console: Console, name: str, judge: Callable[..., Report], *, quiet: bool, verbose: bool
) -> Report:
    """Judge one driver while its results are shown, then print the report."""
    with Watch(console, name, silent=quiet) as watch:
        report = judge(name, on_result=watch.result)
    print_report(console, report, quiet=quiet, verbose=verbose)
    return report


def _compare(console: Console, old: tuple[Report, ...], new: list[Report]) -> bool:
    """Print what changed; True if something regressed."""
    found = compare(old, new)
    print_comparison(console, found)
    return found.regressed


def _update(console: Console, name: str, report: Report) -> bool:
    """Write a driver's expectations, and say what changed; True if a run with them would pass."""
    path, told = update_expectations(resolve(name), report)
    console.print(Text(f"\n{path}: {len(told)} changed" if told else f"\n{path}: nothing to change"))
    for line in told:
        console.print(Text(f"  {line}"))
    changed = {line.split()[1].rstrip(":") for line in told}
    return all(one.id in changed for one in report.of_outcome(Outcome.FAIL, Outcome.XPASS) if not one.preview)


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
