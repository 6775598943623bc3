"""Every look that is taken again after a lock was waited for: families of processes under reclaim and migration.

Two CPUs meet in each scenario, and one is preempted at every one of its steps, at most twice in a run.
"""

from collections.abc import Callable

import pytest
from process.kit import filled
from process.systematic import sound, swap_out, systematic
from schedules.kit import MACHINE, scenario

from movable import PAGE_SIZE, VM, PageFlag, Process, Prot
from movable.sched import Scenario


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
