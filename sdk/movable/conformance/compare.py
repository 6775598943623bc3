"""Two runs of the same drivers: what got better, worse, is new or gone."""

from collections.abc import Iterable, Sequence

from attrs import field, frozen

from movable.conformance.outcome import Outcome
from movable.conformance.report import CheckResult, Report

__all__ = ["Change", "Comparison", "compare"]

_RANK = {
    Outcome.PASS: 3,
    Outcome.XFAIL: 2,
    Outcome.NOT_CLAIMED: 2,
    Outcome.BLOCKED: 1,
    Outcome.XPASS: 1,
    Outcome.FAIL: 1,
}
"""Higher is better. Between a failure and what hides one there is no better or worse; not-run is not compared."""


@frozen
class Change:
    """One check of one driver whose end differs; None where a run has no end for it."""

    driver: str
    check: str
    old: Outcome | None
    new: Outcome | None

    def __str__(self) -> str:
        return f"{self.driver} {self.check}: {self.old or 'not there'} -> {self.new or 'not there'}"


@frozen
class Comparison:
    """What changed from the old run to the new one. Previews are not compared."""

    better: tuple[Change, ...] = field(factory=tuple)
    worse: tuple[Change, ...] = field(factory=tuple)
    new: tuple[Change, ...] = field(factory=tuple)
    gone: tuple[Change, ...] = field(factory=tuple)
    same: int = 0

    @property
    def regressed(self) -> bool:
        """True if a check got worse, or a new one fails."""
        return bool(self.worse) or any(change.new in (Outcome.FAIL, Outcome.XPASS) for change in self.new)

    def summary(self) -> str:
        """``2 better, 1 worse, 12 new, 0 gone, 61 as before``."""
        kinds = {"better": self.better, "worse": self.worse, "new": self.new, "gone": self.gone}
        counts = [f"{len(changes)} {kind}" for kind, changes in kinds.items()]
        return ", ".join([*counts, f"{self.same} as before"])


def compare(old: Sequence[Report], new: Sequence[Report]) -> Comparison:
    """Compare by driver and check id. A check that did not run in one of the two counts as not there."""
    before, after = _ends(old), _ends(new)
    better: list[Change] = []
    worse: list[Change] = []
    came: list[Change] = []
    gone: list[Change] = []
    same = 0
    for key in dict.fromkeys((*before, *after)):
        change = Change(*key, before.get(key), after.get(key))
        if change.old is None:
            came.append(change)
        elif change.new is None:
            gone.append(change)
        elif _RANK[change.new] == _RANK[change.old]:
            same += 1
        else:
            (better if _RANK[change.new] > _RANK[change.old] else worse).append(change)
    return Comparison(tuple(better), tuple(worse), tuple(came), tuple(gone), same)


def _ends(reports: Iterable[Report]) -> dict[tuple[str, str], Outcome]:
    return {
        (report.driver, result.id): result.outcome
        for report in reports
        for result in report.checks
        if _compared(result)
    }


def _compared(result: CheckResult) -> bool:
    return not result.preview and result.outcome is not Outcome.NOT_RUN
