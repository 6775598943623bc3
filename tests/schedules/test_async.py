"""Sleeping in asynchronous migration: advice for most, a breach for a driver that claims not to."""

from collections.abc import Callable
from typing import Any

import pytest
from migration.kit import Recorder
from schedules.kit import rule_of, scenario

from movable import VM, AddressSpace, MigrateMode, Mutex, Page, SpinLock, WaitQueue, hookimpl
from movable.sched import Outcome, Replay, Schedule, run

MODES = [MigrateMode.ASYNC, MigrateMode.SYNC_LIGHT, MigrateMode.SYNC]


class _Waiting(Recorder):
    """A driver whose migratepage takes a lock that another CPU may hold."""

    enter: Callable[[], object]

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        """As the original, with something in front."""
        self.enter()
        return super().migratepage(mapping, newpage, oldpage, mode)


def _run(
    vm: VM, enter: Callable[[], object], other: Callable[[], object], mode: MigrateMode, **settings: bool
) -> Outcome:
    """CPU 0 is preempted at its step 3, and CPU 1 migrates a page."""
    driver = _Waiting(vm)
    driver.enter = enter
    page = driver.add()
    listed = vm.page_list("mover")

    def move() -> None:
        listed.isolate(page)
        vm.migrate_pages(listed, lambda _page: vm.alloc_page(), mode=mode)
        vm.putback_movable_pages(listed)

    return run(scenario(vm, other, move, **settings), Replay(Schedule.parse("a3b")))


def _held(vm: VM, kind: type[Mutex] | type[SpinLock]) -> tuple[Callable[[], object], Callable[[], object]]:
    """Takes and gives a lock inside migratepage; holds it meanwhile on another CPU."""
    lock, page = kind(vm, "held"), vm.alloc_page()
    assert page is not None

    def inside() -> None:
        lock.acquire()
        lock.release()

    def outside() -> None:
        with lock:
            page.get()
            page.put()

    return inside, outside


def _nothing() -> None:
    pass


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strict", [False, True])
def test_waiting_for_a_mutex(vm: VM, mode: MigrateMode, strict: bool) -> None:
    """A wait in MIGRATE_ASYNC is counted, and a breach where it was claimed never to happen; other modes wait."""
    outcome = _run(vm, *_held(vm, Mutex), mode, strict_async=strict)
    sleeps = mode is MigrateMode.ASYNC
    assert outcome.trace.async_sleeps == sleeps
    assert rule_of(outcome) == ("sleep-in-async" if sleeps and strict else None)


@pytest.mark.parametrize("strict", [False, True])
def test_spinning_is_no_sleep(vm: VM, strict: bool) -> None:
    """A wait for a spinlock spins: allowed in every mode."""
    outcome = _run(vm, *_held(vm, SpinLock), MigrateMode.ASYNC, strict_async=strict)
    assert outcome.error is None
    assert outcome.trace.async_sleeps == 0
    assert any(step.event.name == "WAIT" and step.cpu == 1 for step in outcome.trace.steps)


def test_a_free_mutex_is_no_sleep(vm: VM) -> None:
    """Only waits that happen count: a free mutex taken in MIGRATE_ASYNC is none."""
    inside, _ = _held(vm, Mutex)
    outcome = _run(vm, inside, _nothing, MigrateMode.ASYNC, strict_async=True)
    assert outcome.error is None


def test_sleeping_for_an_event(vm: VM) -> None:
    """wait_event in MIGRATE_ASYNC sleeps, as a driver does that waits for its host."""
    queue, done = WaitQueue(vm, "host"), [False]

    def answers() -> None:
        vm.alloc_page()
        vm.alloc_page()
        done[0] = True
        queue.wake_up()

    outcome = _run(
        vm, lambda: queue.wait_event(lambda: done[0]), answers, MigrateMode.ASYNC, strict_async=True
    )
    assert rule_of(outcome) == "sleep-in-async"
    assert "migratepage" in str(outcome.error)
