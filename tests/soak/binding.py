"""set_mempolicy, get_mempolicy and mbind, checked against the model of `policies`."""

from collections.abc import Callable
from errno import EACCES, EFAULT, EINVAL, EIO, ENODEV, ENOMEM, EPERM, ESRCH

from attrs import evolve
from soak.memory import Slot, Task
from soak.moving import Found
from soak.placing import target_of
from soak.policies import RELATIVE, STATIC, Nodes, PolicyModel, RefusedError, create
from soak.using import extent, page_of
from soak.world import NODES, Turn, World

from movable import CAP_SYS_NICE, PAGE_SIZE, Mpol, MpolF, MpolMF, SystemCallError

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
    if (mode & STATIC and mode & RELATIVE) or mode & ~(STATIC | RELATIVE) > Mpol.LOCAL:
        raise RefusedError(EINVAL)


def errno_of(call: Callable[[], object]) -> int:
    """The errno of a call, 0 if it succeeds."""
    try:
        call()
    except SystemCallError as error:
        return error.errno or -1
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
            assert after is not None
            assert after.pfn == pfn
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


def weakly(world: World, call: Callable[[], object]) -> None:
    """A call beside others: it may fail in all ways that somebody else may be the reason of."""
    errno = errno_of(call)
    assert errno in (0, EPERM, EINVAL, ENOMEM, EACCES, ENODEV, EFAULT, EIO, ESRCH), f"errno {errno}"
    world.count("calls beside others")
