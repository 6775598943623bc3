"""The formats of a report. All are made from ``Report`` objects alone, so any can be made from a stored one."""

from movable.conformance.formats.badge import badge_json, badge_svg
from movable.conformance.formats.html import to_html
from movable.conformance.formats.junit import to_junit
from movable.conformance.formats.markdown import to_markdown
from movable.conformance.formats.plain import (
    SCHEMA_SEVERAL,
    read_reports,
    several_to_dict,
    to_json,
    write_reports,
)

__all__ = [
    "SCHEMA_SEVERAL",
    "badge_json",
    "badge_svg",
    "read_reports",
    "several_to_dict",
    "to_html",
    "to_json",
    "to_junit",
    "to_markdown",
    "write_reports",
]
