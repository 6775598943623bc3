"""Pages of processes and files in memory that goes offline: spec/compaction.md 8.3."""

from collections.abc import Callable
from errno import EAGAIN, EBUSY, ENOMEM

import pytest
from contig.kit import (
    BLOCK,
    MAX,
    START,
    file_at,
    frames,
    intact,
    nodes,
    pages_at,
    process_at,
    readable,
    small,
    used_at,
)
from contig.test_lru_pages import AT, MOVED
from migration.kit import Recorder
from process.kit import cached, isolated_pages

from movable import PAGE_SIZE, VM, LruList, MigrateMethod, MigrateType, PageFlag


@pytest.mark.parametrize("make", MOVED)
def test_lru_pages_leave_memory_that_goes_offline(make: Callable[[VM], Callable[[int], bytes]]) -> None:
    """They are isolated and moved, in 4.9 already, with their contents (8.3)."""
    vm = small(cpus=2)
    read = make(vm)
    result = vm.offline_pages(START, BLOCK)
    assert (result.ret, result.migrated, result.failed, result.busy) == (0, 3, 0, None)
    assert intact(read, 3)
    assert isolated_pages(vm) == 0
    vm.lru_add_drain_all()
    vm.recount()
    vm.online_pages(START, BLOCK)
    assert intact(read, 3)


def test_clean_file_pages_move_too() -> None:
    """Only a contiguous range drops them; here they are moved (8.3)."""
    vm = small()
    file = file_at(vm, AT, clean=True)
    result = vm.offline_pages(START, BLOCK)
    assert (result.ret, result.migrated, result.reclaimed) == (0, 3, 0)
    assert min(frames(file.pages().values())) >= START + BLOCK
    assert intact(lambda at: file.read(at, 8), 3)


def test_256_lru_pages_a_pass() -> None:
    """A pass isolates 256 pages, then moves them (8.3)."""
    vm = small()
    process, address = process_at(vm, range(START, START + 300))
    with vm.steps(20_000) as log:
        result = vm.offline_pages(START, BLOCK)
    assert (result.ret, result.migrated, result.passes) == (0, 300, 2)
    runs = "".join("I" if step.name == "A1" else "m" for step in log if step.name in ("A1", "A3"))
    assert runs == "I" * 256 + "m" * 256 + "I" * 44 + "m" * 44
    assert intact(lambda at: process.read(address + at, 8), 300)


@pytest.mark.parametrize("nid", [0, 1, 2])
def test_pages_go_to_another_node(nid: int) -> None:
    """A process's pages go to the next node, with the counters of their nodes (8.3, spec/migration.md 3.6, 2.1)."""
    vm = nodes(3)
    start = START + nid * 2 * MAX
    process, address = process_at(vm, [start + 3])
    dirty = file_at(vm, [start + 5])
    assert vm.offline_pages(start, BLOCK).ret == 0
    assert {page.nid for page in process.pages().values()} == {cached(dirty).nid} == {(nid + 1) % 3}
    assert intact(lambda at: process.read(address + at, 8))
    assert intact(lambda at: dirty.read(at, 8))


def test_a_whole_node_with_processes_on_it() -> None:
    """All that processes and files have on a node ends on the other one, where they go on; it may come back (8.3)."""
    vm = nodes(2, MAX)
    process, address = process_at(vm, range(START, START + 200))
    process.mlock(address, 50 * PAGE_SIZE)
    child = process.fork()
    shared, memory = process_at(vm, range(START + 200, START + 250), shared=True)
    file = file_at(vm, range(START + 250, START + 300))
    result = vm.offline_pages(START, MAX)
    assert (result.ret, result.migrated) == (0, 300)
    vm.lru_add_drain_all()
    assert not any(vm.lru.pages(0, lru) for lru in LruList)
    assert vm.zones[0].managed == 0
    for number in range(200, 260):
        extra = child.mmap(PAGE_SIZE)
        child.write(extra, b"page %d" % number)
        assert [page.nid for page in child.pages(extra, PAGE_SIZE).values()] == [1]
    assert intact(lambda at: process.read(address + at, 8), 200)
    assert intact(lambda at: child.read(address + at, 8), 200)
    assert intact(lambda at: shared.read(memory + at, 8), 50)
    assert intact(lambda at: file.read(at, 8), 50)
    vm.recount()
    vm.online_pages(START, MAX)
    vm.offline_pages(START + MAX, MAX)
    assert {page.nid for each in (process, child, shared) for page in each.pages().values()} == {0}
    assert intact(lambda at: child.read(address + at, 8), 200)
    for each in (process, child, shared):
        each.exit()
    file.close()
    vm.lru_add_drain_all()
    assert vm.zones[0].free_pages == MAX


def test_drivers_pages_beside_them() -> None:
    """In 4.9 a driver's page beside a process's makes each pass -EBUSY; later both move (8.3, D18)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 9])
    process, address = process_at(vm, AT)
    result = vm.offline_pages(START, BLOCK)
    assert (result.ret, result.passes, result.busy, result.migrated) == (-EBUSY, 5, START + 9, 0)
    assert frames(process.pages().values()) == list(AT)
    assert isolated_pages(vm) == 0
    result = vm.offline_pages(START, BLOCK, non_lru=True)
    assert (result.ret, result.migrated, result.passes) == (0, 4, 1)
    assert readable(driver)
    assert intact(lambda at: process.read(address + at, 8), 3)


def test_a_pinned_page_is_tried_without_end() -> None:
    """Some pages did not move: a pass more, until the time is over; all others are gone by then (8.3)."""
    vm = small()
    process, address = process_at(vm, AT)
    page = process.pin(address + PAGE_SIZE)
    result = vm.offline_pages(START, BLOCK, max_passes=9)
    assert (result.ret, result.passes, result.busy) == (-EAGAIN, 9, page.pfn)
    assert (result.migrated, result.failed) == (2, 9)
    assert page.pfn == START + 4
    assert intact(lambda at: process.read(address + at, 8), 3)
    page.put()
    assert vm.offline_pages(START, BLOCK).ret == 0
    assert intact(lambda at: process.read(address + at, 8), 3)


def test_a_dirty_page_that_cannot_be_written() -> None:
    """-EINVAL for one page is one more that did not move: tried without end (8.3, spec/migration.md 5.4)."""
    vm = small()
    file = file_at(vm, AT, migratepage=MigrateMethod.NONE, writepage=False)
    result = vm.offline_pages(START, BLOCK, max_passes=3)
    assert (result.ret, result.passes, result.migrated, result.failed) == (-EAGAIN, 3, 0, 9)
    assert frames(file.pages().values()) == list(AT)
    file.writepage = True
    assert vm.offline_pages(START, BLOCK).ret == 0
    assert intact(lambda at: file.read(at, 8), 3)


def test_a_kernel_page_beside_them() -> None:
    """A page in use that is on no LRU makes the pass -EBUSY: those isolated before are back on theirs (8.3)."""
    vm = small()
    process, address = process_at(vm, AT)
    (wall,) = used_at(vm, [START + 50])
    result = vm.offline_pages(START, BLOCK)
    assert (result.ret, result.passes, result.busy, result.migrated) == (-EBUSY, 5, wall.pfn, 0)
    vm.lru_add_drain_all()
    assert all(page.flags & PageFlag.LRU for page in process.pages().values())
    assert frames(process.pages().values()) == list(AT)
    assert intact(lambda at: process.read(address + at, 8), 3)


def test_lru_pages_do_not_make_a_block_unmovable() -> None:
    """A block that is not MOVABLE is isolated all the same if what it holds is on the LRU (8.1, 8.3)."""
    vm = small()
    process, address = process_at(vm, AT)
    vm.set_pageblock_migratetype(START, MigrateType.UNMOVABLE)
    assert vm.offline_pages(START, BLOCK).ret == 0
    assert intact(lambda at: process.read(address + at, 8), 3)


def test_no_room_for_them() -> None:
    """Without targets five passes end with -ENOMEM, and everything is put back (8.3)."""
    vm = small(2 * BLOCK)
    process, address = process_at(vm, AT)
    held = used_at(vm, range(START + BLOCK, START + 2 * BLOCK))
    result = vm.offline_pages(START, BLOCK)
    assert (result.ret, result.passes, result.migrated) == (-ENOMEM, 5, 0)
    assert frames(process.pages().values()) == list(AT)
    assert intact(lambda at: process.read(address + at, 8), 3)
    for page in held:
        page.put()
    assert vm.offline_pages(START, BLOCK).ret == 0
