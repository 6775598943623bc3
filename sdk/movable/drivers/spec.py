"""How a driver presents itself: its spec, what it can do, and how to use it without knowing it."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from attrs import field, frozen, validators

from movable.page import Page

if TYPE_CHECKING:
    from movable.drivers.mapping import AddressSpace
    from movable.vm import VM

Handle = Hashable
"""What a workload gives out for a stored object; opaque to everyone else."""


class Driver(Protocol):
    """An instance of a driver: it belongs to one VM and one AddressSpace."""

    mapping: "AddressSpace"

    def close(self) -> None:
        """Free every page and close the mapping, as a module does when it is unloaded."""


class Workload(Protocol):
    """How the suite uses a driver without knowing it.

    Methods raise only for their own bugs; what is merely impossible now is told by the return value.
    """

    def store(self, data: bytes) -> Handle | None:
        """Put ``data`` (at most ``Capabilities.max_object`` bytes) in; None if there is no room or memory."""

    def load(self, handle: Handle) -> bytes:
        """The bytes of a stored object. Only with the capability ``contents``."""

    def drop(self, handle: Handle) -> bool:
        """Give an object up; False if that is not possible now (its page is isolated, say): try later."""

    def pages(self, handle: Handle) -> Sequence[Page]:
        """The pages that hold the object now."""

    def pin(self, handle: Handle) -> AbstractContextManager[object]:
        """Keep the object's pages where they are for a while. Only with the capability ``pin``."""

    def check(self) -> None:
        """Raise AssertionError if the driver's own structures do not fit together."""


@frozen
class Capabilities:
    """What a driver claims; the suite checks what is claimed, and that it is claimed rightly.

    ``contents``: load() gives back what store() was given. ``pin``: pin() keeps pages in place.
    ``drop_isolated``: drop() works on objects whose pages are isolated. ``spanning``: an object may lie over
    more than one page. ``concurrent``: store(), load() and drop() may be called on several CPUs at once, for
    handles of their own. ``max_object``: most bytes that store() takes. ``never_sleeps_async``: the callbacks
    never sleep in MIGRATE_ASYNC (without the claim, sleeping there is advice; spec/native-api.md 6).
    """

    contents: bool = field(default=True, validator=validators.instance_of(bool))
    pin: bool = field(default=False, validator=validators.instance_of(bool))
    drop_isolated: bool = field(default=True, validator=validators.instance_of(bool))
    spanning: bool = field(default=False, validator=validators.instance_of(bool))
    max_object: int = field(default=4096, validator=[validators.instance_of(int), validators.ge(1)])
    concurrent: bool = field(default=False, validator=validators.instance_of(bool))
    never_sleeps_async: bool = field(default=False, validator=validators.instance_of(bool))


@frozen
class Expectation:
    """A check that is known to fail: what kind of gap, why, and the rule expected to be broken."""

    kind: Literal["not-planned", "not-yet", "upstream-bug"] = field(
        validator=validators.in_(("not-planned", "not-yet", "upstream-bug"))
    )
    reason: str = field(validator=validators.min_len(1))
    rule: str | None = None


def _frozen_mapping(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(value))


@frozen
class DriverSpec:
    """What a provider hands out for each driver.

    ``factory`` makes an instance for a VM; ``workload`` wraps an instance for the suite. ``expectations``
    maps check ids to the failures that are known. ``summary`` is one line for people.
    """

    name: str = field(validator=validators.matches_re(r"[A-Za-z0-9][A-Za-z0-9_.-]*"))
    factory: "Callable[[VM], Any]" = field(validator=validators.is_callable())
    workload: Callable[[Any], Workload] = field(validator=validators.is_callable())
    capabilities: Capabilities = field(default=Capabilities(), validator=validators.instance_of(Capabilities))
    options: Mapping[str, Any] = field(factory=dict, converter=_frozen_mapping)
    summary: str = ""
    expectations: Mapping[str, Expectation] = field(factory=dict, converter=_frozen_mapping)
