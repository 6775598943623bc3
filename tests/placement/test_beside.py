"""The daemon beside processes that run at the same time, and on pages that are more than pages."""

from collections import Counter
from collections.abc import Callable

import pytest
from numa.moving import machine
from process.test_schedules import count_up, judge, shared_memory, watch
from schedules.kit import scenario

from movable import PAGE_SIZE, VM, Madvise
from movable.placement import AccessedBits, AccessSampler, Outcome, PlacementDaemon, PlacementSettings
from movable.sched import Scenario, explore

EAGER = PlacementSettings(least=0.5, gain=0.05, decay=0, rest=0, bounces=9, move_shared=True)
HUGE = 512
ROUNDS = 60


@pytest.mark.parametrize("profiler", [lambda vm: AccessSampler(vm, 1), AccessedBits], ids=["samples", "bits"])
@pytest.mark.parametrize("kind", ["threads", "file", "shared"])
def test_processes_notice_nothing(kind: str, profiler: Callable[[VM], AccessSampler | AccessedBits]) -> None:
    """A writer and a reader on other nodes see what they would without the daemon, in every schedule; pages move."""
    moved = 0

    def make() -> Scenario:
        vm = VM(machine(2), debug=1)
        process, other, address = shared_memory(vm, kind)
        daemon = PlacementDaemon(vm, profiler(vm).__enter__(), EAGER)

        def ticking() -> None:
            nonlocal moved
            for _ in range(4):
                moved += daemon.tick().moved

        idle: list[Callable[[], object]] = []
        bodies = (ticking, idle, count_up(process, address, 3), watch(other, address, 3))
        return scenario(vm, *bodies, finish=judge(vm), limit=60_000)

    exploration = explore(make, range(ROUNDS), seed=5)
    assert exploration.failure is None
    assert exploration.switches > ROUNDS
    assert moved > 0


@pytest.mark.parametrize("profiler", [lambda vm: AccessSampler(vm, 1), AccessedBits], ids=["samples", "bits"])
def test_an_exit_beside_the_daemon(profiler: Callable[[VM], AccessSampler | AccessedBits]) -> None:
    """A process that ends while the daemon looks at it or moves it stops nothing; either is first in some schedule."""
    seen: Counter[Outcome] = Counter()

    def make() -> Scenario:
        vm = VM(machine(2), debug=1)
        process = vm.process()
        address = process.mmap(4 * PAGE_SIZE)
        process.touch(address, 4 * PAGE_SIZE)
        vm.lru_add_drain_all()
        eyes = profiler(vm).__enter__()
        vm.cpu = 2
        process.touch(address, 4 * PAGE_SIZE)
        daemon = PlacementDaemon(vm, eyes, EAGER)

        def ticking() -> None:
            for _ in range(3):
                seen.update(daemon.tick().outcomes)

        def ending() -> None:
            process.touch(address, 4 * PAGE_SIZE)
            process.exit()

        return scenario(vm, ticking, [], ending, finish=judge(vm), limit=60_000)

    exploration = explore(make, range(4 * ROUNDS), seed=6)
    assert exploration.failure is None
    assert exploration.switches > ROUNDS
    assert seen[Outcome.MOVED] > 0
    assert seen[Outcome.ENDED] + seen[Outcome.GONE] > 0


def test_of_a_huge_page_the_hot_part_moves() -> None:
    """move_pages splits a huge page (spec/migration.md 9.8): pages used from node 1 go there, the others stay."""
    with VM(machine(2, 4096), debug=2) as vm, AccessSampler(vm, 1) as profiler:
        process = vm.process()
        base = 0x7000_0000_0000
        process.mmap(HUGE * PAGE_SIZE, address=base, fixed=True)
        process.madvise(base, HUGE * PAGE_SIZE, Madvise.HUGEPAGE)
        process.write(base, b"head")
        assert vm.vmstat()["nr_anon_transparent_hugepages"] == 1
        daemon = PlacementDaemon(vm, profiler)
        daemon.tick()
        vm.cpu = 2
        for _ in range(3):
            for part in range(100, 110):
                process.write(base + part * PAGE_SIZE, b"part %d" % part)
        assert daemon.tick().outcomes == {Outcome.MOVED: 10}
        assert vm.vmstat()["nr_anon_transparent_hugepages"] == 0
        nodes = [page.nid for page in process.pages(base).values()]
        assert nodes == [int(100 <= part < 110) for part in range(HUGE)]
        assert process.read(base, 4) == b"head"
        assert all(process.read(base + part * PAGE_SIZE, 8) == b"part %d" % part for part in range(100, 110))


def test_pages_that_cannot_be_named_are_left_alone() -> None:
    """A mapping of the kernel's, a merged page, the zero page: the daemon asks, and goes on."""
    with VM(machine(2), debug=2) as vm, AccessSampler(vm, 1) as profiler:
        one, other = vm.process(), vm.process()
        first, second = one.mmap(PAGE_SIZE), other.mmap(PAGE_SIZE)
        one.write(first, b"same")
        other.write(second, b"same")
        vm.ksm_merge([(one, first), (other, second)])
        vdso = one.mmap_special("vdso")
        zero = one.mmap(PAGE_SIZE)
        vm.cpu = 2
        daemon = PlacementDaemon(vm, profiler, PlacementSettings(memory=2))
        for _ in range(5):
            for address in (first, vdso, zero):
                for _ in range(3):
                    one.read(address, 4)
            daemon.tick()
        assert sum(each.moved for each in daemon.intervals) == 0
        assert daemon.given_up[Outcome.SHARED] >= 2
        assert one.read(first, 4) == other.read(second, 4) == b"same"
