"""Every look that is taken again after a lock was waited for: faults and files, in systematic schedules.

Two CPUs meet in each scenario, and one is preempted at every one of its steps, at most twice in a run.
"""

from collections.abc import Callable

import pytest
from process.kit import cached
from process.systematic import TWICE, sound, swap_out, systematic
from schedules.kit import MACHINE, scenario

from movable import PAGE_SIZE, VM, MigrateMethod, PageFlag
from movable.sched import Scenario


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
