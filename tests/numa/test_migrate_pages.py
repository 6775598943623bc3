"""migrate_pages(2): which nodes' pages go where, in which order (spec/migration.md 9.7)."""

from collections.abc import Iterator
from errno import EFAULT, EINVAL, ENOMEM, EPERM, ESRCH

import pytest
from numa.moving import (
    NODE_PAGES,
    drop_privileges,
    error_of,
    fill_node,
    machine,
    spread,
    unchanged,
    unprivileged,
    where,
)

from movable import BAD_POINTER, PAGE_SIZE, VM, Process

PAIRS = [
    ({0, 1, 2}, {1, 2, 3}, [(2, 3), (1, 2), (0, 1)]),
    ({2, 3, 4}, {3, 4, 5}, [(4, 5), (3, 4), (2, 3)]),
    ({1, 2, 3}, {0, 1, 2}, [(1, 0), (2, 1), (3, 2)]),
    ({0, 1}, {2, 3}, [(0, 2), (1, 3)]),
    ({0, 1, 2}, {0, 2, 3}, [(2, 3), (1, 2)]),
    (set(range(8)), {3, 4, 5}, [(7, 4), (6, 3), (2, 5), (1, 4), (0, 3)]),
    ({0, 1, 2, 3}, {2, 3}, [(1, 3), (0, 2)]),
    ({0, 1, 2, 3}, {4}, [(0, 4), (1, 4), (2, 4), (3, 4)]),
    ({0}, {1, 2}, [(0, 1)]),
    ({3, 4, 5}, set(range(8)), []),
    ({0, 1}, {1, 0}, []),
]


@pytest.fixture
def eight() -> Iterator[VM]:
    """Eight nodes of 4 MiB."""
    with VM(machine(8), debug=1) as vm:
        yield vm


@pytest.mark.parametrize(("old", "new", "pairs"), PAIRS, ids=str)
def test_pairs_of_nodes_and_their_order(
    eight: VM, old: set[int], new: set[int], pairs: list[tuple[int, int]]
) -> None:
    """Nodes are paired by rank, each pair is moved at once, and no page moves twice (9.7, facts 53, 54, 55)."""
    process = eight.process()
    addresses = spread(process, list(range(8)))
    with eight.steps() as log:
        assert process.migrate_pages(0, old, new) == 0
    moves = [(one.pfn, one.newpfn) for one in log if one.name == "A2"]
    assert [tuple(eight.page(pfn or 0).nid for pfn in move) for move in moves] == pairs
    assert where(process, addresses) == [dict(pairs).get(nid, nid) for nid in range(8)]
    unchanged(process, addresses)
    eight.recount()


def test_another_process_is_moved(vm: VM, process: Process) -> None:
    """A pid names another process, 0 the caller (9.7)."""
    mine, other = spread(process, [0]), vm.process()
    theirs = spread(other, [0, 0])
    assert process.migrate_pages(other.pid, {0}, {2}) == 0
    assert (where(process, mine), where(other, theirs)) == ([0], [2, 2])
    assert process.migrate_pages(0, {0}, {3}) == 0
    assert where(process, mine) == [3]


@pytest.mark.parametrize("privileged", [False, True])
def test_shared_pages_move_with_the_capability_only(vm: VM, privileged: bool) -> None:
    """A page of mapcount 2 stays without CAP_SYS_NICE and is not counted; with it, it moves (fact 56)."""
    process = vm.process() if privileged else unprivileged(vm)
    addresses = spread(process, [0, 0])
    process.fork()
    process.write(addresses[1], b"mine")
    vm.lru_add_drain_all()
    assert process.migrate_pages(0, {0}, {1}) == 0
    assert where(process, addresses) == [1 if privileged else 0, 1]


def test_a_pinned_page_is_counted(vm: VM, process: Process) -> None:
    """The answer is how many pages stayed behind; they are back on the LRU, the others have moved (fact 57)."""
    addresses = spread(process, [0, 0, 0])
    page = process.pin(addresses[1])
    assert process.migrate_pages(0, {0}, {1}) == 1
    assert where(process, addresses) == [1, 0, 1]
    assert vm.vmstat()["nr_isolated_anon"] == 0
    page.put()
    vm.lru_add_drain_all()
    assert process.migrate_pages(0, {0}, {1}) == 0


def test_a_full_node_ends_the_call(vm: VM, process: Process) -> None:
    """ENOMEM where a target node has no room; earlier pairs stay moved, nothing is lost (fact 58)."""
    addresses = spread(process, [0] * 4 + [1] * 4)
    fill_node(vm, 3, leave=1)
    assert error_of(lambda: process.migrate_pages(0, {0, 1}, {2, 3})) == ENOMEM
    assert where(process, addresses[:4]) == [2] * 4
    assert sorted(where(process, addresses[4:])) == [1, 1, 1, 3]
    unchanged(process, addresses)
    assert vm.vmstat()["nr_isolated_anon"] == 0


def test_absent_nodes(process: Process) -> None:
    """A new mask with an absent node beside a present one is EINVAL; an empty new mask moves nothing (fact 80)."""
    addresses = spread(process, [0, 1])
    assert error_of(lambda: process.migrate_pages(0, {0}, {1, 9})) == EINVAL
    assert error_of(lambda: process.migrate_pages(0, {0}, {70})) == EINVAL
    assert process.migrate_pages(0, {0}, set()) == 0
    assert process.migrate_pages(0, {0}, None) == 0
    assert process.migrate_pages(0, set(), {1}) == 0
    assert where(process, addresses) == [0, 1]


@pytest.mark.parametrize("absent", [9, 70, 1000])
def test_absent_old_nodes_count_in_the_size_of_the_mask(process: Process, absent: int) -> None:
    """Old nodes that are absent are fine, and one makes the sets unequal: nodes in both stay (9.7)."""
    addresses = spread(process, [0, 1])
    assert process.migrate_pages(0, {0, 1}, {1, 2}) == 0
    assert where(process, addresses) == [1, 2]
    again = spread(process, [0, 1])
    assert process.migrate_pages(0, {0, 1, absent}, {1, 2}) == 0
    assert where(process, again) == [1, 1]


def test_bad_masks_come_first(vm: VM, process: Process) -> None:
    """A mask that cannot be read, or is too long, fails before the process is looked for (9.7 row 1)."""
    assert error_of(lambda: process.migrate_pages(99, BAD_POINTER, {0})) == EFAULT
    assert error_of(lambda: process.migrate_pages(99, {0}, BAD_POINTER)) == EFAULT
    assert error_of(lambda: process.migrate_pages(99, {0}, {0}, maxnode=0)) == EINVAL
    assert error_of(lambda: process.migrate_pages(99, {0}, {0}, maxnode=1 << 20)) == EINVAL
    assert error_of(lambda: process.migrate_pages(99, {0}, {1024}, maxnode=2000)) == EINVAL


@pytest.mark.parametrize("pid", [99, -1, 1 << 40])
def test_an_unknown_process(process: Process, pid: int) -> None:
    """ESRCH, also where the masks would be refused (9.7 row 2)."""
    assert error_of(lambda: process.migrate_pages(pid, {0}, {9})) == ESRCH


def test_another_users_process(vm: VM, process: Process) -> None:
    """EPERM without CAP_SYS_NICE, before the nodes are looked at; one's own is allowed (9.7 row 3)."""
    user = unprivileged(vm)
    assert error_of(lambda: user.migrate_pages(process.pid, {0}, {9})) == EPERM
    assert user.migrate_pages(unprivileged(vm).pid, {0}, {1}) == 0
    drop_privileges(process)
    assert user.migrate_pages(process.pid, {0}, {1}) == 0


def test_processes_without_memory(vm: VM, process: Process) -> None:
    """A kernel thread and a zombie are EINVAL, after the nodes are checked; once reaped, ESRCH (row 7)."""
    thread, zombie = vm.kernel_thread(), vm.process()
    zombie.mmap(PAGE_SIZE)
    zombie.exit(reap=False)
    for pid in (thread.pid, zombie.pid):
        assert error_of(lambda pid=pid: process.migrate_pages(pid, {0}, {1})) == EINVAL  # type: ignore[misc]
    zombie.reap()
    assert error_of(lambda: process.migrate_pages(zombie.pid, {0}, {1})) == ESRCH
    assert vm.processes == (process,)


def test_file_pages_and_locked_pages_move(vm: VM, process: Process) -> None:
    """Mapped pages of files, of shared anonymous memory and of locked areas go along; the zero page cannot."""
    file = vm.file("data", PAGE_SIZE)
    mapped = [
        process.mmap(PAGE_SIZE, file=file, shared=True),
        process.mmap(PAGE_SIZE, shared=True),
        process.mmap(PAGE_SIZE, locked=True),
    ]
    for address in mapped:
        process.write(address, b"%x" % address)
    zero = process.mmap(PAGE_SIZE)
    process.read(zero, 1)
    assert process.migrate_pages(0, {0}, {3}) == 0
    assert [page.nid for page in process.pages().values()] == [3, 3, 3]
    assert all(process.read(address, 12) == b"%x" % address for address in mapped)
    entry = process.entry(zero)
    assert entry is not None
    assert entry.kind == "zero"


def test_a_large_process_moves_whole(vm: VM, process: Process) -> None:
    """Every page of a process moves and keeps its contents, more than any chunk or vector holds."""
    addresses = spread(process, [1] * (NODE_PAGES // 2))
    assert process.migrate_pages(0, {1}, {2}) == 0
    assert set(where(process, addresses)) == {2}
    unchanged(process, addresses)
