"""A target allocator for migrate_pages that fails, or is interrupted, where it is told to."""

from attrs import define, field

from movable.errors import MovableError
from movable.faults.holds import Hold
from movable.flags import GFP
from movable.page import Page
from movable.vm import VM

__all__ = ["Targets"]


@define(eq=False)
class Targets:
    """``get`` and ``put`` are what ``VM.migrate_pages`` takes as get_new_page and put_new_page.

    Requests are counted from 0 (``requests``). ``handed`` and ``released`` list the frame numbers given out and
    taken back, ``injected`` counts the requests that failed or were interrupted on purpose. ``holds`` are told of each
    attempt.
    """

    vm: VM
    holds: list[Hold] = field(factory=list)
    gfp: GFP = GFP.HIGHUSER_MOVABLE
    requests: int = field(default=0, init=False)
    injected: int = field(default=0, init=False)
    handed: list[int] = field(factory=list, init=False)
    released: list[int] = field(factory=list, init=False)
    _failing: list[tuple[int, int | None]] = field(factory=list, init=False)
    _interrupts: dict[int, BaseException] = field(factory=dict, init=False)

    def fail(self, at: int = 0, times: int | None = 1) -> None:
        """Have ``times`` requests from number ``at`` on answered with None; all of them for None."""
        _demand(at)
        self._failing.append((at, None if times is None else at + times))

    def interrupt(self, error: BaseException, at: int = 0) -> None:
        """Raise ``error`` out of request number ``at``, as Ctrl-C does: it ends migrate_pages."""
        _demand(at)
        self._interrupts[at] = error

    def get(self, page: Page) -> Page | None:
        """A fresh page for ``page``, or the fault that is due."""
        number = self.requests
        self.requests += 1
        for hold in self.holds:
            hold.attempt(page)
        if number in self._interrupts:
            self.injected += 1
            raise self._interrupts[number]
        if any(number >= first and (end is None or number < end) for first, end in self._failing):
            self.injected += 1
            return None
        target = self.vm.alloc_page(self.gfp)
        if target is not None:
            self.handed.append(target.pfn)
        return target

    def put(self, page: Page) -> None:
        """Take back a target that was not used."""
        self.released.append(page.pfn)
        self.vm.free_pages(page)


def _demand(at: int) -> None:
    if at < 0:
        raise MovableError(f"at: requests are counted from 0, not {at}")
