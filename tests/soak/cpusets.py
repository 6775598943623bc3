"""Cpusets whose nodes change, processes that change their cpuset or user, and numa_maps."""

from errno import ENOSPC

from soak.binding import check_answer, errno_of, weakly
from soak.memory import Task
from soak.moves import check_nodes
from soak.moving import Expectation, migrated
from soak.policies import Nodes
from soak.world import NODES, CpusetModel, Turn, World

from movable import Credentials, Entry


def cpuset_mems(turn: Turn) -> None:
    """Give a cpuset other nodes; its processes follow."""
    world = turn.world
    model = turn.random.choice(world.cpusets[1:])
    mems = frozenset(turn.random.sample(sorted(NODES), turn.random.choice([0, 1, 2, 2, 3, 4])))
    text = ",".join(str(node) for node in mems)
    world.say(f"{model.cpuset.path}: mems {text!r}, memory_migrate {model.migrate}")
    members = [task for task in world.tasks if task.process.cpuset is model.cpuset]
    if not world.exact:
        weakly(world, lambda: model.cpuset.write("cpuset.mems", "0," + text + "\n"))
        return
    before = expected_follow(world, model, members, mems) if members and mems else []
    errno = errno_of(lambda: model.cpuset.write("cpuset.mems", text + "\n"))
    if not mems and members:
        assert errno == ENOSPC
        return
    assert errno == 0
    if mems == model.mems:
        return
    model.mems = mems
    if not mems:
        return
    model.old = mems
    for task in members:
        task.rebind(mems)
        check_answer(task.process.get_mempolicy(), task.policy)
    check_followed(world, before)


def expected_follow(
    world: World, model: CpusetModel, members: list[Task], mems: Nodes
) -> list[tuple[Task, dict[int, Entry], Expectation]]:
    """Where the pages of processes should be when their nodes have changed."""
    if not model.migrate or mems == model.mems:
        return []
    world.vm.lru_add_drain_all()
    followers = []
    for task in members:
        if world.has_huge(task):
            continue
        pages = [world.found(entry.pfn) for _, entry in world.mapped(task) if entry.kind == "page"]
        expected = migrated(pages, model.old, mems, move_all=True, allowed=NODES)
        followers.append((task, dict(world.mapped(task)), expected))
    return followers


def check_followed(world: World, followers: list[tuple[Task, dict[int, Entry], Expectation]]) -> None:
    """Pages of one task alone are where they should be; shared ones may have followed another, too."""
    if not world.plenty:
        return
    times: dict[int, int] = {}
    for _, before, _ in followers:
        for pfn in {entry.pfn for entry in before.values()}:
            times[pfn] = times.get(pfn, 0) + 1
    for task, before, expected in followers:
        alone = {pfn: node for pfn, node in expected.nodes.items() if times[pfn] == 1}
        check_nodes(world, task, before, Expectation(alone))


def cpuset_flags(turn: Turn) -> None:
    """Have pages follow or not, and pages of files spread or not."""
    model = turn.random.choice(turn.world.cpusets[1:])
    model.migrate = turn.chance(0.5)
    model.cpuset.memory_migrate = model.migrate
    model.spread = turn.chance(0.2)
    model.cpuset.write("cpuset.memory_spread_page", f"{int(model.spread)}\n")
    turn.world.say(f"{model.cpuset.path}: {model.migrate=} {model.spread=}")


def attach(turn: Turn) -> None:
    """Move a task to another cpuset."""
    world, task = turn.world, turn.task()
    model = turn.random.choice(world.cpusets)
    source = next(each for each in world.cpusets if each.cpuset is task.process.cpuset)
    world.say(f"{model.cpuset.path}: tasks {task.process.pid}, {model.migrate=}")
    if not world.exact:
        weakly(world, lambda: model.cpuset.write("tasks", f"{task.process.pid}\n"))
        return
    if model is source:
        return
    followers: list[tuple[Task, dict[int, Entry], Expectation]] = []
    if model.migrate and model.mems and not world.has_huge(task):
        world.vm.lru_add_drain_all()
        pages = [world.found(entry.pfn) for _, entry in world.mapped(task) if entry.kind == "page"]
        expected = migrated(pages, source.old, model.mems, move_all=True, allowed=NODES)
        followers = [(task, dict(world.mapped(task)), expected)]
    errno = errno_of(lambda: model.cpuset.write("tasks", f"{task.process.pid}\n"))
    if not model.mems:
        assert errno == ENOSPC
        return
    assert errno == 0
    model.old = model.mems
    task.rebind(model.mems)
    check_answer(task.process.get_mempolicy(), task.policy)
    check_followed(world, followers)


def credentials(turn: Turn) -> None:
    """Become another user."""
    task = turn.task()
    uid = turn.random.choice([0, 0, 0, 1000, 1001])
    turn.world.say(f"{task.name} becomes user {uid}")
    task.process.credentials = Credentials.of_user(uid)


def numa_maps(turn: Turn) -> None:
    """Read numa_maps: the pages on each node are those of the page table."""
    task = turn.task()
    turn.world.say(f"{task.name}.numa_maps()")
    text = task.process.numa_maps()
    assert text.count("\n") == len(task.process.areas)
    for node in NODES:
        said = sum(int(word.partition("=")[2]) for word in text.split() if word.startswith(f"N{node}="))
        if turn.world.exact:
            pages = (entry.pfn for _, entry in turn.world.mapped(task) if entry.kind == "page")
            assert said == sum(turn.world.vm.page(pfn).nid == node for pfn in pages)
