"""Allocations that fail by number: AllocFaults and its hook in the core."""

from typing import Any

import pytest
from mutants.batches import Bounces

from movable import GFP, VM, MigrateMode, MovableError, Page
from movable.faults import AllocFaults, Inside, Targets


def _allocate(vm: VM, count: int, gfp: GFP = GFP.KERNEL) -> list[bool]:
    """For each of ``count`` allocations, whether it succeeded."""
    return [vm.alloc_page(gfp) is not None for _ in range(count)]


def test_one_allocation_fails(vm: VM) -> None:
    """The k-th fails, the others do not; both kinds are counted."""
    with AllocFaults(vm, 2) as faults:
        assert _allocate(vm, 5) == [True, True, False, True, True]
        assert (faults.seen, faults.failed) == (5, 1)


def test_several_fail_in_a_row(vm: VM) -> None:
    """``times`` allocations fail, from the k-th on."""
    with AllocFaults(vm, 1, 3) as faults:
        assert _allocate(vm, 6) == [True, False, False, False, True, True]
    assert faults.failed == 3


def test_all_fail_from_one_on(vm: VM) -> None:
    """Without ``times`` none succeeds any more from the k-th on."""
    with AllocFaults(vm, 3, None) as faults:
        assert _allocate(vm, 40) == [True] * 3 + [False] * 37
    assert (faults.seen, faults.failed) == (40, 37)


def test_counting_fails_nothing(vm: VM) -> None:
    """``times`` 0 counts what a run without faults allocates."""
    with AllocFaults(vm, times=0) as faults:
        assert all(_allocate(vm, 7))
    assert (faults.seen, faults.failed) == (7, 0)


def test_a_fault_that_is_over_costs_nothing_more(vm: VM) -> None:
    """After the block all allocations succeed, none is counted, and the counts stay."""
    with AllocFaults(vm, 0, None) as faults:
        _allocate(vm, 2)
    assert all(_allocate(vm, 4))
    assert (faults.seen, faults.failed) == (2, 2)


def test_each_block_counts_from_zero(vm: VM) -> None:
    """The same object can be used again; it begins anew."""
    faults = AllocFaults(vm, 1)
    for _ in range(2):
        with faults:
            assert _allocate(vm, 3) == [True, False, True]
        assert (faults.seen, faults.failed) == (3, 1)


def test_a_failure_takes_no_page_and_counts_no_event(vm: VM) -> None:
    """A request that was made to fail leaves the free pages and the counters as they were."""
    free, counters = vm.zones[0].free_pages, vm.vmstat()
    with AllocFaults(vm, 0, None):
        assert vm.alloc_pages(3) is None
    assert (vm.zones[0].free_pages, vm.vmstat()) == (free, counters)
    vm.recount()


def test_a_failure_asks_no_notifier(vm: VM) -> None:
    """An allocation that was made to fail is not short memory: no OOM notifier is called."""
    asked = 0

    def notify() -> int:
        nonlocal asked
        asked += 1
        return 0

    vm.register_oom_notifier(notify)
    with AllocFaults(vm):
        assert vm.alloc_page() is None
    assert not asked


def test_what_may_not_fail_does_not(vm: VM) -> None:
    """A request with NOFAIL neither fails nor counts."""
    with AllocFaults(vm, 0, None) as faults:
        assert _allocate(vm, 2, GFP.KERNEL | GFP.NOFAIL) == [True, True]
    assert faults.seen == 0


def test_machines_do_not_share_faults(vm: VM) -> None:
    """Another machine allocates as ever, and may have a fault of its own meanwhile."""
    other = VM("tiny")
    with AllocFaults(vm, 0, None) as outer:
        assert all(_allocate(other, 3))
        with AllocFaults(other, 1) as inner:
            assert _allocate(other, 3) == [True, False, True]
            assert not any(_allocate(vm, 2))
    assert (outer.seen, inner.seen) == (2, 3)


def test_a_machine_has_one_at_a_time(vm: VM) -> None:
    """A second block on the same machine is refused, and the first goes on."""
    with AllocFaults(vm, 1) as faults:
        with pytest.raises(MovableError, match="end that block first"), AllocFaults(vm):
            pass
        assert _allocate(vm, 2) == [True, False]
    assert faults.failed == 1


def test_a_block_that_raises_is_over(vm: VM) -> None:
    """An exception ends the block like its end does."""
    with pytest.raises(KeyError), AllocFaults(vm, 0, None):
        raise KeyError
    assert all(_allocate(vm, 2))


def test_a_machine_may_be_closed_in_the_block(vm: VM) -> None:
    """The counts are those of the last look when the machine is gone."""
    with AllocFaults(vm) as faults:
        _allocate(vm, 2)
        assert faults.seen == 2
        vm.close()
    assert faults.failed == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": -1}, "at: allocations are counted from 0"),
        ({"times": -1}, "times: must be 0"),
        ({"inside": Inside(0)}, "inside: must name places"),
    ],
)
def test_bad_arguments_are_named(vm: VM, options: dict[str, Any], message: str) -> None:
    """What cannot be is refused before anything is armed."""
    with pytest.raises(MovableError, match=message):
        AllocFaults(vm, **options)
    assert all(_allocate(vm, 1))


def _isolated(vm: VM, driver: Bounces) -> Any:
    pages = vm.page_list("test")
    for page in driver.mapping.pages():
        assert pages.isolate(page)
    return pages


def test_allocations_inside_a_callback_are_told_apart(vm: VM) -> None:
    """With ``inside`` those of callbacks fail and the targets' do not, and the other way round."""
    driver = Bounces(vm)
    handles = [driver.store(b"x" * 50) for _ in range(3)]
    targets = Targets(vm)
    with AllocFaults(vm, 0, None, inside=Inside.MIGRATEPAGE) as faults:
        pages = _isolated(vm, driver)
        result = vm.migrate_pages(pages, targets.get, targets.put, mode=MigrateMode.SYNC)
        assert (result.ret, len(targets.handed)) == (3, 30)
    assert (faults.seen, faults.failed) == (30, 30)
    with AllocFaults(vm, 1, inside=Inside.NONE) as faults:
        result = vm.migrate_pages(pages, targets.get, targets.put)
    assert (result.ret, result.succeeded, faults.failed) == (-12, 1, 1)
    vm.putback_movable_pages(pages)
    assert [driver.load(handle or 0) for handle in handles] == [b"x" * 50] * 3


def test_targets_of_a_node_fail_too(vm: VM, cells: Any) -> None:
    """The ready-made target allocator of a node allocates like any other (spec/migration.md 3.4)."""
    pages = _isolated(vm, cells)
    with AllocFaults(vm, 2):
        result = vm.migrate_pages(pages, vm.target_node(0))
    assert (result.ret, result.succeeded, len(pages)) == (-12, 2, 4)
    vm.putback_movable_pages(pages)


def test_a_page_of_the_test_is_a_page(vm: VM) -> None:
    """A successful allocation in the block gives a page like any other."""
    with AllocFaults(vm, 5):
        page = vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        assert isinstance(page, Page)
        assert page.refcount == 1
