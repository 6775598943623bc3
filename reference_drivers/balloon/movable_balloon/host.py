"""The other end of the balloon: a modelled host that believes no message it has not checked
(spec/drivers.md 4.5).

The host owns the queues and the configuration. It gives the memory of every page it is told about back to
the operating system, and refuses messages that no correct guest sends. A refused message has no effect on
the host.
"""

import struct
from collections import Counter, deque
from collections.abc import Callable
from enum import IntFlag, StrEnum
from typing import Protocol

from attrs import define, field, frozen, validators

from movable import VM, MovableError, Page, WorkQueue
from movable_balloon.stats import Stat, unpack_stats

__all__ = [
    "LOG_LENGTH",
    "MAX_PFNS",
    "BadMessage",
    "Config",
    "Feature",
    "Host",
    "HostError",
    "Message",
    "PfnNeverTold",
    "PfnToldTwice",
    "Queue",
]

MAX_PFNS = 256
"""Entries of the array that carries one message."""

LOG_LENGTH = 1 << 16
"""Entries that the host's logs keep; the oldest go first."""


class Feature(IntFlag):
    """What host and guest can agree on, as bits of the device's feature word."""

    MUST_TELL_HOST = 1 << 0
    STATS_VQ = 1 << 1
    DEFLATE_ON_OOM = 1 << 2


class Queue(StrEnum):
    """The queues of the device."""

    INFLATE = "inflate"
    DEFLATE = "deflate"
    STATS = "stats"


class HostError(MovableError):
    """The host refuses a message."""


class BadMessage(HostError):
    """A message of a wrong length, about memory that nobody has, or sent before the last was answered."""


class PfnToldTwice(HostError):
    """An inflate message names a page that the host has already."""


class PfnNeverTold(HostError):
    """A deflate message names a page that the host does not have."""


@define
class Config:
    """The device's configuration space, both numbers in units of 4 KiB.

    ``num_pages`` is how large the host wants the balloon, ``actual`` how large the guest says it is.
    """

    num_pages: int = field(default=0, validator=[validators.ge(0), validators.lt(1 << 32)])
    actual: int = field(default=0, validator=[validators.ge(0), validators.lt(1 << 32)])

    def to_bytes(self) -> bytes:
        """As the guest reads it: two little-endian 32-bit words, on legacy devices too."""
        return struct.pack("<II", self.num_pages, self.actual)


@frozen
class Message:
    """One buffer that came through the inflate or the deflate queue."""

    queue: Queue
    pfns: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Length of the buffer: 4 bytes for each pfn."""
        return 4 * len(self.pfns)


class Guest(Protocol):
    """What the host calls in the guest: the handlers of two interrupts."""

    def config_changed(self) -> None:
        """The configuration has changed."""

    def stats_requested(self) -> None:
        """The statistics buffer came back, to be filled again."""

    def message_returned(self) -> None:
        """A pfn message that the host took its time for came back."""


class Host:
    """The host of one guest machine.

    ``ballooned`` is the set of pfns that the host has now, ``stats`` what it read last. Logs, oldest entry
    first: ``log`` of the messages it took, ``sizes`` that the guest wrote to ``actual``, ``refusals``.

    ``hold``, if set, runs with each pfn message before the host looks at it, while the guest waits for the
    buffer; it may raise a HostError to refuse the message.

    A ``slow`` host does not answer pfn messages during `send`: the guest sleeps until they are `answered`. Under
    a schedule the CPU that runs queued work answers; where nobody else runs, the answer is there at the first look.
    """

    def __init__(
        self,
        vm: VM,
        features: Feature = Feature.MUST_TELL_HOST | Feature.STATS_VQ,
        *,
        num_pages: int = 0,
        slow: bool = False,
    ) -> None:
        self.vm = vm
        self.slow = slow
        self.features = features
        self.config = Config(num_pages=num_pages)
        self.ballooned: set[int] = set()
        self.log: deque[Message] = deque(maxlen=LOG_LENGTH)
        self.sizes: deque[int] = deque(maxlen=LOG_LENGTH)
        self.refusals: deque[HostError] = deque(maxlen=LOG_LENGTH)
        self.stats: tuple[Stat, ...] = ()
        self.hold: Callable[[Message], None] | None = None
        self._guest: Guest | None = None
        self._stats_buffer: bytes | None = None
        self._busy = False
        self._late: tuple[Queue, bytes] | None = None
        self._refusal: HostError | None = None
        self._work = WorkQueue(vm, "balloon host")

    # -- the operator ------------------------------------------------------------------------------

    def set_target(self, pages: int) -> None:
        """Wish for a balloon of ``pages`` pages and tell the guest."""
        self.config.num_pages = pages
        if self._guest is not None:
            self._guest.config_changed()

    def request_stats(self) -> None:
        """Read the statistics buffer and give it back to the guest to be filled again."""
        if self._guest is None or self._stats_buffer is None:
            raise HostError("no statistics: the guest has queued no buffer (feature STATS_VQ? work run?)")
        self.stats = unpack_stats(self._stats_buffer)
        self._stats_buffer = None
        self._guest.stats_requested()

    # -- the device's driver -----------------------------------------------------------------------

    def attach(self, guest: Guest) -> None:
        """Connect the guest's driver."""
        if self._guest is not None:
            raise HostError("a guest is attached; detach it first")
        self._guest = guest

    def detach(self) -> None:
        """Reset the device: its queues and what is in them are gone."""
        self._guest = None
        self._stats_buffer = None

    def write_actual(self, pages: int) -> None:
        """Take the guest's report of its balloon's size."""
        self.config.actual = pages
        self.sizes.append(pages)

    def send(self, queue: Queue, buffer: bytes) -> None:
        """Take one buffer; returns when the guest has it back, if the host is not slow.

        The host keeps the buffer of statistics.
        """
        if queue is Queue.STATS:
            self._stats_buffer = buffer
            return
        if self._busy:
            raise BadMessage(f"{queue}: another message is in flight")
        self._busy = True
        if self.slow:
            self._late = queue, buffer
            if self._answers_elsewhere():
                self._work.queue(self._answer)
            return
        try:
            self._take(queue, buffer)
        except HostError as error:
            self.refusals.append(error)
            raise
        finally:
            self._busy = False

    def answered(self) -> bool:
        """Whether the slow host has given the last message back."""
        if self._late is not None and not self._answers_elsewhere():
            self._answer()
        return self._late is None

    def demand_taken(self) -> None:
        """Raise the HostError by which the slow host refused the last message, if it did."""
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal

    def _answers_elsewhere(self) -> bool:
        """Whether another CPU runs queued work while the guest sleeps."""
        sched = self.vm.sched
        return sched is not None and sched.has_worker

    def _answer(self) -> None:
        late = self._late
        if late is None:
            return
        try:
            self._take(*late)
        except HostError as error:
            self.refusals.append(error)
            self._refusal = error
        finally:
            # In this order: once it sees the answer, the guest may send again.
            self._busy = False
            self._late = None
            if self._guest is not None:
                self._guest.message_returned()

    def _take(self, queue: Queue, buffer: bytes) -> None:
        count, rest = divmod(len(buffer), 4)
        if rest or not 0 < count <= MAX_PFNS:
            raise BadMessage(f"{queue}: {len(buffer)} bytes are not 1 to {MAX_PFNS} entries of 4 bytes")
        message = Message(queue, struct.unpack(f"<{count}I", buffer))
        if self.hold is not None:
            self.hold(message)
        if queue is Queue.INFLATE:
            self._inflate(message)
        else:
            self._deflate(message)
        self.log.append(message)

    def _inflate(self, message: Message) -> None:
        pages = [self._page(pfn) for pfn in message.pfns]
        again = self.ballooned.intersection(message.pfns) | _repeated(message.pfns)
        if again:
            raise PfnToldTwice(f"inflate: in the balloon already: pfn {_listed(again)}")
        for page in pages:
            page.discard()
        self.ballooned.update(message.pfns)

    def _deflate(self, message: Message) -> None:
        missing = set(message.pfns).difference(self.ballooned) | _repeated(message.pfns)
        if missing:
            raise PfnNeverTold(f"deflate: not in the balloon: pfn {_listed(missing)}")
        self.ballooned.difference_update(message.pfns)

    def _page(self, pfn: int) -> Page:
        try:
            page = self.vm.page(pfn)
        except MovableError as error:
            raise BadMessage(f"inflate: the guest has no memory at pfn {pfn:#x}") from error
        if not page.refcount:
            raise BadMessage(f"inflate: pfn {pfn:#x} is free in the guest, so it is not the balloon's")
        return page


def _repeated(pfns: tuple[int, ...]) -> set[int]:
    if len(set(pfns)) == len(pfns):
        return set()
    return {pfn for pfn, count in Counter(pfns).items() if count > 1}


def _listed(pfns: set[int]) -> str:
    return ", ".join(f"{pfn:#x}" for pfn in sorted(pfns))
