"""Runs one check, on a fresh machine and under a deadline, and says how it ended."""

import time
from collections.abc import Mapping

from attrs import define, evolve, field, frozen

from movable.conformance.deadline import Deadline, deadline
from movable.conformance.finding import Finding, expired, finding_of
from movable.conformance.outcome import DeadlineExpired, NothingToJudge, Outcome
from movable.conformance.registry import Check
from movable.conformance.rig import Rig
from movable.conformance.settings import Settings
from movable.conformance.target import Target

__all__ = ["Ended", "Judge"]

_TEARDOWN_S = 2.0


@frozen
class Ended:
    """How a check ended, before it is compared with what was expected. ``seconds`` is wall time."""

    outcome: Outcome
    message: str = ""
    finding: Finding | None = None
    token: str = ""
    figures: Mapping[str, int | float] = field(factory=dict)
    seconds: float = 0.0


@define
class Judge:
    """Judges one driver in this process; ``options`` are those that a repetition needs.

    A driver whose close() once did not return is not asked again (``patient``).
    """

    target: Target
    options: Mapping[str, object] = field(factory=dict)
    patient: bool = True

    def __call__(self, check: Check, settings: Settings) -> Ended:
        """Run a check; nothing but KeyboardInterrupt comes out."""
        start = time.perf_counter()
        end = self._run(check, settings)
        return evolve(end, seconds=time.perf_counter() - start)

    def failed(self, check: Check, finding: Finding, rig: Rig | None) -> Ended:
        """The end of a check that found something."""
        details = () if rig is None else rig.details
        text = finding.text(self.target.repeat(check.id, self.options), details)
        return Ended(Outcome.FAIL, text, finding)

    def _with_finds(self, end: Ended, rig: Rig) -> Ended:
        """The end with what the check counted, and of a failure the schedule that shows it."""
        figures = dict(rig.figures)
        if end.outcome is not Outcome.FAIL or not rig.token:
            return evolve(end, figures=figures)
        # The rig does not know how a command line names its driver.
        token = rig.token.replace("/-/", f"/{self.target.address or '-'}/", 1)
        message = f"{end.message}\nreplay  movable replay {token}"
        return evolve(end, token=token, figures=figures, message=message)

    def _run(self, check: Check, settings: Settings) -> Ended:
        """Run the check and its teardown."""
        rig: Rig | None = None
        clock = Deadline()
        try:
            with deadline(settings.limit) as clock:
                rig = self._rig(check, settings, clock)
                check.run(rig)
            end = Ended(Outcome.PASS, "\n".join(f"note    {advice}" for advice in rig.advice))
        except NothingToJudge as reason:
            end = Ended(Outcome.NOT_CLAIMED, f"nothing to judge: {reason}")
        except DeadlineExpired:
            clock.expired = True
            end = Ended(Outcome.FAIL)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a driver may raise anything, SystemExit too
            end = self.failed(check, finding_of(error, check, _running(rig)), rig)
        finally:
            self._dispose(rig)
        if clock.expired:
            end = self.failed(check, expired(settings.limit, _running(rig)), rig)
        return end if rig is None else self._with_finds(end, rig)

    def _rig(self, check: Check, settings: Settings, clock: Deadline) -> Rig:
        return (check.rig or Rig)(
            self.target.spec,
            f"{check.id} {settings.seed}",
            owns=check.owns,
            clock=clock,
            debug=settings.debug,
            settings=settings,
        )

    def _dispose(self, rig: Rig | None) -> None:
        """Take the machine down."""
        if rig is None:
            return
        try:
            with deadline(_TEARDOWN_S):
                rig.dispose(ask_driver=self.patient)
        except DeadlineExpired:
            self.patient = False


def _running(rig: Rig | None) -> str | None:
    """The callback that was interrupted, else the request that the driver was asked last."""
    return rig.probe.interrupted or rig.asked if rig is not None else "the driver's factory"
