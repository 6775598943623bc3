"""``movable bench``: the speed of this machine's migration, as ratios from one run."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from movable.benchmark import BenchReport, BenchRow, bench
from movable.cli.files import demand_writable

__all__ = ["register"]


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(bench_command, name="bench")


def bench_command(
    *,
    quick: Annotated[bool, Parameter(negative="")] = False,
    only: str | None = None,
    process_gib: int | None = None,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
) -> int:
    """Measure, and print ratios: 1.00 is as fast as the row it is compared with.

    Parameters
    ----------
    quick:
        Less memory and fewer rounds: seconds instead of a minute or two, and noisier.
    only:
        Measure only the groups of rows whose name fits this glob, such as ``migrate`` or ``z*``.
    process_gib:
        Size of the process that is moved between the nodes of the machine ``server``, such as 16; takes twice as much
        memory, and is refused where that is not free.
    json:
        Write the rows to this file: schema movable.bench/1.
    """
    if json is not None:
        demand_writable(json)
    console = Console(soft_wrap=True)
    with console.status("preparing") as status:

        def measured(row: BenchRow) -> None:
            status.update(f"measured {row.name}")

        report = bench(quick=quick, only=only, process_gib=process_gib, on_row=measured)
    _print(console, report)
    if json is not None:
        report.write_json(json)
    return 0


def _print(console: Console, report: BenchReport) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("what", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("ratio", justify="right")
    table.add_column("of", no_wrap=True)
    for row in report.rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, _number(row.value), row.unit, ratio, row.of or "")
    console.print(table)
    console.print()
    for row in report.rows:
        console.print(Text.assemble((row.name, "bold"), f": {row.note}"))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
