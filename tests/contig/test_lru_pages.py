"""Pages of processes and files in a contiguous range: spec/compaction.md 8.2."""

from collections.abc import Callable
from errno import EBUSY

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
    touched_at,
)
from migration.kit import Recorder
from process.kit import cached, isolated_pages, page_at

from movable import PAGE_SIZE, VM, MigrateMethod, MigrateType, PageFlag

AT = (START + 3, START + 4, START + 90)
"""Where the pages lie; contiguous ranges begin at START."""


def anonymous(vm: VM) -> Callable[[int], bytes]:
    """A process's own pages."""
    process, address = process_at(vm, AT)
    return lambda at: process.read(address + at, 8)


def forked(vm: VM) -> Callable[[int], bytes]:
    """The same, mapped by two children more."""
    process, address = process_at(vm, AT)
    child = process.fork().fork()
    return lambda at: process.read(address + at, 8) if child.read(address + at, 8)[:4] == b"page" else b""


def locked(vm: VM) -> Callable[[int], bytes]:
    """Pages that are mlocked."""
    process, address = process_at(vm, AT)
    process.mlock(address, len(AT) * PAGE_SIZE)
    return lambda at: process.read(address + at, 8)


def shared(vm: VM) -> Callable[[int], bytes]:
    """Shared anonymous memory."""
    process, address = process_at(vm, AT, shared=True)
    return lambda at: process.read(address + at, 8)


def swap_cache(vm: VM) -> Callable[[int], bytes]:
    """Pages with a place in swap space."""
    vm.swapon(64)
    process, address = process_at(vm, AT)
    child = process.fork()
    assert vm.reclaim(3) == 3
    # Read back while the slots are wanted by the other one, too.
    touched_at(vm, AT, lambda number: process.touch(address + number * PAGE_SIZE, write=False))
    assert {page.flags & PageFlag.SWAPCACHE for page in process.pages().values()} == {PageFlag.SWAPCACHE}
    return lambda at: process.read(address + at, 8) if child.read(address + at, 8)[:4] == b"page" else b""


def dirty(vm: VM) -> Callable[[int], bytes]:
    """Dirty pages of a file that can be moved as they are."""
    file = file_at(vm, AT)
    return lambda at: file.read(at, 8)


def written_out(vm: VM) -> Callable[[int], bytes]:
    """Dirty pages of a file without migratepage: they are written first (spec/migration.md 5.4)."""
    file = file_at(vm, AT, migratepage=MigrateMethod.NONE)
    return lambda at: file.read(at, 8) if file.stored(at, 4) == b"page" else b""


def buffers(vm: VM) -> Callable[[int], bytes]:
    """Dirty pages with buffers."""
    file = file_at(vm, AT, migratepage=MigrateMethod.BUFFER_MIGRATE_PAGE)
    return lambda at: file.read(at, 8) if cached(file).flags & PageFlag.PRIVATE else b""


def writeback(vm: VM) -> Callable[[int], bytes]:
    """Dirty pages that a device is just writing: waited for, as in MIGRATE_SYNC (spec/migration.md 4.3)."""
    file = file_at(vm, AT)
    for index in range(len(AT)):
        file.start_writeback(index)
    return lambda at: file.read(at, 8)


def in_a_vector(vm: VM) -> Callable[[int], bytes]:
    """Pages that wait in a vector still: all CPUs' are drained first."""
    read = anonymous(vm)
    process = vm.processes[0]
    listed = vm.page_list("elsewhere")
    vm.cpu = 1
    process.isolate(listed)
    vm.putback_movable_pages(listed)
    vm.cpu = 0
    assert not any(page.flags & PageFlag.LRU for page in process.pages().values())
    return read


MOVED = (
    anonymous,
    forked,
    locked,
    shared,
    swap_cache,
    dirty,
    written_out,
    buffers,
    writeback,
    in_a_vector,
)


@pytest.mark.parametrize("make", MOVED)
def test_lru_pages_in_the_way_are_moved(make: Callable[[VM], Callable[[int], bytes]]) -> None:
    """Each page leaves the range with its contents, and the range belongs to the caller (8.2 step 2, 4.5)."""
    vm = small(cpus=2)
    read = make(vm)
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.migrated, result.failed, result.reclaimed) == (0, 3, 0, 0)
    assert {vm.page(pfn).refcount for pfn in range(START, START + 200)} == {1}
    assert intact(read, 3)
    assert isolated_pages(vm) == 0
    vm.lru_add_drain_all()
    vm.recount()
    assert vm.free_contig_range(START, 200) == 0


def test_clean_file_pages_are_dropped() -> None:
    """They are freed instead of moved, and read from the store when they are wanted again (8.2 step 2)."""
    vm = small()
    file = file_at(vm, AT, clean=True)
    before = vm.vmstat()
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.migrated, result.reclaimed) == (0, 0, 3)
    assert file.pages() == {}
    after = vm.vmstat()
    assert after["pgmigrate_success"] == before["pgmigrate_success"]
    assert (isolated_pages(vm), after["nr_file_pages"]) == (0, 0)
    assert intact(lambda at: file.read(at, 8), 3)


def test_mapped_clean_pages_are_unmapped_first() -> None:
    """A page that a process maps and uses is unmapped and dropped; the next access faults it in (8.2 step 2)."""
    vm = small()
    file = file_at(vm, AT, clean=True)
    process = vm.process()
    address = process.mmap(3 * PAGE_SIZE, shared=True, file=file)
    process.touch(address, 3 * PAGE_SIZE, write=False)
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.migrated, result.reclaimed) == (0, 0, 3)
    assert process.entries() == ()
    assert process.memory.file == 0
    assert intact(lambda at: process.read(address + at, 8), 3)


def test_buffers_go_with_a_clean_page() -> None:
    """Buffers that nobody uses are freed with their page; those in use keep it, and it is moved (8.2 step 2)."""
    vm = small()
    file = file_at(vm, AT, clean=True, migratepage=MigrateMethod.BUFFER_MIGRATE_PAGE)
    file.lock_buffer(1)
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.migrated, result.reclaimed) == (0, 1, 2)
    assert list(file.pages()) == [1]
    file.unlock_buffer(1)
    assert intact(lambda at: file.read(at, 8), 3)


def test_a_page_dirty_in_an_entry_is_moved() -> None:
    """A page is clean by its flag while an entry that maps it is dirty: it is moved, and nothing is lost (8.2)."""
    vm = small()
    file = file_at(vm, AT, clean=True)
    process = vm.process()
    address = process.mmap(3 * PAGE_SIZE, shared=True, file=file)
    process.write(address + PAGE_SIZE, b"page 1 is new")
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.migrated, result.reclaimed) == (0, 1, 2)
    assert process.read(address + PAGE_SIZE, 13) == b"page 1 is new"


@pytest.mark.parametrize("why", ["locked", "writeback", "dirty"])
def test_pages_of_files_that_are_moved_all_the_same(why: str) -> None:
    """mlocked pages, those under writeback and dirty ones are not dropped, nor unmapped (8.2 step 2)."""
    vm = small()
    file = file_at(vm, AT[:1], clean=True)
    process, other = vm.process(), vm.process()
    beside = other.mmap(PAGE_SIZE, shared=True, file=file)
    other.touch(beside, write=False)
    if why == "locked":
        process.mlock(process.mmap(PAGE_SIZE, shared=True, file=file), PAGE_SIZE)
        assert cached(file).flags & PageFlag.MLOCKED
    elif why == "dirty":
        file.write(0, b"page 0")
    else:
        file.start_writeback(0)
    assert bool(cached(file).flags & PageFlag.DIRTY) == (why == "dirty")
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.migrated, result.reclaimed) == (0, 1, 0)
    assert cached(file).pfn >= START + 200
    assert bytes(cached(file).data[:6]) == b"page 0"
    assert other.page(beside) is cached(file)


def test_drivers_pages_are_never_dropped() -> None:
    """They count as file pages, and are moved (8.2 step 2)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, AT)
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.migrated, result.reclaimed) == (0, 3, 0)
    assert readable(driver)


def test_all_kinds_side_by_side() -> None:
    """Drivers' pages, a process's, dirty and clean ones of files leave one range together (8.2)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, range(START, START + 100, 5))
    process, address = process_at(vm, range(START + 1, START + 100, 5))
    wet = file_at(vm, range(START + 2, START + 100, 5))
    dry = file_at(vm, range(START + 3, START + 100, 5), clean=True)
    result = vm.alloc_contig_range(START, START + 100)
    assert (result.ret, result.migrated, result.failed, result.reclaimed) == (0, 60, 0, 20)
    assert driver.hooks().count("migratepage") == 20
    assert readable(driver)
    assert intact(lambda at: process.read(address + at, 8), 20)
    assert intact(lambda at: wet.read(at, 8), 20)
    assert intact(lambda at: dry.read(at, 8), 20)


def test_a_pinned_anonymous_page_is_in_the_way() -> None:
    """The scanner passes it over (4.2 check 8), so the test of the range finds it; others were moved (8.2 step 4)."""
    vm = small()
    process, address = process_at(vm, AT)
    page = process.pin(address + PAGE_SIZE)
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.busy, result.migrated, result.passes) == (-EBUSY, page.pfn, 2, 1)
    assert intact(lambda at: process.read(address + at, 8), 3)
    page.put()
    assert vm.alloc_contig_range(START, START + 200).ret == 0
    assert intact(lambda at: process.read(address + at, 8), 3)


@pytest.mark.parametrize("clean", [False, True], ids=["dirty", "clean"])
def test_a_pinned_page_of_a_file(clean: bool) -> None:
    """It is isolated, neither dropped nor moved in five calls, and put back: -EBUSY (8.2 step 2)."""
    vm = small()
    file = file_at(vm, AT, clean=clean)
    page = cached(file, 1)
    page.get()
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.busy, result.passes, result.failed) == (-EBUSY, page.pfn, 5, 5)
    assert result.reclaimed + result.migrated == 2
    assert cached(file, 1) is page
    vm.lru_add_drain_all()
    assert page.flags & PageFlag.LRU
    assert isolated_pages(vm) == 0
    page.put()
    assert vm.alloc_contig_range(START, START + 200).ret == 0
    assert intact(lambda at: file.read(at, 8), 3)


def test_a_dirty_page_that_cannot_be_written() -> None:
    """Neither migratepage nor writepage: -EINVAL for the page, which is in the way; its contents stay (8.2)."""
    vm = small()
    file = file_at(vm, AT[:1], migratepage=MigrateMethod.NONE, writepage=False)
    result = vm.alloc_contig_range(START, START + 200)
    assert (result.ret, result.busy, result.failed) == (-EBUSY, START + 3, 1)
    assert intact(lambda at: file.read(at, 8))
    file.writepage = True
    assert vm.alloc_contig_range(START, START + 200).ret == 0
    assert intact(lambda at: file.read(at, 8))


def test_lru_pages_in_a_block_of_another_type() -> None:
    """LRU pages do not make a block unmovable, whatever its type; a kernel page beside them does (8.1)."""
    vm = small()
    process, address = process_at(vm, AT)
    vm.set_pageblock_migratetype(START, MigrateType.UNMOVABLE)
    assert vm.alloc_contig_range(START, START + 200).ret == 0
    assert intact(lambda at: process.read(address + at, 8), 3)
    vm.free_contig_range(START, 200)
    page = vm.alloc_page()
    assert page is not None
    block = page.pfn // BLOCK * BLOCK
    vm.set_pageblock_migratetype(block, MigrateType.UNMOVABLE)
    result = vm.alloc_contig_range(block, block + BLOCK)
    assert (result.ret, result.busy) == (-EBUSY, block)


def test_pages_go_near_the_caller() -> None:
    """Targets come from the node of the caller's CPU, wherever the range is (8.2 step 2)."""
    vm = nodes(2)
    process, address = process_at(vm, AT)
    vm.cpu = 1
    assert vm.alloc_contig_range(START, START + 200).ret == 0
    assert {page.nid for page in process.pages().values()} == {1}
    assert intact(lambda at: process.read(address + at, 8), 3)


def test_more_pages_than_a_batch() -> None:
    """32 pages are isolated and moved at a time, of whatever kind (4.5)."""
    vm = small()
    process, address = process_at(vm, range(START, START + 100))
    result = vm.alloc_contig_range(START, START + 100)
    assert (result.ret, result.migrated, result.passes) == (0, 100, 4)
    assert min(frames(process.pages().values())) >= START + 100
    assert intact(lambda at: process.read(address + at, 8), 100)


def test_a_range_across_blocks() -> None:
    """What lies in two blocks of the largest order is moved; what lies beside the range stays (8.2 step 1)."""
    vm = small()
    at = [START + MAX - 2, START + MAX - 1, START + MAX, START + MAX + 1]
    process, address = process_at(vm, at)
    result = vm.alloc_contig_range(START + MAX - 1, START + MAX + 1)
    assert (result.ret, result.migrated) == (0, 2)
    left = [page_at(process, address + number * PAGE_SIZE).pfn for number in (0, 3)]
    assert left == [at[0], at[3]]
    assert intact(lambda at: process.read(address + at, 8), 4)


def test_a_page_that_moves_by_migration_entries() -> None:
    """Entries that were read-only or writable are so again; nothing is left of the migration entries (8.2)."""
    vm = small()
    process, address = process_at(vm, AT)
    child = process.fork()
    process.write(address, b"page 0 of the parent")
    writable = [entry.writable for entry in process.entries()]
    assert vm.alloc_contig_range(START, START + 200, MigrateType.CMA).ret == 0
    assert {entry.kind for entry in child.entries()} == {"page"}
    assert [entry.writable for entry in process.entries()] == writable
    assert child.read(address, 8)[:6] == b"page 0"
    assert vm.pageblock_migratetype(START) is MigrateType.CMA
