"""The daemon: it gets there, loses nothing, does not go back and forth, and survives whatever happens meanwhile."""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve
from placement.kit import PROFILERS, MakeProfiler, Places, Truth, checked_numa4, fill, random_scenario, small

from movable import PAGE_SIZE, VM, SystemCallError
from movable.numa import AreaSpec, Launch, ProcessSpec, Scenario, World
from movable.placement import AccessSampler, Outcome, PlacementDaemon, PlacementSettings

Disturb = Callable[[World, random.Random], None]


def latency(world: World, rounds: int) -> float:
    """The mean cost of an access over the last rounds, in local accesses."""
    table = world.vm.config.distance_table
    total = sum(each.total.total for each in world.rounds[-rounds:])
    return sum(each.total.latency(table) * each.total.total for each in world.rounds[-rounds:]) / total


@pytest.mark.parametrize("profiler", PROFILERS.values(), ids=PROFILERS)
@pytest.mark.parametrize("seed", range(4))
def test_random_workloads_converge(profiler: MakeProfiler, seed: int) -> None:
    """Whatever the start, accesses end near the best placement there is, and the pages come to rest."""
    with World(random_scenario(random.Random(seed)), seed=seed) as world, profiler(world.vm) as eyes:
        truth, places = Truth(world.vm), Places(world)
        daemon = PlacementDaemon(world.vm, eyes, PlacementSettings(least=1.5))
        for _ in range(25):
            world.round()
            daemon.tick()
            places.look()
        assert latency(world, 3) <= truth.best_latency() + 0.06
        assert latency(world, 3) < latency(world, 25)
        assert sum(each.moved for each in daemon.intervals[-5:]) <= 0.03 * daemon.intervals[0].seen + 4
        assert places.returns == 0
        assert world.check_contents() > 0


def two_sided(pages: int = 16, **process: str) -> Scenario:
    """One process that the scheduler can move between the CPUs."""
    area = AreaSpec("heap", pages, accesses=20 * pages, pattern="uniform")
    return Scenario(processes=(ProcessSpec("p", cpu=0, areas=(area,), **process),))  # type: ignore[arg-type]


@pytest.mark.parametrize("bounces", [0, 1, 3])
def test_pages_do_not_go_back_and_forth(bounces: int) -> None:
    """A scheduler that moves the process every few rounds makes no page return more often than it may."""
    settings = PlacementSettings(bounces=bounces, rest=0, decay=0.2, memory=200)
    with World(two_sided()) as world, AccessSampler(world.vm, 2) as eyes:
        places, daemon = Places(world), PlacementDaemon(world.vm, eyes, settings)
        for number in range(60):
            world.task("p").wanted_cpu = number // 4 % 2
            world.round()
            daemon.tick()
            places.look()
        assert places.returns == bounces
        assert sum(each.held for each in daemon.intervals) > 0
        world.check_contents()


def test_moves_are_forgotten_in_time() -> None:
    """A process that changes its CPU seldom is followed each time: bounces count within `memory` intervals only."""
    settings = PlacementSettings(bounces=0, rest=0, decay=0.2, memory=5)
    with World(two_sided()) as world, AccessSampler(world.vm, 2) as eyes:
        daemon = PlacementDaemon(world.vm, eyes, settings)
        for number in range(48):
            world.task("p").wanted_cpu = number // 12 % 2
            world.round()
            daemon.tick()
            if number % 12 == 11:
                assert world.pages_by_node(world.task("p"))[number // 12 % 2] == 16


def test_small_gains_move_nothing() -> None:
    """A page that would gain less than `gain` stays: from distance 15 to 10 an access gains half a local one."""
    for gain, moved in ((0.51, 0), (0.49, 16)):
        with World(evolve(two_sided(policy="prefer:1"))) as world, AccessSampler(world.vm, 1) as eyes:
            daemon = PlacementDaemon(world.vm, eyes, PlacementSettings(gain=gain))
            for _ in range(3):
                world.round()
                daemon.tick()
            assert sum(each.moved for each in daemon.intervals) == moved


def test_pages_that_are_seen_seldom_stay() -> None:
    """A page must have been seen `least` times lately: sightings of older intervals count less."""
    with VM("numa4") as vm, AccessSampler(vm, 1) as eyes:
        process = vm.process()
        address = process.mmap(2 * PAGE_SIZE)
        process.touch(address, 2 * PAGE_SIZE)
        daemon = PlacementDaemon(vm, eyes, PlacementSettings(least=3, decay=0.5))
        daemon.tick()
        vm.cpu = 1
        for _ in range(2):
            process.touch(address, 2 * PAGE_SIZE)
        assert daemon.tick().wanted == 0
        for _ in range(2):
            process.touch(address)
        assert daemon.tick().outcomes == {Outcome.MOVED: 1}
        assert [page.nid for page in process.pages().values()] == [1, 0]


def test_the_rate_limits_an_interval() -> None:
    """No interval moves more than `rate` pages; the others follow, the hottest first."""
    hot = AreaSpec("hot", 8, accesses=400)
    warm = AreaSpec("warm", 24, accesses=200)
    far = Scenario(processes=(ProcessSpec("p", cpu=0, policy="prefer:3", areas=(hot, warm)),))
    with World(far) as world, AccessSampler(world.vm, 1) as eyes:
        daemon = PlacementDaemon(world.vm, eyes, PlacementSettings(rate=8))
        world.round()
        assert daemon.tick().moved == 8
        area = world.task("p").area("hot")
        pages = world.task("p").process.pages(area.address, area.pages * PAGE_SIZE)
        assert {page.nid for page in pages.values()} == {0}
        while daemon.now < 6:
            world.round()
            daemon.tick()
        assert [each.moved for each in daemon.intervals] == [8, 8, 8, 8, 0, 0]
        assert [each.limited for each in daemon.intervals] == [24, 16, 8, 0, 0, 0]


def test_pages_stay_within_their_cpuset() -> None:
    """The best node within the process's mems is chosen: /proc/PID/status shows them to the daemon."""
    with World(two_sided(policy="prefer:3")) as world, AccessSampler(world.vm, 1) as eyes:
        world.vm.cpusets.create("jobs", mems="1-3", cpus="0").attach(world.task("p").process)
        daemon = PlacementDaemon(world.vm, eyes)
        for _ in range(3):
            world.round()
            daemon.tick()
        assert world.pages_by_node(world.task("p")) == (0, 16, 0, 0)
        assert set().union(*(each.outcomes for each in daemon.intervals)) == {Outcome.MOVED}


def test_pinned_pages_are_given_up_and_tried_again() -> None:
    """A pinned page is tried `retries` times more, then left alone for `memory` intervals; unpinned it moves."""
    settings = PlacementSettings(retries=2, memory=6)
    with World(two_sided(4, policy="prefer:3")) as world, AccessSampler(world.vm, 1) as eyes:
        task = world.enter("p")
        pin = task.process.pin(task.area("heap").address)
        daemon = PlacementDaemon(world.vm, eyes, settings)
        for _ in range(12):
            world.round()
            daemon.tick()
        busy = [each.outcomes.get(Outcome.BUSY, 0) for each in daemon.intervals]
        assert busy == [1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1]
        assert daemon.given_up == {Outcome.BUSY: 2}
        assert world.pages_by_node(task) == (3, 0, 0, 1)
        pin.put()
        for _ in range(7):
            world.round()
            daemon.tick()
        assert world.pages_by_node(task) == (4, 0, 0, 0)
        world.check_contents()


def test_shared_pages_move_for_all_their_users() -> None:
    """With move_shared the users of a page count together; without it shared pages are given up."""
    area = AreaSpec("pool", 16, shared=True, accesses=200)
    scenario = Scenario(processes=(ProcessSpec("p", cpu=0, policy="prefer:3", areas=(area,)),))
    for move_shared, nodes in ((False, (0, 0, 0, 16)), (True, (16, 0, 0, 0))):
        with World(scenario) as world, AccessSampler(world.vm, 1) as eyes:
            world.fork("p", "child")
            world.task("child").wanted_cpu = 0
            daemon = PlacementDaemon(world.vm, eyes, PlacementSettings(move_shared=move_shared))
            for _ in range(4):
                world.round()
                daemon.tick()
            assert world.pages_by_node(world.task("p")) == nodes
            assert world.pages_by_node(world.task("child")) == nodes
            assert daemon.given_up.get(Outcome.SHARED, 0) == (0 if move_shared else 32)
            world.check_contents()


def test_a_full_node_is_left_in_peace(tmp_path: Path) -> None:
    """When the best node has no room above its reserve pages stay or take the next best; nothing fails."""
    scenario = evolve(two_sided(64, policy="prefer:2"), machine=small(tmp_path))
    with World(scenario) as world, AccessSampler(world.vm, 1) as eyes:
        zone = world.vm.zones[0]
        kept = fill(world.vm, 0, 100)
        daemon = PlacementDaemon(world.vm, eyes, PlacementSettings(reserve=0.08))
        for _ in range(6):
            world.round()
            daemon.tick()
        assert zone.free_pages >= 1024 * 0.08 - 1
        assert 0 < world.pages_by_node(world.task("p"))[0] <= 20
        assert sum(each.limited for each in daemon.intervals) > 0
        for page in kept:
            page.put()
        for _ in range(4):
            world.round()
            daemon.tick()
        assert world.pages_by_node(world.task("p")) == (64, 0, 0)
        world.check_contents()


def test_a_node_that_fills_up_is_avoided_for_a_while(tmp_path: Path) -> None:
    """ENOMEM in spite of the reserve: the node is not tried again for `rest` intervals, and then it is."""
    scenario = evolve(two_sided(64, policy="prefer:2"), machine=small(tmp_path))
    with World(scenario) as world, AccessSampler(world.vm, 1) as eyes:
        kept = fill(world.vm, 0, world.vm.zones[0].watermark.min + 4)
        daemon = PlacementDaemon(world.vm, eyes, PlacementSettings(reserve=0.0, rest=1))
        world.round()
        first = daemon.tick()
        assert first.outcomes.get(Outcome.FULL, 0) > 0
        world.round()
        second = daemon.tick()
        assert second.outcomes.keys() == {Outcome.MOVED}
        assert world.pages_by_node(world.task("p"))[1] == second.moved > 0
        for page in kept:
            page.put()
        for _ in range(5):
            world.round()
            daemon.tick()
        assert world.pages_by_node(world.task("p")) == (64, 0, 0)
        world.check_contents()


def test_an_unprivileged_daemon_says_so() -> None:
    """A daemon of another user moves nothing, and tries a process that it may not touch no more."""
    with World(two_sided(policy="prefer:3")) as world, AccessSampler(world.vm, 1) as eyes:
        daemon = PlacementDaemon(world.vm, eyes, process=world.vm.process(uid=1000))
        for _ in range(3):
            world.round()
            daemon.tick()
        assert [each.moved for each in daemon.intervals] == [0, 0, 0]
        assert daemon.given_up == {Outcome.DENIED: 1}
        assert world.pages_by_node(world.task("p")) == (0, 0, 0, 16)


def test_ends_of_processes_do_not_stop_it() -> None:
    """Processes that exit between the samples and the move, reaped or not, are forgotten."""
    scenario = random_scenario(random.Random(5))
    with World(scenario) as world, AccessSampler(world.vm, 1) as eyes:
        daemon = PlacementDaemon(world.vm, eyes)
        names = list(world.tasks)
        world.round()
        world.exit(names[0])
        daemon.tick()
        world.round()
        world.tasks.pop(names[1]).process.exit(reap=False)
        daemon.tick()
        world.round()
        daemon.tick()
        assert len(daemon.intervals) == 3
        world.check_contents()


# Everything at once


def _fork(world: World, rng: random.Random) -> None:
    if len(world.tasks) < 6:
        world.fork(rng.choice(list(world.tasks)), f"child{rng.random()}")


def _exit(world: World, rng: random.Random) -> None:
    if len(world.tasks) > 2:
        world.exit(rng.choice(list(world.tasks)))


def _cpu(world: World, rng: random.Random) -> None:
    world.task(rng.choice(list(world.tasks))).wanted_cpu = rng.randrange(2)


def _pin(world: World, rng: random.Random) -> None:
    task = world.enter(rng.choice(list(world.tasks)))
    area = rng.choice(list(task.areas.values()))
    world.pins.append(task.process.pin(area.address + rng.randrange(area.pages) * PAGE_SIZE))


def _unpin(world: World, rng: random.Random) -> None:
    if world.pins:
        world.pins.pop(rng.randrange(len(world.pins))).put()


def _reclaim(world: World, rng: random.Random) -> None:
    world.vm.reclaim(rng.randrange(60), rng.randrange(4))


def _cpuset(world: World, rng: random.Random) -> None:
    cpusets = (world.vm.cpusets, *world.vm.cpusets.children)
    rng.choice(cpusets).attach(world.task(rng.choice(list(world.tasks))).process)


def _migrate(world: World, rng: random.Random) -> None:
    world.migrate_pages(rng.choice(list(world.tasks)), str(rng.randrange(4)), str(rng.randrange(4)))


def _lock(world: World, rng: random.Random) -> None:
    task = world.enter(rng.choice(list(world.tasks)))
    area = rng.choice(list(task.areas.values()))
    task.process.mlock(area.address, PAGE_SIZE)


def _compact(world: World, rng: random.Random) -> None:
    world.vm.compact_node(rng.randrange(4))


DISTURBANCES: tuple[Disturb, ...] = (
    _fork, _exit, _cpu, _pin, _unpin, _reclaim, _cpuset, _migrate, _lock, _compact,
)  # fmt: skip


@pytest.mark.parametrize("move_shared", [False, True], ids=["private", "shared"])
@pytest.mark.parametrize("seed", range(3))
def test_it_survives_whatever_happens(seed: int, move_shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forks, ends, other CPUs and cpusets, pins, locks, swap, migration, compaction: no page loses its contents.

    All structures stand a recount after every call.
    """
    rng = random.Random(seed)
    scenario = evolve(random_scenario(rng), swap=4096)
    monkeypatch.setattr("movable.numa.world.VM", lambda _: VM(checked_numa4()))
    profiler = rng.choice(list(PROFILERS.values()))
    with World(scenario, Launch(), seed=seed) as world, profiler(world.vm) as eyes:
        for name, mems in (("left", "0,2"), ("right", "1,3")):
            world.vm.cpusets.create(name, mems=mems, cpus="0-1").memory_migrate = rng.random() < 0.5
        settings = PlacementSettings(least=1, rest=0, retries=1, memory=6, move_shared=move_shared)
        daemon, done = PlacementDaemon(world.vm, eyes, settings), 0
        for _ in range(12):
            for _ in range(3):
                # What the kernel refuses, such as memory for a lock, is refused.
                with contextlib.suppress(SystemCallError):
                    rng.choice(DISTURBANCES)(world, rng)
                    done += 1
            for task in world.tasks.values():
                for name, area in task.areas.items():
                    task.areas[name].spec = evolve(area.spec, accesses=20)
            world.round()
            daemon.tick()
        world.check_contents()
        world.vm.recount()
        assert done >= 24
        assert sum(each.moved for each in daemon.intervals) > 0
