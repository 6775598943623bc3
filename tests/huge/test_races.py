"""Huge pages that two CPUs make, cut, copy and isolate at once: nothing is lost, leaked or counted twice."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from schedules.kit import scenario

from movable import (
    PAGE_SIZE,
    VM,
    MachineConfig,
    Madvise,
    MpolMF,
    NodeConfig,
    Process,
    SystemCallError,
    ZoneConfig,
)
from movable.sched import Scenario, explore

HUGE = 512 * PAGE_SIZE
MACHINE = MachineConfig(
    "two",
    tuple(
        NodeConfig((ZoneConfig("Normal", 0x4000 * (nid + 1), 8192),), (2 * nid, 2 * nid + 1))
        for nid in range(2)
    ),
    cpus=4,
)


def over(vm: VM) -> None:
    """Everything ends, and every page comes back."""
    vm.lru_add_drain_all()
    vm.recount()
    for process in vm.processes:
        process.exit()
    for nid in range(len(vm.nodes)):
        vm.hugetlb.set(nid, 0)
    vm.lru_add_drain_all()
    vm.recount()
    assert sum(vm.hugetlb.nr(nid) for nid in range(len(vm.nodes))) == 0


def aligned(process: Process) -> int:
    """The start of two empty huge pages, with room before them."""
    return -(-process.mmap(5 * HUGE) // HUGE) * HUGE + HUGE


def cut_in_the_middle() -> Scenario:
    """A range that starts inside a huge page made meanwhile."""
    vm = VM(MACHINE, debug=1)
    process = vm.process()
    start = aligned(process)
    process.touch(start + PAGE_SIZE)
    process.madvise(start, HUGE, Madvise.HUGEPAGE)
    return scenario(
        vm,
        lambda: process.madvise(start + PAGE_SIZE, HUGE - PAGE_SIZE, Madvise.DONTNEED),
        lambda: process.write(start + 8 * PAGE_SIZE, b"z" * 8),
        finish=lambda: over(vm),
        limit=200_000,
    )


def cut_at_its_end() -> Scenario:
    """A range that ends inside a huge page made meanwhile: what lies behind the range stays."""
    vm = VM(MACHINE, debug=1)
    process = vm.process()
    start = aligned(process)
    process.touch(start - PAGE_SIZE)
    process.madvise(start, HUGE, Madvise.HUGEPAGE)

    def write() -> None:
        process.write(start + PAGE_SIZE, b"z")
        process.write(start + HUGE - PAGE_SIZE, b"k")

    def finish() -> None:
        assert process.read(start + HUGE - PAGE_SIZE, 1) == b"k"
        over(vm)

    return scenario(
        vm,
        lambda: process.madvise(start - PAGE_SIZE, 9 * PAGE_SIZE, Madvise.DONTNEED),
        write,
        finish=finish,
        limit=200_000,
    )


def dropped_when_new() -> Scenario:
    """A huge page that goes as soon as it is mapped."""
    vm = VM(MACHINE, debug=1)
    process = vm.process()
    start = aligned(process)
    process.madvise(start, HUGE, Madvise.HUGEPAGE)
    return scenario(
        vm,
        lambda: process.write(start, b"z"),
        lambda: process.madvise(start, HUGE, Madvise.DONTNEED),
        finish=lambda: over(vm),
        limit=200_000,
    )


def pool_page(vm: VM) -> tuple[Process, Process, int]:
    """A page of the pool that a process and its child share."""
    for nid in range(2):
        vm.hugetlb.set(nid, 4)
    process = vm.process()
    address = process.mmap(HUGE, hugetlb=True)
    process.write(address, b"x" * 8)
    return process, process.fork(), address


def copied_twice() -> Scenario:
    """Two threads of the child write to a page of the pool."""
    vm = VM(MACHINE, debug=1)
    _, child, address = pool_page(vm)
    return scenario(
        vm,
        lambda: child.write(address, b"1" * 8),
        lambda: child.write(address + PAGE_SIZE, b"2" * 8),
        finish=lambda: over(vm),
        limit=200_000,
    )


def copied_and_moved() -> Scenario:
    """The child writes to a page of the pool while its parent moves it."""
    vm = VM(MACHINE, debug=1)
    process, child, address = pool_page(vm)
    return scenario(
        vm,
        lambda: child.write(address, b"1" * 8),
        lambda: process.move_pages(0, [address], [1], MpolMF.MOVE_ALL),
        finish=lambda: over(vm),
        limit=200_000,
    )


def moved_twice() -> Scenario:
    """Both processes move their page of the pool."""
    vm = VM(MACHINE, debug=1)
    process, child, address = pool_page(vm)

    def move(caller: Process) -> Callable[[], None]:
        def moving() -> None:
            with suppress(SystemCallError):
                caller.move_pages(0, [address], [1], MpolMF.MOVE_ALL)

        return moving

    return scenario(vm, move(process), move(child), finish=lambda: over(vm), limit=200_000)


def first_vdso() -> Scenario:
    """Two processes are the first to map the vdso."""
    vm = VM(MACHINE, debug=1)
    processes = [vm.process() for _ in range(2)]

    def mapping(process: Process) -> Callable[[], None]:
        return lambda: process.touch(process.mmap_special("vdso"), write=False)

    return scenario(vm, *map(mapping, processes), finish=lambda: over(vm), limit=200_000)


@pytest.mark.parametrize(
    "make",
    [
        cut_in_the_middle,
        cut_at_its_end,
        dropped_when_new,
        copied_twice,
        copied_and_moved,
        moved_twice,
        first_vdso,
    ],
)
def test_two_cpus_and_one_huge_page(make: Callable[[], Scenario]) -> None:
    """Whatever the order of the two, contents, counts and the pool are right at the end."""
    found = explore(make, range(60), seed=3)
    assert found.failure is None, f"{found.failure.error} in schedule {found.failure.trace.schedule}"


def test_all_memory_goes_offline_under_policies() -> None:
    """Policies keep their nodes when no memory is left to bind to."""
    config = MachineConfig(
        "gone",
        (
            NodeConfig((ZoneConfig("Normal", 0x1000, 2048),), (0,)),
            NodeConfig((ZoneConfig("Movable", 0x4000, 2048),), (1,)),
        ),
        cpus=2,
    )
    with VM(config) as vm:
        process = vm.process()
        process.set_mempolicy(3, {0, 1})
        process.mbind(process.mmap(PAGE_SIZE), PAGE_SIZE, 2, {1})
        assert vm.offline_pages(0x4000, 2048).ret == 0
        assert vm.offline_pages(0x1000, 2048).ret == 0
        assert vm.process().mems_allowed
        vm.recount()
