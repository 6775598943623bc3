"""The files that ``movable check`` writes: one report object, five formats."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from attrs import fields, frozen
from cyclopts import Parameter

from movable.cli.files import demand_writable, write_text
from movable.conformance import Report
from movable.conformance.formats import (
    badge_json,
    badge_svg,
    to_html,
    to_json,
    to_junit,
    to_markdown,
)

__all__ = ["NO_OUTPUTS", "Outputs"]


@Parameter(name="*")
@frozen
class Outputs:
    """Files to write the reports to.

    Parameters
    ----------
    json:
        Write the report to this file: schema movable.report/1, for several drivers movable.reports/1.
    junit:
        Write JUnit XML to this file: what was not judged is skipped with its reason.
    html:
        Write one HTML page to this file, readable offline. Needs the extra `html`.
    markdown:
        Write tables for a README to this file.
    badge:
        Write a badge to this file: shields' endpoint JSON, or a picture if the name ends in .svg.
    """

    json: Annotated[Path | None, Parameter(name="--json")] = None
    junit: Annotated[Path | None, Parameter(name="--junit")] = None
    html: Annotated[Path | None, Parameter(name="--html")] = None
    markdown: Annotated[Path | None, Parameter(name="--markdown")] = None
    badge: Annotated[Path | None, Parameter(name="--badge")] = None

    @property
    def asked(self) -> dict[str, Path]:
        """The files asked for, by the name of their option."""
        named = {field.name: getattr(self, field.name) for field in fields(Outputs)}
        return {name: path for name, path in named.items() if path is not None}

    def demand(self) -> None:
        """Refuse, before anything runs, what cannot be written afterwards. ConfigError."""
        for name, path in self.asked.items():
            demand_writable(path, f"--{name}")
        if self.html is not None:
            to_html([])

    def write(self, reports: Sequence[Report]) -> None:
        """Write every file asked for. ConfigError."""
        for name, path in self.asked.items():
            write_text(path, _format(name, path)(reports), f"--{name}")


NO_OUTPUTS = Outputs()


def _format(name: str, path: Path) -> Callable[[Sequence[Report]], str]:
    if name == "badge":
        return badge_svg if path.suffix.lower() == ".svg" else badge_json
    formats = {"json": to_json, "junit": to_junit, "html": to_html, "markdown": to_markdown}
    return formats[name]
