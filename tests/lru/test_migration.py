"""Migration of pages of processes and files (spec/migration.md 12, facts 2-7, 13-16, 18-20, 26, 77)."""

import errno

import pytest
from migration.kit import Targets
from process.kit import cached, filled, isolated, isolated_pages, page_at, stored_file

from movable import (
    GFP,
    PAGE_SIZE,
    VM,
    LruList,
    MigrateMode,
    MigrateResult,
    Page,
    PageFlag,
    PageList,
    Process,
    Prot,
)

MODES = list(MigrateMode)


def migrate(vm: VM, pages: PageList, targets: Targets, mode: MigrateMode = MigrateMode.SYNC) -> MigrateResult:
    """Move the pages of a list."""
    return vm.migrate_pages(pages, targets.get, targets.put, mode=mode)


def test_a_plain_anonymous_page(vm: VM, process: Process, targets: Targets) -> None:
    """Returns 0; 1 target, none back; old refs 0; new mapped once, refs 2 until the drain, then 1, PG_lru then (2)."""
    address = filled(process)
    old = page_at(process, address)
    listed = isolated(vm, [old])
    assert migrate(vm, listed, targets).ret == 0
    assert (len(targets.got), targets.returned, list(listed)) == (1, [], [])
    new = page_at(process, address)
    assert (old.refcount, new.refcount, new.mapcount) == (0, 2, 1)
    assert not new.flags & PageFlag.LRU
    vm.lru_add_drain_all()
    assert new.refcount == 1
    assert new.flags & PageFlag.LRU
    assert process.read(address, 6) == b"page 0"
    assert isolated_pages(vm) == 0


def test_dirtiness_of_a_file_page_moves(vm: VM, process: Process, targets: Targets) -> None:
    """PG_dirty of a mapped file page is clear on old and set on new; the cache has new, old no mapping (3)."""
    file = stored_file(vm)
    address = process.mmap(PAGE_SIZE, shared=True, file=file)
    process.write(address, b"dirty")
    old = page_at(process, address)
    old.get()
    seen: list[PageFlag] = []
    listed = isolated(vm, [old])
    old.put()
    assert migrate(vm, listed, targets).ret == 0
    new = page_at(process, address)
    seen.append(new.flags)
    assert (cached(file), new.mapping, old.refcount, old.mapping) == (new, file, 0, None)
    assert seen[0] & PageFlag.DIRTY
    assert vm.vmstat()["nr_dirty"] == 1
    file.sync()
    assert file.stored(0, 5) == b"dirty"


def test_dirtiness_of_an_anonymous_page_is_copied(vm: VM, process: Process, targets: Targets) -> None:
    """Unmapping carries a dirty entry over to the page; new is dirty, its entry is not (3, 2.5)."""
    address = filled(process)
    old = page_at(process, address)
    assert not old.flags & PageFlag.DIRTY
    migrate(vm, isolated(vm, [old]), targets)
    entry = process.entry(address)
    assert entry is not None
    assert page_at(process, address).flags & PageFlag.DIRTY
    assert not entry.dirty


def test_active_moves_and_referenced_is_copied(vm: VM, process: Process, targets: Targets) -> None:
    """PG_active and PG_referenced are on the new page, which ends on the active list (4)."""
    address = filled(process)
    old = page_at(process, address)
    vm.lru.mark_accessed(old)
    migrate(vm, isolated(vm, [old]), targets)
    new = page_at(process, address)
    vm.lru_add_drain_all()
    assert new.flags & PageFlag.ACTIVE
    assert new.flags & PageFlag.REFERENCED
    assert vm.lru.pages(0, LruList.ACTIVE_ANON) == (new,)


@pytest.mark.parametrize("prot", [Prot.READ | Prot.WRITE, Prot.READ, Prot.NONE], ids=str)
def test_entries_come_back_as_they_were(vm: VM, process: Process, targets: Targets, prot: Prot) -> None:
    """A restored entry is not accessed; writable only if it was, and PROT_NONE stays (5, 79)."""
    address = filled(process)
    process.mprotect(address, PAGE_SIZE, prot)
    migrate(vm, isolated(vm, [page_at(process, address)]), targets)
    entry = process.entry(address)
    assert entry is not None
    assert (entry.kind, entry.young, entry.writable, entry.protnone) == (
        "page",
        False,
        bool(prot & Prot.WRITE),
        prot == Prot.NONE,
    )
    process.mprotect(address, PAGE_SIZE, Prot.READ)
    assert process.read(address, 6) == b"page 0"


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_pinned_page_stays(vm: VM, process: Process, targets: Targets, mode: MigrateMode) -> None:
    """An extra pin: 10 targets, 10 back, returns 1; still on the list, mapped as before, counted as isolated (6)."""
    address = filled(process)
    page = page_at(process, address)
    page.get()
    listed = isolated(vm, [page])
    result = migrate(vm, listed, targets, mode)
    assert (result.ret, len(targets.got), len(targets.returned)) == (1, 10, 10)
    assert (list(listed), process.page(address), isolated_pages(vm)) == ([page], page, 1)
    assert vm.vmstat()["pgmigrate_fail"] == 1
    assert result.status == {page.pfn: -errno.EAGAIN}
    page.put()
    vm.putback_movable_pages(listed)
    vm.lru_add_drain_all()
    assert page.refcount == 1
    assert process.read(address, 6) == b"page 0"


def test_a_pin_dropped_in_time(vm: VM, process: Process) -> None:
    """The pin is gone before attempt 4: returns 0 with 4 targets, 3 of them back (7)."""
    address = filled(process)
    page = page_at(process, address)
    page.get()

    class Letting(Targets):
        """Targets that drop the pin at the fourth request."""

        def get(self, page: Page) -> Page | None:
            """A fresh page."""
            if len(self.asked) == 3:
                page.put()
            return super().get(page)

    targets = Letting(vm)
    assert migrate(vm, isolated(vm, [page]), targets).ret == 0
    assert (len(targets.got), len(targets.returned)) == (4, 3)


def test_no_target_for_the_second(vm: VM, process: Process) -> None:
    """Three pages, the second target missing: -ENOMEM; the second and third stay listed; 1 success, 1 failure (13)."""
    filled(process, 3)
    pages = list(process.pages().values())
    listed = isolated(vm, pages)
    result = migrate(vm, listed, Targets(vm, failing=[2]))
    assert (result.ret, result.succeeded, result.failed) == (-errno.ENOMEM, 1, 1)
    assert list(listed) == pages[1:]
    vm.putback_movable_pages(listed)


def test_a_pinned_page_before_no_target(vm: VM, process: Process) -> None:
    """A pinned, then a page without target in the first pass: both stay listed, and only one counts as failed (14)."""
    filled(process, 2)
    pages = list(process.pages().values())
    pages[0].get()
    listed = isolated(vm, pages)
    result = migrate(vm, listed, Targets(vm, failing=[2]))
    assert (result.ret, result.failed, list(listed)) == (-errno.ENOMEM, 1, pages)
    pages[0].put()
    vm.putback_movable_pages(listed)


def test_two_pinned_and_one_under_writeback(vm: VM, process: Process, targets: Targets) -> None:
    """ASYNC: returns 3; the pinned ones stay on the list, the other one is back on its LRU (15)."""
    filled(process, 2)
    pinned = list(process.pages().values())
    file = stored_file(vm)
    file.start_writeback(0)
    for page in pinned:
        page.get()
    listed = isolated(vm, [*pinned, cached(file)])
    assert migrate(vm, listed, targets, MigrateMode.ASYNC).ret == 3
    assert list(listed) == pinned
    for page in pinned:
        page.put()
    vm.putback_movable_pages(listed)
    file.end_writeback()


def test_a_page_freed_under_us(vm: VM, process: Process, targets: Targets) -> None:
    """Its process ended while it was isolated: success, 1 target, 1 back, the page freed, no lock taken (19)."""
    address = filled(process)
    page = page_at(process, address)
    listed = isolated(vm, [page])
    process.exit()
    assert page.refcount == 1
    result = migrate(vm, listed, targets)
    assert (result.ret, result.succeeded, len(targets.got), len(targets.returned)) == (0, 1, 1, 1)
    assert (page.refcount, list(listed), isolated_pages(vm)) == (0, [], 0)


def test_a_page_freed_under_us_still_needs_a_target(vm: VM, process: Process) -> None:
    """As before, but without a target: -ENOMEM (20)."""
    address = filled(process)
    listed = isolated(vm, [page_at(process, address)])
    process.exit()
    assert migrate(vm, listed, Targets(vm, failing=[1])).ret == -errno.ENOMEM
    vm.putback_movable_pages(listed)
    vm.lru_add_drain_all()


def test_a_locked_page_stays_locked(vm: VM, process: Process, targets: Targets) -> None:
    """An mlocked page moves; new is mlocked, on the unevictable list at once, without the vector (26)."""
    address = process.mmap(PAGE_SIZE, locked=True)
    process.write(address, b"locked")
    old = page_at(process, address)
    assert migrate(vm, isolated(vm, [old]), targets, MigrateMode.ASYNC).ret == 0
    new = page_at(process, address)
    assert (new.refcount, new.flags & PageFlag.MLOCKED) == (1, PageFlag.MLOCKED)
    assert vm.lru.pages(0, LruList.UNEVICTABLE) == (new,)
    counters = vm.vmstat()
    assert (counters["nr_mlock"], counters["unevictable_pgs_stranded"]) == (1, 1)
    assert process.read(address, 6) == b"locked"


def test_a_page_of_several_processes(vm: VM, process: Process, targets: Targets) -> None:
    """Every process maps the new page afterwards; it is still shared, and copied on write (2.3)."""
    address = filled(process)
    family = [process, process.fork(), process.fork()]
    family.append(family[1].fork())
    assert migrate(vm, isolated(vm, [page_at(process, address)]), targets).ret == 0
    vm.lru_add_drain_all()
    new = targets.got[0]
    assert [each.page(address) for each in family] == [new] * 4
    assert (new.mapcount, new.refcount) == (4, 4)
    family[2].write(address, b"MINE")
    assert [each.read(address, 4) for each in family] == [b"page", b"page", b"MINE", b"page"]


def test_a_migrating_page_is_nowhere(vm: VM, process: Process) -> None:
    """While it is moved, an entry is a migration entry that names the old page, and no page is mapped (77, 2.5)."""
    address = filled(process)
    child = process.fork()
    old = page_at(process, address)
    with vm.steps() as log:
        assert vm.migrate_pages(isolated(vm, [old]), lambda _: vm.alloc_page(GFP.HIGHUSER_MOVABLE)).ret == 0
    steps = {step.name: step for step in log}
    assert (steps["B3"].refs, steps["B3"].mapcount) == (3, 2)
    assert (steps["B4"].refs, steps["B4"].mapcount) == (1, 0)
    assert (steps["B16"].new_refs, steps["B16"].new_mapcount) == (3, 2)
    assert child.page(address) is process.page(address)


def test_a_page_of_the_swap_cache(vm: VM, process: Process, targets: Targets) -> None:
    """It takes slot and cache membership along; refs 2 are expected: isolation and cache (5.6, 2.1)."""
    address = filled(process)
    child = process.fork()
    while process.memory.anon:
        vm.reclaim(1)
    assert process.read(address, 6) == b"page 0"
    vm.lru_add_drain_all()
    old = page_at(process, address)
    slot = old.private
    assert old.flags & PageFlag.SWAPCACHE
    assert migrate(vm, isolated(vm, [old]), targets).ret == 0
    new = page_at(process, address)
    assert (new.private, new.flags & PageFlag.SWAPCACHE) == (slot, PageFlag.SWAPCACHE)
    assert child.read(address, 6) == b"page 0"
    assert child.page(address) is new


def test_result_slots(vm: VM, process: Process, targets: Targets) -> None:
    """After success the slot holds the node of new, after a permanent failure its errno (18)."""
    address = filled(process)
    file = stored_file(vm)
    file.start_writeback(0)
    pages = [page_at(process, address), cached(file)]
    result = migrate(vm, isolated(vm, pages), targets, MigrateMode.ASYNC)
    assert result.status == {pages[0].pfn: 0, pages[1].pfn: -errno.EBUSY}
    file.end_writeback()


def test_numa_counters_follow_the_page() -> None:
    """A dirty mapped file page that changes its node takes nr_file_pages, nr_mapped and nr_dirty along (2.1 step 7)."""
    with VM("numa4", debug=2) as vm:
        process, file = vm.process(), vm.file("data", PAGE_SIZE)
        address = process.mmap(PAGE_SIZE, shared=True, file=file)
        process.write(address, b"x")
        vm.lru_add_drain_all()
        listed = vm.page_list()
        assert process.isolate(listed) == 1
        assert vm.migrate_pages(listed, vm.target_node(3)).ret == 0
        vm.lru_add_drain_all()
        assert page_at(process, address).nid == 3
        assert vm.lru.pages(3, LruList.INACTIVE_FILE) == (cached(file),)
        assert process.read(address, 1) == b"x"
