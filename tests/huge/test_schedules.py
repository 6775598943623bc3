"""Huge, merged and pool pages on several CPUs: writers beside splits, moves and cuts (spec/migration.md 2.5, 4.1)."""

from collections.abc import Callable
from errno import EBUSY

import pytest
from huge.kit import HPAGE, demand, holds, huge_area, huge_page, is_huge, page_at
from schedules.kit import scenario

from movable import (
    PAGE_SIZE,
    VM,
    MachineConfig,
    Madvise,
    MigrateMode,
    NodeConfig,
    Process,
    Prot,
    SystemCallError,
    ZoneConfig,
)
from movable.sched import Scenario, explore

ROUNDS = 200
ONE_NODE = MachineConfig("cpus", (NodeConfig((ZoneConfig("Normal", 0x1000, 4096),), (0, 1, 2, 3)),), cpus=4)


def move(vm: VM, process: Process, address: int) -> Callable[[], None]:
    """What a CPU does that migrates the page of an address twice: a huge one is split the first time."""

    def migrating() -> None:
        for _ in range(2):
            page = process.page(address)
            listed = vm.page_list("to move")
            vm.lru_add_drain_all()
            if page is not None:
                listed.isolate(page)
            vm.migrate_pages(listed, vm.target_node(0), mode=MigrateMode.SYNC)
            vm.putback_movable_pages(listed)

    return migrating


def count_up(process: Process, address: int, to: int) -> Callable[[], None]:
    """What a CPU does that writes numbers to the first, a middle and the last page, and reads them back."""

    def counting() -> None:
        for number in range(1, to + 1):
            for page in (0, 100, 511):
                process.write(address + page * PAGE_SIZE, number.to_bytes(8, "little") * 512)
            for page in (0, 100, 511):
                seen = process.read(address + page * PAGE_SIZE, PAGE_SIZE)
                assert seen == number.to_bytes(8, "little") * 512, "an access was lost"

    return counting


def judge(vm: VM, process: Process, address: int, *, but: tuple[int, ...]) -> Callable[[], None]:
    """At the end everything adds up, and the pages that nobody wrote hold what they held."""

    def judging() -> None:
        vm.lru_add_drain_all()
        assert holds(process, address, but=but)
        vm.recount()
        assert vm.vmstat()["nr_isolated_anon"] == 0

    return judging


def test_no_write_is_lost_while_a_huge_page_is_split() -> None:
    """A writer beside a CPU that splits and moves the huge page, and one that reclaims, in many schedules."""
    splits = set()

    def make() -> Scenario:
        vm = VM(ONE_NODE, debug=1)
        vm.swapon(64)
        process = vm.process()
        address = huge_page(process)
        written = judge(vm, process, address, but=(0, 100, 511))

        def finish() -> None:
            splits.add((vm.vmstat()["thp_split_page"], vm.vmstat()["thp_split_page_failed"]))
            written()

        bodies = (move(vm, process, address), count_up(process, address, 3), lambda: vm.reclaim(4))
        return scenario(vm, *bodies, finish=finish, limit=200_000)

    exploration = explore(make, range(ROUNDS), seed=5)
    assert exploration.failure is None
    assert any(split for split, _ in splits)


CUTS: dict[str, Callable[[Process, int], object]] = {
    "munmap": lambda process, address: process.munmap(address + 200 * PAGE_SIZE, PAGE_SIZE),
    "mprotect": lambda process, address: process.mprotect(address + 200 * PAGE_SIZE, PAGE_SIZE, Prot.READ),
    "fork": lambda process, address: process.fork().exit(),
    "dontneed": lambda process, address: process.madvise(
        address + 200 * PAGE_SIZE, PAGE_SIZE, Madvise.DONTNEED
    ),
}


@pytest.mark.parametrize("cut", CUTS)
def test_cuts_and_moves_at_once(cut: str) -> None:
    """A CPU that cuts the huge page needs no page lock: whoever wins, the other one finds what is left."""

    def make() -> Scenario:
        vm = VM(ONE_NODE, debug=1)
        process = vm.process()
        address = huge_page(process)

        def cutting() -> None:
            CUTS[cut](process, address)

        bodies = (move(vm, process, address), cutting, count_up(process, address, 2))
        finish = judge(vm, process, address, but=(0, 100, 200, 511))
        return scenario(vm, *bodies, finish=finish, limit=200_000)

    assert explore(make, range(ROUNDS), seed=7).failure is None


def test_an_exit_beside_a_split() -> None:
    """The process ends while its huge page is isolated, locked or split: all memory is free afterwards."""

    def make() -> Scenario:
        vm = VM(ONE_NODE, debug=1)
        process = vm.process()
        page = process.page(huge_page(process))
        assert page is not None
        listed = vm.page_list("to move")
        assert listed.isolate(page)

        def migrating() -> None:
            vm.migrate_pages(listed, vm.target_node(0))
            vm.putback_movable_pages(listed)

        def finish() -> None:
            vm.lru_add_drain_all()
            vm.recount()
            assert vm.vmstat()["nr_free_pages"] == 4096

        return scenario(vm, migrating, process.exit, finish=finish, limit=200_000)

    assert explore(make, range(ROUNDS), seed=9).failure is None


def test_two_faults_make_one_huge_page() -> None:
    """CPUs that fault in the same empty part end with one huge page, or small ones, and lose no write."""

    def make() -> Scenario:
        vm = VM(ONE_NODE, debug=1)
        process = vm.process()
        address = huge_area(process)

        def finish() -> None:
            found = [process.read(address + page * PAGE_SIZE, 1) for page in (3, 300)]
            assert found == [b"a", b"b"]
            assert process.memory.anon == 512
            assert is_huge(process, address)
            vm.recount()

        bodies = (
            lambda: process.write(address + 3 * PAGE_SIZE, b"a"),
            lambda: process.write(address + 300 * PAGE_SIZE, b"b"),
            lambda: process.read(address, 8),
        )
        return scenario(vm, *bodies, finish=finish, limit=200_000)

    assert explore(make, range(ROUNDS), seed=11).failure is None


def test_a_pool_page_moves_under_its_writer() -> None:
    """A writer meets the migration entries of a hugetlb page, waits, and goes on with the new page (2.5, 4.5)."""

    def make() -> Scenario:
        vm = VM(ONE_NODE, debug=1)
        vm.hugetlb.set(0, 3)
        process = vm.process()
        address = process.mmap(HPAGE, hugetlb=True)
        process.touch(address)

        def finish() -> None:
            vm.recount()
            assert vm.hugetlb.free(0) == 2

        bodies = (move(vm, process, address), count_up(process, address, 3))
        return scenario(vm, *bodies, finish=finish, limit=200_000)

    assert explore(make, range(ROUNDS), seed=13).failure is None


def test_a_merged_page_moves_while_it_is_written_and_merged() -> None:
    """Copy on write, migration and another merge of one page at once: each process reads its own."""

    def make() -> Scenario:
        vm = VM(ONE_NODE, debug=1)
        places = [
            (process, process.mmap(PAGE_SIZE)) for process in (vm.process(), vm.process(), vm.process())
        ]
        for process, address in places:
            process.write(address, b"same")
        vm.ksm_merge(places[:2])
        first, address = places[0]

        def merging() -> None:
            try:
                vm.ksm_merge(places[1:])
            except SystemCallError as error:
                demand(error, EBUSY)

        def finish() -> None:
            assert [process.read(address, 4) for process, address in places] == [b"mine", b"same", b"same"]
            assert page_at(*places[1]).ksm
            vm.lru_add_drain_all()
            vm.recount()

        bodies = (move(vm, *places[1]), lambda: first.write(address, b"mine"), merging)
        return scenario(vm, *bodies, finish=finish, limit=200_000)

    assert explore(make, range(ROUNDS), seed=15).failure is None
