"""How a check can end, and the exceptions by which a check says so."""

from enum import StrEnum

__all__ = ["CheckFailed", "DeadlineExpired", "NothingToJudge", "Outcome"]


class Outcome(StrEnum):
    """The one end of a check. ``RUN`` lists those that count as run."""

    PASS = "pass"
    FAIL = "fail"
    XFAIL = "xfail"
    XPASS = "xpass"
    NOT_CLAIMED = "not-claimed"
    BLOCKED = "blocked"
    NOT_RUN = "not-run"

    @property
    def ran(self) -> bool:
        """True if the check itself was carried out and judged something."""
        return self in (Outcome.PASS, Outcome.FAIL, Outcome.XFAIL, Outcome.XPASS)


class CheckFailed(Exception):
    """The suite saw a breach itself.

    ``what`` is a full sentence; ``clause`` names the broken clause where it is not the check's own first one.
    """

    def __init__(
        self, what: str, *, clause: str | None = None, pfn: int | None = None, where: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.clause = clause
        self.pfn = pfn
        self.where = where


class NothingToJudge(Exception):
    """The driver gave the check no occasion to judge; ends it as not-claimed, with the reason."""


class DeadlineExpired(BaseException):
    """Raised by the deadline inside whatever runs; not an Exception, so that drivers do not swallow it."""
