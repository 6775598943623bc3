"""The table of spec/drivers.md 7.9, row by row: messages, sizes and counters with 4 KiB pages."""

import errno
from collections.abc import Callable, Iterable

import pytest

from movable import GFP, VM, MigrateResult, Page, PageList
from movable_balloon import Host, Message, VirtioBalloon

Move = Callable[[Iterable[Page]], MigrateResult]


def messages(host: Host) -> list[tuple[str, int, int]]:
    """Every message so far: queue, pfns, bytes; the log starts anew."""
    taken = [(str(message.queue), len(message.pfns), message.bytes) for message in host.log]
    host.log.clear()
    return taken


def counters(vm: VM) -> tuple[int, int, int]:
    """Inflate / deflate / migrate."""
    stat = vm.vmstat()
    return stat["balloon_inflate"], stat["balloon_deflate"], stat["balloon_migrate"]


def sizes(balloon: VirtioBalloon) -> tuple[int, int]:
    """num_pages / actual."""
    return balloon.num_pages, balloon.host.config.actual


@pytest.fixture
def inflated(vm: VM, host: Host, balloon: VirtioBalloon) -> VirtioBalloon:
    """A balloon of 600 pages."""
    assert balloon.set_target(600)
    return balloon


@pytest.fixture
def reduced(inflated: VirtioBalloon) -> VirtioBalloon:
    """The same after the wish fell to 100; its messages are forgotten."""
    inflated.host.log.clear()
    inflated.host.sizes.clear()
    assert inflated.set_target(100)
    return inflated


@pytest.fixture
def moved(reduced: VirtioBalloon, move: Move) -> VirtioBalloon:
    """The same after three of its pages migrated; their messages stay in the log."""
    reduced.host.log.clear()
    result = move(list(reduced.info.pages)[10:13])
    assert (result.ret, result.succeeded) == (0, 3)
    return reduced


def test_inflating_to_600(vm: VM, inflated: VirtioBalloon) -> None:
    """From 0 to 600 pages the guest sends 256, 256 and 88 pfns and reports its size after each (row 1)."""
    assert messages(inflated.host) == [("inflate", 256, 1024), ("inflate", 256, 1024), ("inflate", 88, 352)]
    assert list(inflated.host.sizes) == [256, 512, 600]
    assert sizes(inflated) == (600, 600)
    assert counters(vm) == (600, 0, 0)


def test_deflating_to_100(vm: VM, reduced: VirtioBalloon) -> None:
    """From 600 to 100 pages the guest sends 256 and 244 pfns (row 2)."""
    assert messages(reduced.host) == [("deflate", 256, 1024), ("deflate", 244, 976)]
    assert list(reduced.host.sizes) == [344, 100]
    assert sizes(reduced) == (100, 100)
    assert counters(vm) == (600, 500, 0)


def test_migrating_three_pages(vm: VM, moved: VirtioBalloon) -> None:
    """Each of three migrations is one inflate and one deflate message of one pfn; sizes stay (row 3)."""
    assert messages(moved.host) == [("inflate", 1, 4), ("deflate", 1, 4)] * 3
    assert sizes(moved) == (100, 100)
    assert counters(vm) == (600, 500, 3)
    moved.check()


def test_deflating_while_two_pages_are_isolated(vm: VM, moved: VirtioBalloon) -> None:
    """With two pages isolated 98 leave, and the work stays queued until the two come back (rows 4, 5)."""
    moved.host.log.clear()
    listed = isolate_two(vm, moved)
    assert not moved.set_target(0)
    assert messages(moved.host) == [("deflate", 98, 392)]
    assert sizes(moved) == (2, 2)
    assert counters(vm) == (600, 598, 3)
    assert moved.info.balloon_page_dequeue() is None
    assert not moved.run_work()

    vm.putback_movable_pages(listed)
    assert moved.run_work()
    assert messages(moved.host) == [("deflate", 2, 8)]
    assert sizes(moved) == (0, 0)
    assert counters(vm) == (600, 600, 3)


def isolate_two(vm: VM, balloon: VirtioBalloon) -> PageList:
    """Isolate two pages from the middle of the balloon."""
    listed = vm.page_list("caller")
    for page in list(balloon.info.pages)[40:42]:
        assert listed.isolate(page)
    return listed


def test_migrating_while_fill_holds_the_lock(vm: VM, host: Host, balloon: VirtioBalloon) -> None:
    """While fill holds balloon_lock a migration is answered -EAGAIN and changes nothing (row 6)."""
    balloon.set_target(10)
    page = list(balloon.info.pages)[4]
    seen = []

    def hold(_message: Message) -> None:
        listed = vm.page_list("caller")
        assert listed.isolate(page)
        result = vm.migrate_pages(listed, lambda _: vm.alloc_page(GFP.HIGHUSER_MOVABLE))
        seen.append((result.ret, result.status[page.pfn], counters(vm)[2], page.refcount, page.isolated))
        vm.putback_movable_pages(listed)

    host.hold = hold
    host.log.clear()
    balloon.set_target(20)
    assert seen == [(1, -errno.EAGAIN, 0, 2, True)]
    assert messages(host) == [("inflate", 10, 40)]
    assert sizes(balloon) == (20, 20)
    balloon.check()
