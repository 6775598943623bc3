"""Runs checks one by one, each on a fresh machine and under a deadline, and turns their ends into results."""

import shlex
import time
from collections.abc import Callable, Mapping

from attrs import define, evolve, field, frozen

from movable.conformance.deadline import Deadline, deadline
from movable.conformance.finding import Finding, expired, finding_of
from movable.conformance.outcome import DeadlineExpired, NothingToJudge, Outcome
from movable.conformance.registry import Check
from movable.conformance.report import CheckResult
from movable.conformance.rig import Rig
from movable.conformance.settings import Settings
from movable.conformance.target import Target
from movable.drivers import Expectation
from movable.errors import ConfigError

__all__ = ["Runner", "check_expectations"]

OnResult = Callable[[CheckResult], None]

_BAD = (Outcome.FAIL, Outcome.XFAIL, Outcome.BLOCKED)
_TEARDOWN_S = 2.0


@frozen
class _End:
    """How a check ended, before it is compared with what was expected."""

    outcome: Outcome
    message: str = ""
    finding: Finding | None = None
    token: str = ""
    figures: Mapping[str, int | float] = field(factory=dict)


@define
class Runner:
    """Judges one driver."""

    target: Target
    settings: Settings = Settings()
    results: dict[str, CheckResult] = field(factory=dict)
    findings: dict[str, Finding] = field(factory=dict)
    blockers: dict[str, str] = field(factory=dict)
    strays: set[str] = field(factory=set)
    patient: bool = True

    def run(
        self, checks: tuple[Check, ...], selected: frozenset[str], on_result: OnResult | None
    ) -> list[CheckResult]:
        """Run the selected checks in order; one result for every check."""
        for check in checks:
            result = self._result(check, selected)
            self.results[check.id] = result
            if on_result is not None:
                on_result(result)
        self._fold(checks)
        return list(self.results.values())

    def _result(self, check: Check, selected: frozenset[str]) -> CheckResult:
        start = time.perf_counter()
        end = self._unrun(check, selected) or self._expected(check, self._judge(check))
        clause = end.finding.clause.id if end.finding else check.clauses[0]
        if end.finding is not None:
            self.findings[check.id] = end.finding
            if not check.owns(end.finding.cause):
                self.strays.add(check.id)
        seconds = round(time.perf_counter() - start, 6)
        repeat = self.target.repeat(check.id)
        return CheckResult(
            check.id,
            clause,
            check.level,
            end.outcome,
            seconds,
            end.message,
            repeat,
            token=end.token,
            figures=end.figures,
            preview=check.preview,
        )

    def _unrun(self, check: Check, selected: frozenset[str]) -> _End | None:
        """The end of a check that is not carried out; None if it is to run."""
        if check.id not in selected:
            return _End(Outcome.NOT_RUN, "not selected")
        if check.needs and not getattr(self.target.spec.capabilities, check.needs):
            return _End(Outcome.NOT_CLAIMED, f"the driver does not claim {check.needs}")
        for name in check.requires:
            if self.results[name].outcome in _BAD and not self._made_for(check, name):
                self.blockers[check.id] = name
                return _End(Outcome.BLOCKED, f"blocked by {self._root(name)}")
        return None

    def _root(self, name: str) -> str:
        """The failed check behind one that is bad."""
        while name in self.blockers:
            name = self.blockers[name]
        return name

    def _made_for(self, check: Check, name: str) -> bool:
        """True if the failure behind a bad check is not that check's business but this one's."""
        root = self._root(name)
        finding = self.findings.get(root)
        return finding is not None and root in self.strays and check.owns(finding.cause)

    def _judge(self, check: Check) -> _End:
        """Run the check and its teardown; nothing but KeyboardInterrupt and its like comes out."""
        rig: Rig | None = None
        clock = Deadline()
        try:
            with deadline(self.settings.limit) as clock:
                rig = self._rig(check, clock)
                check.run(rig)
            end = _End(Outcome.PASS, "\n".join(f"note    {advice}" for advice in rig.advice))
        except NothingToJudge as reason:
            end = _End(Outcome.NOT_CLAIMED, f"nothing to judge: {reason}")
        except DeadlineExpired:
            clock.expired = True
            end = _End(Outcome.FAIL)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a driver may raise anything, SystemExit too
            end = self._failed(check, finding_of(error, check, _running(rig)), rig)
        finally:
            self._dispose(rig)
        if clock.expired:
            end = self._failed(check, expired(self.settings.limit, _running(rig)), rig)
        return end if rig is None else evolve(end, token=self._token(rig), figures=dict(rig.figures))

    def _rig(self, check: Check, clock: Deadline) -> Rig:
        settings = self.settings
        return (check.rig or Rig)(
            self.target.spec,
            f"{check.id} {settings.seed}",
            owns=check.owns,
            clock=clock,
            debug=settings.debug,
            settings=settings,
        )

    def _token(self, rig: Rig) -> str:
        """The rig's token with the driver's name in it, as a command line knows it."""
        return rig.token.replace("/-/", f"/{self.target.address or '-'}/", 1) if rig.token else ""

    def _failed(self, check: Check, finding: Finding, rig: Rig | None) -> _End:
        token = "" if rig is None else self._token(rig)
        repeat = f"movable replay {shlex.quote(token)}" if token else self.target.repeat(check.id)
        return _End(Outcome.FAIL, finding.text(repeat, () if rig is None else rig.details), finding)

    def _dispose(self, rig: Rig | None) -> None:
        """Take the machine down; a driver whose close() once did not return is not asked again."""
        if rig is None:
            return
        try:
            with deadline(_TEARDOWN_S):
                rig.dispose(ask_driver=self.patient)
        except DeadlineExpired:
            self.patient = False

    def _expected(self, check: Check, end: _End) -> _End:
        """Compare with what the driver's package expects of this check."""
        expectation = self.target.spec.expectations.get(check.id)
        if expectation is None or end.outcome not in (Outcome.PASS, Outcome.FAIL):
            return end
        told = f"expected to fail ({expectation.kind}): {expectation.reason}"
        if end.outcome is Outcome.PASS:
            return evolve(
                end, outcome=Outcome.XPASS, message=f"{told}\nwhat    it passed: remove the expectation"
            )
        if not _fits(expectation, end.finding):
            text = f"{told}, with rule {expectation.rule}, but failed otherwise\n{end.message}"
            return evolve(end, message=text)
        return evolve(end, outcome=Outcome.XFAIL, message=f"{told}\n{end.message}")

    def _fold(self, checks: tuple[Check, ...]) -> None:
        """One mistake, one failure.

        A check that met a breach which another check is made for, and which failed that one too, is blocked
        by it; so are those that met a breach which no check is made for, by the first of them. What any of
        them blocked is blocked by the one that remains.
        """
        owners: dict[str, str] = {}
        for name, finding in self.findings.items():
            if name not in self.strays:
                owners.setdefault(finding.cause, name)
        for name, finding in self.findings.items():
            owner = owners.setdefault(finding.cause, name)
            if name in self.strays and name != owner and self.results[name].outcome is Outcome.FAIL:
                self.blockers[name] = owner
        for check in checks:
            if check.id in self.blockers:
                self.results[check.id] = evolve(
                    self.results[check.id],
                    outcome=Outcome.BLOCKED,
                    clause=check.clauses[0],
                    message=f"blocked by {self._root(check.id)}",
                )


def check_expectations(target: Target, checks: tuple[Check, ...]) -> None:
    """Refuse expectations that name checks which do not exist.

    Raises:
        ConfigError: naming the ids, and those that there are.
    """
    unknown = sorted(target.spec.expectations.keys() - {check.id for check in checks})
    if unknown:
        there = ", ".join(check.id for check in checks)
        raise ConfigError(f"expectations: no check is called {', '.join(unknown)}; there are {there}")


def _fits(expectation: Expectation, finding: Finding | None) -> bool:
    return expectation.rule is None or (finding is not None and finding.rule == expectation.rule)


def _running(rig: Rig | None) -> str | None:
    """The callback that was interrupted, else the request that the driver was asked last."""
    return rig.probe.interrupted or rig.asked if rig is not None else "the driver's factory"
