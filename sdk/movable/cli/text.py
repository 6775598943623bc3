"""The report as text: failures in full, what did not run and why, the denominator, the verdict."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from movable.conformance import (
    CONTRACT,
    CheckResult,
    Comparison,
    Outcome,
    Report,
    check_family,
    check_title,
    family_title,
)

__all__ = ["print_comparison", "print_report", "print_totals"]

_STYLE = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.XFAIL: "yellow",
    Outcome.XPASS: "bold red",
    Outcome.NOT_CLAIMED: "cyan",
    Outcome.BLOCKED: "magenta",
    Outcome.NOT_RUN: "dim",
}

_CHANGE = {"worse": "bold red", "better": "green", "new": "bold red", "gone": "yellow"}

_MANY = 8


def print_report(console: Console, report: Report, *, quiet: bool = False, verbose: bool = False) -> None:
    """Print one driver's report; ``quiet`` leaves the last lines, ``verbose`` adds a line for every check."""
    if not quiet:
        _line(console, f"{report.driver}: contract {report.contract}, {len(report.checks)} checks", "bold")
        console.print()
        if verbose:
            _print_checks(console, report)
        else:
            _print_families(console, report)
        _print_notes(console, report)
        _print_failures(console, report)
        console.print()
    prefix = f"{report.driver}: " if quiet else ""
    for level, count in report.levels.items():
        _line(console, prefix + count.summary(level))
    if not any(count.run for count in report.levels.values()):
        _line(console, f"{prefix}no check was run: that is a failure, not a pass", "bold red")
    style = "bold green" if report.passed else "bold red"
    console.print(Text.assemble(f"{prefix}verdict: ", (report.verdict, style)))


def print_totals(console: Console, reports: Sequence[Report]) -> None:
    """Print the verdict over several drivers."""
    passed = sum(report.passed for report in reports)
    console.print()
    _line(console, f"{passed}/{len(reports)} drivers passed")


def print_comparison(console: Console, found: Comparison) -> None:
    """Print what changed since an older run, one line each; of what is new only the failures."""
    console.print()
    _line(console, f"compared: {found.summary()}", "bold red" if found.regressed else "bold")
    failing = [change for change in found.new if change.new in (Outcome.FAIL, Outcome.XPASS)]
    rows = {"worse": found.worse, "better": found.better, "new": failing}
    for kind, changes in rows.items():
        for change in changes:
            _line(console, f"  {kind:<7} {change}", _CHANGE[kind])
    gone: dict[str, list[str]] = {}
    for change in found.gone:
        gone.setdefault(change.driver, []).append(change.check)
    for driver, ids in gone.items():
        _line(console, f"  {'gone':<7} {driver}: {_some(ids)}", _CHANGE["gone"])


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style))


def _print_families(console: Console, report: Report) -> None:
    """One row per family of clauses: how many of its checks ended how."""
    families: dict[str, list[Outcome]] = {clause.family: [] for clause in CONTRACT}
    for result in report.checks:
        families.setdefault(check_family(result.id), []).append(result.outcome)
    width = max(len(family_title(family)) for family in families)
    for family, outcomes in families.items():
        row = Text(f"{family:<6}{family_title(family):<{width}}  ")
        for index, outcome in enumerate(sorted(set(outcomes), key=list(Outcome).index)):
            row.append(", " if index else "").append(f"{outcomes.count(outcome)} {outcome}", _STYLE[outcome])
        if outcomes:
            console.print(row)


def _print_checks(console: Console, report: Report) -> None:
    """One row per check that was selected."""
    width = max(len(result.id) for result in report.checks)
    for result in report.checks:
        if result.outcome is not Outcome.NOT_RUN:
            outcome = (f"{result.outcome:<12}", _STYLE[result.outcome])
            time = f"{1000 * result.seconds:>7.1f} ms  "
            figures = "".join(f", {value:g} {name}" for name, value in result.figures.items())
            row = Text.assemble(
                f"{result.id:<{width}}  ", outcome, time, check_title(result.id), (figures, "dim")
            )
            console.print(row)


def _print_notes(console: Console, report: Report) -> None:
    """Checks that were not claimed and why; advice from those that passed."""
    _print_grouped(console, report.of_outcome(Outcome.NOT_CLAIMED), "cyan")
    for result in report.of_outcome(Outcome.PASS):
        for note in result.message.splitlines():
            advice = f"\nadvice ({result.clause}, {result.id}): {note.removeprefix('note').strip()}"
            _line(console, advice, "yellow")


def _print_failures(console: Console, report: Report) -> None:
    for result in report.of_outcome(Outcome.XFAIL):
        _line(console, f"\nXFAIL {result.id}: {result.message.splitlines()[0]}", "yellow")
    for result in report.of_outcome(Outcome.FAIL, Outcome.XPASS):
        head = f"{result.outcome.upper()} {result.id}: {check_title(result.id)}"
        preview = " (preview, not counted)" if result.preview else ""
        _line(console, f"\n{head}{preview}", "yellow" if result.preview else "bold red")
        for line in result.message.splitlines():
            _line(console, f"  {line}")
    _print_grouped(console, report.of_outcome(Outcome.BLOCKED), "magenta")


def _print_grouped(console: Console, results: Iterable[CheckResult], style: str) -> None:
    """Ids that share a reason, on one line each reason; of many the first ones."""
    groups: dict[str, list[str]] = {}
    for result in results:
        groups.setdefault(result.message, []).append(result.id)
    if groups:
        console.print()
    for reason, ids in groups.items():
        _line(console, f"{reason}: {_some(ids, ' (-v lists them)')}", style)


def _some(ids: Sequence[str], more: str = "") -> str:
    """Ids with commas between; of many the first ones."""
    shown = ids if len(ids) <= _MANY else [*ids[:_MANY], f"and {len(ids) - _MANY} more{more}"]
    return ", ".join(shown)
