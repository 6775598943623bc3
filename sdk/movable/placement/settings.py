"""What the placement daemon goes by."""

from collections.abc import Callable
from typing import Any

from attrs import Attribute, field, frozen

from movable.errors import ConfigError

__all__ = ["PlacementSettings"]


def _at_least(least: float) -> Callable[[Any, "Attribute[Any]", Any], None]:
    def check(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
        if not value >= least:
            raise ConfigError(f"{attribute.name}: must be {least} or more, not {value}")

    return check


def _part(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
    if not 0 <= value < 1:
        raise ConfigError(f"{attribute.name}: must be 0 or more and below 1, not {value}")


@frozen
class PlacementSettings:
    """When a page is moved, and how many are. Time is counted in intervals: `PlacementDaemon.tick` ends one.

    A page is moved once it was seen ``least`` times, old sightings counting ``decay`` less with each interval, if an
    access would be cheaper by ``gain`` (1.0 is a local access) on another node. ``rate`` pages move in an
    interval, the most rewarding first. After a move a page stays for ``rest`` intervals, and
    returns to a node that it came from ``bounces`` times at most within ``memory`` intervals. A page that is busy is
    tried ``retries`` times again; then, like a shared page without ``move_shared``, it is left alone for ``memory``
    intervals. ``reserve`` is the part of a node's memory that is kept free, ``move_shared`` asks for MPOL_MF_MOVE_ALL.
    """

    least: float = field(default=2.0, validator=_at_least(0))
    gain: float = field(default=0.2, validator=_at_least(0))
    decay: float = field(default=0.85, validator=_part)
    rate: int = field(default=256, validator=_at_least(1))
    rest: int = field(default=3, validator=_at_least(0))
    bounces: int = field(default=1, validator=_at_least(0))
    memory: int = field(default=50, validator=_at_least(1))
    retries: int = field(default=3, validator=_at_least(0))
    reserve: float = field(default=0.02, validator=_part)
    move_shared: bool = False
