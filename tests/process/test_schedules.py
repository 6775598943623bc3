"""Processes that touch pages under migration, on several CPUs: nothing torn, nothing lost (spec/migration.md 2.5)."""

from collections.abc import Callable
from errno import EAGAIN

import pytest
from process.kit import filled
from schedules.kit import MACHINE, scenario

from movable import PAGE_SIZE, VM, MigrateMode, Process
from movable.sched import Choice, Event, Replay, Scenario, Schedule, explore, run

QUARTER = PAGE_SIZE // 4
ROUNDS = 150


def move(
    vm: VM, process: Process, times: int = 2, mode: MigrateMode = MigrateMode.SYNC
) -> Callable[[], None]:
    """What a CPU does that moves all pages of a process again and again."""

    def migrating() -> None:
        for _ in range(times):
            listed = vm.page_list("to move")
            vm.lru_add_drain_all()
            process.isolate(listed)
            vm.migrate_pages(listed, vm.target_node(0), mode=mode)
            vm.putback_movable_pages(listed)

    return migrating


def count_up(process: Process, address: int, to: int) -> Callable[[], None]:
    """What a CPU does that writes one number after the other into all quarters of a page, and reads them back."""

    def counting() -> None:
        for number in range(1, to + 1):
            for quarter in range(4):
                process.write(address + quarter * QUARTER, number.to_bytes(8, "little") * (QUARTER // 8))
            seen = process.read(address, PAGE_SIZE)
            assert seen == number.to_bytes(8, "little") * (PAGE_SIZE // 8), "an access was lost"

    return counting


def watch(process: Process, address: int, times: int) -> Callable[[], None]:
    """What a CPU does that reads a page others write: each quarter is whole, and never goes back."""

    def watching() -> None:
        last = [0] * 4
        for _ in range(times):
            seen = process.read(address, PAGE_SIZE)
            for quarter in range(4):
                words = {seen[at : at + 8] for at in range(quarter * QUARTER, (quarter + 1) * QUARTER, 8)}
                assert len(words) == 1, "a torn page"
                number = int.from_bytes(words.pop(), "little")
                assert number >= last[quarter], "a write was lost"
                last[quarter] = number

    return watching


def shared_memory(vm: VM, kind: str) -> tuple[Process, Process, int]:
    """Two processes that share a page: of a file, of shared anonymous memory, or as threads share all."""
    process = vm.process()
    if kind == "threads":
        other, address = process, process.mmap(PAGE_SIZE)
    elif kind == "file":
        file = vm.file("data", PAGE_SIZE)
        address, other = process.mmap(PAGE_SIZE, shared=True, file=file), vm.process()
        assert other.mmap(PAGE_SIZE, shared=True, file=file) == address
    else:
        address = process.mmap(PAGE_SIZE, shared=True)
        other = process.fork()
    process.touch(address)
    other.touch(address, write=False)
    return process, other, address


def judge(vm: VM) -> Callable[[], None]:
    """Everything adds up at the end."""

    def judging() -> None:
        vm.lru_add_drain_all()
        vm.recount()
        assert vm.vmstat()["nr_isolated_anon"] == vm.vmstat()["nr_isolated_file"] == 0

    return judging


@pytest.mark.parametrize("mode", MigrateMode, ids=str)
@pytest.mark.parametrize("kind", ["threads", "file", "shared"])
def test_no_page_is_torn_and_no_access_lost(kind: str, mode: MigrateMode) -> None:
    """A writer and a reader of a page that a third CPU moves see what they would without it, in every schedule."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process, other, address = shared_memory(vm, kind)
        bodies = (move(vm, process, mode=mode), count_up(process, address, 3), watch(other, address, 3))
        return scenario(vm, *bodies, finish=judge(vm), limit=60_000)

    exploration = explore(make, range(ROUNDS), seed=3)
    assert exploration.failure is None
    assert exploration.switches > ROUNDS


def test_who_touches_a_page_under_migration_waits() -> None:
    """In some schedule a fault meets the migration entry and sleeps on the page lock; the page is moved (2.5, 25)."""
    waited = failed = 0
    for step in range(90):
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        address = filled(process)
        outcomes: list[int] = []

        def migrating(vm: VM = vm, process: Process = process, outcomes: list[int] = outcomes) -> None:
            listed = vm.page_list("to move")
            process.isolate(listed)
            with vm.steps() as log:
                vm.migrate_pages(listed, vm.target_node(0))
            outcomes.append(sum(one.name == "A2" for one in log))
            vm.putback_movable_pages(listed)

        touching = [lambda process=process, address=address: process.write(address, b"PAGE")]
        schedule = Schedule([Choice(0, step, 1)])
        outcome = run(scenario(vm, migrating, *touching, finish=judge(vm)), Replay(schedule))
        assert outcome.error is None
        assert process.read(address, 6) == b"PAGE 0"
        steps = outcome.trace.steps
        waits = any(one.cpu == 1 and one.event is Event.WAIT_PAGE for one in steps)
        waited += waits
        failed += waits and outcomes[0] > 1
        vm.close()
    assert waited
    assert failed


def test_forks_and_exits_under_migration() -> None:
    """Children born and gone while their parent's pages are moved keep their contents (2.5: fork, unmap)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        address = filled(process, 2)

        def family() -> None:
            child = process.fork()
            child.write(address, b"CHILD")
            grandchild = child.fork()
            child.exit()
            assert grandchild.read(address, 6) == b"CHILD0"
            assert grandchild.read(address + PAGE_SIZE + 1, 5) == b"age 1"
            grandchild.exit()

        def parent() -> None:
            process.write(address + PAGE_SIZE, b"P")
            assert process.read(address, 6) == b"page 0"
            process.write(address + PAGE_SIZE, b"p")

        return scenario(vm, move(vm, process), family, parent, finish=judge(vm), limit=60_000)

    assert explore(make, range(ROUNDS), seed=5).failure is None


def test_unmapping_and_truncation_under_migration() -> None:
    """Memory that goes while its pages are moved is free at the end (2.5, 4.1 step 2)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        file = vm.file("data", 2 * PAGE_SIZE)
        free = vm.vmstat()["nr_free_pages"]
        mapped = process.mmap(2 * PAGE_SIZE, shared=True, file=file)
        private = process.mmap(2 * PAGE_SIZE)
        process.write(mapped, b"file" * 1500)
        process.write(private, b"anon" * 1500)

        def finish() -> None:
            judge(vm)()
            assert vm.vmstat()["nr_free_pages"] == free

        def truncating() -> None:
            file.truncate(0)

        def unmapping() -> None:
            process.munmap(private, 2 * PAGE_SIZE)

        return scenario(vm, move(vm, process), truncating, unmapping, finish=finish, limit=60_000)

    assert explore(make, range(ROUNDS), seed=7).failure is None


def test_reclaim_and_migration_meet() -> None:
    """Pages that one CPU swaps out, one moves and one uses keep their contents."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        vm.swapon(16)
        process = vm.process()
        address = filled(process, 2)

        def reclaiming() -> None:
            for _ in range(3):
                vm.reclaim(2)

        def using() -> None:
            for number in range(3):
                process.write(address, b"%d" % number)
                assert process.read(address, 6) == b"%dage 0" % number
                assert process.read(address + PAGE_SIZE, 6) == b"page 1"

        return scenario(vm, move(vm, process), reclaiming, using, finish=judge(vm), limit=60_000)

    assert explore(make, range(ROUNDS), seed=11).failure is None


def test_compaction_under_processes() -> None:
    """Compaction moves pages of processes that use them meanwhile."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        address = filled(process, 4)
        return scenario(
            vm,
            lambda: vm.compact_node(0),
            count_up(process, address, 2),
            count_up(process, address + PAGE_SIZE, 2),
            finish=judge(vm),
            limit=60_000,
        )

    assert explore(make, range(50), seed=13).failure is None


def test_a_pinned_page_is_given_back_whole() -> None:
    """A pin taken at any moment of a migration makes it fail or comes too late; the page is in one place (6, 7)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        address = filled(process)
        results: list[int] = []

        def migrating() -> None:
            listed = vm.page_list("to move")
            process.isolate(listed)
            results.extend(vm.migrate_pages(listed, vm.target_node(0)).status.values())
            vm.putback_movable_pages(listed)

        def pinning() -> None:
            page = process.pin(address)
            assert bytes(page.data[:6]) == b"page 0"
            process.read(address, 6)
            assert process.page(address) is page
            page.put()

        def finish() -> None:
            judge(vm)()
            assert results
            assert results[0] in (0, -EAGAIN)
            assert process.read(address, 6) == b"page 0"

        return scenario(vm, migrating, pinning, finish=finish, limit=60_000)

    assert explore(make, range(ROUNDS), seed=17).failure is None


def test_reads_of_a_file_under_migration() -> None:
    """read(2) and write(2) that find the old page wait for its lock and take the new one (2.1, 4.2)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        file = vm.file("data", PAGE_SIZE)
        file.write(0, b"before")
        process = vm.process()
        process.touch(process.mmap(PAGE_SIZE, shared=True, file=file))

        def writing() -> None:
            for text in (b"first!", b"second"):
                file.write(0, text)
                assert file.read(0, 6) == text

        def reading() -> None:
            assert file.read(0, 6) in (b"before", b"first!", b"second")

        def finish() -> None:
            judge(vm)()
            assert file.read(0, 6) == b"second"

        return scenario(vm, move(vm, process), writing, reading, finish=finish, limit=60_000)

    assert explore(make, range(3 * ROUNDS), seed=19).failure is None


def test_first_touches_meet() -> None:
    """Threads that touch the same fresh page first share one page, and no write of either is lost (7.5)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        process = vm.process()
        address = process.mmap(PAGE_SIZE)

        def writer(quarter: int) -> Callable[[], None]:
            return lambda: process.write(address + quarter * QUARTER, b"%d" % quarter)

        def finish() -> None:
            judge(vm)()
            assert [process.read(address + quarter * QUARTER, 1) for quarter in range(3)] == [
                b"0",
                b"1",
                b"2",
            ]
            assert process.memory.anon == 1

        return scenario(vm, writer(0), writer(1), writer(2), finish=finish)

    assert explore(make, range(ROUNDS), seed=23).failure is None
