"""A badge: the JSON of shields' *endpoint* badge, or an SVG that needs no service."""

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape

from movable.conformance.contract import find_contract
from movable.conformance.report import Report

__all__ = ["badge_json", "badge_svg"]

_COLORS = {"brightgreen": "#3a7d0a", "yellow": "#8a6500", "red": "#b3261e"}
_NARROW, _WIDE = "fijlrt.,:;'|/ I", "mwMW@%"
_HEIGHT, _SIZE, _PAD = 20, 11, 6


def badge_json(reports: Sequence[Report]) -> str:
    """``{"schemaVersion": 1, "label": ..., "message": "L1 74/74, L2 9/9", "color": ...}``."""
    label, message, color = _content(reports)
    data = {"schemaVersion": 1, "label": label, "message": message, "color": color}
    return json.dumps(data, indent=2) + "\n"


def badge_svg(reports: Sequence[Report]) -> str:
    """The same as an SVG image."""
    label, message, color = _content(reports)
    left, right = _width(label), _width(message)
    text = "".join(
        f'<text x="{x:g}" y="14" textLength="{width - 2 * _PAD:g}">{escape(words)}</text>'
        for x, width, words in ((left / 2, left, label), (left + right / 2, right, message))
    )
    title = escape(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right:g}" height="{_HEIGHT}" role="img"'
        f' aria-label="{escape(title, {chr(34): "&quot;"})}"><title>{title}</title>'
        f'<clipPath id="r"><rect width="{left + right:g}" height="{_HEIGHT}" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left:g}" height="{_HEIGHT}" fill="#444"/>'
        f'<rect x="{left:g}" width="{right:g}" height="{_HEIGHT}" fill="{_COLORS[color]}"/></g>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif"'
        f' font-size="{_SIZE}">{text}</g></svg>\n'
    )


def _content(reports: Sequence[Report]) -> tuple[str, str, str]:
    """Label, message and colour: yellow is a pass in which something is expected to fail or was blocked."""
    names = dict.fromkeys(report.contract.partition("/")[0] for report in reports)
    label = f"movable {' '.join(names) or find_contract().name}"
    passed = [report for report in reports if report.passed]
    counts = [count for report in reports for count in report.levels.values()]
    gaps = any(count.xfailed or count.blocked for count in counts)
    color = "red" if not reports or len(passed) < len(reports) else "yellow" if gaps else "brightgreen"
    if len(reports) == 1:
        run = {level: count for level, count in reports[0].levels.items() if count.run}
        parts = [f"{level} {count.passed}/{count.run}" for level, count in run.items()]
        return label, ", ".join(parts) or "nothing run", color
    return label, f"{len(passed)}/{len(reports)} drivers", color


def _width(text: str) -> float:
    """Pixels that the text takes in an 11 px sans-serif, near enough: textLength does the rest."""
    wide = sum(4 if char in _NARROW else 10 if char in _WIDE else 7 for char in text)
    return float(wide + 2 * _PAD)
