"""The balloon core: a list of movable pages that have no contents (spec/drivers.md 4.1-4.4).

A device embeds one `BalloonDevInfo`, gives it its own step of migration, and enqueues and dequeues pages.
The core owns the three callbacks. Locks: page lock, then the device's own lock, then ``pages_lock``.
"""

from collections.abc import Callable

from movable import (
    GFP,
    VM,
    AddressSpace,
    IsolateMode,
    MigrateMode,
    Page,
    PageType,
    SpinLock,
    VmEvent,
    WaitQueue,
    hookimpl,
)

__all__ = ["BALLOON_GFP", "BalloonDevInfo", "DeviceMigratePage"]

BALLOON_GFP = GFP.HIGHUSER_MOVABLE | GFP.NOMEMALLOC | GFP.NORETRY
"""How balloon pages are allocated: movable, off the reserves, and giving up early (spec/drivers.md 4.3)."""

DeviceMigratePage = Callable[[Page, Page, MigrateMode], int]
"""A device's step of migration: (newpage, page, mode) to 0 or a negative errno, both pages locked."""


class BalloonDevInfo:
    """The pages of one balloon device (spec/drivers.md 4.1).

    ``pages`` holds those that are not isolated, ``isolated_pages`` counts the others; ``pages_lock``
    protects both. ``device_id``, a number above 0, is what ``page.private`` of every balloon page says.
    """

    def __init__(
        self, vm: VM, device_migratepage: DeviceMigratePage, *, name: str = "balloon", device_id: int = 1
    ) -> None:
        if device_id < 1:
            raise ValueError(
                f"device_id: give a number above 0 (0 marks a page without a device), not {device_id}"
            )
        self.vm = vm
        self.device_id = device_id
        self.device_migratepage = device_migratepage
        self.pages = vm.page_list(name)
        self.pages_lock = SpinLock(vm, f"{name} pages_lock")
        self.isolated_pages = 0
        self.returned = WaitQueue(vm, f"{name} pages returned")
        self.mapping = AddressSpace(vm, self, name)

    def balloon_page_alloc(self) -> Page | None:
        """Allocate a page for the balloon; None if memory is short. Takes no lock."""
        return self.vm.alloc_page(BALLOON_GFP)

    def balloon_page_enqueue(self, page: Page) -> None:
        """Take a page into the balloon, with the caller's reference; he must be its only user.

        A page that is locked already has another user: rule ``driver-bug``.
        """
        if not page.trylock():
            self.vm.raise_violation(
                "driver-bug", expected="a page that only the balloon uses", seen="locked", page=page
            )
        with self.pages_lock:
            self.balloon_page_insert(page)
            self.vm.count_vm_event(VmEvent.BALLOON_INFLATE)
        page.unlock()

    def balloon_page_dequeue(self) -> Page | None:
        """Take the page that came last out of the balloon; its reference goes to the caller.

        Pages that somebody has locked are passed over. None: there is no page to be had now, try later. A
        balloon with nothing on its list and nothing isolated has lost its pages: rule ``driver-bug``.
        """
        with self.pages_lock:
            page = self._lock_first_page()
            if page is not None:
                self._give_up(page)
            elif not len(self.pages) and not self.isolated_pages:
                self.vm.raise_violation(
                    "driver-bug", expected="a page on the list or isolated", seen="an empty balloon"
                )
        return page

    def balloon_page_remove(self, page: Page) -> None:
        """Take this very page out of the balloon, isolated or not; its reference goes to the caller."""
        page.lock()
        with self.pages_lock:
            if page.isolated:
                self.isolated_pages -= 1  # it was given up while isolated: no putback will follow
            self._give_up(page)

    def balloon_page_insert(self, page: Page) -> None:
        """Mark a page as the balloon's and put it at the head of the list; page locked, ``pages_lock``
        held.
        """
        page.page_type = PageType.BALLOON
        page.set_movable(self.mapping)
        page.private = self.device_id
        self.pages.add(page)

    def balloon_page_delete(self, page: Page) -> None:
        """Undo `balloon_page_insert`, same locks; the link of an isolated page is the VM's and stays."""
        page.page_type = PageType.NONE
        page.clear_movable()
        page.private = 0
        if not page.isolated:
            self.pages.remove(page)

    def wait_for_page(self) -> bool:
        """Wait until a page is on the list that nobody has locked; False if nothing that runs makes it so."""
        return self.returned.wait_event_timeout(lambda: any(not page.locked for page in self.pages))

    def close(self) -> None:
        """Give the mapping up; the balloon must be empty."""
        self.mapping.close()

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Hand a page to the VM; the balloon never refuses."""
        with self.pages_lock:
            self.pages.remove(page)
            self.isolated_pages += 1
        return True

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Let the device replace a page. Nothing is copied: a ballooned page has no contents of worth."""
        for page in (newpage, oldpage):
            if not page.locked:
                self.vm.raise_violation(
                    "page-not-locked", expected="both pages locked", seen="unlocked", page=page
                )
        return self.device_migratepage(newpage, oldpage, mode)

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Take a page back from the VM, to the head of the list."""
        with self.pages_lock:
            self.pages.add(page)
            self.isolated_pages -= 1
        self.returned.wake_up()

    def _lock_first_page(self) -> Page | None:
        for page in self.pages:
            if not page.trylock():
                continue
            if not page.isolated:
                return page
            page.unlock()
        return None

    def _give_up(self, page: Page) -> None:
        self.balloon_page_delete(page)
        self.vm.count_vm_event(VmEvent.BALLOON_DEFLATE)
        page.unlock()
