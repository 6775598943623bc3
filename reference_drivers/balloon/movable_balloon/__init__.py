"""The balloon reference driver: pages that a guest machine has lent to its host.

`VirtioBalloon` is the driver, `Host` the modelled other end, `BalloonDevInfo` the core that any balloon
device can build on.
"""

from movable import Capabilities, DriverSpec, hookimpl
from movable_balloon.core import BALLOON_GFP, BalloonDevInfo
from movable_balloon.host import (
    MAX_PFNS,
    BadMessage,
    Config,
    Feature,
    Host,
    HostError,
    Message,
    PfnNeverTold,
    PfnToldTwice,
    Queue,
)
from movable_balloon.stats import Stat, StatTag
from movable_balloon.virtio import BalloonBusy, VirtioBalloon
from movable_balloon.workload import BalloonWorkload

__all__ = [
    "BALLOON_GFP",
    "MAX_PFNS",
    "BadMessage",
    "BalloonBusy",
    "BalloonDevInfo",
    "BalloonWorkload",
    "Config",
    "Feature",
    "Host",
    "HostError",
    "Message",
    "PfnNeverTold",
    "PfnToldTwice",
    "Queue",
    "Stat",
    "StatTag",
    "VirtioBalloon",
    "movable_drivers",
]


@hookimpl
def movable_drivers() -> list[DriverSpec]:
    """What the entry point in group ``movable`` provides."""
    return [
        DriverSpec(
            name="balloon",
            factory=VirtioBalloon,
            workload=BalloonWorkload,
            capabilities=Capabilities(contents=False, pin=False, drop_isolated=False),
            summary="Memory balloon: a virtio-like device with a modelled host.",
        )
    ]
