"""Systematic schedules of two CPUs that meet, and what must hold after each."""

from collections.abc import Callable

import pytest

from movable import VM, Process
from movable.sched import Scenario, explore

TWICE = 150
"""How many of the schedules with two preemptions are tried; of those with one all are."""


def systematic(make: Callable[[], Scenario], twice: int = TWICE) -> None:
    """No schedule with one preemption fails, nor those with two that are tried."""
    for bound, rounds in ((1, 2000), (2, twice)):
        found = explore(make, range(rounds), bound=bound)
        error = found.failure and f"{found.failure.error} in schedule {found.failure.trace.schedule}"
        assert error is None
        assert found.exhausted or bound > 1


def sound(vm: VM) -> None:
    """Everything adds up, and nothing is isolated."""
    vm.lru_add_drain_all()
    vm.recount()
    assert vm.vmstat()["nr_isolated_anon"] == vm.vmstat()["nr_isolated_file"] == 0


def swap_out(process: Process, address: int) -> None:
    """Reclaim until a page of a process is in swap space."""
    process.vm.lru_add_drain_all()
    for _ in range(10):
        if process.page(address) is None:
            return
        process.vm.reclaim(1)
    pytest.fail("the page is not swapped out")
