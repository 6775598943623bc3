"""Every look that is taken again after a lock was waited for: systematic schedules in which it matters.

Two CPUs meet in each scenario, and one is preempted at every one of its steps, at most twice in a run.
"""

from collections.abc import Callable

import pytest
from process.kit import cached, filled
from schedules.kit import MACHINE, scenario

from movable import PAGE_SIZE, VM, MigrateMethod, PageFlag, Process, Prot
from movable.sched import Scenario, explore

TWICE = 150
"""How many of the schedules with two preemptions are tried; of those with one all are."""


def systematic(make: Callable[[], Scenario], twice: int = TWICE) -> None:
    """No schedule with one preemption fails, nor those with two that are tried."""
    for bound, rounds in ((1, 2000), (2, twice)):
        found = explore(make, range(rounds), bound=bound)
        error = found.failure and f"{found.failure.error} in schedule {found.failure.trace.schedule}"
        assert error is None
        assert found.exhausted or bound > 1


def sound(vm: VM) -> None:
    """Everything adds up, and nothing is isolated."""
    vm.lru_add_drain_all()
    vm.recount()
    assert vm.vmstat()["nr_isolated_anon"] == vm.vmstat()["nr_isolated_file"] == 0


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
def test_a_page_is_cut_off_while_a_fault_waits_for_it(write: bool) -> None:
    """Nobody maps a page that has left its file: what a process maps is what the file has cached (7.5, 1.4)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        file = vm.file("data", PAGE_SIZE)
        file.write(0, b"old")
        process = vm.process()
        address = process.mmap(PAGE_SIZE, shared=True, file=file)

        def cutting() -> None:
            file.truncate(0)
            file.truncate(PAGE_SIZE)

        def faulting() -> None:
            try:
                process.touch(address, write=write)
            except OSError:
                process.read(address, 1) if file.size else None

        def finish() -> None:
            sound(vm)
            mapped = process.page(address)
            assert mapped is None or mapped is cached(file)
            process.write(address, b"new")
            assert file.read(0, 3) == b"new"

        return scenario(vm, faulting, cutting, finish=finish)

    systematic(make)


def test_a_page_is_cut_off_while_write_waits_for_it() -> None:
    """What write(2) says it has written is in the file, or was cut off: dirty pages are counted right (2.1, 7.5)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        file = vm.file("data", PAGE_SIZE)
        file.read(0, 1)
        order: list[str] = []

        def cutting() -> None:
            file.truncate(0)
            order.append("cut")

        def writing() -> None:
            order.append("begun")
            assert file.write(0, b"text") in (0, 4)

        def finish() -> None:
            sound(vm)
            if order == ["cut", "begun"]:
                assert file.read(0, 4) == b"text"
            dirty = sum(bool(page.flags & PageFlag.DIRTY) for page in file.pages().values())
            assert vm.vmstat()["nr_dirty"] == dirty
            assert vm.vmstat()["nr_file_pages"] == len(file.pages())
            file.truncate(0)
            vm.lru_add_drain_all()
            assert vm.vmstat()["nr_free_pages"] == 1024

        return scenario(vm, writing, cutting, finish=finish)

    systematic(make)


def test_a_page_is_read_in_twice_at_once() -> None:
    """Two who miss the same page of a file read it into one frame, and no write of either is lost (7.5)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        file = vm.file("data", PAGE_SIZE)
        process = vm.process()
        address = process.mmap(PAGE_SIZE, shared=True, file=file)

        def faulting() -> None:
            process.write(address + 100, b"1")

        def writing() -> None:
            file.write(200, b"2")

        def finish() -> None:
            sound(vm)
            assert [file.read(number * 100, 1) for number in (1, 2)] == [b"1", b"2"]
            assert len(file.pages()) == vm.vmstat()["nr_file_pages"] == 1

        return scenario(vm, faulting, writing, finish=finish)

    systematic(make)


@pytest.mark.parametrize("other", ["sync", "truncate", "invalidate", "reclaim"])
@pytest.mark.parametrize("what", ["sync", "invalidate", "reclaim", "read", "writeback"])
def test_two_work_on_the_cache_of_a_file(what: str, other: str) -> None:
    """Writing out, dropping, cutting off and reclaiming a file's pages meet in any order, and nothing is lost."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        file = vm.file("data", 2 * PAGE_SIZE, slow_device=what == "writeback")
        file.write(0, b"page 0")
        file.write(PAGE_SIZE, b"page 1")
        if what != "sync":
            file.sync()
        file.end_writeback()
        vm.lru_add_drain_all()

        def rewriting() -> None:
            file.write(PAGE_SIZE, b"page 1")
            file.sync()

        calls: dict[str, Callable[[], object]] = {
            "sync": file.sync,
            "truncate": lambda: file.truncate(PAGE_SIZE),
            "invalidate": file.invalidate,
            "reclaim": lambda: vm.reclaim(4),
            "read": lambda: file.read(PAGE_SIZE, 6) in (b"page 1", b"") or pytest.fail("wrong contents"),
            "writeback": rewriting,
        }

        def finish() -> None:
            file.end_writeback()
            sound(vm)
            assert file.read(0, 6) == b"page 0"
            assert file.read(PAGE_SIZE, 6) in ((b"page 1", b"") if other == "truncate" else (b"page 1",))
            vm.recount()
            file.truncate(0)
            vm.lru_add_drain_all()
            assert vm.vmstat()["nr_free_pages"] == 1024

        return scenario(vm, calls[what], calls[other], finish=finish)

    # A page that has been cut off is unlocked, and not yet free, for one step only.
    systematic(make, twice=2000 if (what, other) == ("invalidate", "truncate") else TWICE)


def test_invalidation_leaves_pages_in_use() -> None:
    """A clean page with a reference of somebody's stays in the cache; without it goes."""
    with VM(MACHINE, debug=1) as vm:
        file = vm.file("data", 2 * PAGE_SIZE)
        file.read(0, 2 * PAGE_SIZE)
        vm.lru_add_drain_all()
        page = cached(file, 1)
        page.get()
        assert file.invalidate() == 1
        assert list(file.pages()) == [1]
        page.put()
        assert file.invalidate() == 1


def test_buffers_under_writeback_stay() -> None:
    """Buffers of a page that a device is writing are not freed with it (spec/migration.md 5.3 step 2)."""
    with VM(MACHINE, debug=1) as vm:
        file = vm.file("data", PAGE_SIZE, migratepage=MigrateMethod.BUFFER_MIGRATE_PAGE, slow_device=True)
        file.write(0, b"text")
        file.sync()
        page = cached(file)
        assert page.flags & PageFlag.WRITEBACK
        vm.reclaim(4)
        assert file.invalidate() == 0
        assert cached(file) is page
        assert page.flags & PageFlag.PRIVATE
        file.end_writeback()
        assert vm.reclaim(4) + file.invalidate() >= 1


@pytest.mark.parametrize("write", [(True, True), (False, True), (True, False)], ids=str)
@pytest.mark.parametrize("kind", ["fresh", "file", "private", "forked", "swapped", "swapped alone"])
def test_two_threads_fault_at_one_address(kind: str, write: tuple[bool, bool]) -> None:
    """Whoever comes second finds the entry changed and tries again: one page, all counts right, no write lost."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        vm.swapon(8)
        process = vm.process()
        file = vm.file("data", PAGE_SIZE)
        file.write(0, bytes(300))
        if kind in ("file", "private"):
            address = process.mmap(PAGE_SIZE, shared=kind == "file", file=file)
        else:
            address = process.mmap(PAGE_SIZE)
        child = None
        if kind in ("forked", "swapped", "swapped alone"):
            process.write(address, bytes(300))
            vm.lru_add_drain_all()
        if kind in ("forked", "swapped"):
            child = process.fork()
        if kind.startswith("swapped"):
            file.truncate(0)
            swap_out(process, address)

        def user(number: int) -> Callable[[], None]:
            def using() -> None:
                if write[number - 1]:
                    process.write(address + number * 100, b"%d" % number)
                else:
                    assert process.read(address + number * 100, 1) == b"\0"

            return using

        def finish() -> None:
            sound(vm)
            for number in (1, 2):
                expected = b"%d" % number if write[number - 1] else b"\0"
                assert process.read(address + number * 100, 1) == expected
            if child is not None:
                assert child.read(address + 100, 101) == bytes(101)
                child.exit()
            process.exit()
            file.truncate(0)
            vm.lru_add_drain_all()
            assert vm.vmstat()["nr_free_pages"] == 1024
            assert vm.swap == (8, 0)

        return scenario(vm, user(1), user(2), finish=finish)

    systematic(make)


def swap_out(process: Process, address: int) -> None:
    """Reclaim until a page of a process is in swap space."""
    process.vm.lru_add_drain_all()
    for _ in range(10):
        if process.page(address) is None:
            return
        process.vm.reclaim(1)
    pytest.fail("the page is not swapped out")


class Family:
    """A process with two pages, a child that has them too if asked for, and what one of them does meanwhile."""

    def __init__(self, vm: VM, child: bool) -> None:
        self.vm = vm
        self.process = vm.process()
        self.address = filled(self.process, 2)
        self.others = [self.process.fork()] if child else []
        self.first = b"page 0"
        self.unmapped = self.forbidden = False

    def read(self) -> None:
        """Read a page."""
        assert self.process.read(self.address, 6) == b"page 0"

    def write(self) -> None:
        """Write to a page."""
        self.process.write(self.address, b"PAGE")
        self.first = b"PAGE 0"

    def pin(self) -> None:
        """Take a reference for a while."""
        page = self.process.pin(self.address)
        assert bytes(page.data[:6]) == b"page 0"
        page.put()

    def fork(self) -> None:
        """One child more."""
        self.others.append(self.process.fork())

    def exit(self) -> None:
        """The parent's end."""
        self.process.exit()

    def unmap(self) -> None:
        """A page less."""
        self.process.munmap(self.address, PAGE_SIZE)
        self.unmapped = True

    def protect(self) -> None:
        """Rights that are taken away and come back."""
        self.process.mprotect(self.address, 2 * PAGE_SIZE, Prot.READ)
        self.process.mprotect(self.address, 2 * PAGE_SIZE, Prot.READ | Prot.WRITE)

    def forbid(self) -> None:
        """Memory that may only be read from now on."""
        self.process.mprotect(self.address, 2 * PAGE_SIZE, Prot.READ)
        self.forbidden = True

    def lock(self) -> None:
        """Pages that must not be reclaimed from now on."""
        self.process.mlock(self.address, 2 * PAGE_SIZE)

    def finish(self) -> None:
        """All contents are right, everything adds up, and is free in the end."""
        sound(self.vm)
        for each in self.others:
            assert each.read(self.address, 6) == b"page 0"
            assert each.read(self.address + PAGE_SIZE, 6) == b"page 1"
            each.exit()
        if not self.process.ended:
            assert self.unmapped or self.process.read(self.address, 6) == self.first
            assert self.process.read(self.address + PAGE_SIZE, 6) == b"page 1"
            assert not (self.forbidden and any(entry.writable for entry in self.process.entries()))
            self.process.exit()
        self.vm.lru_add_drain_all()
        assert self.vm.vmstat()["nr_free_pages"] == 1024
        assert self.vm.swap[1] == 0


DEEDS = ("read", "write", "pin", "fork", "exit", "unmap", "protect", "forbid", "lock")


@pytest.mark.parametrize("first", ["reclaim", "deed"])
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("child", [False, True], ids=["own", "forked"])
def test_reclaim_meets_a_process(deed: str, child: bool, first: str) -> None:
    """A page that is being swapped out, or has just been, is used, copied or dropped: contents and slots are right."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        vm.swapon(8)
        family = Family(vm, child)

        def reclaiming() -> None:
            for _ in range(3):
                vm.reclaim(2)

        bodies = [reclaiming, getattr(family, deed)]
        return scenario(vm, *(bodies if first == "reclaim" else reversed(bodies)), finish=family.finish)

    systematic(make, twice=50)


@pytest.mark.parametrize("deed", DEEDS)
def test_migration_meets_a_process(deed: str) -> None:
    """Pages of a family that is being moved are written, inherited, locked and dropped, and all is right (2.5)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        family = Family(vm, child=True)

        def moving() -> None:
            listed = vm.page_list("to move")
            if not family.process.ended:
                family.process.isolate(listed)
            vm.migrate_pages(listed, vm.target_node(0))
            vm.putback_movable_pages(listed)

        return scenario(vm, moving, getattr(family, deed), finish=family.finish)

    systematic(make)


@pytest.mark.parametrize("deed", ["read", "write", "exit", "fork"])
def test_a_page_of_the_swap_cache_is_moved_under_those_who_want_it(deed: str) -> None:
    """One has read a page back, another still has its slot, and uses or drops that while the page moves (5.6)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        vm.swapon(8)
        family = Family(vm, child=True)
        (child,) = family.others
        for page in (family.address, family.address + PAGE_SIZE):
            swap_out(family.process, page)
        child.touch(family.address, 2 * PAGE_SIZE, write=False)
        vm.lru_add_drain_all()
        assert all(page.flags & PageFlag.SWAPCACHE for page in child.pages().values())

        def moving() -> None:
            listed = vm.page_list("to move")
            child.isolate(listed)
            vm.migrate_pages(listed, vm.target_node(0))
            vm.putback_movable_pages(listed)

        return scenario(vm, moving, getattr(family, deed), finish=family.finish)

    systematic(make)


def test_two_processes_read_one_slot() -> None:
    """Both bring a page for the slot they share; one of the pages is used by both, and holds what was written."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        vm.swapon(8)
        family = Family(vm, child=True)
        (child,) = family.others
        swap_out(family.process, family.address)

        def other() -> None:
            assert child.read(family.address, 6) == b"page 0"

        return scenario(vm, family.read, other, finish=family.finish)

    systematic(make)


def test_a_page_in_the_swap_cache_that_was_never_written_out() -> None:
    """One process locks a page whose slot another one has: a write of the first goes to a copy, the second keeps all.

    Reclaim unmaps the one and meets the lock of the other (spec/compaction.md 2.13).
    """
    with VM(MACHINE, debug=1) as vm:
        vm.swapon(8)
        parent = vm.process()
        address = filled(parent)
        child = parent.fork()
        child.mprotect(address, PAGE_SIZE, Prot.READ)
        page = child.page(address)
        assert page is not None
        vm.lru_add_drain_all()
        child.mlock(address, PAGE_SIZE)
        child.mprotect(address, PAGE_SIZE, Prot.READ | Prot.WRITE)
        assert child.page(address) is page
        vm.reclaim(4)
        assert child.page(address) is page
        child.write(address, b"CHILD!")
        assert parent.read(address, 6) == b"page 0"
        assert child.read(address, 6) == b"CHILD!"
        vm.recount()


@pytest.mark.parametrize("other", ["truncate", "move", "sync", "reclaim"])
def test_a_write_fault_waits_for_a_shared_page(other: str) -> None:
    """The entry may be another one, or none, once the page's lock is had: then the fault begins anew (7.5, 2.5)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        file = vm.file("data", 2 * PAGE_SIZE)
        process = vm.process()
        address = process.mmap(2 * PAGE_SIZE, shared=True, file=file)
        process.touch(address, 2 * PAGE_SIZE, write=False)
        vm.lru_add_drain_all()

        def moving() -> None:
            listed = vm.page_list("to move")
            process.isolate(listed)
            vm.migrate_pages(listed, vm.target_node(0))
            vm.putback_movable_pages(listed)

        def cutting() -> None:
            file.truncate(0)
            file.truncate(2 * PAGE_SIZE)

        others: dict[str, Callable[[], object]] = {
            "truncate": cutting,
            "move": moving,
            "sync": file.sync,
            "reclaim": lambda: vm.reclaim(2),
        }

        def writing() -> None:
            try:
                process.write(address, b"written")
            except OSError:
                assert other == "truncate"

        def finish() -> None:
            sound(vm)
            if other != "truncate":
                assert file.read(0, 7) == b"written"
            process.write(address, b"WRITTEN")
            assert file.read(0, 7) == b"WRITTEN"
            assert all(
                file.page(entry.address // PAGE_SIZE - address // PAGE_SIZE) for entry in process.entries()
            )

        return scenario(vm, writing, others[other], finish=finish)

    systematic(make)


def test_two_migrations_in_one_family() -> None:
    """Parent and child have pages of their own at one address, and both move: each gets its own back (2.5)."""

    def make() -> Scenario:
        vm = VM(MACHINE, debug=1)
        parent = vm.process()
        address = filled(parent)
        child = parent.fork()
        child.write(address, b"CHILD")
        vm.lru_add_drain_all()

        def mover(process: Process) -> Callable[[], None]:
            def moving() -> None:
                listed = vm.page_list("to move")
                process.isolate(listed)
                vm.migrate_pages(listed, vm.target_node(0))
                vm.putback_movable_pages(listed)

            return moving

        def finish() -> None:
            sound(vm)
            assert parent.read(address, 6) == b"page 0"
            assert child.read(address, 6) == b"CHILD0"
            parent.exit()
            child.exit()
            vm.lru_add_drain_all()
            assert vm.vmstat()["nr_free_pages"] == 1024

        return scenario(vm, mover(parent), mover(child), finish=finish)

    systematic(make)
