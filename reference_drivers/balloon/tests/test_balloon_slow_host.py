"""A host that takes its time: the driver sleeps for it, in migration too (spec/drivers.md 4.5, 4.7)."""

from collections.abc import Callable, Iterable

import pytest

from movable import VM, DriverSpec, MigrateResult, Page, check
from movable_balloon import (
    BadMessage,
    BalloonWorkload,
    Host,
    HostError,
    Message,
    Queue,
    VirtioBalloon,
    movable_drivers,
)

Move = Callable[[Iterable[Page]], MigrateResult]


@pytest.fixture
def slow(vm: VM) -> VirtioBalloon:
    """A balloon whose host is slow."""
    return VirtioBalloon(vm, Host(vm, slow=True))


def test_a_slow_host_is_waited_for(slow: VirtioBalloon) -> None:
    """Inflating and deflating return only when the host has had the message (spec/drivers.md 4.5)."""
    assert slow.set_target(5)
    assert slow.host.ballooned == {page.pfn for page in slow.info.pages}
    assert slow.set_target(2)
    assert [message.queue for message in slow.host.log] == [Queue.INFLATE, Queue.DEFLATE]
    slow.check()


def test_pages_migrate_under_a_slow_host(slow: VirtioBalloon, move: Move) -> None:
    """On one CPU the wait inside migratepage ends, and both messages of the move arrive (spec/drivers.md 4.7)."""
    assert slow.set_target(4)
    assert move(list(slow.info.pages)).succeeded == 4
    assert [message.queue for message in slow.host.log][1:] == [Queue.INFLATE, Queue.DEFLATE] * 4
    slow.check()


def test_a_message_is_in_flight_until_it_is_answered(vm: VM) -> None:
    """A second message before the first is answered is refused (spec/drivers.md 4.5)."""
    host = Host(vm, slow=True)
    host.send(Queue.INFLATE, b"\0\0\0\0")
    with pytest.raises(BadMessage, match="in flight"):
        host.send(Queue.INFLATE, b"\0\0\0\0")
    assert host.answered()
    with pytest.raises(HostError, match="inflate"):
        host.demand_taken()


def test_a_slow_refusal_reaches_the_driver(slow: VirtioBalloon, vm: VM) -> None:
    """What the slow host refuses is undone as a quick refusal is (spec/drivers.md 4.8)."""

    def refuse(_message: Message) -> None:
        raise BadMessage("not today")

    free = [zone.free_pages for zone in vm.zones]
    slow.host.hold = refuse
    with pytest.raises(BadMessage, match="not today"):
        slow.set_target(3)
    slow.host.hold = None
    assert (slow.num_pages, [zone.free_pages for zone in vm.zones]) == (0, free)
    slow.check()


def test_a_balloon_with_a_slow_host_conforms() -> None:
    """The driver keeps the contract, also under faults, when every message makes it sleep."""
    (balloon,) = movable_drivers()
    spec = DriverSpec(
        "slow-balloon",
        lambda vm: VirtioBalloon(vm, Host(vm, slow=True)),
        BalloonWorkload,
        balloon.capabilities,
    )
    report = check(spec, levels="L1,L2")
    assert report.passed, [result.message for result in report.checks if result.outcome == "fail"]
