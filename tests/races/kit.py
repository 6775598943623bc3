"""Drivers without a lock, and the check that finds each."""

from functools import cache

from movable import check
from movable.conformance import CheckResult, Outcome

PLANTED = {
    "races.planted:without_class_lock": "RACE-USERS",
    "races.planted:without_zspage_lock": "RACE-PIN",
    "races.planted:without_pins": "RACE-LOAD",
}


@cache
def failed(name: str) -> CheckResult:
    """The failure of that check, at the default budget."""
    (result,) = check(name, select=PLANTED[name]).of_outcome(Outcome.FAIL)
    return result
