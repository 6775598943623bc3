"""The balloon core by itself: list, marks and callbacks (spec/drivers.md 4.2, 4.3)."""

from collections.abc import Callable, Iterable

import pytest

from movable import (
    GFP,
    VM,
    KernelAssertion,
    MigrateMode,
    MigrateResult,
    MigrateType,
    Page,
    PageList,
    PageType,
)
from movable_balloon import BALLOON_GFP, BalloonDevInfo

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[[Iterable[Page]], MigrateResult]


class Device:
    """The least device there is: it swaps pages in the core and tells nobody."""

    def __init__(self, vm: VM) -> None:
        self.answers: list[int] = []
        self.info = BalloonDevInfo(vm, self.migratepage, device_id=7)

    def migratepage(self, newpage: Page, page: Page, mode: MigrateMode) -> int:
        """Swap the pages, or give the next answer of the queue."""
        if self.answers:
            return self.answers.pop()
        newpage.get()
        with self.info.pages_lock:
            self.info.balloon_page_insert(newpage)
            self.info.isolated_pages -= 1
            self.info.balloon_page_delete(page)
        page.put()
        return 0

    def inflate(self, count: int) -> list[Page]:
        """Take new pages into the balloon; in the order taken."""
        pages = []
        for _ in range(count):
            page = self.info.balloon_page_alloc()
            assert page is not None
            self.info.balloon_page_enqueue(page)
            pages.append(page)
        return pages


@pytest.fixture
def device(vm: VM) -> Device:
    """A device with an empty balloon."""
    return Device(vm)


def test_initial_state(device: Device) -> None:
    """A new balloon has no page, nothing isolated and its lock free (spec/drivers.md 4.1)."""
    info = device.info
    assert (len(info.pages), info.isolated_pages, info.pages_lock.owner) == (0, 0, None)


def test_a_device_needs_a_number(vm: VM) -> None:
    """Device number 0 is refused, because page.private 0 means that no device owns the page (4.2)."""
    with pytest.raises(ValueError, match="device_id"):
        BalloonDevInfo(vm, lambda *_: 0, device_id=0)


def test_allocation_flags(vm: VM, device: Device) -> None:
    """Balloon pages are allocated movable, off the reserves and with no retry (spec/drivers.md 4.3)."""
    assert BALLOON_GFP == GFP.HIGHUSER_MOVABLE | GFP.NOMEMALLOC | GFP.NORETRY
    (page,) = device.inflate(1)
    assert vm.pageblock_migratetype(page.pfn) is MigrateType.MOVABLE


def test_state_on_the_list(device: Device) -> None:
    """A page on the list is typed, movable, carries the device and has one reference (4.2)."""
    (page,) = device.inflate(1)
    assert page.page_type is PageType.BALLOON
    assert page.mapping is device.info.mapping
    assert page.private == 7
    assert page in device.info.pages
    assert page.refcount == 1
    assert not page.locked


def test_state_while_isolated(device: Device, isolate: Isolate) -> None:
    """An isolated page keeps its marks and is off the balloon's list (spec/drivers.md 4.2)."""
    (page,) = device.inflate(1)
    listed = isolate([page])
    assert page.page_type is PageType.BALLOON
    assert page.mapping is device.info.mapping
    assert page.private == 7
    assert page not in device.info.pages
    assert page in listed
    assert page.refcount == 2


def test_state_after_dequeue(device: Device) -> None:
    """A dequeued page has no type, no device and no mapping, keeps the tag and one reference (4.2)."""
    (page,) = device.inflate(1)
    assert device.info.balloon_page_dequeue() is page
    assert page.page_type is PageType.NONE
    assert page.mapping is None
    assert page.has_movable_tag
    assert page.private == 0
    assert page not in device.info.pages
    assert (page.refcount, page.locked) == (1, False)
    page.put()


def test_enqueue_and_dequeue_are_counted(vm: VM, device: Device) -> None:
    """balloon_inflate and balloon_deflate grow once per enqueue and dequeue (spec/drivers.md 4.4)."""
    device.inflate(3)
    page = device.info.balloon_page_dequeue()
    assert page is not None
    page.put()
    stat = vm.vmstat()
    assert (stat["balloon_inflate"], stat["balloon_deflate"]) == (3, 1)


def test_the_list_is_lifo(device: Device) -> None:
    """Pages leave in the reverse of the order in which they came (spec/drivers.md 8, fact 63)."""
    pages = device.inflate(5)
    assert [device.info.balloon_page_dequeue() for _ in pages] == pages[::-1]


def test_put_back_pages_go_to_the_head(vm: VM, device: Device, isolate: Isolate) -> None:
    """A page that was put back is the next to leave (spec/drivers.md 8, fact 63)."""
    pages = device.inflate(5)
    vm.putback_movable_pages(isolate([pages[1]]))
    assert next(iter(device.info.pages)) is pages[1]
    assert device.info.balloon_page_dequeue() is pages[1]


def test_migrated_in_pages_go_to_the_head(device: Device, move: Move) -> None:
    """A page that came in by migration is the next to leave (spec/drivers.md 8, fact 63)."""
    pages = device.inflate(5)
    move([pages[2]])
    newcomer = device.info.balloon_page_dequeue()
    assert newcomer is not None
    assert newcomer not in pages


def test_dequeue_with_everything_isolated(device: Device, isolate: Isolate) -> None:
    """With all pages isolated dequeue answers None and reports no bug (spec/drivers.md 8, fact 64)."""
    isolate(device.inflate(2))
    assert device.info.balloon_page_dequeue() is None


def test_dequeue_from_a_balloon_that_lost_its_pages(device: Device) -> None:
    """With an empty list and nothing isolated dequeue is a bug (spec/drivers.md 8, fact 64)."""
    with pytest.raises(KernelAssertion) as caught:
        device.info.balloon_page_dequeue()
    assert caught.value.rule.id == "driver-bug"


def test_dequeue_passes_over_locked_pages(device: Device) -> None:
    """A page that somebody has locked stays, and the next one leaves (spec/drivers.md 4.3)."""
    first, last = device.inflate(2)
    last.lock()
    assert device.info.balloon_page_dequeue() is first
    assert list(device.info.pages) == [last]


def test_dequeue_with_every_page_locked(device: Device) -> None:
    """A list whose pages are all locked yields None, not a bug (spec/drivers.md 4.3)."""
    (page,) = device.inflate(1)
    page.lock()
    assert device.info.balloon_page_dequeue() is None
    page.unlock()
    assert device.info.balloon_page_dequeue() is page


def test_enqueue_of_a_locked_page(vm: VM, device: Device) -> None:
    """A page that is locked when it is enqueued has another user, which is a bug (spec/drivers.md 4.3)."""
    page = vm.alloc_page(BALLOON_GFP)
    assert page is not None
    page.lock()
    with pytest.raises(KernelAssertion) as caught:
        device.info.balloon_page_enqueue(page)
    assert (caught.value.rule.id, caught.value.pfn) == ("driver-bug", page.pfn)


def test_removing_one_page(vm: VM, device: Device) -> None:
    """A given page can be taken out wherever it is on the list (the undo of an inflation)."""
    first, middle, last = device.inflate(3)
    device.info.balloon_page_remove(middle)
    assert list(device.info.pages) == [last, first]
    assert (middle.mapping, middle.refcount, middle.locked) == (None, 1, False)


def test_removing_an_isolated_page(vm: VM, device: Device, isolate: Isolate) -> None:
    """A page given up while isolated is no longer counted, and no putback follows (4.3, migration 6.7)."""
    pages = device.inflate(2)
    listed = isolate([pages[0]])
    device.info.balloon_page_remove(pages[0])
    pages[0].put()
    assert device.info.isolated_pages == 0
    vm.putback_movable_pages(listed)
    assert pages[0].refcount == 0
    assert list(device.info.pages) == [pages[1]]


def test_migration_copies_no_data(device: Device, move: Move) -> None:
    """The new page does not get the contents of the old one (spec/drivers.md 8, fact 65)."""
    (page,) = device.inflate(1)
    page.data[:] = b"x" * 4096
    move([page])
    (new,) = device.info.pages
    assert b"x" not in bytes(new.data)


def test_isolation_always_succeeds(vm: VM, device: Device, isolate: Isolate) -> None:
    """Every idle balloon page is isolated when asked, and isolated_pages is exact (8, fact 71)."""
    pages = device.inflate(6)
    for size in range(1, 7):
        listed = isolate(pages[:size])
        assert (device.info.isolated_pages, len(device.info.pages)) == (size, 6 - size)
        vm.putback_movable_pages(listed)
        assert (device.info.isolated_pages, len(device.info.pages)) == (0, 6)


@pytest.mark.parametrize("answer", [-11, -16, -5])
def test_a_failed_migration_brings_the_page_back(device: Device, move: Move, answer: int) -> None:
    """A page whose migration failed is back on the list, whatever the errno (spec/drivers.md 0.4, 71)."""
    pages = device.inflate(3)
    device.answers = [answer] * 10
    result = move([pages[0]])
    assert result.failed == 1
    assert list(device.info.pages) == [pages[0], pages[2], pages[1]]
    assert device.info.isolated_pages == 0


def test_each_mark_is_set_and_cleared_once(vm: VM, device: Device) -> None:
    """Pages come and go through the balloon again and again without a mark left behind (bugs B22)."""
    for _ in range(3):
        for page in device.inflate(4):
            assert page.page_type is PageType.BALLOON
        while len(device.info.pages):
            page_out = device.info.balloon_page_dequeue()
            assert page_out is not None
            page_out.put()
    vm.recount()


def test_everything_leaves_without_any_migration(vm: VM, device: Device) -> None:
    """A balloon whose pages were never isolated deflates completely (bugs B05)."""
    free = vm.zones[0].free_pages
    device.inflate(300)
    for _ in range(300):
        page = device.info.balloon_page_dequeue()
        assert page is not None
        page.put()
    device.info.close()
    assert vm.zones[0].free_pages == free


def test_foreign_pages_are_none_of_its_business(vm: VM, device: Device) -> None:
    """Pages of another balloon, ordinary pages and free ones never reach its callbacks (bugs B23)."""
    other = Device(vm)
    (theirs,) = other.inflate(1)
    device.inflate(1)
    plain = vm.alloc_page(GFP.KERNEL)
    assert plain is not None
    listed = vm.page_list("caller")
    assert listed.isolate(theirs)
    assert not listed.isolate(plain)
    assert (device.info.isolated_pages, other.info.isolated_pages) == (0, 1)
    vm.putback_movable_pages(listed)


def test_migration_wants_both_pages_locked(vm: VM, device: Device) -> None:
    """The migrate callback checks that old and new page are locked (spec/drivers.md 4.3)."""
    (page,) = device.inflate(1)
    new = vm.alloc_page(BALLOON_GFP)
    assert new is not None
    page.lock()
    with pytest.raises(KernelAssertion) as caught:
        device.info.migratepage(device.info.mapping, new, page, MigrateMode.SYNC)
    assert (caught.value.rule.id, caught.value.pfn) == ("page-not-locked", new.pfn)
