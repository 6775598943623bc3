"""Scenarios that run: processes on their CPUs, policies, contents, steps."""

import pytest
from attrs import evolve

from movable import ConfigError, MovableError
from movable.numa import (
    AreaSpec,
    CpusetSpec,
    FileSpec,
    Launch,
    NodeList,
    PolicyText,
    ProcessSpec,
    Scenario,
    World,
    loads_scenario,
    scenario,
)

HEAP = AreaSpec("heap", 12, accesses=60)
ONE = Scenario(processes=(ProcessSpec("p", areas=(HEAP,)),))


def pages(world: World, name: str = "p") -> tuple[int, ...]:
    """Pages of a process by node."""
    return world.pages_by_node(world.task(name))


@pytest.mark.parametrize(
    ("policy", "nodes"),
    [
        ("bind:2", (0, 0, 12, 0)),
        ("interleave:all", (3, 3, 3, 3)),
        ("interleave:1,3", (0, 6, 0, 6)),
        ("prefer:3", (0, 0, 0, 12)),
        ("local", (12, 0, 0, 0)),
    ],
)
def test_processes_inherit_what_numactl_set(policy: str, nodes: tuple[int, ...]) -> None:
    """Pages go where the launch's policy says, of a process that sets none itself; children have it too."""
    with World(ONE, Launch(PolicyText.parse(policy, "-m"))) as world:
        assert pages(world) == nodes
        child = world.fork("p", "child")
        assert child.process.policy == world.task("p").process.policy


def test_a_programs_own_policy_wins() -> None:
    """set_mempolicy of the program replaces what it inherited, and mbind of an area replaces that."""
    areas = (HEAP, evolve(HEAP, name="bound", policy="bind:3"))
    own = Scenario(processes=(ProcessSpec("p", policy="bind:2", areas=areas),))
    with World(own, Launch(PolicyText.parse("bind:1", "-m"))) as world:
        assert pages(world) == (0, 0, 12, 12)


def test_cpus_are_the_cpusets_and_the_launchs() -> None:
    """A process runs on the CPU it wants if it may; -N and -C and its cpuset say where it may."""
    two = evolve(ONE, processes=(ProcessSpec("a", cpu=0), ProcessSpec("b", cpu=1), ProcessSpec("c")))

    def cpus(launch: Launch, found: Scenario = two) -> list[int]:
        with World(found, launch) as world:
            return [world.cpu(task) for task in world.tasks.values()]

    one = NodeList.parse("1", "-N")
    assert cpus(Launch()) == [0, 1, 0]
    assert cpus(Launch(nodes=one)) == [1, 1, 1]
    assert cpus(Launch(cpus=NodeList.parse("!1", "-C"))) == [0, 0, 0]
    right = (CpusetSpec("/right", "1", "1"),)
    held = evolve(two, cpusets=right, processes=(ProcessSpec("a", cpu=0, cpuset="/right"),))
    assert cpus(Launch(), held) == [1]
    with pytest.raises(
        ConfigError, match="--cpunodebind: '2-3' has no CPU that the process may use; choose of nodes 0-1"
    ):
        cpus(Launch(nodes=NodeList.parse("2-3", "-N")))


def test_first_touch_is_on_the_cpus_node() -> None:
    """A process on CPU 1 gets its pages from node 1, and after a change of CPU new ones from node 0."""
    story = loads_scenario(
        '[[processes]]\nname = "p"\ncpu = 1\n[[processes.areas]]\nname = "a"\npages = 8\ntouch = "none"\n'
        '[[steps]]\ndo = "touch"\nprocess = "p"\narea = "a"\npages = 5\n'
        '[[steps]]\ndo = "cpu"\nprocess = "p"\ncpu = 0\n'
        '[[steps]]\ndo = "touch"\nprocess = "p"\narea = "a"\nfirst = 5\n'
    )
    with World(story) as world:
        assert pages(world) == (0, 0, 0, 0)
        world.run()
        assert pages(world) == (3, 5, 0, 0)


def test_the_same_seed_gives_the_same_run() -> None:
    """Accesses follow from the seed alone."""

    def routes(seed: int) -> list[dict[int, int]]:
        with World(scenario("far"), seed=seed) as world:
            for _ in range(2):
                world.round()
            table = world.vm.config.distance_table
            return [each.total.by_distance(table) for each in world.rounds]

    assert routes(1) == routes(1)
    assert routes(1) != routes(2)


@pytest.mark.parametrize("pattern", ["uniform", "hot", "scan"])
def test_patterns(pattern: str) -> None:
    """A scan touches every page alike, hot nine of ten times the first tenth, uniform any page."""
    area = AreaSpec("a", 40, accesses=4000, pattern=pattern, touch="none", writes=0)  # type: ignore[arg-type]
    counts = dict.fromkeys(range(40), 0)
    with World(Scenario(processes=(ProcessSpec("p", areas=(area,)),))) as world:
        start = world.task("p").area("a").address
        world.vm.access_watchers.append(
            lambda process, address, length, write: counts.update(
                {(address - start) // 4096: counts[(address - start) // 4096] + 1}
            )
        )
        world.round()
    assert sum(counts.values()) == 4000
    first = sum(counts[page] for page in range(4)) / 4000
    if pattern == "scan":
        assert set(counts.values()) == {100}
    elif pattern == "hot":
        assert first == pytest.approx(0.91, abs=0.02)
    else:
        assert first == pytest.approx(0.1, abs=0.02)


def test_lost_contents_are_found() -> None:
    """A page that holds something else than was written to it ends the run."""
    with World(ONE) as world:
        world.round()
        assert world.check_contents() > 0
        task = world.task("p")
        page = next(iter(task.area("heap").written))
        frame = task.process.page(task.area("heap").address + page * 4096)
        assert frame is not None
        frame.data[:8] = bytes(8)
        with pytest.raises(MovableError, match=f"process 'p': page {page} of 'heap' holds 0, not "):
            world.check_contents()


def test_shared_private_and_file_contents_are_told_apart() -> None:
    """After a fork private pages are each process's own, shared ones and shared mappings of a file common."""
    areas = (
        evolve(HEAP, name="private"),
        evolve(HEAP, name="shared", shared=True),
        evolve(HEAP, name="file", shared=True, file="f", offset=2),
        evolve(HEAP, name="copy", file="f"),
    )
    story = Scenario(files=(FileSpec("f", 32),), processes=(ProcessSpec("p", areas=areas),))
    with World(story) as world:
        world.round()
        child = world.fork("p", "child")
        for _ in range(3):
            world.round()
            world.check_contents()
        parent = world.task("p")
        world.access(parent, parent.area("shared"), 0, write=True)
        world.access(parent, parent.area("private"), 0, write=True)
        world.access(child, child.area("shared"), 0, write=False)
        assert child.area("private").expected(0) != parent.area("private").expected(0)
        world.check_contents()


def test_migrate_pages_keeps_ranks() -> None:
    """spec/migration.md 9.7: nodes 0-1 to 2-3 moves 0 to 2 and 1 to 3; pages that cannot move are the answer."""
    with World(ONE, Launch(PolicyText.parse("interleave:0-1", "-i"))) as world:
        task = world.enter("p")
        task.process.pin(task.area("heap").address)
        assert world.migrate_pages("1", "0-1", "2-3") == 1
        assert sorted(pages(world)) == [0, 1, 5, 6]


STORY = """
swap = 64
[[cpusets]]
path = "/a"
mems = "0-1"
[[cpusets]]
path = "/b"
mems = "2-3"
memory_migrate = true
[[processes]]
name = "p"
cpuset = "/a"
[[processes.areas]]
name = "heap"
pages = 8
accesses = 20
locked = true
[[steps]]
do = "mbind"
process = "p"
area = "heap"
policy = "bind:1"
move = "move"
[[steps]]
do = "attach"
process = "p"
path = "/b"
[[steps]]
do = "move_pages"
process = "p"
area = "heap"
node = 2
pages = 3
[[steps]]
do = "set_mempolicy"
process = "p"
policy = "prefer:3"
[[steps]]
do = "fork"
process = "p"
name = "q"
[[steps]]
do = "exit"
process = "p"
[[steps]]
do = "cpuset"
path = "/b"
file = "cpuset.mems"
text = "3"
[[steps]]
do = "reclaim"
node = 0
pages = 8
[[steps]]
do = "pin"
process = "q"
area = "heap"
[[steps]]
do = "migrate_pages"
process = "q"
old = "3"
new = "1"
[[steps]]
do = "run"
rounds = 2
"""


def test_every_step_does_what_it_says() -> None:
    """mbind moves to node 1, the cpuset to 3, move_pages three back to 2, the cpuset again to 3, migrate_pages to 1."""
    after = []
    story = loads_scenario(STORY)
    with World(evolve(story, steps=())) as world:
        for step in story.steps:
            step.run(world)
            after.append([pages(world, name) for name in world.tasks])
        world.check_contents()
    assert after == [
        [(0, 8, 0, 0)],
        [(0, 0, 0, 8)],
        [(0, 0, 3, 5)],
        [(0, 0, 3, 5)],
        [(0, 0, 3, 5), (0, 0, 3, 5)],
        [(0, 0, 3, 5)],
        [(0, 0, 0, 8)],
        [(0, 0, 0, 8)],
        [(0, 0, 0, 8)],
        [(0, 7, 0, 1)],
        [(0, 7, 0, 1)],
    ]
