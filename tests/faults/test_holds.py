"""Locks and references of another user, and targets that run out."""

from typing import Any

import pytest
from mutants.cells import Cells

from movable import (
    VM,
    MachineConfig,
    MigrateMode,
    MovableError,
    NodeConfig,
    Page,
    ZoneConfig,
)
from movable.faults import LockHold, PinHold, Targets


def _isolated(vm: VM, cells: Cells) -> tuple[Any, list[Page]]:
    pages = vm.page_list("test")
    taken = list(cells.cells.values())
    assert all(pages.isolate(page) for page in taken)
    return pages, taken


@pytest.mark.parametrize("passes", [0, 1, 3])
def test_a_locked_page_moves_when_the_lock_is_gone(vm: VM, cells: Cells, passes: int) -> None:
    """Locked for n passes a page costs n targets, and moves in the next pass (spec/migration.md 4.2)."""
    pages, taken = _isolated(vm, cells)
    with LockHold(vm, taken[2], passes) as hold:
        targets = Targets(vm, [hold])
        result = vm.migrate_pages(pages, targets.get, targets.put, mode=MigrateMode.ASYNC)
    assert (result.succeeded, len(targets.released), hold.met, hold.waited) == (6, passes, passes, 0)


def test_a_sleeper_ends_the_lock(vm: VM, cells: Cells) -> None:
    """In MIGRATE_SYNC the fourth pass sleeps on the lock until it is let go (spec/migration.md 4.2)."""
    pages, taken = _isolated(vm, cells)
    with LockHold(vm, taken[0]) as hold:
        targets = Targets(vm, [hold])
        assert vm.migrate_pages(pages, targets.get, targets.put).succeeded == 6
        assert not hold.held
    assert (hold.met, hold.waited) == (4, 1)


def test_async_never_sleeps_on_it(vm: VM, cells: Cells) -> None:
    """In MIGRATE_ASYNC a page that stays locked is tried ten times and stays isolated (spec/migration.md 4.2)."""
    pages, taken = _isolated(vm, cells)
    with LockHold(vm, taken[0]) as hold:
        targets = Targets(vm, [hold])
        result = vm.migrate_pages(pages, targets.get, targets.put, mode=MigrateMode.ASYNC)
        assert (result.ret, hold.met, hold.waited, hold.held) == (1, 10, 0, True)
    vm.putback_movable_pages(pages)
    assert cells.cells[1] is taken[0]


def test_a_locked_page_is_not_isolated(vm: VM, cells: Cells) -> None:
    """Isolation tries the lock, and passes on (spec/migration.md 6.3)."""
    page = cells.cells[1]
    with LockHold(vm, page):
        assert page.lock_owner == 1
        assert not vm.isolate_movable_page(page)
    assert not page.locked


def test_the_holder_is_another_cpu(vm: VM, cells: Cells) -> None:
    """The CPU that runs cannot be the holder, nor one that there is not, nor anybody a second time."""
    page = cells.cells[1]
    with pytest.raises(MovableError, match="cpu: CPU 0 runs"), LockHold(vm, page, cpu=0):
        pass
    with pytest.raises(MovableError, match="cpu: this machine has CPUs 0 to 1"), LockHold(vm, page, cpu=7):
        pass
    with (
        LockHold(vm, page),
        pytest.raises(MovableError, match="is locked by CPU 1 already"),
        LockHold(vm, page),
    ):
        pass
    assert not page.locked
    assert vm.cpu == 0


def test_a_machine_with_one_cpu_has_no_other_holder() -> None:
    """On one CPU a lock of another one is refused, and no hook stays behind."""
    config = MachineConfig("one", (NodeConfig((ZoneConfig("Normal", 0x1000, 16 << 20),), (0,)),), cpus=1)
    vm = VM(config)
    page = vm.alloc_page()
    assert page is not None
    with pytest.raises(MovableError, match="cpu"), LockHold(vm, page):
        pass
    assert vm.wait_hook is None


def test_the_hook_of_others_is_asked_and_returns(vm: VM, cells: Cells) -> None:
    """A sleep on another page goes to the hook that was there before, which is in place again afterwards."""
    first, second = cells.cells[1], cells.cells[2]
    with LockHold(vm, second) as outer:
        before = vm.wait_hook
        with LockHold(vm, first) as inner:
            second.lock()
            second.unlock()
            assert (outer.waited, outer.held, inner.waited, inner.held) == (1, False, 0, True)
            first.lock()
            assert (inner.waited, inner.held) == (1, False)
            first.unlock()
        assert vm.wait_hook == before


def test_an_extra_reference_does_not_stop_a_move(vm: VM, cells: Cells) -> None:
    """The old frame stays allocated until the reference is dropped, then it is free (spec/migration.md 6.8 (11))."""
    pages, taken = _isolated(vm, cells)
    with PinHold(taken[0]) as hold:
        targets = Targets(vm, [hold])
        assert vm.migrate_pages(pages, targets.get, targets.put).succeeded == 6
        assert (taken[0].refcount, hold.met, cells.cells[1] is taken[0]) == (1, 1, False)
    assert taken[0].refcount == 0


def test_a_hold_ends_after_its_passes(vm: VM, cells: Cells) -> None:
    """With ``passes`` 0 the first attempt finds nothing held any more."""
    page = cells.cells[1]
    with PinHold(page, 0) as hold:
        hold.attempt(cells.cells[2])
        assert hold.held
        hold.attempt(page)
        assert (hold.held, hold.met, page.refcount) == (False, 0, 1)
    with pytest.raises(MovableError, match="passes"):
        PinHold(page, -1)


def test_what_went_wrong_in_the_block_is_told(vm: VM, cells: Cells) -> None:
    """An exception of the block is not hidden by what it made of the hold."""
    with pytest.raises(KeyError), PinHold(cells.cells[1]) as hold:
        _forget(cells, hold)


def _forget(cells: Cells, hold: PinHold) -> None:
    """Drop the object and the reference that is held, then fail."""
    cells.drop(1)
    hold.page.put()
    raise KeyError


def test_targets_fail_where_they_are_told(vm: VM, cells: Cells) -> None:
    """No target at request 3 stops the call with -ENOMEM and leaves the rest isolated (spec/migration.md 3.4)."""
    pages, _ = _isolated(vm, cells)
    targets = Targets(vm)
    targets.fail(3)
    result = vm.migrate_pages(pages, targets.get, targets.put)
    assert (result.ret, result.succeeded, len(pages)) == (-12, 3, 3)
    assert (targets.requests, targets.injected, len(targets.handed)) == (4, 1, 3)
    assert vm.migrate_pages(pages, targets.get, targets.put).succeeded == 3


def test_targets_may_run_dry(vm: VM, cells: Cells) -> None:
    """Without ``times`` there are none any more."""
    targets = Targets(vm)
    targets.fail(1, None)
    page = cells.cells[1]
    first = targets.get(page)
    assert first is not None
    targets.put(first)
    assert [targets.get(page) for _ in range(3)] == [None] * 3
    assert targets.released == [first.pfn]


def test_an_interrupt_leaves_the_rest_isolated(vm: VM, cells: Cells) -> None:
    """Ctrl-C in the middle of migrate_pages comes out as it is; everything can be put back."""
    pages, taken = _isolated(vm, cells)
    targets = Targets(vm)
    targets.interrupt(KeyboardInterrupt("now"), 2)
    with pytest.raises(KeyboardInterrupt, match="now"):
        vm.migrate_pages(pages, targets.get, targets.put)
    assert list(pages) == taken[2:]
    vm.putback_movable_pages(pages)
    vm.recount()
    assert [cells.load(handle)[:1] for handle in cells.cells] == [bytes([n]) for n in range(6)]


@pytest.mark.parametrize("number", [-1, -7])
def test_requests_are_counted_from_zero(vm: VM, number: int) -> None:
    """A number below 0 is refused by name."""
    with pytest.raises(MovableError, match="at: requests are counted from 0"):
        Targets(vm).fail(number)
    with pytest.raises(MovableError, match="at: requests are counted from 0"):
        Targets(vm).interrupt(KeyboardInterrupt(), number)
