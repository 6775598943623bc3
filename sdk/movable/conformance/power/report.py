"""The kill matrix: which wrong driver was found by which check, and what was said of the correct ones."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from movable.errors import ConfigError

__all__ = ["SCHEMA", "ClassCount", "CorrectResult", "MutantResult", "PowerReport"]

SCHEMA = "movable.power/1"


@frozen
class MutantResult:
    """What became of one wrong driver.

    ``check`` is the check made for its mistake, ``killed_by`` the checks that failed it (or gave it the
    advice it wants): that one alone if it did, else every one of a whole run; empty for a survivor, whose
    ``message`` says how the check ended. ``schedules`` is how many schedules a race took.
    """

    name: str
    group: str
    check: str
    killed_by: tuple[str, ...]
    bug: str | None = None
    race: bool = False
    schedules: int | None = None
    message: str = ""

    @property
    def killed(self) -> bool:
        """True if some check found the mistake."""
        return bool(self.killed_by)

    @property
    def by_its_own(self) -> bool:
        """True if the check made for the mistake found it."""
        return self.check in self.killed_by


@frozen
class CorrectResult:
    """A correct driver over all seeds: checks carried out, and those that failed it, as ``CHECK (seed 3)``."""

    name: str
    seeds: int
    checks: int
    failed: tuple[str, ...] = ()


@frozen
class ClassCount:
    """One row of the matrix: a class of mistakes."""

    group: str
    planted: int
    killed: int
    by_its_own: int
    checks: tuple[str, ...]


@frozen
class PowerReport:
    """The judgement of the suite by a folder of wrong drivers."""

    folder: str
    contract: str
    seed: int
    mutants: tuple[MutantResult, ...] = field(repr=False)
    correct: tuple[CorrectResult, ...] = field(repr=False)

    @property
    def survivors(self) -> tuple[MutantResult, ...]:
        """Wrong drivers that no check found."""
        return tuple(one for one in self.mutants if not one.killed)

    @property
    def killed_by_others(self) -> tuple[MutantResult, ...]:
        """Wrong drivers that were found, but not by the check made for them."""
        return tuple(one for one in self.mutants if one.killed and not one.by_its_own)

    @property
    def accused(self) -> tuple[CorrectResult, ...]:
        """Correct drivers that some check failed."""
        return tuple(one for one in self.correct if one.failed)

    @property
    def passed(self) -> bool:
        """True if every wrong driver was found by the check made for it, and no correct one failed."""
        return bool(self.mutants) and all(one.by_its_own for one in self.mutants) and not self.accused

    @property
    def classes(self) -> tuple[ClassCount, ...]:
        """The matrix, one row for each class, in the order of first appearance."""
        groups = dict.fromkeys(one.group for one in self.mutants)
        return tuple(_count(group, [one for one in self.mutants if one.group == group]) for group in groups)

    def summary(self) -> str:
        """The line with the denominators: ``killed 119/120, 118 by the check made for the mistake; ...``."""
        killed = sum(one.killed for one in self.mutants)
        own = sum(one.by_its_own for one in self.mutants)
        line = f"killed {killed}/{len(self.mutants)}, {own} by the check made for the mistake"
        seeds = max((one.seeds for one in self.correct), default=0)
        if not self.correct:
            return f"{line}; no correct driver"
        return f"{line}; {len(self.accused)}/{len(self.correct)} correct drivers failed over {seeds} seeds"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, schema ``movable.power/1``."""
        data = asdict(self)
        data["classes"] = [asdict(row) for row in self.classes]
        return {"schema": SCHEMA, "verdict": "pass" if self.passed else "fail", **data}

    def write_json(self, path: Path) -> None:
        """Write the report as JSON. ConfigError if the file cannot be written."""
        _write(path, json.dumps(self.to_dict(), indent=2) + "\n", "json")

    def write_markdown(self, path: Path) -> None:
        """Write the kill matrix as a Markdown page. ConfigError if the file cannot be written."""
        _write(path, f"# Kill matrix\n\n{self.to_markdown()}", "markdown")

    def to_markdown(self) -> str:
        """The kill matrix as Markdown tables: classes, then every wrong driver."""
        lines = [f"Contract `{self.contract}`: {self.summary()}.", ""]
        lines += ["| class | killed / planted | by its own check | checks |", "|---|---|---|---|"]
        for row in self.classes:
            checks = ", ".join(f"`{check}`" for check in row.checks)
            lines.append(f"| {row.group} | {row.killed} / {row.planted} | {row.by_its_own} | {checks} |")
        lines += [
            "",
            "| wrong driver | bug | class | check made for it | killed by |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(one) for one in self.mutants]
        return "\n".join(lines) + "\n"


def _count(group: str, mutants: list[MutantResult]) -> ClassCount:
    return ClassCount(
        group,
        len(mutants),
        sum(one.killed for one in mutants),
        sum(one.by_its_own for one in mutants),
        tuple(dict.fromkeys(_checks(mutants))),
    )


def _checks(mutants: Iterable[MutantResult]) -> list[str]:
    return [name for one in mutants for name in one.killed_by]


def _row(one: MutantResult) -> str:
    """One wrong driver as a row of the second table."""
    others = ", ".join(f"`{name}`" for name in one.killed_by) or f"nothing: {one.message}"
    group = f"{one.group}, race" if one.race else one.group
    by = "that check" if one.by_its_own else others
    return f"| {one.name} | {one.bug or ''} | {group} | `{one.check}` | {by} |"


def _write(path: Path, text: str, option: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option}: cannot write {path}: {error.strerror}") from error
