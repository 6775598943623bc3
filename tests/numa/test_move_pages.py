"""move_pages(2): a status for each page, chunks, and what ends the call (spec/migration.md 9.8)."""

from array import array
from collections.abc import Callable
from errno import EACCES, EAGAIN, EBUSY, EFAULT, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, EPERM, ESRCH

import pytest
from numa.moving import drop_privileges, error_of, fill_node, spread, unchanged, unprivileged, where

from movable import BAD_POINTER, PAGE_SIZE, VM, LruList, MigrateMethod, MpolMF, Process, Prot, SystemCallError

UNTOUCHED = 777


def statuses(count: int) -> "array[int]":
    """A status array in which no status has been written."""
    return array("i", [UNTOUCHED] * count)


def test_pages_move_each_to_its_node(vm: VM, process: Process) -> None:
    """Every page goes to its own node and says so; contents go along (9.8)."""
    addresses = spread(process, [0, 0, 0, 0])
    assert process.move_pages(0, addresses, [3, 2, 1, 0]) == [3, 2, 1, 0]
    assert where(process, addresses) == [3, 2, 1, 0]
    unchanged(process, addresses)
    assert vm.vmstat()["nr_isolated_anon"] == 0


def test_a_query_moves_nothing(vm: VM, process: Process) -> None:
    """Without nodes the call says where pages are; unaligned addresses are fine (9.8, fact 63)."""
    addresses = spread(process, [2, 0, 1])
    moved = vm.vmstat()["pgmigrate_success"]
    assert process.move_pages(0, [address + 123 for address in addresses]) == [2, 0, 1]
    assert process.move_pages(0, addresses, None, 0) == [2, 0, 1]
    assert process.move_pages(0, []) == process.move_pages(0, [], []) == []
    assert vm.vmstat()["pgmigrate_success"] == moved


# What the status of one page says


def shared(process: Process) -> int:
    """A page that a child maps too."""
    (address,) = spread(process, [0])
    process.fork()
    return address


def shared_in_one_process(process: Process) -> int:
    """A page of a file that the process maps twice."""
    file = process.vm.file("data", PAGE_SIZE)
    address = process.mmap(PAGE_SIZE, file=file, shared=True)
    process.touch(address)
    process.touch(process.mmap(PAGE_SIZE, file=file, shared=True))
    return address


def untouched(process: Process) -> int:
    """Private anonymous memory that was never touched."""
    return process.mmap(PAGE_SIZE)


def zero_page(process: Process) -> int:
    """Private anonymous memory that was only read."""
    address = process.mmap(PAGE_SIZE)
    process.read(address, 1)
    return address


def untouched_file(process: Process) -> int:
    """A mapped page of a file that nobody touched."""
    return process.mmap(PAGE_SIZE, file=process.vm.file("data", PAGE_SIZE))


def untouched_shared_memory(process: Process) -> int:
    """Shared anonymous memory that was never touched."""
    return process.mmap(PAGE_SIZE, shared=True)


def swapped_out(process: Process) -> int:
    """A page in swap space."""
    process.vm.swapon(16)
    (address,) = spread(process, [0])
    process.vm.lru_add_drain_all()
    page = process.page(address)
    assert page is not None
    while (entry := process.entry(address)) is None or entry.kind != "swap":
        assert process.vm.reclaim(32, 0) >= 0
    return address


def unmapped(process: Process) -> int:
    """An address where nothing is mapped any more."""
    _, address, _ = spread(process, [0, 0, 0])
    process.munmap(address, PAGE_SIZE)
    return address


def pinned(process: Process) -> int:
    """A page with a reference that nobody gives back."""
    (address,) = spread(process, [0])
    process.pin(address)
    return address


def isolated(process: Process) -> int:
    """A page that somebody else has just taken off the LRU."""
    (address,) = spread(process, [0])
    page = process.page(address)
    assert page is not None
    assert process.vm.lru.isolate(page) == 0
    return address


def failing_writeout(process: Process) -> int:
    """A dirty page of a file whose filesystem cannot move it, and cannot write it."""
    file = process.vm.file("data", PAGE_SIZE, migratepage=MigrateMethod.NONE, writepage_error=-EIO)
    return dirty_page(process, file)


def no_writeout(process: Process) -> int:
    """The same, of one that never writes."""
    return dirty_page(
        process, process.vm.file("data", PAGE_SIZE, migratepage=MigrateMethod.NONE, writepage=False)
    )


def dirty_page(process: Process, file: object) -> int:
    """A dirty mapped page of the file."""
    address = process.mmap(PAGE_SIZE, file=file, shared=True)  # type: ignore[arg-type]
    process.write(address, b"dirty")
    return address


STATUSES = [
    (shared, 0, -EACCES),
    (shared_in_one_process, 0, -EACCES),
    (untouched, -EFAULT, -EFAULT),
    (zero_page, -EFAULT, -EFAULT),
    (untouched_file, -ENOENT, -ENOENT),
    (untouched_shared_memory, -ENOENT, -ENOENT),
    (swapped_out, -ENOENT, -ENOENT),
    (unmapped, -EFAULT, -EFAULT),
    (pinned, 0, -EAGAIN),
    (isolated, 0, -EBUSY),
    (failing_writeout, 0, -EIO),
    (no_writeout, 0, -EINVAL),
]


@pytest.mark.parametrize(
    ("make", "query", "move"), STATUSES, ids=lambda each: getattr(each, "__name__", None)
)
def test_the_status_of_a_page(
    vm: VM, process: Process, make: Callable[[Process], int], query: int, move: int
) -> None:
    """Each state has its status; the call answers 0 all the same and other pages move (9.8, fact 62)."""
    address = make(process)
    vm.lru_add_drain_all()
    before, after = spread(process, [0, 0])
    assert process.move_pages(0, [address]) == [query]
    assert process.move_pages(0, [before, address, after], [1, 1, 1]) == [1, move, 1]
    assert where(process, [before, address, after]) == [1, query, 1]


@pytest.mark.parametrize("make", [shared, shared_in_one_process])
def test_move_all_takes_shared_pages(vm: VM, process: Process, make: Callable[[Process], int]) -> None:
    """With MOVE_ALL and the capability a shared page moves for all who map it (9.8)."""
    address = make(process)
    vm.lru_add_drain_all()
    assert process.move_pages(0, [address], [2], MpolMF.MOVE | MpolMF.MOVE_ALL) == [2]
    assert {each.nid for one in vm.processes for each in one.pages().values()} == {2}


def test_a_page_that_is_there_already(vm: VM, process: Process) -> None:
    """It reports its node without having moved, even if it is shared or pinned (9.8, fact 62)."""
    addresses = spread(process, [1, 1, 1])
    process.pin(addresses[0])
    process.fork()
    moved = vm.vmstat()["pgmigrate_success"]
    assert process.move_pages(0, addresses, [1, 1, 1]) == [1, 1, 1]
    assert vm.vmstat()["pgmigrate_success"] == moved


def test_the_first_mention_decides(process: Process) -> None:
    """A page named twice in one chunk goes where the first mention says; the second is -EBUSY (9.8, fact 62)."""
    first, second = spread(process, [0, 0])
    assert process.move_pages(0, [first, second, first], [1, 2, 3]) == [1, 2, -EBUSY]
    assert where(process, [first, second]) == [1, 2]


def test_a_first_mention_that_need_not_move(process: Process) -> None:
    """Where an earlier entry found the page on its node, that one gets target and result; the later reads 0 (9.8)."""
    (address,) = spread(process, [1])
    page = process.page(address)
    assert process.move_pages(0, [address, address], [1, 2]) == [1, 0]
    assert where(process, [address]) == [1]
    assert process.page(address) is not page


@pytest.mark.parametrize("home", [0, 1])
def test_a_first_mention_counts_behind_others_too(process: Process, home: int) -> None:
    """The search begins at the start of the chunk, whatever page has been asked for before (9.8)."""
    first, other = spread(process, [home, home])
    away = 1 - home
    assert process.move_pages(0, [first, other, first], [home, away, away]) == [home, away, 0]
    assert where(process, [first, other]) == [home, away]


def test_protected_memory_is_found_and_moved(process: Process) -> None:
    """A page of a PROT_NONE mapping is moved like any other (9.8, fact 79)."""
    (address,) = spread(process, [0])
    process.mprotect(address, PAGE_SIZE, Prot.NONE)
    assert process.move_pages(0, [address]) == [0]
    assert process.move_pages(0, [address], [2]) == [2]
    process.mprotect(address, PAGE_SIZE, Prot.READ)
    assert process.read(address, 6) == b"page 0"


def test_pages_of_files_move(vm: VM, process: Process) -> None:
    """Pages of files and of shared memory, cached pages mapped by one process, and private copies move (9.8)."""
    file, tmpfs = vm.file("data", PAGE_SIZE), vm.file("tmp", PAGE_SIZE, tmpfs=True)
    addresses = [
        process.mmap(PAGE_SIZE, file=file, shared=True),
        process.mmap(PAGE_SIZE, file=tmpfs, shared=True),
        process.mmap(PAGE_SIZE, shared=True),
        process.mmap(PAGE_SIZE, file=vm.file("other", PAGE_SIZE)),
    ]
    for address in addresses:
        process.write(address, b"%x" % address)
    assert process.move_pages(0, addresses, [1, 2, 3, 1]) == [1, 2, 3, 1]
    assert all(process.read(address, 12) == b"%x" % address for address in addresses)
    assert file.read(0, 12) == b"%x" % addresses[0]


def test_a_locked_page_moves_and_stays_locked(vm: VM, process: Process) -> None:
    """A page of a locked area moves, to the unevictable list of the new node (9.8, 7.3)."""
    address = process.mmap(PAGE_SIZE, locked=True)
    assert process.move_pages(0, [address], [3]) == [3]
    assert vm.lru.pages(3, LruList.UNEVICTABLE) == (process.page(address),)


# Chunks


def test_a_bad_node_ends_the_call_at_its_chunk(process: Process) -> None:
    """170 pages, the last with a bad node: 169 moved and reported, the last untouched, ENODEV (9.8, fact 61)."""
    addresses, status = spread(process, [0] * 170), statuses(170)
    bad = [1] * 169 + [9]
    assert error_of(lambda: process.move_pages(0, addresses, bad, status=status)) == ENODEV
    assert list(status) == [1] * 169 + [UNTOUCHED]
    assert where(process, addresses) == [1] * 169 + [0]


def test_a_bad_node_leaves_its_chunk_alone(process: Process) -> None:
    """In a chunk of 169 all entries are checked first: nothing of it is moved or reported (9.8, fact 60)."""
    addresses, status = spread(process, [0] * 169), statuses(169)
    assert error_of(lambda: process.move_pages(0, addresses, [1] * 168 + [-1], status=status)) == ENODEV
    assert set(status) == {UNTOUCHED}
    assert set(where(process, addresses)) == {0}


def test_a_page_of_an_earlier_chunk_waits_in_a_vector(process: Process) -> None:
    """The drain is done once: a page that an earlier chunk has moved last is -EBUSY in a later one (9.8, N35)."""
    addresses = spread(process, [0] * 169)
    answer = process.move_pages(0, [*addresses, addresses[-1]], [1] * 169 + [2])
    assert answer == [1] * 169 + [-EBUSY]


def test_a_full_node(vm: VM, process: Process) -> None:
    """ENOMEM: no status of the chunk, pages that had moved stay moved, nothing is lost (9.8)."""
    addresses, status = spread(process, [0] * 180), statuses(180)
    fill_node(vm, 3, leave=174)
    assert error_of(lambda: process.move_pages(0, addresses, [3] * 180, status=status)) == ENOMEM
    assert list(status) == [3] * 169 + [UNTOUCHED] * 11
    nodes = where(process, addresses)
    assert set(nodes[:169]) == {3}
    assert 0 < nodes[169:].count(3) < 11
    unchanged(process, addresses)
    assert vm.vmstat()["nr_isolated_anon"] == 0


def test_no_memory_for_the_work(vm: VM, process: Process) -> None:
    """ENOMEM before anything else where no page is left to keep a chunk in (9.8 row 10)."""
    addresses = spread(process, [0])
    for nid in (0, 1, 2, 3):
        fill_node(vm, nid)
    assert error_of(lambda: process.move_pages(0, addresses, [9])) == ENOMEM
    assert process.move_pages(0, addresses) == [0]


# Whole calls that fail


@pytest.mark.parametrize("flags", [MpolMF.STRICT, MpolMF.STRICT | MpolMF.MOVE, MpolMF.LAZY, 16, -1])
def test_unknown_flags(process: Process, flags: int) -> None:
    """EINVAL, before the process is looked for; a query is no exception (9.8 row 1)."""
    for nodes in (None, [0]):
        assert error_of(lambda nodes=nodes: process.move_pages(99, [0], nodes, flags)) == EINVAL  # type: ignore[misc]


def test_no_flag_is_like_move(process: Process) -> None:
    """flags 0 moves (9.8 row 1)."""
    addresses = spread(process, [0])
    assert process.move_pages(0, addresses, [2], 0) == [2]


def test_move_all_takes_the_capability(vm: VM) -> None:
    """EPERM without CAP_SYS_NICE, before the process is looked for, also for a query (9.8 row 2, fact 63)."""
    user = unprivileged(vm)
    for nodes in (None, [0]):
        answer = error_of(lambda nodes=nodes: user.move_pages(99, [0], nodes, MpolMF.MOVE_ALL))  # type: ignore[misc]
        assert answer == EPERM


@pytest.mark.parametrize("pid", [99, -1, 1 << 40])
def test_an_unknown_process(process: Process, pid: int) -> None:
    """ESRCH (9.8 row 3)."""
    assert error_of(lambda: process.move_pages(pid, BAD_POINTER, [9])) == ESRCH


def test_another_users_process(vm: VM, process: Process) -> None:
    """EPERM by the rule of migrate_pages, for moves and queries alike (9.8 row 4)."""
    user, addresses = unprivileged(vm), spread(process, [0])
    for nodes in (None, [9]):
        assert error_of(lambda nodes=nodes: user.move_pages(process.pid, addresses, nodes)) == EPERM  # type: ignore[misc]
    drop_privileges(process)
    assert user.move_pages(process.pid, addresses, [1]) == [1]


def test_processes_without_memory(vm: VM, process: Process) -> None:
    """A kernel thread, a zombie and a kernel thread as caller: EINVAL, before the arrays are looked at (row 6)."""
    thread, zombie = vm.kernel_thread(), vm.process()
    zombie.exit(reap=False)
    for pid in (thread.pid, zombie.pid):
        for nodes in (None, [9]):
            call = lambda pid=pid, nodes=nodes: process.move_pages(pid, BAD_POINTER, nodes)  # noqa: E731
            assert error_of(call) == EINVAL
    assert error_of(lambda: thread.move_pages(0, [0])) == EINVAL
    zombie.reap()
    assert error_of(lambda: process.move_pages(zombie.pid, [0])) == ESRCH


@pytest.mark.parametrize("node", [-1, -2, 4, 127, 1023, 1024, 2**31 - 1, -(2**31)])
def test_nodes_that_do_not_exist(process: Process, node: int) -> None:
    """ENODEV, and nothing moves (9.8 row 8, fact 60)."""
    addresses = spread(process, [0, 0])
    assert error_of(lambda: process.move_pages(0, addresses, [1, node])) == ENODEV
    assert where(process, addresses) == [0, 0]


def test_arrays_that_cannot_be_read(process: Process) -> None:
    """EFAULT for addresses or nodes at a bad pointer; nothing moves (9.8 row 7)."""
    addresses, status = spread(process, [0]), statuses(1)
    assert error_of(lambda: process.move_pages(0, BAD_POINTER, status=status)) == EFAULT
    assert error_of(lambda: process.move_pages(0, BAD_POINTER, [1], status=status)) == EFAULT
    assert error_of(lambda: process.move_pages(0, addresses, BAD_POINTER, status=status)) == EFAULT
    assert (list(status), where(process, addresses)) == ([UNTOUCHED], [0])


def test_statuses_that_cannot_be_written(process: Process) -> None:
    """EFAULT comes after the pages of the chunk have moved; the next chunk stays (9.8)."""
    addresses = spread(process, [0] * 170)
    assert error_of(lambda: process.move_pages(0, addresses, [1] * 170, status=BAD_POINTER)) == EFAULT
    assert where(process, addresses) == [1] * 169 + [0]
    assert error_of(lambda: process.move_pages(0, addresses, status=BAD_POINTER)) == EFAULT


def test_entries_are_checked_one_after_the_other(process: Process) -> None:
    """With more entries than memory has, the first thing wrong in their order decides (9.8 step 1)."""
    (address,) = spread(process, [0])
    assert error_of(lambda: process.move_pages(0, [address], [-1], count=1 << 40)) == ENODEV
    assert error_of(lambda: process.move_pages(0, [address], [1], count=2)) == EFAULT
    assert error_of(lambda: process.move_pages(0, [address], [1, -1], count=-1)) == EFAULT
    assert where(process, [address]) == [0]


def test_a_query_goes_in_chunks_of_16(process: Process) -> None:
    """Where the arrays end after 20 entries of 32, the first 16 have been told (9.8)."""
    addresses, status = spread(process, [2] * 20), statuses(32)
    assert error_of(lambda: process.move_pages(0, addresses, status=status, count=32)) == EFAULT
    assert list(status) == [2] * 16 + [UNTOUCHED] * 16


def test_a_failed_move_reports_by_exception(process: Process) -> None:
    """SystemCallError says which call failed and why, as the kernel's errno."""
    with pytest.raises(
        SystemCallError, match=r"move_pages: a node does not exist or has no memory \[ENODEV\]"
    ):
        process.move_pages(0, [0], [99])
