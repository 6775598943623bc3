"""``movable power``: judge the suite by a folder of wrong drivers, and print the kill matrix."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from movable.cli.files import demand_writable
from movable.conformance.power import (
    DEFAULT_FOLDER,
    CorrectResult,
    MutantResult,
    PowerReport,
    measure_power,
)
from movable.errors import ConfigError

__all__ = ["register"]


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(power_command, name="power")


def power_command(
    folder: Path | None = None,
    *,
    select: Annotated[str | None, Parameter(name=["--select", "-k"])] = None,
    seed: int = 0,
    seeds: int = 1,
    jobs: int = 1,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    markdown: Annotated[Path | None, Parameter(name="--markdown")] = None,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative="")] = False,
) -> int:
    """Judge the suite by wrong drivers. Exit status: 0 all found and no correct one failed, 1 not so, 2 usage.

    Parameters
    ----------
    folder:
        A package or folder of wrong drivers, tests/mutants by default: classes marked with
        movable.conformance.power.wrong and correct.
    select:
        Judge only drivers with these names: globs (B0*) or parts of names, with commas between.
    seed:
        Chooses what the checks store.
    seeds:
        How many seeds every correct driver must pass.
    jobs:
        Processes that share the work.
    json:
        Write the kill matrix to this file: schema movable.power/1.
    markdown:
        Write the kill matrix to this file as a Markdown page.
    verbose:
        Print one line for every driver.
    """
    if folder is None and not DEFAULT_FOLDER.is_dir():
        raise ConfigError(f"power: there is no {DEFAULT_FOLDER} here; name the folder of wrong drivers")
    for path in (json, markdown):
        if path is not None:
            demand_writable(path)
    console = Console(soft_wrap=True)

    def judged(result: MutantResult | CorrectResult) -> None:
        if verbose:
            console.print(_driver_line(result))

    report = measure_power(
        folder or DEFAULT_FOLDER, select=select, seed=seed, seeds=seeds, jobs=jobs, on_judged=judged
    )
    _print(console, report)
    if json is not None:
        report.write_json(json)
    if markdown is not None:
        report.write_markdown(markdown)
    return 0 if report.passed else 1


def _print(console: Console, report: PowerReport) -> None:
    console.print(
        Text(f"{report.folder}: {len(report.mutants)} wrong drivers, contract {report.contract}\n", "bold")
    )
    width = max((len(row.group) for row in report.classes), default=0)
    for row in report.classes:
        style = "green" if row.by_its_own == row.planted else "bold red"
        checks = ", ".join(row.checks)
        console.print(
            Text.assemble(
                f"{row.group:<{width}}  ", (f"{row.killed:>3}/{row.planted:<3}", style), f"  {checks}"
            )
        )
    _print_rest(console, report)
    console.print()
    console.print(Text(report.summary()))
    verdict = ("pass", "bold green") if report.passed else ("fail", "bold red")
    console.print(Text.assemble("verdict: ", verdict))


def _print_rest(console: Console, report: PowerReport) -> None:
    """Survivors, mistakes found by other checks, accused correct drivers, and what races took."""
    for one in report.survivors:
        console.print(Text(f"\nsurvived: {one.name}: {one.message}", "bold red"))
    for one in report.killed_by_others:
        console.print(Text(f"\nnot by {one.check}: {one.name}, but by {', '.join(one.killed_by)}", "yellow"))
    for accused in report.accused:
        console.print(Text(f"\ncorrect, but failed: {accused.name}: {', '.join(accused.failed)}", "bold red"))
    races = [one for one in report.mutants if one.schedules is not None]
    if races:
        console.print()
    for one in races:
        console.print(Text(f"{one.name}: found after {one.schedules} schedules of {one.check}"))


def _driver_line(result: MutantResult | CorrectResult) -> Text:
    if isinstance(result, CorrectResult):
        style = "bold red" if result.failed else "green"
        return Text.assemble((f"{'failed' if result.failed else 'passed':<9}", style), result.name)
    style = "green" if result.by_its_own else "yellow" if result.killed else "bold red"
    by = ", ".join(result.killed_by) or result.message
    return Text.assemble((f"{'killed' if result.killed else 'survived':<9}", style), f"{result.name}: {by}")
