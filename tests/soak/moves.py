"""migrate_pages and move_pages, checked against the model of `moving`."""

from errno import EFAULT, EINVAL, ENOENT, ENOMEM, EPERM

from soak.binding import errno_of, node_mask, weakly
from soak.memory import Task
from soak.moving import Expectation, Found, Rules, migrated, moved
from soak.using import page_of
from soak.world import NODES, Turn, World

from movable import CAP_SYS_NICE, PAGE_SIZE, Entry, MpolMF, Process


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


def check_nodes(world: World, task: Task, before: dict[int, Entry], expected: Expectation) -> None:
    """Every page is on the node where it should be."""
    for number, entry in before.items():
        pfn, node = entry.pfn, expected.nodes.get(entry.pfn)
        after = task.process.page(number * PAGE_SIZE)
        if entry.kind != "page" or node is None or after is None:
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
