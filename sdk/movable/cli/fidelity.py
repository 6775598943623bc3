"""``movable fidelity``: replay recordings of a real kernel, print what differs and why."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from movable.cli.files import demand_writable
from movable.errors import ConfigError
from movable.fidelity import (
    FidelityReport,
    Row,
    RowVerdict,
    load_recording,
    replay,
    write_fidelity_reports,
)

__all__ = ["register"]

_STYLE = {RowVerdict.EQUAL: "green", RowVerdict.EXPLAINED: "cyan", RowVerdict.WRONG: "bold red"}


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(fidelity_command, name="fidelity")


def fidelity_command(
    *recordings: Path,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative="")] = False,
) -> int:
    """Replay recordings of a real kernel. Each row is equal, explained by a known difference, or wrong.

    Exit status: 0 no row is wrong, 1 some are, 2 wrong usage or a file that is no recording.

    Parameters
    ----------
    recordings:
        JSON files, each with a ``topic`` that an installed adapter replays.
    json:
        Write all rows to this file: schema movable.fidelity/1.
    quiet:
        Print one line for each recording.
    verbose:
        Print every row.
    """
    if not recordings:
        raise ConfigError("fidelity: name the recordings to replay")
    if json is not None:
        demand_writable(json)
    loaded = [load_recording(path) for path in recordings]
    console = Console(soft_wrap=True)
    reports = []
    for path, recording in zip(recordings, loaded, strict=True):
        with console.status(f"replaying {path}") as status:

            def judged(row: Row) -> None:
                status.update(f"replaying {row.section}: {row.name}")

            reports.append(replay(recording, str(path), on_row=judged))
        _print(console, reports[-1], quiet=quiet, verbose=verbose)
    if json is not None:
        write_fidelity_reports(json, reports)
    return 0 if all(report.passed for report in reports) else 1


def _print(console: Console, report: FidelityReport, *, quiet: bool, verbose: bool) -> None:
    if not quiet:
        console.print(Text(f"{report.recording}: {report.topic}, {report.kernel}", "bold"))
        _print_sections(console, report)
        _print_rows(console, report.rows if verbose else report.of_verdict(RowVerdict.WRONG))
        _print_rules(console, report)
    console.print(
        Text.assemble(
            f"{report.recording}: " if quiet else "\nverdict: ",
            _counted(report.counts()),
            ", " if quiet else ": ",
            ("pass", "bold green") if report.passed else ("fail", "bold red"),
        )
    )


def _print_sections(console: Console, report: FidelityReport) -> None:
    sections = report.sections()
    width = max(len(section) for section in sections)
    console.print()
    for section, counts in sections.items():
        console.print(Text.assemble(f"{section:<{width}}  {counts.total():>5} rows  ", _counted(counts)))


def _counted(counts: Counter[RowVerdict]) -> Text:
    text = Text()
    for verdict in RowVerdict:
        if counts[verdict]:
            text.append(", " if text else "").append(f"{counts[verdict]} {verdict}", _STYLE[verdict])
    return text


def _print_rows(console: Console, rows: Iterable[Row]) -> None:
    for row in rows:
        rules = f" by {', '.join(row.rules)}" if row.rules and row.verdict is RowVerdict.EXPLAINED else ""
        console.print()
        console.print(
            Text.assemble((f"{row.verdict}{rules}", _STYLE[row.verdict]), f" {row.section}: {row.name}")
        )
        console.print(Text(f"  recorded  {row.recorded}"))
        console.print(Text(f"  here      {row.ours}"))
        if row.note:
            console.print(Text(f"  {row.note}"))


def _print_rules(console: Console, report: FidelityReport) -> None:
    counts = report.rule_counts()
    if counts:
        console.print()
    for rule in report.rules:
        if counts[rule.id]:
            console.print(Text(f"{rule.id}  {counts[rule.id]} rows: {rule.sentence} ({rule.source})", "cyan"))
