"""An observer on a driver's mapping that writes down every callback."""

from collections.abc import Generator

from attrs import define, field

from movable.conformance.deadline import Deadline
from movable.conformance.state import PageState, page_state
from movable.drivers import AddressSpace, hookimpl
from movable.flags import IsolateMode, MigrateMode
from movable.page import Page

__all__ = ["Call", "Move", "Probe"]


@define
class Call:
    """One callback as the suite saw it: the page before and after, and what was answered or raised."""

    hook: str
    mode: int
    before: PageState
    after: PageState = field(init=False)
    answer: object = None
    injected: bool = False
    raised: bool = False

    @property
    def pfn(self) -> int:
        """Frame number of the page that was isolated, moved or put back."""
        return self.before.pfn

    def note_after(self, page: Page) -> None:
        """Take down the page as the callback left it."""
        self.after = page_state(page)


@define
class Move(Call):
    """A call of migratepage, with the target before and after."""

    new_before: PageState = field(kw_only=True)
    new_after: PageState = field(init=False)


class Probe:
    """Records callbacks in order, with the state of the pages before and after each.

    Once the time of the check is over no further callback reaches the driver.
    """

    def __init__(self, clock: Deadline) -> None:
        self.clock = clock
        self.calls: list[Call] = []
        self.running: list[Call] = []
        self.interrupted: str | None = None

    def note_injected(self) -> None:
        """The innermost call that runs is answered in the driver's stead."""
        self.running[-1].injected = True

    def of(self, hook: str) -> list[Call]:
        """Finished calls of one hook that the driver answered, not the suite."""
        return [call for call in self.calls if call.hook == hook and not call.injected]

    def moves(self, since: int = 0) -> list[Move]:
        """Finished calls of migratepage that the driver answered, from the given place in ``calls`` on."""
        return [call for call in self.calls[since:] if isinstance(call, Move) and not call.injected]

    @hookimpl(wrapper=True)
    def isolate_page(self, page: Page, mode: IsolateMode) -> Generator[None, object, object]:
        """Record the call."""
        return (yield from self._record(Call("isolate_page", int(mode), page_state(page)), page))

    @hookimpl(wrapper=True)
    def migratepage(
        self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode
    ) -> Generator[None, object, object]:
        """Record the call, with both pages."""
        call = Move("migratepage", int(mode), page_state(oldpage), new_before=page_state(newpage))
        try:
            return (yield from self._record(call, oldpage))
        finally:
            call.new_after = page_state(newpage)

    @hookimpl(wrapper=True)
    def putback_page(self, page: Page) -> Generator[None, object, object]:
        """Record the call."""
        return (yield from self._record(Call("putback_page", 0, page_state(page)), page))

    def _record(self, call: Call, page: Page) -> Generator[None, object, object]:
        self.clock.check()
        self.running.append(call)
        try:
            call.answer = yield
        except BaseException:
            self.interrupted = call.hook
            call.raised = True
            raise
        finally:
            self.running.remove(call)
            call.note_after(page)
            self.calls.append(call)
        return call.answer
