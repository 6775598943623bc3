"""Each answer of move_pages, and what it means for the one who asked."""

from pathlib import Path

from placement.kit import fill, small

from movable import PAGE_SIZE, VM, Process
from movable.placement import Outcome
from movable.placement.mover import move, nodes_of_pages


def filled(vm: VM, pages: int = 4) -> tuple[Process, list[int]]:
    """A process with pages on node 0, and their addresses."""
    process = vm.process()
    address = process.mmap(pages * PAGE_SIZE)
    process.touch(address, pages * PAGE_SIZE)
    return process, [address + page * PAGE_SIZE for page in range(pages)]


def outcomes(vm: VM, pid: int, targets: dict[int, int], *, shared: bool = False) -> list[Outcome]:
    """What became of pages that another process of root's moved."""
    return [outcome for _, outcome in move(vm.process(), pid, targets, shared=shared)]


def test_pages_move_each_to_its_node() -> None:
    """All pages are where they were sent; asking afterwards says the same. spec/migration.md 9.8."""
    with VM("numa4", debug=2) as vm:
        process, addresses = filled(vm)
        targets = dict(zip(addresses, (1, 2, 1, 3), strict=True))
        assert outcomes(vm, process.pid, targets) == [Outcome.MOVED] * 4
        assert nodes_of_pages(vm.process(), process.pid, addresses) == (targets, None)


def test_many_pages_take_several_calls() -> None:
    """More than the 169 pages of a chunk all move."""
    with VM("numa4") as vm:
        process, addresses = filled(vm, 400)
        assert outcomes(vm, process.pid, dict.fromkeys(addresses, 2)) == [Outcome.MOVED] * 400


def test_pinned_and_shared_pages_stay() -> None:
    """A pinned page is busy (-EAGAIN); one that a child maps too is shared (-EACCES) unless all may be moved."""
    with VM("numa4", debug=2) as vm:
        process, addresses = filled(vm)
        process.fork()
        process.touch(addresses[0])
        process.pin(addresses[0])
        targets = dict.fromkeys(addresses[:2], 1)
        assert outcomes(vm, process.pid, targets) == [Outcome.BUSY, Outcome.SHARED]
        assert outcomes(vm, process.pid, targets, shared=True) == [Outcome.BUSY, Outcome.MOVED]


def test_pages_that_are_not_there_are_gone() -> None:
    """Unmapped, never touched and swapped out: -EFAULT and -ENOENT are all gone."""
    with VM("numa4", debug=2) as vm:
        vm.swapon(16)
        process, addresses = filled(vm)
        untouched = process.mmap(PAGE_SIZE)
        process.munmap(addresses[0], PAGE_SIZE)
        vm.lru_add_drain_all()
        while process.memory.anon:
            vm.reclaim(4)
        targets = dict.fromkeys([addresses[0], untouched, addresses[2]], 1)
        assert outcomes(vm, process.pid, targets) == [Outcome.GONE] * 3
        nodes, _ = nodes_of_pages(vm.process(), process.pid, targets)
        assert all(node < 0 for node in nodes.values())


def test_processes_that_are_not_there_have_ended() -> None:
    """After exit there is no process (-ESRCH), before it is reaped it has no memory (-EINVAL): both have ended."""
    with VM("numa4") as vm:
        process, addresses = filled(vm)
        process.exit(reap=False)
        assert outcomes(vm, process.pid, {addresses[0]: 1}) == [Outcome.ENDED]
        assert nodes_of_pages(vm.process(), process.pid, addresses) == ({}, Outcome.ENDED)
        process.reap()
        assert outcomes(vm, process.pid, {addresses[0]: 1}) == [Outcome.ENDED]
        assert nodes_of_pages(vm.process(), process.pid, addresses) == ({}, Outcome.ENDED)


def test_another_users_process_is_denied() -> None:
    """Without CAP_SYS_NICE a user moves nothing of another user's. spec/migration.md 9.8 row 4."""
    with VM("numa4") as vm:
        process, addresses = filled(vm)
        caller = vm.process(uid=1000)
        assert list(move(caller, process.pid, {addresses[0]: 1})) == [(addresses[0], Outcome.DENIED)]
        assert nodes_of_pages(caller, process.pid, addresses) == ({}, Outcome.DENIED)


def test_a_node_outside_the_cpuset_is_outside() -> None:
    """spec/migration.md 9.8 row 9: EACCES for a node that the process's cpuset does not have."""
    with VM("numa4") as vm:
        process, addresses = filled(vm)
        vm.cpusets.create("jobs", mems="0-1", cpus="0-1").attach(process)
        assert outcomes(vm, process.pid, {addresses[0]: 2, addresses[1]: 1}) == [
            Outcome.OUTSIDE,
            Outcome.MOVED,
        ]


def test_a_full_node_stops_only_its_own_pages(tmp_path: Path) -> None:
    """spec/migration.md 9.8 row 10: pages for a full node are told as full, others and those before it as moved."""
    config = small(tmp_path)
    with VM(config) as vm:
        process, addresses = filled(vm, 300)
        fill(vm, 1, vm.zones[1].watermark.min + 60)
        targets = {address: 2 if index % 3 == 0 else 1 for index, address in enumerate(addresses)}
        found = dict(move(vm.process(), process.pid, targets))
        where, _ = nodes_of_pages(vm.process(), process.pid, addresses)
        assert {found[address] for address, target in targets.items() if target == 2} == {Outcome.MOVED}
        full = [address for address, outcome in found.items() if outcome is Outcome.FULL]
        assert full
        assert all(where[address] == 0 for address in full)
        assert all(where[a] == targets[a] for a, outcome in found.items() if outcome is Outcome.MOVED)
        assert any(where[address] == 1 for address in addresses)
