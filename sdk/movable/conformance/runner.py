"""Decides what every check of a run ends as: what may run, what was expected, what another failure explains."""

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from time import monotonic

from attrs import define, evolve, field

from movable.conformance.contract import CONTRACT, Contract
from movable.conformance.finding import Finding
from movable.conformance.judge import Ended, Judge
from movable.conformance.outcome import Outcome
from movable.conformance.registry import Check
from movable.conformance.report import CheckResult, Report
from movable.conformance.settings import Settings
from movable.conformance.target import Target
from movable.drivers import Expectation

__all__ = ["OnResult", "Runner"]

OnResult = Callable[[CheckResult], None]

_BAD = (Outcome.FAIL, Outcome.XFAIL, Outcome.BLOCKED)


@define
class Runner:
    """One driver, judged check by check in any order: the results do not depend on it.

    ``checks`` are all checks, what is required first; those in ``selected`` run, and ``left_out`` tells of the
    others why not. ``jobs`` processes share the seconds of the budget, if there are any.
    """

    target: Target
    checks: tuple[Check, ...]
    selected: frozenset[str]
    settings: Settings = Settings()
    contract: Contract = CONTRACT
    expectations: Mapping[str, Expectation] = field(factory=dict)
    left_out: Mapping[str, str] = field(factory=dict)
    jobs: int = 1
    judge: Judge = field(init=False)
    by_id: Mapping[str, Check] = field(init=False)
    ends: dict[str, Ended] = field(factory=dict)
    blockers: dict[str, str] = field(factory=dict)
    _over: float | None = None

    def __attrs_post_init__(self) -> None:
        self.judge = Judge(self.target, self.options)
        self.by_id = {check.id: check for check in self.checks}

    @property
    def options(self) -> dict[str, object]:
        """What a command must say, beside driver and check, to repeat a result of this run."""
        named = {} if self.contract is CONTRACT else {"contract": self.contract.label}
        return {**self.settings.options, **named}

    def run(self, on_result: OnResult | None = None) -> Report:
        """Run what was not run yet, in order, and report. ``on_result`` sees each result as it comes."""
        for check in self.checks:
            self.first(check)
            if on_result is not None:
                on_result(self.told(check))
        return self.report()

    def report(self) -> Report:
        """The report over all checks; those that nobody asked for yet run now."""
        results = [self.result(check) for check in self.checks]
        return Report.of(
            self.target.spec.name,
            self.contract.label,
            results,
            seed=self.settings.seed,
            budget=str(self.settings.budget),
            movable=suite_version(),
        )

    def result(self, check: Check) -> CheckResult:
        """How one check ended, after all that explains it was run as well."""
        end = self.first(check)
        root = self._root(check.id)
        if root != check.id:
            blocked = Ended(Outcome.BLOCKED, f"blocked by {root}", figures=end.figures, seconds=end.seconds)
            return self._told(check, blocked)
        return self.told(check)

    def first(self, check: Check) -> Ended:
        """How the check ended, seen alone: what it requires is run before, and itself unless that forbids it."""
        if check.id not in self.ends:
            for name in check.requires:
                self.first(self.by_id[name])
            end = self.unrun(check) or self.judge(check, self.settings_of(check))
            self.enter(check, end)
        return self.ends[check.id]

    def enter(self, check: Check, end: Ended) -> None:
        """Take down how a check ended that was judged here or elsewhere."""
        self.ends[check.id] = self._expected(check, end)

    def told(self, check: Check) -> CheckResult:
        """The result of a check that has ended, as far as it is known now."""
        return self._told(check, self.ends[check.id])

    def unrun(self, check: Check) -> Ended | None:
        """The end of a check that is not carried out; None if it is to run. What it requires has ended."""
        if check.id not in self.selected:
            return Ended(Outcome.NOT_RUN, self.left_out.get(check.id, "not selected"))
        if check.needs and not getattr(self.target.spec.capabilities, check.needs):
            return Ended(Outcome.NOT_CLAIMED, f"the driver does not claim {check.needs}")
        for name in check.requires:
            if self.ends[name].outcome in _BAD and not self._made_for(check, name):
                self.blockers[check.id] = name
                return Ended(Outcome.BLOCKED, f"blocked by {self._failed(name)}")
        return None

    def settings_of(self, check: Check) -> Settings:
        """The settings of one check: of the seconds that are left, searches (all above L1) get even shares."""
        seconds = self.settings.budget.seconds
        if seconds is None or check.level == "L1":
            return self.settings
        now = monotonic()
        self._over = now + seconds if self._over is None else self._over
        left = [one for one in self.checks if one.level != "L1" and one.id in self.selected]
        waiting = sum(one.id not in self.ends for one in left)
        return self.settings.with_seconds(
            max(self._over - now, 0.0) * min(self.jobs, waiting) / max(waiting, 1)
        )

    def _told(self, check: Check, end: Ended) -> CheckResult:
        return CheckResult(
            check.id,
            end.finding.clause.id if end.finding else check.clauses[0],
            check.level,
            end.outcome,
            round(end.seconds, 6),
            end.message,
            self.target.repeat(check.id, self.options),
            rule=(end.finding.rule or "") if end.finding else "",
            token=end.token,
            figures=end.figures,
            preview=not check.counts_in(self.contract),
        )

    def _failed(self, name: str) -> str:
        """The failed check behind one that is bad, by what is required alone: what runs is decided by it."""
        while name in self.blockers:
            name = self.blockers[name]
        return name

    def _root(self, name: str) -> str:
        """The check that stands for the mistake behind one that is bad; the check itself if there is none."""
        while (behind := self.blockers.get(name) or self._explanation(name)) is not None:
            name = behind
        return name

    def _stray(self, check: Check) -> Finding | None:
        """What the check found, if it is not the business of the check."""
        finding = self.ends[check.id].finding
        return finding if finding is not None and not check.owns(finding.cause) else None

    def _made_for(self, check: Check, name: str) -> bool:
        """True if the failure behind a bad check is not that check's business but this one's."""
        finding = self._stray(self.by_id[self._failed(name)])
        return finding is not None and check.owns(finding.cause)

    def _expected(self, check: Check, end: Ended) -> Ended:
        """Compare with what the driver's package expects of this check."""
        expectation = self.expectations.get(check.id)
        if expectation is None or end.outcome not in (Outcome.PASS, Outcome.FAIL):
            return end
        told = f"expected to fail ({expectation.kind}): {expectation.reason}"
        if end.outcome is Outcome.PASS and check.level == "L3" and not self.settings.budget.full:
            return evolve(end, message=f"note    {told}; not seen, with less than the usual budget")
        if end.outcome is Outcome.PASS:
            return evolve(
                end, outcome=Outcome.XPASS, message=f"{told}\nwhat    it passed: remove the expectation"
            )
        if not _fits(expectation, end.finding):
            text = f"{told}, with rule {expectation.rule}, but failed otherwise\n{end.message}"
            return evolve(end, message=text)
        return evolve(end, outcome=Outcome.XFAIL, message=f"{told}\n{end.message}")

    def _explanation(self, name: str) -> str | None:
        """One mistake, one failure: the check to which a breach that is not this one's business belongs.

        That is the first check made for the breach that met it too, else the first of all that met it. A check
        that counts is not explained away by a preview.
        """
        check = self.by_id[name]
        finding = self._stray(check)
        if finding is None or self.ends[name].outcome is not Outcome.FAIL:
            return None
        counts = check.counts_in(self.contract)
        peers = [one for one in self.checks if one.counts_in(self.contract) or not counts]
        made = [one for one in peers if one.owns(finding.cause)]
        before = peers[: [one.id for one in peers].index(name)]
        for one in (*made, *before):
            met = self.first(one).finding
            if met is not None and met.cause == finding.cause:
                return one.id
        return None


def suite_version() -> str:
    """The version of the installed suite; empty if it runs without being installed."""
    try:
        return version("movable")
    except PackageNotFoundError:
        return ""


def _fits(expectation: Expectation, finding: Finding | None) -> bool:
    return expectation.rule is None or (finding is not None and finding.rule == expectation.rule)
