"""Running a token's schedule again."""

from attrs import evolve, frozen

from movable.conformance.deadline import deadline
from movable.conformance.finding import Finding, finding_of
from movable.conformance.races.rig import Races, Replaying
from movable.conformance.races.token import Token
from movable.conformance.registry import Check, all_checks
from movable.conformance.target import DriverLike, resolve
from movable.errors import ConfigError
from movable.sched import Outcome

__all__ = ["Replay", "replay"]

_LIMIT_S = 60.0


@frozen
class Replay:
    """What the schedule of a token did this time; ``finding`` is None if nothing failed."""

    token: Token
    outcome: Outcome
    finding: Finding | None
    cpus: int

    @property
    def failed(self) -> bool:
        """Whether the failure is there again."""
        return self.finding is not None


def replay(token: str, driver: DriverLike | None = None) -> Replay:
    """Run the schedule that a failed race check has named, once.

    Args:
        token: what the check's message gives, such as ``r1/zsmalloc/RACE-DROP/0/1.2/a17bb4a``.
        driver: the driver, if it is not the one that the token names.

    Raises:
        ConfigError: the token is none, or names no race check.
        DriverError: there is no such driver.
    """
    parsed = Token.parse(token)
    if driver is None and parsed.driver == "-":
        raise ConfigError("token: it names no driver; say which one is meant (--driver)")
    target = resolve(parsed.driver if driver is None else driver)
    check = _race_check(parsed.check)
    with deadline(_LIMIT_S) as clock:
        return _run(
            evolve(parsed, driver=target.address or "-"), Replaying(target.spec, parsed, clock=clock), check
        )


def _run(token: Token, rig: Replaying, check: Check) -> Replay:
    finding = None
    try:
        check.run(rig)
    except Exception as error:
        if rig.outcome is None:
            raise
        finding = finding_of(error, check, rig.asked)
    finally:
        rig.dispose()
    assert rig.outcome is not None
    return Replay(token, rig.outcome, finding, rig.cpus)


def _race_check(name: str) -> Check:
    races = {check.id: check for check in all_checks() if check.rig is Races}
    if name not in races:
        raise ConfigError(f"token: {name} is no race check; there are {', '.join(races)}")
    return races[name]
