"""The result of judging a driver: one object, from which every format is made."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen
from cattrs import Converter, transform_error

from movable.conformance.outcome import Outcome
from movable.errors import ConfigError

__all__ = [
    "LEVELS",
    "SCHEMA",
    "CheckResult",
    "LevelCount",
    "Report",
]

SCHEMA = "movable.report/1"

LEVELS = {"L1": "contract", "L2": "faults", "L3": "races", "L4": "placement"}


@frozen
class CheckResult:
    """How one check ended. ``clause`` is the broken clause if it failed, else the main one it tests.

    ``seconds`` is wall time. ``message`` is empty for a plain pass; it may hold several lines.
    ``repeat`` is a command that runs this check alone. ``rule`` is the core's rule that was broken, if one was.
    ``token`` names the schedule of a failed race
    (``movable replay TOKEN``); ``figures`` are numbers that the check counted, ``schedules`` or ``steps`` say.
    A ``preview`` result counts for nothing.
    """

    id: str
    clause: str
    level: str
    outcome: Outcome
    seconds: float = 0.0
    message: str = ""
    repeat: str = ""
    rule: str = ""
    token: str = ""
    figures: Mapping[str, int | float] = field(factory=dict)
    preview: bool = False


@frozen
class LevelCount:
    """How many checks of a level ended how. ``run``, the denominator, counts passed, failed, xfailed and xpassed.

    ``verdict`` is ``pass`` if something ran and none failed or passed against expectation, ``fail`` if one did,
    ``not-run`` if nothing ran. Previews are counted as ``preview`` and nowhere else.
    """

    verdict: str = "not-run"
    run: int = 0
    passed: int = 0
    failed: int = 0
    xfailed: int = 0
    xpassed: int = 0
    not_claimed: int = 0
    blocked: int = 0
    not_run: int = 0
    preview: int = 0

    @classmethod
    def of(cls, results: Iterable[CheckResult]) -> "LevelCount":
        """Count results."""
        every = tuple(results)
        ends = [result.outcome for result in every if not result.preview]
        run = sum(end.ran for end in ends)
        bad = ends.count(Outcome.FAIL) + ends.count(Outcome.XPASS)
        return cls(
            verdict="fail" if bad else "pass" if run else "not-run",
            run=run,
            passed=ends.count(Outcome.PASS),
            failed=ends.count(Outcome.FAIL),
            xfailed=ends.count(Outcome.XFAIL),
            xpassed=ends.count(Outcome.XPASS),
            not_claimed=ends.count(Outcome.NOT_CLAIMED),
            blocked=ends.count(Outcome.BLOCKED),
            not_run=ends.count(Outcome.NOT_RUN),
            preview=len(every) - len(ends),
        )

    def summary(self, level: str) -> str:
        """The line with the denominator: ``L1 contract: pass, 68/68 run passed, 4 not claimed``."""
        name = f"{level} {LEVELS.get(level, '')}".rstrip()
        text = (
            f"{name}: {self.verdict}, {self.passed}/{self.run} run passed" if self.run else f"{name}: not run"
        )
        others = {
            "failed": self.failed,
            "failed as expected": self.xfailed,
            "passed against expectation": self.xpassed,
            "blocked": self.blocked,
            "not claimed": self.not_claimed,
            "not run": self.not_run,
            "in preview": self.preview,
        }
        return ", ".join([text, *(f"{count} {name}" for name, count in others.items() if count)])


@frozen
class Report:
    """The judgement of one driver. ``contract`` is name/version; ``verdict`` is ``pass`` or ``fail``.

    A report in which no check was run has failed. ``seed`` and ``budget`` are what was asked for, ``movable`` is
    the version of the suite.
    """

    driver: str
    contract: str
    verdict: str
    levels: Mapping[str, LevelCount]
    checks: tuple[CheckResult, ...] = field(repr=False)
    seed: int = 0
    budget: str = "default"
    movable: str = ""

    @classmethod
    def of(
        cls,
        driver: str,
        contract: str,
        checks: Iterable[CheckResult],
        *,
        seed: int = 0,
        budget: str = "default",
        movable: str = "",
    ) -> "Report":
        """Count, and pass the verdict: something ran, nothing failed or passed against expectation."""
        results = tuple(checks)
        levels = {
            level: LevelCount.of(one for one in results if one.level == level)
            for level in sorted({one.level for one in results})
        }
        verdicts = {count.verdict for count in levels.values()}
        verdict = "pass" if "pass" in verdicts and "fail" not in verdicts else "fail"
        return cls(driver, contract, verdict, levels, results, seed, budget, movable)

    @property
    def passed(self) -> bool:
        """True if the verdict is ``pass``."""
        return self.verdict == "pass"

    def of_outcome(self, *outcomes: Outcome) -> tuple[CheckResult, ...]:
        """Results that ended in one of these ways, in the order run."""
        return tuple(result for result in self.checks if result.outcome in outcomes)

    def check(self, check_id: str) -> CheckResult:
        """The result of one check.

        Raises:
            KeyError: the report has no such check.
        """
        for result in self.checks:
            if result.id == check_id:
                return result
        raise KeyError(check_id)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, schema ``movable.report/1``."""
        return {"schema": SCHEMA, **_CONVERTER.unstructure(self)}

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Report":
        """Read plain data of schema ``movable.report/1``.

        Raises:
            ConfigError: the data has another schema or lacks a field; the message names it.
        """
        if data.get("schema") != SCHEMA:
            raise ConfigError(f"schema: {data.get('schema')!r} is not {SCHEMA!r}")
        try:
            return _CONVERTER.structure({k: v for k, v in data.items() if k != "schema"}, cls)
        except Exception as error:
            raise ConfigError(f"report: {'; '.join(transform_error(error))}") from error


def _number(value: Any, _type: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


_CONVERTER = Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(int | float, _number)
