"""How the suite sees the balloon: handles, busy drops, discovery."""

from collections.abc import Callable, Iterable

import pytest

from movable import VM, MigrateResult, MovableError, Page, PageList, installed_drivers
from movable_balloon import BalloonWorkload, VirtioBalloon, movable_drivers

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[[Iterable[Page]], MigrateResult]


@pytest.fixture
def workload(balloon: VirtioBalloon) -> BalloonWorkload:
    """A workload over an empty balloon."""
    return BalloonWorkload(balloon)


def page_of(workload: BalloonWorkload, handle: object) -> Page:
    """The handle's page."""
    (page,) = workload.pages(handle)
    return page


def store(workload: BalloonWorkload, count: int) -> list[object]:
    """Store some objects."""
    handles = [workload.store(b"") for _ in range(count)]
    assert None not in handles
    return list(handles)


def test_storing_inflates_by_one(workload: BalloonWorkload) -> None:
    """Each stored object is one balloon page of its own."""
    handles = store(workload, 3)
    assert workload.balloon.num_pages == 3
    assert {page_of(workload, handle) for handle in handles} == set(workload.balloon.mapping.pages())
    workload.check()


def test_a_handle_follows_its_page(workload: BalloonWorkload, move: Move) -> None:
    """After a migration the handle names the new page, and the other handles their old ones."""
    handles = store(workload, 4)
    before = {handle: page_of(workload, handle) for handle in handles}
    move([before[handles[1]]])
    after = {handle: page_of(workload, handle) for handle in handles}
    assert [handle for handle in handles if after[handle] is not before[handle]] == [handles[1]]
    assert after[handles[1]] is next(iter(workload.balloon.info.pages))
    workload.check()


def test_dropping_the_last_frees_its_page(workload: BalloonWorkload) -> None:
    """Dropping the object that came last frees the page it named."""
    handles = store(workload, 3)
    page = page_of(workload, handles[2])
    assert workload.drop(handles[2]) is True
    assert page.refcount == 0
    workload.check()


def test_dropping_another_trades_pages(workload: BalloonWorkload) -> None:
    """Dropping an older object frees the newest page; its handle takes over the page that stays."""
    handles = store(workload, 3)
    first, last = page_of(workload, handles[0]), page_of(workload, handles[2])
    assert workload.drop(handles[0]) is True
    assert last.refcount == 0
    assert page_of(workload, handles[2]) is first
    workload.check()


def test_a_drop_with_everything_isolated_is_busy(vm: VM, workload: BalloonWorkload, isolate: Isolate) -> None:
    """With all pages isolated a drop says busy and changes nothing; it works once they are back."""
    handles = store(workload, 2)
    listed = isolate(workload.balloon.mapping.pages())
    assert workload.drop(handles[0]) is False
    workload.check()
    vm.putback_movable_pages(listed)
    assert workload.drop(handles[0]) is True
    workload.check()


def test_a_full_machine(vm: VM, workload: BalloonWorkload) -> None:
    """With no memory left an object is refused, and the balloon keeps its size and its host's wish."""
    vm.debug = 1
    while workload.store(b"") is not None:
        pass
    size = workload.balloon.num_pages
    assert workload.balloon.host.config.num_pages == size > 3000
    assert not workload.balloon.size_work_queued
    workload.check()


def test_contents_and_pinning_are_not_claimed(workload: BalloonWorkload) -> None:
    """Reading back and pinning are refused with the capability's name."""
    (handle,) = store(workload, 1)
    with pytest.raises(MovableError, match="contents"):
        workload.load(handle)
    with pytest.raises(MovableError, match="pin"):
        workload.pin(handle)


def test_the_provider_offers_one_driver(vm: VM) -> None:
    """The package provides the driver balloon, which makes no claim that it cannot keep."""
    (spec,) = movable_drivers()
    assert spec.name == "balloon"
    claims = spec.capabilities
    assert (claims.contents, claims.pin, claims.drop_isolated) == (False, False, False)
    driver = spec.factory(vm)
    handle = spec.workload(driver).store(b"")
    assert handle is not None
    driver.close()


def test_the_balloon_is_installed() -> None:
    """The driver is found by its entry point, as any third party's is."""
    assert "balloon" in installed_drivers()
