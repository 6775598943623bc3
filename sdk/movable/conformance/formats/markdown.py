"""Reports as Markdown: the table for a README, then what failed and what was not judged."""

from collections.abc import Iterable, Sequence

from movable.conformance.outcome import Outcome
from movable.conformance.report import LEVELS, CheckResult, LevelCount, Report
from movable.conformance.titles import check_title

__all__ = ["to_markdown"]


def to_markdown(reports: Sequence[Report]) -> str:
    """A scorecard with a row for each driver, then a section for each driver."""
    lines = ["# Conformance", "", *_scorecard(reports)]
    for report in reports:
        lines += ["", *_section(report)]
    return "\n".join(lines) + "\n"


def _scorecard(reports: Sequence[Report]) -> list[str]:
    levels = sorted({level for report in reports for level in report.levels})
    lines = [
        "| driver | verdict | " + " | ".join(f"{level} {LEVELS.get(level, '')}" for level in levels) + " |"
    ]
    lines.append("|---" * (2 + len(levels)) + "|")
    for report in reports:
        cells = [_cell(report.levels.get(level, LevelCount())) for level in levels]
        lines.append(f"| {_inline(report.driver)} | **{report.verdict}** | " + " | ".join(cells) + " |")
    return [
        *lines,
        "",
        "Passed / run; what was not claimed, was blocked or did not run is in neither number.",
    ]


def _cell(count: LevelCount) -> str:
    return "not run" if not count.run else f"{count.passed}/{count.run}"


def _section(report: Report) -> list[str]:
    asked = f"contract `{report.contract}`, seed {report.seed}, budget {report.budget}"
    lines = [f"## {_inline(report.driver)}: {report.verdict}", "", f"Judged by {asked}.", ""]
    lines += [f"- {count.summary(level)}" for level, count in report.levels.items()]
    counted = [result for result in report.checks if not result.preview]
    for result in _of(counted, Outcome.FAIL, Outcome.XPASS):
        lines += ["", f"### {result.outcome} {result.id}: {check_title(result.id)}", "", "```text"]
        lines += [*result.message.replace("```", "'''").splitlines(), "```"]
    lines += _table("Not judged", _of(counted, Outcome.NOT_CLAIMED, Outcome.BLOCKED, Outcome.NOT_RUN))
    lines += _table("Expected to fail", _of(counted, Outcome.XFAIL))
    lines += _table("Preview", [result for result in report.checks if result.preview])
    return lines


def _of(results: Iterable[CheckResult], *outcomes: Outcome) -> list[CheckResult]:
    return [result for result in results if result.outcome in outcomes]


def _table(title: str, results: Sequence[CheckResult]) -> list[str]:
    """Checks that share outcome and reason, one row for each reason; nothing without checks."""
    groups: dict[tuple[str, str], list[str]] = {}
    for result in results:
        key = (str(result.outcome), result.message.partition("\n")[0])
        groups.setdefault(key, []).append(f"`{result.id}`")
    rows = [f"| {outcome} | {_inline(why)} | {', '.join(ids)} |" for (outcome, why), ids in groups.items()]
    return ["", f"### {title}", "", "| outcome | reason | checks |", "|---|---|---|", *rows] if rows else []


def _inline(text: str) -> str:
    """Text that cannot end a table's cell or become markup."""
    return "".join(f"\\{char}" if char in "\\`*_|<>[]#" else char for char in text)
