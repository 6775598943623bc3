"""``movable stateful``: judge a driver by random programs of steps, print the shortest that breaks it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from movable.cli.files import demand_writable

if TYPE_CHECKING:
    from movable.stateful import StatefulReport

__all__ = ["register"]


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(stateful_command, name="stateful")


def stateful_command(
    driver: str,
    *,
    examples: int = 100,
    steps: int = 30,
    seed: int = 0,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Judge a driver by random programs. Exit status: 0 none broke the contract, 1 one did, 2 wrong usage.

    A program stores, loads, drops, pins, isolates, migrates with outcomes of all kinds, puts back, compacts and
    unloads, in any order; the suite keeps its own books beside it. Needs the extra "stateful".

    Parameters
    ----------
    driver:
        An installed driver (see ``movable drivers``), or ``module:attribute`` for one that is not installed.
    examples:
        How many programs to run, after as many short ones, of a fifth of the steps.
    steps:
        How many steps each program has.
    seed:
        Chooses programs and contents; the same seed gives the same run.
    json:
        Write the report to this file: schema movable.stateful/1.
    quiet:
        Leave out the table of transitions.
    """
    from movable.stateful import run_stateful

    if json is not None:
        demand_writable(json)
    report = run_stateful(driver, examples=examples, steps=steps, seed=seed)
    console = Console(soft_wrap=True)
    if not quiet:
        _print_table(console, report)
    if not report.passed:
        _print_failure(console, report)
    console.print(Text(f"{report.driver}: {report.summary()}"))
    verdict = ("pass", "bold green") if report.passed else ("fail", "bold red")
    console.print(Text.assemble("verdict: ", verdict))
    if json is not None:
        report.write(json)
    return 0 if report.passed else 1


def _print_table(console: Console, report: "StatefulReport") -> None:
    """Rules by states: how often each ran, ``-`` where it cannot, and the transitions that never ran."""
    rows = report.table()
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, *cells in rows:
        numbers = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        console.print(Text(f"{name:<{widths[0]}}  {numbers}"))
    console.print()
    if report.never:
        never = "; ".join(f"{rule} ({state})" for rule, state in report.never)
        console.print(Text(f"never ran: {never}\n", "yellow"))


def _print_failure(console: Console, report: "StatefulReport") -> None:
    console.print(Text(f"FAIL {report.clause}, in {report.length} steps", "bold red"))
    for line in (*report.message.splitlines(), "", *report.program.splitlines()):
        console.print(Text(f"  {line}".rstrip()))
    console.print()
