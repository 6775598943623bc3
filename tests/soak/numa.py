"""The NUMA calls, each checked against the models of `policies` and `moving`."""

from errno import EACCES, EFAULT, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, ENOSPC, EPERM, ESRCH

from attrs import evolve
from soak.memory import Slot, Task
from soak.moving import Expectation, Found, Rules, migrated, moved
from soak.placing import target_of
from soak.policies import RELATIVE, STATIC, Nodes, PolicyModel, RefusedError, create
from soak.using import extent, page_of
from soak.world import NODES, CpusetModel, Turn, World

from movable import CAP_SYS_NICE, PAGE_SIZE, Credentials, Mpol, MpolF, MpolMF, Process, SystemCallError

FLAGS = (0, 0, STATIC, RELATIVE)


def node_mask(turn: Turn) -> Nodes:
    """A set of nodes, sometimes with absent ones, sometimes empty."""
    nodes = set(turn.random.sample(sorted(NODES), turn.random.choice([0, 1, 1, 1, 2, 2, 2, 3, 3, 4])))
    if turn.chance(0.1):
        nodes.add(turn.random.choice([4, 5, 63, 64, 1023]))
    return frozenset(nodes)


def mode_of(turn: Turn) -> int:
    """A mode with flags, seldom one that does not exist."""
    if turn.chance(0.04):
        return turn.random.choice([5, 1 << 13, STATIC | RELATIVE])
    return int(turn.random.choice(list(Mpol))) | turn.random.choice(FLAGS)


def policy_arguments(turn: Turn) -> tuple[int, Nodes, int | None]:
    """Mode, nodes and maxnode, which mostly go with each other."""
    mode, nodes = mode_of(turn), node_mask(turn)
    if mode & ~(STATIC | RELATIVE) in (Mpol.DEFAULT, Mpol.LOCAL) and turn.chance(0.9):
        nodes = frozenset()
    return mode, nodes, turn.random.choice([0, 1, 2, 3, 5, 65]) if turn.chance(0.07) else None


def cut(nodes: Nodes, maxnode: int | None) -> Nodes:
    """The nodes of a mask argument. RefusedError as in spec/migration.md 9.2."""
    if maxnode == 0:
        raise RefusedError(EINVAL)
    return nodes if maxnode is None else frozenset(node for node in nodes if node < maxnode - 1)


def set_mempolicy(turn: Turn) -> None:
    """Set a task's policy."""
    task, world = turn.task(), turn.world
    mode, nodes, maxnode = policy_arguments(turn)
    world.say(f"{task.name}.set_mempolicy({mode:#x}, {set(nodes)}, {maxnode=})")
    if not world.exact:
        weakly(world, lambda: task.process.set_mempolicy(mode, nodes, maxnode))
        return
    errno, policy = 0, task.policy
    try:
        check_mode(mode)
        policy = create(mode, cut(nodes, maxnode), world.mems(task.process))
    except RefusedError as error:
        errno = error.errno
    assert errno == errno_of(lambda: task.process.set_mempolicy(mode, nodes, maxnode))
    task.policy = policy
    check_answer(task.process.get_mempolicy(), policy)
    if policy is not None and policy.mode == Mpol.INTERLEAVE and not errno:
        assert task.process.get_mempolicy(flags=MpolF.NODE).mode == min(policy.nodes)


def check_mode(mode: int) -> None:
    """The first check of a call with a mode."""
    if mode & STATIC and mode & RELATIVE or mode & ~(STATIC | RELATIVE) > Mpol.LOCAL:
        raise RefusedError(EINVAL)


def errno_of(call: object) -> int:
    """The errno of a call, 0 if it succeeds."""
    assert callable(call)
    try:
        call()
    except SystemCallError as error:
        assert error.errno
        return error.errno
    return 0


def check_answer(answer: object, policy: PolicyModel | None) -> None:
    """What get_mempolicy says is what the model has."""
    mode, nodes = (0, frozenset()) if policy is None else policy.answer
    assert (getattr(answer, "mode", None), getattr(answer, "nodes", None)) == (mode, nodes)


def get_mempolicy(turn: Turn) -> None:
    """Ask for the policy of an address, and where its page is."""
    task = turn.task()
    page = page_of(turn, task)
    if page is None:
        return
    turn.world.say(f"{task.name}.get_mempolicy({page:#x}, ADDR)")
    slot, answer = task.slots[page], task.process.get_mempolicy(page * PAGE_SIZE, MpolF.ADDR)
    if not turn.world.exact:
        return
    check_answer(answer, slot.own_policy)
    if (entry := task.process.entry(page * PAGE_SIZE)) and entry.kind == "page" and slot.prot:
        node = task.process.get_mempolicy(page * PAGE_SIZE, MpolF.ADDR | MpolF.NODE).mode
        assert node == turn.world.vm.page(entry.pfn).nid


# mbind


def mbind(turn: Turn) -> None:
    """Set the policy of a range, and perhaps move what it does not suit."""
    task, world = turn.task(), turn.world
    page, pages = extent(turn, task, 40)
    mode, nodes, maxnode = policy_arguments(turn)
    flags = 8 if turn.chance(0.03) else turn.random.randrange(8)
    world.say(f"{task.name}.mbind({page:#x}, {pages}, {mode:#x}, {set(nodes)}, {flags}, {maxnode=})")
    start, length = page * PAGE_SIZE, pages * PAGE_SIZE
    if not world.exact:
        weakly(world, lambda: task.process.mbind(start, length, mode, nodes, flags, maxnode))
        return
    world.vm.lru_add_drain_all()
    errno, moving, policy = 0, {}, None
    before = {number: entry.pfn for number, entry in world.mapped(task) if entry.kind == "page"}
    huge = world.has_huge(task)
    try:
        policy, user = mbind_policy(world, task, page, pages, mode, nodes, maxnode, flags)
        moving = candidates(world, task, page, pages, user, flags)
    except RefusedError as error:
        errno = error.errno
    answer = errno_of(lambda: task.process.mbind(start, length, mode, nodes, flags, maxnode))
    if errno:
        assert answer == errno, f"errno {answer}, not {errno}"
        return
    install(task, page, pages, policy)
    task.joined()
    strict = flags & MpolMF.STRICT and mode & ~(STATIC | RELATIVE) != Mpol.DEFAULT
    if huge:
        assert answer in ((0, EIO) if strict else (0,))
        return
    check_bound(world, task, page, moving, before, answer=answer, strict=bool(strict))


def mbind_policy(
    world: World, task: Task, page: int, pages: int, mode: int, nodes: Nodes, maxnode: int | None, flags: int
) -> tuple[PolicyModel | None, Nodes]:
    """The policy and the raw mask, by the checks of spec/migration.md 9.6 in their order."""
    check_mode(mode)
    user = cut(nodes, maxnode)
    if flags & ~7:
        raise RefusedError(EINVAL)
    if flags & MpolMF.MOVE_ALL and not task.process.credentials.capable(CAP_SYS_NICE):
        raise RefusedError(EPERM)
    policy = create(mode, user, world.mems(task.process))
    check_holes(task, page, pages, any_hole=mode & ~(STATIC | RELATIVE) != Mpol.DEFAULT)
    return policy, user


def check_holes(task: Task, page: int, pages: int, *, any_hole: bool) -> None:
    """The holes that a scan sees: at the start, inside, and at the end of all areas."""
    inside = [number for number in range(page, page + pages) if number in task.slots]
    if page not in task.slots:
        raise RefusedError(EFAULT)
    gap = inside[-1] - page + 1 != len(inside)
    if any_hole and (gap or max(task.slots) < page + pages - 1):
        raise RefusedError(EFAULT)


def candidates(world: World, task: Task, page: int, pages: int, user: Nodes, flags: int) -> dict[int, Found]:
    """The pages that would be queued, by page number."""
    if not flags & (MpolMF.MOVE | MpolMF.MOVE_ALL):
        return {}
    found = {}
    for number, entry in world.mapped(task):
        if entry.kind == "page" and page <= number < page + pages:
            at = world.found(entry.pfn)
            if at.node not in user and at.lru and (flags & MpolMF.MOVE_ALL or at.mapcount == 1):
                found[number] = at
    return found


def install(task: Task, page: int, pages: int, policy: PolicyModel | None) -> None:
    """What an area has already stays as it is; shared memory remembers the policy by itself."""
    for number in range(page, page + pages):
        slot = task.slots.get(number)
        if slot is None or slot.policy == policy:
            continue
        task.slots[number] = evolve(slot, policy=policy)
        if slot.store is not None and slot.store.shmem:
            slot.store.policies[slot.index] = policy


def check_bound(
    world: World,
    task: Task,
    page: int,
    moving: dict[int, Found],
    before: dict[int, int],
    *,
    answer: int,
    strict: bool,
) -> None:
    """Pages that were queued are where the new policy says, others where they were; the answer tells of those left."""
    world.count("bound")
    stuck = any(found.stuck for found in moving.values())
    doubtful = any(found.doubtful for found in moving.values())
    if not world.plenty:
        assert answer in (0, EIO)
        return
    if strict and stuck:
        assert answer == EIO
    elif not (strict and doubtful):
        assert answer == 0
    queued = {found.pfn for found in moving.values()}
    for number, pfn in before.items():
        after = task.process.page(number * PAGE_SIZE)
        if pfn not in queued:
            assert after is not None and after.pfn == pfn
            continue
        found = next(each for each in moving.values() if each.pfn == pfn)
        if after is None or found.doubtful:
            continue
        if found.stuck:
            assert after.pfn == pfn
        elif number in moving:
            slot = namesake(task, page, number)
            expected = target_of(world, task, slot, slot.index)
            assert after.nid == expected, f"page {number:#x} moved to node {after.nid}, not {expected}"
            world.count("moved by mbind")


def namesake(task: Task, page: int, number: int) -> Slot:
    """The first page from the range's start on that may map the same page as this one."""
    slot = task.slots[number]
    if slot.store is None or slot.data is not None:
        return slot
    same = (
        at
        for at, each in task.slots.items()
        if at >= page and each.store is slot.store and each.index == slot.index
    )
    return task.slots[min(same)]


# migrate_pages and move_pages


def caller_of(turn: Turn) -> Process:
    """Who calls: somebody from outside, or one of the group, who does not end while it calls."""
    if not turn.world.exact:
        return turn.random.choice(turn.world.movers)
    return turn.random.choice([*turn.world.movers, turn.task().process])


def may(caller: Process, target: Process) -> bool:
    """Whether one may move another's memory. spec/migration.md 9.7, row 3."""
    mine, other = caller.credentials, target.credentials
    same = {mine.uid, mine.euid} & {other.uid, other.suid}
    return bool(same) or mine.capable(CAP_SYS_NICE)


def migrate_pages(turn: Turn) -> None:
    """Move a process from nodes to nodes."""
    world, task, caller = turn.world, turn.random.choice(turn.world.tasks), caller_of(turn)
    old, new = node_mask(turn), node_mask(turn)
    world.say(f"p{caller.pid}.migrate_pages({task.process.pid}, {set(old)}, {set(new)})")
    if not world.exact:
        pid = world.anybody(turn.random).pid
        weakly(world, lambda: caller.migrate_pages(pid, old, new))
        return
    world.vm.lru_add_drain_all()
    powerful, mems = caller.credentials.capable(CAP_SYS_NICE), world.mems(task.process)
    if not may(caller, task.process) or not (powerful or new <= mems):
        expected = Expectation({}, EPERM)
    elif not new <= NODES:
        expected = Expectation({}, EINVAL)
    elif not new:
        expected = Expectation({})
    else:
        pages = [world.found(entry.pfn) for _, entry in world.mapped(task) if entry.kind == "page"]
        expected = migrated(pages, old, new, move_all=powerful, allowed=world.mems(caller))
    before, huge = dict(world.mapped(task)), world.has_huge(task)
    left = 0

    def call() -> None:
        nonlocal left
        left = caller.migrate_pages(task.process.pid, old, new)

    errno = errno_of(call)
    if not world.plenty or huge:
        assert errno in (0, expected.errno, ENOMEM)
        return
    assert errno == expected.errno, f"errno {errno}, not {expected.errno}"
    assert errno or expected.stuck <= left <= expected.stuck + expected.doubtful, f"{left} left: {expected}"
    check_nodes(world, task, before, expected)


def weakly(world: World, call: object) -> None:
    """A call beside others: it may fail in all ways that somebody else may be the reason of."""
    errno = errno_of(call)
    assert errno in (0, EPERM, EINVAL, ENOMEM, EACCES, ENODEV, EFAULT, EIO, ESRCH), f"errno {errno}"
    world.count("calls beside others")


def check_nodes(world: World, task: Task, before: dict[int, object], expected: Expectation) -> None:
    """Every page is on the node where it should be."""
    for number, entry in before.items():
        pfn, kind = getattr(entry, "pfn", -1), getattr(entry, "kind", "")
        node = expected.nodes.get(pfn)
        after = task.process.page(number * PAGE_SIZE)
        if kind != "page" or node is None or after is None:
            continue
        assert after.nid == node, f"page {number:#x} is on node {after.nid}, not {node}"
        world.counts["pages followed"] += after.pfn != pfn


def move_pages(turn: Turn) -> None:
    """Move pages one by one, or ask where they are."""
    world, task, caller = turn.world, turn.random.choice(turn.world.tasks), caller_of(turn)
    count = turn.random.choice([1, 3, 10, 40, 200, 400])
    numbers = [random_page(turn, task) for _ in range(count)]
    bad = (-1, 4, 64, 1 << 20) if turn.chance(0.1) else ()
    nodes = [turn.random.choice(bad if bad and turn.chance(0.05) else (0, 1, 2, 3)) for _ in numbers]
    query, move_all = turn.chance(0.15), turn.chance(0.5)
    flags = MpolMF.MOVE_ALL if move_all else turn.random.choice([MpolMF.MOVE, 0])
    addresses = [number * PAGE_SIZE + turn.random.choice([0, 0, 5]) for number in numbers]
    world.say(f"p{caller.pid}.move_pages({task.process.pid}, {count} pages, {query=}, {flags=})")
    pid = task.process.pid
    if not world.exact:
        pid = world.anybody(turn.random).pid
        weakly(world, lambda: caller.move_pages(pid, addresses, None if query else nodes, flags))
        return
    world.vm.lru_add_drain_all()
    entries = [(classify(world, task, number), node) for number, node in zip(numbers, nodes, strict=True)]
    mems, powerful = world.mems(task.process), caller.credentials.capable(CAP_SYS_NICE)
    if (move_all and not powerful) or not may(caller, task.process):
        expected = Expectation({}, EPERM)
    elif query:
        statuses = [page.node if isinstance(page, Found) else page for page, _ in entries]
        expected = Expectation({}, statuses=[frozenset({status}) for status in statuses])
    else:
        expected = moved(entries, Rules(NODES, mems, world.mems(caller), move_all))
    before, huge = dict(world.mapped(task)), world.has_huge(task)
    answers: list[int] = []

    def call() -> None:
        answers.extend(caller.move_pages(pid, addresses, None if query else nodes, flags))

    errno = errno_of(call)
    if not world.plenty or huge:
        assert errno in (0, expected.errno, ENOMEM)
        return
    assert errno == expected.errno, f"errno {errno}, not {expected.errno}"
    if not errno:
        for number, status, allowed in zip(numbers, answers, expected.statuses, strict=True):
            assert allowed is None or status in allowed, f"page {number:#x}: status {status}, not {allowed}"
            world.counts["statuses"] += 1
    check_nodes(world, task, before, expected)


def random_page(turn: Turn, task: Task) -> int:
    """A mapped page, mostly."""
    page = page_of(turn, task)
    if page is None or turn.chance(0.05):
        return turn.random.choice([0, 1, 0x10_0000_0000 // PAGE_SIZE + turn.random.randrange(400)])
    return page


def classify(world: World, task: Task, number: int) -> Found | int:
    """What the calls find at a page of a process: a page, or the -errno of the status."""
    slot, entry = task.slots.get(number), task.process.entry(number * PAGE_SIZE)
    if slot is None:
        return -EFAULT
    if entry is None:
        return -EFAULT if slot.store is None else -ENOENT
    if entry.kind == "page":
        return world.found(entry.pfn)
    return -EFAULT if entry.kind == "zero" else -ENOENT


# Cpusets and credentials


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
) -> list[tuple[Task, dict[int, object], Expectation]]:
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


def check_followed(world: World, followers: list[tuple[Task, dict[int, object], Expectation]]) -> None:
    """Pages of one task alone are where they should be; shared ones may have followed another, too."""
    if not world.plenty:
        return
    times: dict[int, int] = {}
    for _, before, _ in followers:
        for pfn in {getattr(entry, "pfn", -1) for entry in before.values()}:
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
    followers: list[tuple[Task, dict[int, object], Expectation]] = []
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
