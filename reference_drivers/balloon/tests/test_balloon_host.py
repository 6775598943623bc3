"""The modelled host: what it refuses, and what a refusal leaves behind (spec/drivers.md 4.5, 4.8)."""

import struct
from collections.abc import Callable, Iterable

import pytest

from movable import GFP, VM, MigrateResult, Page
from movable_balloon import (
    BadMessage,
    BalloonBusy,
    Config,
    Feature,
    Host,
    HostError,
    Message,
    PfnNeverTold,
    PfnToldTwice,
    Queue,
    StatTag,
    VirtioBalloon,
)

Move = Callable[[Iterable[Page]], MigrateResult]


def pfns(*numbers: int) -> bytes:
    """A message as it goes over the wire."""
    return struct.pack(f"<{len(numbers)}I", *numbers)


@pytest.fixture
def page(vm: VM) -> Page:
    """A page that the guest owns."""
    page = vm.alloc_page(GFP.HIGHUSER_MOVABLE)
    assert page is not None
    return page


def snapshot(vm: VM, balloon: VirtioBalloon) -> object:
    """Everything that a refused message may not change."""
    return (
        balloon.num_pages,
        list(balloon.info.pages),
        balloon.info.isolated_pages,
        set(balloon.host.ballooned),
        [(zone.free_pages, zone.managed) for zone in vm.zones],
        balloon.balloon_lock.owner,
    )


def test_configuration_space() -> None:
    """The configuration is two little-endian 32-bit words, wish first (spec/drivers.md 4.5)."""
    assert Config(num_pages=0x01020304, actual=5).to_bytes() == bytes([4, 3, 2, 1, 5, 0, 0, 0])


@pytest.mark.parametrize("pages", [-1, 1 << 32])
def test_an_impossible_wish_is_refused(host: Host, pages: int) -> None:
    """A wish that does not fit in 32 bits is refused with the field's name (spec/drivers.md 4.5)."""
    with pytest.raises(ValueError, match="num_pages"):
        host.set_target(pages)


def test_feature_bits() -> None:
    """The features have the bits of the device (spec/drivers.md 4.5)."""
    assert [Feature.MUST_TELL_HOST, Feature.STATS_VQ, Feature.DEFLATE_ON_OOM] == [1, 2, 4]


def test_inflated_memory_is_taken(vm: VM, host: Host, page: Page) -> None:
    """Memory that the host was told about reads as zeros afterwards (spec/drivers.md 4.5)."""
    page.data[:] = b"\xff" * 4096
    host.send(Queue.INFLATE, pfns(page.pfn))
    assert bytes(page.data) == bytes(4096)
    assert host.ballooned == {page.pfn}
    assert list(host.log) == [Message(Queue.INFLATE, (page.pfn,))]
    assert host.log[0].bytes == 4


def test_a_page_told_twice(host: Host, page: Page) -> None:
    """A page that is in the balloon cannot be inflated again, and the refused message changes nothing."""
    host.send(Queue.INFLATE, pfns(page.pfn))
    page.data[0] = 7
    with pytest.raises(PfnToldTwice, match=f"{page.pfn:#x}"):
        host.send(Queue.INFLATE, pfns(page.pfn))
    assert page.data[0] == 7
    assert len(host.log) == 1
    assert len(host.refusals) == 1


def test_a_page_twice_in_one_message(host: Host, page: Page) -> None:
    """A message that names one page twice is refused, on either queue."""
    with pytest.raises(PfnToldTwice):
        host.send(Queue.INFLATE, pfns(page.pfn, page.pfn))
    host.send(Queue.INFLATE, pfns(page.pfn))
    with pytest.raises(PfnNeverTold):
        host.send(Queue.DEFLATE, pfns(page.pfn, page.pfn))
    assert host.ballooned == {page.pfn}


def test_a_page_never_told(host: Host, page: Page) -> None:
    """A page that is not in the balloon cannot be deflated, nor can the rest of its message."""
    host.send(Queue.INFLATE, pfns(page.pfn))
    with pytest.raises(PfnNeverTold, match=f"{page.pfn + 1:#x}"):
        host.send(Queue.DEFLATE, pfns(page.pfn, page.pfn + 1))
    assert host.ballooned == {page.pfn}


@pytest.mark.parametrize("buffer", [b"", b"abc", bytes(4 * 257)])
def test_a_message_of_a_wrong_length(host: Host, buffer: bytes) -> None:
    """A message holds 1 to 256 whole entries (spec/drivers.md 4.5)."""
    with pytest.raises(BadMessage, match=f"{len(buffer)} bytes"):
        host.send(Queue.INFLATE, buffer)


def test_memory_that_is_not_there(host: Host) -> None:
    """A pfn outside the guest's memory is refused."""
    with pytest.raises(BadMessage, match="no memory"):
        host.send(Queue.INFLATE, pfns(0xFFFFFFFF))


def test_memory_that_is_free(vm: VM, host: Host, page: Page) -> None:
    """A page that nobody in the guest has allocated cannot be given to the host."""
    page.put()
    with pytest.raises(BadMessage, match="free in the guest"):
        host.send(Queue.INFLATE, pfns(page.pfn))


def test_one_message_in_flight(host: Host, page: Page) -> None:
    """A second message before the first is answered is refused (spec/drivers.md 4.5)."""
    host.hold = lambda _message: host.send(Queue.INFLATE, pfns(page.pfn))
    with pytest.raises(BadMessage, match="in flight"):
        host.send(Queue.INFLATE, pfns(page.pfn))
    host.hold = None
    host.send(Queue.INFLATE, pfns(page.pfn))


def test_one_guest_at_a_time(vm: VM, host: Host, balloon: VirtioBalloon) -> None:
    """A second driver cannot attach to a host that has one, and leaves nothing behind."""
    with pytest.raises(HostError, match="detach"):
        VirtioBalloon(vm, host)
    assert vm.mappings == (balloon.mapping,)


def refuse(_message: Message) -> None:
    """A hold that refuses everything."""
    raise HostError("no")


def test_refused_inflation_is_undone(vm: VM, balloon: VirtioBalloon) -> None:
    """An inflate message that the host refuses leaves the guest as it was, and inflation works later."""
    balloon.set_target(20)
    before = snapshot(vm, balloon)
    balloon.host.hold = refuse
    with pytest.raises(HostError, match="no"):
        balloon.set_target(300)
    assert snapshot(vm, balloon) == before
    balloon.host.hold = None
    assert balloon.run_work()
    assert balloon.num_pages == 300
    balloon.check()


def test_refused_deflation_is_undone(vm: VM, balloon: VirtioBalloon) -> None:
    """A deflate message that the host refuses leaves all pages in the balloon, and deflation works later."""
    balloon.set_target(300)
    before = snapshot(vm, balloon)
    balloon.host.hold = refuse
    with pytest.raises(HostError, match="no"):
        balloon.set_target(20)
    assert snapshot(vm, balloon) == before
    balloon.host.hold = None
    assert balloon.run_work()
    assert balloon.num_pages == 20
    balloon.check()


def test_refused_inflation_of_a_page_isolated_meanwhile(vm: VM, balloon: VirtioBalloon) -> None:
    """Pages that the VM isolates while their message is in flight are given up too when it is refused."""
    listed = vm.page_list("caller")

    def hold(message: Message) -> None:
        assert listed.isolate(vm.page(message.pfns[0]))
        raise HostError("no")

    balloon.host.hold = hold
    with pytest.raises(HostError):
        balloon.set_target(5)
    assert (balloon.num_pages, balloon.info.isolated_pages) == (0, 0)
    vm.putback_movable_pages(listed)
    vm.recount()
    balloon.check()


def test_refusal_during_migration(vm: VM, balloon: VirtioBalloon, move: Move) -> None:
    """A migration that has begun succeeds whatever the host says, and check() tells the difference (4.7)."""
    balloon.set_target(5)
    page = next(iter(balloon.info.pages))
    balloon.host.hold = refuse
    assert move([page]).succeeded == 1
    assert [str(error) for error in balloon.host.refusals] == ["no", "no"]
    assert balloon.num_pages == len(balloon.info.pages) == 5
    assert balloon.balloon_lock.owner is None
    vm.recount()
    with pytest.raises(AssertionError, match="the host has other pages"):
        balloon.check()


def test_a_host_that_fails_by_another_exception(vm: VM, balloon: VirtioBalloon) -> None:
    """An exception that is no refusal passes through, with balloon_lock free and the VM in order."""

    def hold(_message: Message) -> None:
        raise RuntimeError("host crashed")

    balloon.host.hold = hold
    with pytest.raises(RuntimeError, match="host crashed"):
        balloon.set_target(5)
    assert balloon.balloon_lock.owner is None
    vm.recount()


def test_removal_with_a_hostile_host(vm: VM, balloon: VirtioBalloon) -> None:
    """A host that refuses deflation makes removal fail with its error, not with lost pages."""
    balloon.set_target(5)
    balloon.host.hold = refuse
    with pytest.raises(HostError) as caught:
        balloon.close()
    assert not isinstance(caught.value, BalloonBusy)
    balloon.host.hold = None
    balloon.close()


def test_statistics_buffer(vm: VM, balloon: VirtioBalloon) -> None:
    """The buffer primed at probe has the 7 tags of Linux 4.9 in 70 packed bytes (spec/drivers.md 4.8)."""
    sent: list[bytes] = []
    send = balloon.host.send

    def spy(queue: Queue, buffer: bytes) -> None:
        sent.append(buffer)
        send(queue, buffer)

    balloon.host.send = spy  # type: ignore[method-assign]
    balloon.host.request_stats()
    assert balloon.stats_work_queued
    balloon.run_work()
    (buffer,) = sent
    assert len(buffer) == 70
    assert [tag for tag, _ in struct.iter_unpack("<HQ", buffer)] == [0, 1, 2, 3, 4, 5, 6]


def test_statistics_are_of_the_time_of_queueing(vm: VM, balloon: VirtioBalloon) -> None:
    """The host reads what the guest knew when it queued the buffer; the next one is newer (4.8)."""
    free, total = vm.zones[0].free_pages * 4096, vm.zones[0].managed * 4096
    balloon.set_target(100)
    balloon.host.request_stats()
    first = {stat.tag: stat.value for stat in balloon.host.stats}
    balloon.run_work()
    balloon.host.request_stats()
    second = {stat.tag: stat.value for stat in balloon.host.stats}
    lent = 100 * 4096
    assert (first[StatTag.MEMFREE], first[StatTag.MEMTOT]) == (free, total)
    assert (second[StatTag.MEMFREE], second[StatTag.MEMTOT]) == (free - lent, total - lent)
    assert second[StatTag.AVAIL] == first[StatTag.AVAIL] - lent
    assert 0 < first[StatTag.AVAIL] <= first[StatTag.MEMFREE]


def test_statistics_without_a_buffer(vm: VM) -> None:
    """A host that did not offer the queue, or has no buffer, says so when asked for statistics (4.8)."""
    balloon = VirtioBalloon(vm, Host(vm, Feature(0)))
    with pytest.raises(HostError, match="STATS_VQ"):
        balloon.host.request_stats()
