"""migrate_pages and move_pages beside processes that run, on several CPUs: nothing lost, nothing torn (9.7, 9.8)."""

import gc
from collections.abc import Callable
from errno import EINVAL, ENOENT

import pytest
from numa.moving import machine, spread, unchanged
from process.test_schedules import count_up, judge, shared_memory, watch
from schedules.kit import scenario

from movable import PAGE_SIZE, VM, MpolMF, Process, SystemCallError
from movable.sched import Choice, Random, Replay, Scenario, Schedule, explore, run

MACHINE = machine(2)
ROUNDS = 120


def migrate(vm: VM, target: Process) -> Callable[[], None]:
    """What a CPU does that moves a process between two nodes by migrate_pages."""
    caller = vm.process()

    def migrating() -> None:
        for old, new in (({0}, {1}), ({1}, {0}), ({0}, {1})):
            assert caller.migrate_pages(target.pid, old, new) >= 0

    return migrating


def move(vm: VM, target: Process, address: int, pages: int = 1) -> Callable[[], None]:
    """What a CPU does that moves pages by move_pages."""
    caller = vm.process()

    def moving() -> None:
        addresses = [address + number * PAGE_SIZE for number in range(pages)]
        for nid in (1, 0, 1):
            caller.move_pages(target.pid, addresses, [nid] * pages, MpolMF.MOVE_ALL)

    return moving


@pytest.mark.parametrize("kind", ["threads", "file", "shared"])
@pytest.mark.parametrize("call", ["migrate_pages", "move_pages"])
def test_writers_lose_nothing(kind: str, call: str) -> None:
    """A writer and a reader of a page that a call moves between nodes see what they would without it (2.5)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process, other, address = shared_memory(vm, kind)
        mover = migrate(vm, process) if call == "migrate_pages" else move(vm, process, address)
        bodies = (mover, count_up(process, address, 3), watch(other, address, 3))
        return scenario(vm, *bodies, finish=judge(vm), limit=60_000)

    exploration = explore(make, range(ROUNDS), seed=3)
    assert exploration.failure is None
    assert exploration.switches > ROUNDS


def test_two_callers_and_a_writer() -> None:
    """Both calls at once on the same pages, beside a process that writes and changes its areas (2.5, 2.4)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        addresses = spread(process, [0, 1, 0])
        start = addresses[0]

        def finish() -> None:
            judge(vm)()
            unchanged(process, addresses)

        def areas() -> None:
            process.mprotect(start, PAGE_SIZE, process.areas[0].prot & 1)
            process.munmap(process.mmap(PAGE_SIZE), PAGE_SIZE)
            unchanged(process, addresses)

        bodies = (migrate(vm, process), move(vm, process, start, 3), areas)
        return scenario(vm, *bodies, finish=finish, limit=60_000)

    assert explore(make, range(ROUNDS), seed=5).failure is None


@pytest.mark.parametrize("call", ["migrate_pages", "move_pages", "query", "numa_maps"])
def test_a_process_that_ends_meanwhile(call: str) -> None:
    """It ends while its pages are moved or looked at: all memory is free afterwards, later calls are EINVAL (9.7)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        caller, process = vm.process(), vm.process()
        free = vm.vmstat()["nr_free_pages"]
        addresses = spread(process, [0] * 3)
        child = process.fork()
        errors: set[int | None] = set()

        def calling() -> None:
            try:
                for nid in (1, 0):
                    if call == "migrate_pages":
                        caller.migrate_pages(process.pid, {1 - nid}, {nid})
                    elif call == "numa_maps":
                        assert process.ended or process.numa_maps()
                    else:
                        nodes = None if call == "query" else [nid] * 3
                        caller.move_pages(process.pid, addresses, nodes, MpolMF.MOVE_ALL)
            except SystemCallError as error:
                errors.add(error.errno)

        def ending() -> None:
            child.write(addresses[0], b"child")
            process.exit(reap=False)
            child.exit()

        def finish() -> None:
            judge(vm)()
            assert vm.vmstat()["nr_free_pages"] == free
            assert errors <= {EINVAL}

        return scenario(vm, calling, ending, finish=finish, limit=60_000)

    assert explore(make, range(ROUNDS), seed=7).failure is None


def test_a_page_under_migration_is_on_no_node() -> None:
    """Somewhere in a move it has a migration entry: -ENOENT from move_pages, missing in numa_maps (fact 77)."""
    seen = set()
    for step in range(60):
        vm = VM(MACHINE, debug=1)
        process, caller = vm.process(), vm.process()
        (address,) = spread(process, [0])

        def moving(vm: VM = vm, process: Process = process) -> None:
            listed = vm.page_list("to move")
            process.isolate(listed)
            vm.migrate_pages(listed, vm.target_node(1))

        def looking(caller: Process = caller, process: Process = process, address: int = address) -> None:
            (status,) = caller.move_pages(process.pid, [address])
            seen.add((status, process.numa_maps().split()[-2]))

        outcome = run(scenario(vm, moving, looking, finish=judge(vm)), Replay(Schedule([Choice(0, step, 1)])))
        assert outcome.error is None
        vm.close()
    assert {status for status, _ in seen} == {0, 1, -ENOENT}
    assert {text for status, text in seen if status == -ENOENT} >= {f"{address:08x}"}


def cut_off(seed: int) -> None:
    """A schedule that fails while move_pages is under way, or before, or after."""
    vm = VM(MACHINE)
    process = vm.process()
    address = process.mmap(8 * PAGE_SIZE)
    process.write(address, bytes(range(8)) * PAGE_SIZE)
    pages = [address + number * PAGE_SIZE for number in range(8)]

    def move() -> None:
        process.move_pages(0, pages, [1] * 8)

    def fail() -> None:
        process.touch(address, 8 * PAGE_SIZE)
        raise ValueError("planted")

    assert isinstance(run(scenario(vm, move, fail), Random(seed)).error, ValueError)


def test_a_call_that_a_failure_cuts_off_leaves_nothing_that_cannot_be_collected() -> None:
    """move_pages that never returns, since its schedule failed, is garbage like anything else."""
    for seed in range(10):
        cut_off(seed)
        gc.collect()
