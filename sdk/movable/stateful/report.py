"""What a stateful run found: the verdict, the shortest program that breaks the driver, and the table."""

import json
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from movable.errors import ConfigError
from movable.stateful.states import State, Transition

__all__ = ["SCHEMA", "StatefulReport"]

SCHEMA = "movable.stateful/1"


@frozen
class StatefulReport:
    """The judgement of one driver by random programs of steps.

    ``programs`` and ``steps`` count what ran, shrinking included. If the driver broke the contract, ``clause`` is the
    one broken, ``message`` tells it in full, ``program`` is Python that repeats it, and ``length`` its number of
    steps before the end of the program.
    """

    driver: str
    seed: int
    programs: int
    steps: int
    transitions: tuple[Transition, ...] = field(repr=False)
    clause: str | None = None
    message: str = ""
    program: str = ""
    length: int = 0

    @property
    def passed(self) -> bool:
        """True if no program broke the contract."""
        return self.clause is None

    @property
    def never(self) -> tuple[tuple[str, State], ...]:
        """Transitions that are possible and never ran: rule and state."""
        return tuple((each.rule, each.state) for each in self.transitions if each.possible and not each.count)

    def summary(self) -> str:
        """One line with the denominators."""
        possible = sum(each.possible for each in self.transitions)
        ran = possible - len(self.never)
        return f"{self.programs} programs, {self.steps} steps, {ran}/{possible} transitions ran"

    def table(self) -> list[tuple[str, ...]]:
        """The table as text: a row of headings, then a row for each rule; ``-`` is not possible, 0 never ran."""
        rows: dict[str, list[str]] = {}
        for each in self.transitions:
            rows.setdefault(each.rule, []).append(str(each.count) if each.possible else "-")
        return [("rule", *State), *((name, *cells) for name, cells in rows.items())]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, schema ``movable.stateful/1``."""
        return {"schema": SCHEMA, "verdict": "pass" if self.passed else "fail", **asdict(self)}

    def write(self, path: Path) -> None:
        """Write the report as JSON.

        Raises:
            ConfigError: the file cannot be written.
        """
        try:
            path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"json: cannot write {path}: {error.strerror}") from error
