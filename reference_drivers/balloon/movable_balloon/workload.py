"""How the conformance suite uses the balloon."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NoReturn

from movable import Handle, MovableError, Page
from movable_balloon.virtio import VirtioBalloon

__all__ = ["BalloonWorkload"]


class BalloonWorkload:
    """Storing an object inflates the balloon by a page, dropping one deflates it by a page.

    The balloon keeps no contents, so nothing can be read back, and its pages are interchangeable: it decides
    which page leaves (the one that came last, of those that are not busy). A handle stands for one page of
    the balloon, each for another one. It keeps its page while that is in the balloon, and takes over one that
    no handle stands for when it has left. A drop is refused as busy only if no page at all can leave.
    """

    def __init__(self, balloon: VirtioBalloon) -> None:
        self.balloon = balloon
        self._pages: dict[Handle, Page | None] = {}
        self._serial = 0

    def store(self, data: bytes) -> int | None:
        """Inflate by one page, whatever ``data`` is; its handle, or None if there is no memory."""
        size = self.balloon.num_pages
        if not self.balloon.set_target(size + 1):
            self.balloon.set_target(size)
            return None
        self._serial += 1
        self._pages[self._serial] = None
        return self._serial

    def load(self, handle: Handle) -> NoReturn:
        """Refuse: a balloon page has no contents."""
        raise MovableError("the balloon keeps no contents (capability contents is not claimed)")

    def drop(self, handle: Handle) -> bool:
        """Deflate by one page and give the handle up; False if no page can leave now."""
        size = self.balloon.num_pages
        if not self.balloon.set_target(size - 1):
            self.balloon.set_target(size)
            return False
        del self._pages[handle]
        return True

    def pages(self, handle: Handle) -> Sequence[Page]:
        """The one page of the handle; none while it is on its way to another one."""
        self._match()
        page = self._pages[handle]
        return () if page is None else (page,)

    def pin(self, handle: Handle) -> AbstractContextManager[None]:
        """Refuse: a balloon page can always move."""
        raise MovableError("the balloon pins no page (capability pin is not claimed)")

    def check(self) -> None:
        """Compare handles, driver and host with each other; AssertionError if they differ."""
        self.balloon.check()
        self._match()
        assert set(self._pages.values()) == set(self.balloon.mapping.pages()), "a page without handle"

    def _match(self) -> None:
        """Give handles whose page has left the balloon one that no handle stands for."""
        owned = self.balloon.mapping.pages()
        taken = set(owned) & set(self._pages.values())
        free = (page for page in owned if page not in taken)
        for handle, page in self._pages.items():
            if page not in taken:
                self._pages[handle] = next(free, None)
