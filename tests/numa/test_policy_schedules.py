"""Policies and cpusets that change beside processes that run, on several CPUs (spec/migration.md 9.6, 9.9, 2.5)."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from numa.moving import machine
from numa.policies import LOW, inside, nodes_of, placed, texts
from process.test_schedules import count_up, judge, shared_memory, watch
from schedules.kit import scenario

from movable import PAGE_SIZE, VM, Cpuset, MovableError, Mpol, MpolMF, Process
from movable.sched import Choice, Event, Replay, Scenario, Schedule, explore, run

MACHINE = machine(2)
ROUNDS = 120
MEMS = "cpuset.mems"


def bind(process: Process, address: int, pages: int = 1, flags: int = MpolMF.MOVE_ALL) -> Callable[[], None]:
    """What a CPU does that binds a range to one node after the other, and moves it there."""

    def binding() -> None:
        for mode, nodes in (
            (Mpol.BIND, [1]),
            (Mpol.BIND, [0]),
            (Mpol.INTERLEAVE, [0, 1]),
            (Mpol.DEFAULT, None),
        ):
            process.mbind(address, pages * PAGE_SIZE, mode, nodes, flags)

    return binding


def swing(cpuset: Cpuset) -> Callable[[], None]:
    """What a CPU does that sends a cpuset from node to node."""

    def swinging() -> None:
        for mems in ("1", "0", "0-1", "1"):
            cpuset.write(MEMS, mems)

    return swinging


@pytest.mark.parametrize("kind", ["threads", "file", "shared"])
def test_mbind_and_a_writer(kind: str) -> None:
    """A writer and a reader of a page that mbind moves see what they would without it: nothing torn, nothing lost."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process, other, address = shared_memory(vm, kind)
        bodies = (bind(process, address), count_up(process, address, 3), watch(other, address, 3))
        return scenario(vm, *bodies, finish=judge(vm), limit=60_000)

    exploration = explore(make, range(ROUNDS), seed=3)
    assert exploration.failure is None
    assert exploration.switches > ROUNDS


@pytest.mark.parametrize("kind", ["threads", "file", "shared"])
def test_a_cpuset_that_moves_a_writer(kind: str) -> None:
    """The same while the nodes of the processes' cpuset change and their pages follow; they end on its node."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process, other, address = shared_memory(vm, kind)
        cpuset = inside(process, "0-1", migrate=True)
        if other is not process:
            cpuset.attach(other)

        def finish() -> None:
            judge(vm)()
            assert process.mems_allowed == other.mems_allowed == frozenset({1})

        bodies = (swing(cpuset), count_up(process, address, 3), watch(other, address, 3))
        return scenario(vm, *bodies, finish=finish, limit=60_000)

    exploration = explore(make, range(ROUNDS), seed=3)
    assert exploration.failure is None
    assert exploration.switches > ROUNDS


def test_mbind_and_faults() -> None:
    """Threads that touch new pages on both sides of what a third one binds, splits and joins: all pages are there."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        address = process.mmap(6 * PAGE_SIZE, address=LOW)

        def touching(order: tuple[int, ...]) -> Callable[[], None]:
            def touch() -> None:
                for number in order:
                    where = address + number * PAGE_SIZE
                    process.write(where, b"page %d" % number)
                    assert process.read(where, 6) == b"page %d" % number

            return touch

        def finish() -> None:
            judge(vm)()
            assert None not in nodes_of(process, address, 6)
            for number in range(6):
                assert process.read(address + number * PAGE_SIZE, 6) == b"page %d" % number

        bodies = (bind(process, address + PAGE_SIZE, 3), touching((0, 2, 4)), touching((5, 3, 1)))
        return scenario(vm, *bodies, finish=finish, limit=60_000)

    exploration = explore(make, range(ROUNDS), seed=11)
    assert exploration.failure is None
    assert exploration.switches > ROUNDS


def test_no_allocation_sees_an_empty_set() -> None:
    """Between the two steps of a rebinding a page comes from the old nodes or the new, and is always had (9.9)."""
    seen: set[int | None] = set()
    between = 0
    for step in range(24):
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        cpuset = inside(process, "0")
        address = process.mmap(PAGE_SIZE, address=LOW)
        process.set_mempolicy(Mpol.BIND, [0])

        def writing(cpuset: Cpuset = cpuset) -> None:
            cpuset.write(MEMS, "1")

        def touching(process: Process = process, address: int = address) -> None:
            process.touch(address)

        outcome = run(
            scenario(vm, writing, touching, finish=judge(vm)), Replay(Schedule([Choice(0, step, 1)]))
        )
        assert outcome.error is None
        steps = outcome.trace.steps
        between += any(one.cpu == 0 and one.event is Event.REBIND and one.chosen == 1 for one in steps)
        seen |= set(nodes_of(process, address, 1))
        assert str(process.policy) == "bind:1"
        vm.close()
    assert seen == {0, 1}
    assert between


def test_a_policy_that_is_set_during_a_rebinding() -> None:
    """set_mempolicy beside changes of mems: whatever the order, the policy keeps to nodes that are allowed."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        cpuset = inside(process, "0-1")

        def setting() -> None:
            for mode in (Mpol.INTERLEAVE, Mpol.BIND, Mpol.PREFERRED, Mpol.BIND):
                process.set_mempolicy(mode, [0, 1])

        def finish() -> None:
            judge(vm)()
            assert process.policy is not None
            assert process.policy.nodes == process.mems_allowed == frozenset({1})

        return scenario(vm, swing(cpuset), setting, finish=finish)

    assert explore(make, range(ROUNDS), seed=2).failure is None


def test_a_fork_during_a_change_of_mems() -> None:
    """A child made while the nodes change has those of its cpuset in the end, and its policies follow."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        cpuset = inside(process, "0", migrate=True)
        address = placed(process, [0, 0])
        process.mbind(address, PAGE_SIZE, Mpol.BIND, [0])
        children: list[Process] = []

        def forking() -> None:
            children.extend(process.fork() for _ in range(2))

        def finish() -> None:
            judge(vm)()
            for each in (process, *children):
                assert (each.mems_allowed, each.cpuset) == (frozenset({1}), cpuset)
                assert str(each.areas[0].policy) == "bind:1"

        return scenario(vm, lambda: cpuset.write(MEMS, "1"), forking, finish=finish)

    assert explore(make, range(ROUNDS), seed=4).failure is None


@pytest.mark.parametrize("what", ["mbind", "cpuset"])
def test_a_process_that_ends_meanwhile(what: str) -> None:
    """It ends while it is bound or its cpuset changes: all memory is free afterwards."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        free = vm.vmstat()["nr_free_pages"]
        process = vm.process()
        cpuset = inside(process, "0-1", migrate=True)
        address = placed(process, [0, 1, 0])
        binding = bind(process, address, 3)

        def calling() -> None:
            with suppress(MovableError):
                binding()
            assert process.ended or set(texts(process)) <= {"default"}

        def finish() -> None:
            judge(vm)()
            assert vm.vmstat()["nr_free_pages"] == free
            assert cpuset.processes == ()

        caller = calling if what == "mbind" else swing(cpuset)
        return scenario(vm, caller, process.exit, finish=finish, limit=60_000)

    assert explore(make, range(ROUNDS), seed=7).failure is None
