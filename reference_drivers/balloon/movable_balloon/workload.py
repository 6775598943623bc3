"""How the conformance suite uses the balloon."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NoReturn

from movable import Handle, MigrateMode, MovableError, Page
from movable_balloon.virtio import VirtioBalloon

__all__ = ["BalloonWorkload"]


class BalloonWorkload:
    """Storing an object inflates the balloon by a page, dropping one deflates it by a page.

    The balloon keeps no contents, so nothing can be read back. A handle is a token for one page of the
    balloon and goes with it when it migrates. The balloon decides which page leaves (the one that came
    last, of those that are not busy): if it is not the page of the dropped handle, then its handle takes
    over the page that stays. Balloon pages are interchangeable, so that is no loss to anyone, and at all
    times each handle has one page and each page one handle. A drop is refused as busy only if no page at
    all can leave.
    """

    def __init__(self, balloon: VirtioBalloon) -> None:
        self.balloon = balloon
        self._pages: dict[Handle, Page] = {}
        self._serial = 0
        self._migrate = balloon.info.device_migratepage
        balloon.info.device_migratepage = self._follow

    def store(self, data: bytes) -> int | None:
        """Inflate by one page, whatever ``data`` is; its handle, or None if there is no memory."""
        size = self.balloon.num_pages
        if not self.balloon.set_target(size + 1):
            self.balloon.set_target(size)
            return None
        self._serial += 1
        self._pages[self._serial] = next(iter(self.balloon.info.pages))
        return self._serial

    def load(self, handle: Handle) -> NoReturn:
        """Refuse: a balloon page has no contents."""
        raise MovableError("the balloon keeps no contents (capability contents is not claimed)")

    def drop(self, handle: Handle) -> bool:
        """Deflate by one page and give the handle up; False if no page can leave now."""
        staying = self._pages[handle]
        size = self.balloon.num_pages
        if not self.balloon.set_target(size - 1):
            self.balloon.set_target(size)
            return False
        mapping = self.balloon.mapping
        leaver = next(token for token, page in self._pages.items() if page.mapping is not mapping)
        self._pages[leaver] = staying
        del self._pages[handle]
        return True

    def pages(self, handle: Handle) -> Sequence[Page]:
        """The one page of the handle."""
        return (self._pages[handle],)

    def pin(self, handle: Handle) -> AbstractContextManager[None]:
        """Refuse: a balloon page can always move."""
        raise MovableError("the balloon pins no page (capability pin is not claimed)")

    def check(self) -> None:
        """Compare handles, driver and host with each other; AssertionError if they differ."""
        self.balloon.check()
        assert set(self._pages.values()) == set(self.balloon.mapping.pages()), "a page without handle"

    def _follow(self, newpage: Page, page: Page, mode: MigrateMode) -> int:
        answer = self._migrate(newpage, page, mode)
        if answer == 0:
            handle = next(token for token, owned in self._pages.items() if owned is page)
            self._pages[handle] = newpage
        return answer
