"""Who goes on at a scheduling point: the strategies, as values."""

from typing import ClassVar, Protocol

from attrs import field, frozen, validators

from movable.sched.schedule import Schedule

__all__ = ["PCT", "Random", "Replay", "RoundRobin", "Strategy"]


class Strategy(Protocol):
    """What a run is told of who goes on."""

    @property
    def policy(self) -> int:
        """The number by which the core knows the policy."""

    @property
    def schedule(self) -> Schedule:
        """Choices that are followed whatever the policy says."""


_NONE = Schedule()
_COUNT = [validators.ge(1), validators.lt(2**31)]


@frozen
class Replay:
    """Follow a schedule, and the default where it says nothing. With an empty one: the default alone."""

    policy: ClassVar[int] = 0
    schedule: Schedule = _NONE


@frozen
class RoundRobin:
    """The next CPU in turn at every step."""

    policy: ClassVar[int] = 1
    schedule: ClassVar[Schedule] = _NONE


@frozen
class Random:
    """At one step in ``sharpness``, on average, any CPU that can run goes on, else the same one."""

    policy: ClassVar[int] = 2
    schedule: ClassVar[Schedule] = _NONE
    seed: int = 0
    sharpness: int = field(default=2, validator=_COUNT)


@frozen
class PCT:
    """Probabilistic concurrency testing: CPUs have random priorities, the highest that can run goes on.

    At ``depth - 1`` random steps of the first ``length`` the running CPU falls behind all others. A mistake
    that needs ``depth`` ordered events is then found with a known probability, whatever its neighbours do.
    """

    policy: ClassVar[int] = 3
    schedule: ClassVar[Schedule] = _NONE
    seed: int = 0
    depth: int = field(default=3, validator=[validators.ge(1), validators.le(33)])
    length: int = field(default=400, validator=_COUNT)
