"""The device's driver: messages, sizes, migration, life (spec/drivers.md 4.5-4.9, 8 facts 66-71)."""

from collections.abc import Callable, Iterable

import pytest

from movable import (
    GFP,
    VM,
    ContractViolation,
    MachineConfig,
    MigrateResult,
    MovableError,
    NodeConfig,
    Page,
    PageList,
    ZoneConfig,
)
from movable_balloon import BalloonBusy, Feature, Host, Message, Queue, VirtioBalloon

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[..., MigrateResult]


def managed(vm: VM) -> int:
    """Managed pages of the machine."""
    return sum(zone.managed for zone in vm.zones)


def free(vm: VM) -> int:
    """Free pages of the machine."""
    return sum(zone.free_pages for zone in vm.zones)


@pytest.mark.parametrize(("pages", "messages"), [(0, []), (1, [1]), (2, [2]), (256, [256]), (257, [256, 1])])
def test_each_page_is_told_once(balloon: VirtioBalloon, pages: int, messages: list[int]) -> None:
    """The host is told about as many different pages as the balloon took (bugs B46)."""
    balloon.set_target(pages)
    assert [len(message.pfns) for message in balloon.host.log] == messages
    told = [pfn for message in balloon.host.log for pfn in message.pfns]
    assert sorted(told) == [page.pfn for page in balloon.mapping.pages()]


def test_the_page_allocated_last_goes_in_first(balloon: VirtioBalloon) -> None:
    """The pages of one message are enqueued in reverse order of allocation (spec/drivers.md 4.6)."""
    allocated: list[Page] = []
    alloc = balloon.info.balloon_page_alloc

    def balloon_page_alloc() -> Page | None:
        page = alloc()
        assert page is not None
        allocated.append(page)
        return page

    balloon.info.balloon_page_alloc = balloon_page_alloc  # type: ignore[method-assign]
    balloon.set_target(4)
    assert list(balloon.info.pages) == allocated
    assert balloon.host.log[0].pfns == tuple(page.pfn for page in reversed(allocated))


def test_no_allocation_under_the_lock(balloon: VirtioBalloon) -> None:
    """Inflation allocates all pages before it takes balloon_lock (bugs B41, spec/drivers.md 4.6)."""
    alloc = balloon.info.balloon_page_alloc

    def balloon_page_alloc() -> Page | None:
        assert balloon.balloon_lock.owner is None
        return alloc()

    balloon.info.balloon_page_alloc = balloon_page_alloc  # type: ignore[method-assign]
    assert balloon.set_target(300)


def test_own_pages_can_move_while_inflation_allocates(vm: VM, balloon: VirtioBalloon) -> None:
    """Compaction of the balloon's pages from inside its own allocation succeeds (bugs B41)."""
    balloon.set_target(100)
    alloc = balloon.info.balloon_page_alloc

    def balloon_page_alloc() -> Page | None:
        vm.compact_memory()
        return alloc()

    balloon.info.balloon_page_alloc = balloon_page_alloc  # type: ignore[method-assign]
    assert balloon.set_target(110)
    balloon.check()


def test_no_message_carries_more_than_256_pfns(balloon: VirtioBalloon) -> None:
    """However large the change, messages stay at 256 pfns (spec/drivers.md 8, fact 69)."""
    balloon.set_target(1500)
    balloon.set_target(3)
    assert max(len(message.pfns) for message in balloon.host.log) == 256
    assert balloon.fill_balloon(1000) == 256
    assert balloon.leak_balloon(1000) == 256


def test_one_work_item_handles_one_message(balloon: VirtioBalloon) -> None:
    """The work item sends at most 256 pfns and queues itself again for the rest (spec/drivers.md 4.6)."""
    balloon.host.set_target(300)
    balloon.update_balloon_size_func()
    assert (balloon.num_pages, balloon.size_work_queued) == (256, True)
    balloon.update_balloon_size_func()
    assert (balloon.num_pages, balloon.size_work_queued) == (300, False)


def test_messages_are_little_endian(balloon: VirtioBalloon) -> None:
    """A message is an array of little-endian 32-bit pfns of 4 KiB pages (spec/drivers.md 4.5)."""
    sent: list[bytes] = []
    send = balloon.host.send
    balloon.host.send = lambda queue, buffer: (sent.append(buffer), send(queue, buffer))[1]  # type: ignore[method-assign, func-returns-value]
    balloon.set_target(2)
    assert sent == [
        b"".join(page.pfn.to_bytes(4, "little") for page in reversed(list(balloon.info.pages)))[::1]
    ]


def test_ballooned_pages_leave_total_memory(vm: VM, balloon: VirtioBalloon) -> None:
    """Without DEFLATE_ON_OOM the managed count falls and rises with the balloon (spec/drivers.md 4.6)."""
    before = managed(vm)
    balloon.set_target(300)
    assert managed(vm) == before - 300
    balloon.set_target(10)
    assert managed(vm) == before - 10


def test_deflate_on_oom_keeps_total_memory(vm: VM) -> None:
    """With DEFLATE_ON_OOM the managed count does not move (spec/drivers.md 4.6)."""
    balloon = VirtioBalloon(vm, Host(vm, Feature.DEFLATE_ON_OOM))
    before = managed(vm)
    balloon.set_target(300)
    assert managed(vm) == before
    balloon.set_target(0)
    assert managed(vm) == before


def test_one_migration_sends_two_messages(balloon: VirtioBalloon, move: Move) -> None:
    """A migration inflates the new page, then deflates the old one; sizes stay (8, fact 66)."""
    balloon.set_target(5)
    page = list(balloon.info.pages)[2]
    balloon.host.log.clear()
    balloon.host.sizes.clear()
    move([page])
    new = next(iter(balloon.info.pages))
    assert list(balloon.host.log) == [Message(Queue.INFLATE, (new.pfn,)), Message(Queue.DEFLATE, (page.pfn,))]
    assert (balloon.num_pages, len(balloon.host.sizes)) == (5, 0)


def test_the_host_sees_one_page_more_in_between(balloon: VirtioBalloon, move: Move) -> None:
    """Between the two messages of a migration the host has both pages (spec/drivers.md 4.7)."""
    balloon.set_target(5)
    seen: list[tuple[str, int]] = []
    balloon.host.hold = lambda message: seen.append((message.queue, len(balloon.host.ballooned)))
    move([next(iter(balloon.info.pages))])
    assert seen == [("inflate", 5), ("deflate", 6)]


def test_state_when_the_new_page_is_told(balloon: VirtioBalloon, move: Move) -> None:
    """When the host hears of the new page, both pages are in the balloon (spec/drivers.md 4.7)."""
    balloon.set_target(5)
    old = next(iter(balloon.info.pages))
    seen: list[tuple[bool, bool, int]] = []

    def hold(message: Message) -> None:
        new = next(iter(balloon.info.pages))
        assert balloon.balloon_lock.held
        seen.append((new.mapping is balloon.mapping, old.mapping is balloon.mapping, new.refcount))

    balloon.host.hold = hold
    move([old])
    assert seen == [(True, True, 2), (True, False, 2)]


def test_migrate_with_the_mutex_held(vm: VM, balloon: VirtioBalloon, isolate: Isolate) -> None:
    """With balloon_lock held migration answers -EAGAIN and takes no reference (8, fact 67)."""
    balloon.set_target(5)
    page = next(iter(balloon.info.pages))
    listed = isolate([page])
    targets: list[Page] = []

    def get_new_page(_old: Page) -> Page | None:
        new = vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        assert new is not None
        targets.append(new)
        return new

    with balloon.balloon_lock:
        result = vm.migrate_pages(listed, get_new_page)
    assert (result.failed, result.status[page.pfn], len(targets)) == (1, -11, 10)
    assert all(target.refcount == 0 for target in targets)
    assert (page.refcount, page.isolated, balloon.info.isolated_pages) == (2, True, 1)
    vm.putback_movable_pages(listed)
    balloon.check()


def test_migration_moves_one_counter(vm: VM, balloon: VirtioBalloon, move: Move) -> None:
    """A migration adds one to balloon_migrate and nothing to inflate and deflate (8, fact 68)."""
    balloon.set_target(5)
    before = vm.vmstat()
    move([next(iter(balloon.info.pages))])
    after = vm.vmstat()
    moved = [
        after[f"balloon_{what}"] - before[f"balloon_{what}"] for what in ("inflate", "deflate", "migrate")
    ]
    assert moved == [0, 0, 1]


def test_the_host_is_told_before_pages_are_freed(vm: VM, balloon: VirtioBalloon) -> None:
    """While the deflate message is in flight no page of it is free yet (spec/drivers.md 8, fact 70)."""
    balloon.set_target(20)
    before = free(vm)
    seen: list[tuple[int, set[int]]] = []
    balloon.host.hold = lambda message: seen.append(
        (free(vm), {vm.page(pfn).refcount for pfn in message.pfns})
    )
    balloon.set_target(5)
    assert seen == [(before, {1})]
    assert free(vm) == before + 15


def two_zones() -> MachineConfig:
    """A node with a zone for kernel memory and one for movable pages only, 8 MiB each."""
    return MachineConfig(
        "zones", (NodeConfig((ZoneConfig("Normal", 4096, 2048), ZoneConfig("Movable", 6144, 2048)), (0,)),)
    )


@pytest.mark.parametrize("features", [Feature(0), Feature.DEFLATE_ON_OOM])
def test_managed_count_follows_across_zones(features: Feature) -> None:
    """A migration to another zone takes the page's managed count along (bugs B43, 4.7 step 3)."""
    with VM(two_zones(), debug=2) as vm:
        normal, movable = vm.zones
        boot = [zone.managed for zone in vm.zones]
        counted = int(not features)
        balloon = VirtioBalloon(vm, Host(vm, features))
        balloon.set_target(4)
        pages = list(balloon.info.pages)
        assert {page.zone_id for page in pages} == {movable.id}
        listed = vm.page_list()
        assert listed.isolate(pages[0])
        assert vm.migrate_pages(listed, lambda _: vm.alloc_page(GFP.KERNEL)).succeeded == 1
        assert [zone.managed for zone in vm.zones] == [boot[0] - counted, boot[1] - 3 * counted]
        assert next(iter(balloon.info.pages)).zone_id == normal.id
        balloon.set_target(0)
        assert [zone.managed for zone in vm.zones] == boot


def test_probe_queues_the_work_for_a_waiting_wish(vm: VM) -> None:
    """A device that starts with a wish of the host inflates at the first work (spec/drivers.md 4.6)."""
    balloon = VirtioBalloon(vm, Host(vm, num_pages=7))
    assert (balloon.num_pages, balloon.size_work_queued) == (0, True)
    assert balloon.run_work()
    assert balloon.num_pages == 7


def test_probe_without_a_wish_queues_nothing(balloon: VirtioBalloon) -> None:
    """A device whose host wishes for nothing stays idle (spec/drivers.md 4.6)."""
    assert not balloon.size_work_queued
    assert balloon.run_work()
    assert not balloon.host.log


def test_inflation_stops_where_memory_is_short(vm: VM, balloon: VirtioBalloon) -> None:
    """A wish beyond the memory is met as far as pages can be had, and the work stays queued (4.6)."""
    assert not balloon.set_target(1 << 20)
    assert 0 < balloon.num_pages < 4096
    assert balloon.size_work_queued
    assert free(vm) > 0
    balloon.check()
    assert balloon.set_target(0)


def test_removal_returns_everything(vm: VM, balloon: VirtioBalloon, move: Move) -> None:
    """Removal empties the balloon, reports size 0 and leaves no page, mapping or host behind (4.6)."""
    before = (free(vm), managed(vm))
    balloon.set_target(500)
    move(list(balloon.info.pages)[::50])
    balloon.close()
    assert (free(vm), managed(vm)) == before
    assert vm.mappings == ()
    assert balloon.host.ballooned == set()
    assert balloon.host.sizes[-1] == 0
    balloon.host.attach(balloon)


def test_removal_while_pages_are_isolated(vm: VM, balloon: VirtioBalloon, isolate: Isolate) -> None:
    """Removal reports isolated pages instead of waiting for ever, and works once they are back (4.6)."""
    balloon.set_target(10)
    listed = isolate(list(balloon.info.pages)[:3])
    with pytest.raises(BalloonBusy, match="3 of them are isolated"):
        balloon.close()
    assert (balloon.num_pages, balloon.closed) == (3, False)
    vm.putback_movable_pages(listed)
    balloon.close()
    assert balloon.closed


def test_closing_twice_is_harmless(balloon: VirtioBalloon) -> None:
    """A balloon that was removed can be closed again, but has no size any more."""
    balloon.close()
    balloon.close()
    with pytest.raises(MovableError, match="removed"):
        balloon.set_target(1)


def test_load_and_unload_a_hundred_times(vm: VM) -> None:
    """Nothing that is registered at probe stays behind after removal (bugs B54)."""
    before = free(vm)
    for _ in range(100):
        balloon = VirtioBalloon(vm, Host(vm, Feature.DEFLATE_ON_OOM, num_pages=3))
        balloon.run_work()
        balloon.close()
        assert vm.mappings == ()
    assert free(vm) == before
    vm.recount()


def test_suspend_and_resume(vm: VM, balloon: VirtioBalloon) -> None:
    """Suspend empties the balloon; resume reports 0 and then inflates to the wish again (4.6)."""
    balloon.set_target(40)
    balloon.freeze()
    assert (balloon.num_pages, balloon.host.config.actual) == (0, 0)
    balloon.restore()
    assert balloon.size_work_queued
    assert balloon.run_work()
    assert (balloon.num_pages, balloon.host.config.actual) == (40, 40)
    balloon.check()


def test_contract_is_kept_around_every_callback(vm: VM, balloon: VirtioBalloon, move: Move) -> None:
    """Migrating the whole balloon breaks no rule of the contract (spec/migration.md 6.8)."""
    balloon.set_target(600)
    try:
        result = move(balloon.mapping.pages())
    except ContractViolation as violation:  # pragma: no cover
        pytest.fail(str(violation))
    assert (result.ret, result.succeeded) == (0, 600)
    balloon.check()
    vm.recount()
