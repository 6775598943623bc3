"""Reports as one HTML page that is read offline: no script, font or picture is loaded. Needs the extra ``html``."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from movable.conformance.contract import CONTRACT
from movable.conformance.outcome import Outcome
from movable.conformance.report import LEVELS, CheckResult, LevelCount, Report
from movable.conformance.titles import check_family, check_title, family_title
from movable.errors import ConfigError

__all__ = ["to_html"]

_BAR = ("passed", "xfailed", "failed", "xpassed", "blocked", "not_claimed", "not_run", "preview")
"""Parts of a level's bar in order; those after the first four are outside the denominator."""


def to_html(reports: Sequence[Report]) -> str:
    """All reports as one page.

    Raises:
        ConfigError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise ConfigError("html: needs jinja2; pip install 'movable[html]'") from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = (files("movable.conformance.formats") / "report.html.j2").read_text(encoding="utf-8")
    levels = sorted({level for report in reports for level in report.levels})
    page = environment.from_string(source).render(
        reports=[_driver(report) for report in reports],
        passed=sum(report.passed for report in reports),
        levels=[(level, LEVELS.get(level, "")) for level in levels],
        outcomes=[str(outcome) for outcome in Outcome],
        bar=[part.replace("_", "-") for part in _BAR],
    )
    return page if page.endswith("\n") else page + "\n"


def _driver(report: Report) -> dict[str, Any]:
    rows = [_check(result) for result in report.checks]
    return {
        "name": report.driver,
        "verdict": report.verdict,
        "facts": {
            "contract": report.contract,
            "seed": str(report.seed),
            "budget": report.budget,
            "movable": report.movable or "unknown",
        },
        "levels": [_level(level, count) for level, count in report.levels.items()],
        "by_level": {level: _score(count) for level, count in report.levels.items()},
        "bad": [row for row in rows if row["outcome"] in ("fail", "xpass") and not row["preview"]],
        "families": _families(rows),
        "outcomes": [str(end) for end in Outcome if any(row["outcome"] == end for row in rows)],
    }


def _level(level: str, count: LevelCount) -> dict[str, Any]:
    parts = {part.replace("_", "-"): getattr(count, part) for part in _BAR}
    total = sum(parts.values())
    return {
        "id": level,
        "name": LEVELS.get(level, ""),
        "verdict": count.verdict,
        "score": _score(count),
        "parts": [(part, number, 100 * number / total) for part, number in parts.items() if number],
    }


def _score(count: LevelCount) -> str:
    return f"{count.passed}/{count.run}" if count.run else "not run"


def _check(result: CheckResult) -> dict[str, Any]:
    clauses = {clause.id: clause for clause in CONTRACT}
    clause = clauses.get(result.clause)
    return {
        "id": result.id,
        "title": check_title(result.id),
        "family": check_family(result.id),
        "level": result.level,
        "outcome": str(result.outcome),
        "clause": result.clause,
        "sentence": clause.sentence if clause else "",
        "source": clause.source if clause else "",
        "milliseconds": f"{1000 * result.seconds:.1f}",
        "lines": [_line(line) for line in result.message.splitlines()],
        "first": result.message.partition("\n")[0],
        "repeat": result.repeat,
        "figures": dict(result.figures),
        "preview": result.preview,
    }


def _line(line: str) -> tuple[str, str]:
    """A line of a message as label and text: ``what    ...`` has the label ``what``."""
    label, gap, text = line.partition(" ")
    known = label in ("what", "where", "clause", "rule", "likely", "repeat", "replay", "note")
    return (label, text.strip()) if known and gap else ("", line)


def _families(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = dict.fromkeys(row["family"] for row in rows)
    order = {clause.family: None for clause in CONTRACT}
    return [
        {
            "id": name,
            "title": family_title(name),
            "checks": [row for row in rows if row["family"] == name],
        }
        for name in sorted(names, key=lambda one: list(order).index(one) if one in order else len(order))
    ]
