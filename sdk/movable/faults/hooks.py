"""Answers of isolate_page and migratepage that the driver did not give."""

from collections.abc import Callable
from typing import Any

from attrs import define, field

from movable.drivers import AddressSpace, hookimpl
from movable.errors import MovableError
from movable.flags import IsolateMode, MigrateMode
from movable.page import Page

__all__ = ["HookFault", "HookFaults"]

_MAX_ERRNO = 4095


@define
class HookFault:
    """One answer, given to the calls numbered ``at`` to ``at + times - 1`` (None: all from ``at`` on).

    Calls are counted from 0, from the moment the fault was asked for; with ``page`` only those for this page
    count. ``seen`` calls were counted so far, ``injected`` of them answered.
    """

    answer: int
    times: int | None = 1
    at: int = 0
    page: Page | None = None
    seen: int = 0
    injected: int = 0

    def __attrs_post_init__(self) -> None:
        if self.at < 0:
            raise MovableError(f"at: calls are counted from 0, not {self.at}")
        if self.times is not None and self.times < 0:
            raise MovableError(f"times: must be 0 or more, or None for ever, not {self.times}")

    def strikes(self, page: Page) -> bool:
        """Count a call; whether it is one that the fault answers."""
        if self.page is not None and page is not self.page:
            return False
        number = self.seen
        self.seen += 1
        return number >= self.at and (self.times is None or number < self.at + self.times)


def _nobody() -> None:
    """Is told of injected answers if nobody else wants to know."""


@define(eq=False)
class HookFaults:
    """A plugin for ``AddressSpace.add_observer``: it answers callbacks in the driver's stead.

    A call that a fault answers never reaches the driver: its pages are as they were. If several faults would
    answer a call, the oldest does; all of them count it. ``told`` is called with each answer that was injected.
    """

    told: Callable[[], object] = _nobody
    _isolate: list[HookFault] = field(factory=list, init=False)
    _migrate: list[HookFault] = field(factory=list, init=False)

    def refuse(self, times: int | None = 1, *, at: int = 0, page: Page | None = None) -> HookFault:
        """Answer False to calls of isolate_page."""
        return _enter(self._isolate, HookFault(answer=False, times=times, at=at, page=page))

    def fail(self, answer: int, times: int | None = 1, *, at: int = 0, page: Page | None = None) -> HookFault:
        """Answer a negative errno to calls of migratepage: ``-EAGAIN``, ``-EBUSY``, ``-ENOMEM`` or any other.

        0 cannot be injected: only the driver can move a page.
        """
        if not -_MAX_ERRNO <= answer < 0:
            raise MovableError(f"answer: must be a negative errno, as -errno.EAGAIN, not {answer!r}")
        return _enter(self._migrate, HookFault(answer, times, at, page))

    def clear(self) -> None:
        """Let the driver answer again."""
        self._isolate.clear()
        self._migrate.clear()

    @property
    def injected(self) -> int:
        """Answers given by the faults that are not cleared."""
        return sum(fault.injected for fault in (*self._isolate, *self._migrate))

    @hookimpl(tryfirst=True)
    def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
        """False if a fault says so; None lets the driver answer."""
        return None if self._strike(self._isolate, page) is None else False

    @hookimpl(tryfirst=True)
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """The errno that a fault says; None lets the driver answer."""
        return self._strike(self._migrate, oldpage)

    def _strike(self, faults: list[HookFault], page: Page) -> int | None:
        if not faults:
            return None
        striking = [fault for fault in faults if fault.strikes(page)]
        if not striking:
            return None
        striking[0].injected += 1
        self.told()
        return striking[0].answer


def _enter(faults: list[HookFault], fault: HookFault) -> HookFault:
    faults.append(fault)
    return fault
