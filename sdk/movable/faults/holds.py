"""Another user of a page: one who holds its lock, or a reference on it, for a while."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Self

from movable.errors import MovableError
from movable.page import Page
from movable.vm import VM

__all__ = ["Hold", "LockHold", "PinHold"]


class Hold(ABC):
    """Something held on ``page`` in a ``with`` block, for ``passes`` attempts to move the page (None: no limit).

    `Targets` tells of each attempt: the page is let go when the one after the last begins. ``met`` counts
    the attempts that found it held.
    """

    def __init__(self, page: Page, passes: int | None = None) -> None:
        if passes is not None and passes < 0:
            raise MovableError(f"passes: must be 0 or more, or None for no limit, not {passes}")
        self.page = page
        self.passes = passes
        self.met = 0
        self.held = False

    def attempt(self, page: Page) -> None:
        """The VM is about to try to move ``page``."""
        if page is not self.page or not self.held:
            return
        if self.passes is not None and self.met >= self.passes:
            self.let_go()
        else:
            self.met += 1

    def let_go(self) -> None:
        """End it now; nothing if it has ended."""
        if self.held:
            self.held = False
            self._end()

    def __enter__(self) -> Self:
        self._begin()
        self.held = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What went wrong in the block is told, not what followed from it.
        with nullcontext() if exc is None else suppress(MovableError):
            self.let_go()

    @abstractmethod
    def _begin(self) -> None:
        """Take what is held."""

    @abstractmethod
    def _end(self) -> None:
        """Give it back."""


class PinHold(Hold):
    """An extra reference on a page, as somebody holds who looks at it. The page may move meanwhile.

    The old frame stays allocated until the reference is dropped. spec/migration.md 2
    """

    def _begin(self) -> None:
        self.page.get()

    def _end(self) -> None:
        self.page.put()


class LockHold(Hold):
    """The page lock, held by another CPU. It is let go too when a CPU goes to sleep on it (``waited``).

    MIGRATE_ASYNC never sleeps, the other modes from the fourth pass on. spec/migration.md 4.2

    Raises:
        MovableError: ``cpu`` is the CPU that runs, the machine has no such CPU, or the page is locked.
    """

    def __init__(self, vm: VM, page: Page, passes: int | None = None, *, cpu: int = 1) -> None:
        super().__init__(page, passes)
        self.vm = vm
        self.cpu = cpu
        self.waited = 0
        self._hook = vm.wait_hook

    def _begin(self) -> None:
        if self.cpu == self.vm.cpu:
            raise MovableError(f"cpu: CPU {self.cpu} runs; the lock must be another CPU's")
        if not self._as_holder(self.page.trylock):
            raise MovableError(f"page: {self.page!r} is locked by CPU {self.page.lock_owner} already")
        self._hook = self.vm.wait_hook
        self.vm.wait_hook = self._on_wait

    def _end(self) -> None:
        self._as_holder(self.page.unlock)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.vm.closed:
            self.vm.wait_hook = self._hook
        super().__exit__(exc_type, exc, traceback)

    def _on_wait(self, page: Page) -> None:
        if page is self.page and self.held:
            self.waited += 1
            self.let_go()
        elif self._hook is not None:
            self._hook(page)

    def _as_holder(self, action: Callable[[], bool | None]) -> bool | None:
        cpu = self.vm.cpu
        self.vm.cpu = self.cpu
        try:
            return action()
        finally:
            self.vm.cpu = cpu
