"""Bugs that Linux shipped in the VM's own code, as tests of the emulated one."""

from array import array
from errno import EACCES, EAGAIN, EBUSY, EFAULT, EIO, ENOMEM
from itertools import permutations, product

import pytest
from mutants.bugs.entries import ENTRIES
from mutants.cells import Cells
from mutants.halves import Halves

from movable import (
    GFP,
    PAGE_SIZE,
    VM,
    CompactSettings,
    MachineConfig,
    Mpol,
    MpolMF,
    NodeConfig,
    Page,
    SystemCallError,
    ZoneConfig,
    hookimpl,
)

CORE = {name for name, entry in ENTRIES.items() if entry.where == "core"}


class Answering(Cells):
    """Cells whose migratepage gives the answers it is told, then moves."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.answers: dict[int, int] = {}

    @hookimpl
    def migratepage(self, mapping, newpage, oldpage, mode):  # type: ignore[no-untyped-def]
        """The answer for this object, if there is one."""
        return self.answers.get(oldpage.private) or super().migratepage(mapping, newpage, oldpage, mode)


def _machine(*zones: tuple[int, int]) -> MachineConfig:
    """One node with zones of (start, pages)."""
    low = tuple(ZoneConfig("DMA32", *place) for place in zones[:-1])
    configs = (*low, ZoneConfig("Normal", *zones[-1]))
    return MachineConfig("regression", (NodeConfig(configs, (0,)),), cpus=1)


def _isolated(vm: VM) -> int:
    counters = vm.vmstat()
    return counters["nr_isolated_anon"] + counters["nr_isolated_file"]


def _scatter(vm: VM, driver: Cells, leave: int = 64) -> None:
    """A page of the driver after every 5 pages of ballast, then the ballast freed."""
    gfp = GFP.HIGHUSER_MOVABLE | GFP.NORETRY | GFP.NOWARN
    ballast: list[Page] = []
    while sum(zone.free_pages for zone in vm.zones) > leave:
        run = [page for _ in range(5) if (page := vm.alloc_page(gfp)) is not None]
        ballast += run
        if len(run) < 5 or driver.store(b"%d" % len(ballast)) is None:
            break
    for page in ballast:
        vm.free_pages(page)


def test_b03_isolated_driver_pages_are_counted_as_in_4_9() -> None:
    """In 4.9 an isolated driver page counts in nr_isolated_file until it has moved or is back (B03)."""
    with VM("tiny") as vm:
        driver = Answering(vm)
        pages = [driver.cells[handle] for handle in (driver.store(b"x"), driver.store(b"y")) if handle]
        driver.answers[pages[1].private] = -EBUSY
        before = vm.vmstat()
        listed = vm.page_list("mover")
        assert [listed.isolate(page) for page in pages] == [True, True]
        changed = {name for name, value in vm.vmstat().items() if value != before[name]}
        assert changed == {"nr_isolated_file"}
        assert _isolated(vm) == 2
        vm.migrate_pages(listed, vm.target_node(0))
        assert _isolated(vm) == 0


def test_b08_every_entry_of_move_pages_gets_a_status() -> None:
    """Whatever mix of pages is asked for, no status is left as it was: there already, absent, held, moved (B08)."""
    with VM("numa4", debug=1) as vm:
        process = vm.process()
        start = process.mmap(7 * PAGE_SIZE)
        moves, there, held, shared, zero, untouched, gone = (start + n * PAGE_SIZE for n in range(7))
        process.touch(start, 4 * PAGE_SIZE)
        vm.lru_add_drain_all()
        process.move_pages(0, [there], [1])
        process.pin(held)
        child = process.fork()
        for address in (moves, there, held):
            child.munmap(address, PAGE_SIZE)
        process.read(zero, 1)
        process.munmap(gone, PAGE_SIZE)
        vm.lru_add_drain_all()
        kinds = {
            moves: 1,
            there: 1,
            held: -EAGAIN,
            shared: -EACCES,
            zero: -EFAULT,
            untouched: -EFAULT,
            gone: -EFAULT,
        }
        for mix in permutations(kinds, 3):
            process.move_pages(0, [moves], [0])
            vm.lru_add_drain_all()
            status = array("i", [777] * 3)
            process.move_pages(0, mix, [1] * 3, status=status)
            assert list(status) == [kinds[address] for address in mix]
            vm.lru_add_drain_all()


def test_b09_mbind_reports_what_stays_and_moves_the_rest() -> None:
    """STRICT with MOVE over movable, pinned, movable: EIO, and both movable pages have moved (B09)."""
    with VM("numa4", debug=1) as vm:
        process = vm.process()
        start = process.mmap(3 * PAGE_SIZE)
        process.touch(start, 3 * PAGE_SIZE)
        process.pin(start + PAGE_SIZE)
        flags = MpolMF.STRICT | MpolMF.MOVE
        with pytest.raises(SystemCallError) as caught:
            process.mbind(start, 3 * PAGE_SIZE, Mpol.BIND, {2}, flags)
        assert caught.value.errno == EIO
        assert process.move_pages(0, [start + n * PAGE_SIZE for n in range(3)]) == [2, 0, 2]


@pytest.mark.parametrize("answers", list(product((0, -EAGAIN, -EBUSY, -ENOMEM), repeat=3)))
def test_b10_zero_means_that_nothing_is_left(answers: tuple[int, ...]) -> None:
    """migrate_pages answers 0 if and only if every page moved; what is left on the list is still isolated (B10)."""
    with VM("tiny") as vm:
        driver = Answering(vm)
        listed = vm.page_list("mover")
        for answer in answers:
            handle = driver.store(b"x")
            assert handle is not None
            driver.answers[handle] = answer
            assert listed.isolate(driver.cells[handle])
        result = vm.migrate_pages(listed, vm.target_node(0))
        assert (result.ret == 0) == (answers == (0, 0, 0))
        assert _isolated(vm) == len(listed)
        assert all(page.isolated for page in listed)
        vm.putback_movable_pages(listed)
        assert _isolated(vm) == 0
        driver.close()


def test_b20_a_page_freed_in_the_tail_of_its_move_is_put_on_no_list() -> None:
    """A driver that gives the new page up before the move is over loses nothing and corrupts no LRU list (B20)."""

    class GivesUpAtOnce(Cells):
        """Moves a page, and gives the new one up."""

        @hookimpl
        def migratepage(self, mapping, newpage, oldpage, mode):  # type: ignore[no-untyped-def]
            """Move it, then release it."""
            answer = super().migratepage(mapping, newpage, oldpage, mode)
            self.idle.remove(newpage)
            del self.cells[newpage.private]
            newpage.private = 0
            newpage.clear_movable()
            newpage.put()
            return answer

    with VM("tiny", debug=0) as vm:
        driver = GivesUpAtOnce(vm)
        free = sum(zone.free_pages for zone in vm.zones)
        handle = driver.store(b"x")
        assert handle is not None
        listed = vm.page_list("mover")
        assert listed.isolate(driver.cells[handle])
        assert vm.migrate_pages(listed, vm.target_node(0)).ret == 0
        vm.lru_add_drain_all()
        vm.recount()
        driver.close()
        assert sum(zone.free_pages for zone in vm.zones) == free


def test_b23_only_a_drivers_own_pages_reach_it() -> None:
    """Free, unmarked, given-up and other drivers' pages never reach this driver's isolate_page (B23)."""
    asked: list[Page] = []

    class Asked(Cells):
        """Notes the pages that it is asked for."""

        @hookimpl
        def isolate_page(self, page, mode):  # type: ignore[no-untyped-def]
            """Note the page."""
            asked.append(page)
            return super().isolate_page(page, mode)

    with VM("tiny") as vm:
        mine, other = Asked(vm), Halves(vm)
        handle, foreign = mine.store(b"x"), other.store(b"y")
        plain, freed, head = vm.alloc_page(GFP.HIGHUSER_MOVABLE), vm.alloc_page(), vm.alloc_pages(2)
        assert handle is not None
        assert foreign is not None
        assert plain is not None
        assert freed is not None
        assert head is not None
        freed.put()
        given_up = mine.cells[handle]
        given_up.get()
        assert mine.drop(handle)
        tail = vm.page(head.pfn + 1)
        for page in (plain, freed, head, tail, given_up):
            before = page.refcount, page.flags, page.private
            assert not vm.isolate_movable_page(page)
            assert (page.refcount, page.flags, page.private) == before
        listed = vm.page_list("mover")
        assert listed.isolate(other.pages(foreign)[0])
        vm.putback_movable_pages(listed)
        assert asked == []


@pytest.mark.parametrize("rounds", [1, 7, 100])
def test_b45_counters_come_back_to_zero_from_either_side(rounds: int) -> None:
    """After any number of isolations, moves and put-backs the isolated counters are 0, not 2**32 (B45)."""
    with VM("tiny") as vm:
        driver = Cells(vm)
        driver.store(b"x")
        for number in range(rounds):
            listed = vm.page_list("mover")
            assert listed.isolate(next(iter(driver.cells.values())))
            if number % 2:
                vm.migrate_pages(listed, vm.target_node(0))
            vm.putback_movable_pages(listed)
            assert _isolated(vm) == 0


@pytest.mark.parametrize("edge", [0x1000 + 900, 0x1000 + 1024, 0x1000 + 1500])
def test_b47_targets_stay_within_the_zone(edge: int) -> None:
    """Where two zones share a pageblock, compaction of one takes no target of the other (B47)."""
    with VM(_machine((0x1000, edge - 0x1000), (edge, 0x1000 + 2048 - edge))) as vm:
        driver = Cells(vm)
        _scatter(vm, driver)
        zones = {handle: page.zone_id for handle, page in driver.cells.items()}
        moved = 0
        for zone in vm.zones:
            before = {handle: page.pfn for handle, page in driver.cells.items()}
            vm.compact_zone(zone, CompactSettings())
            moved += sum(before[handle] != page.pfn for handle, page in driver.cells.items())
            assert {handle: page.zone_id for handle, page in driver.cells.items()} == zones
        assert moved
        vm.recount()


@pytest.mark.parametrize("start", [0x1401, 0x14FF, 0x15FF])
def test_b49_a_zone_that_starts_inside_a_block_is_scanned_once(start: int) -> None:
    """A zone that starts inside a pageblock is compacted in a bounded number of steps (B49)."""
    end = 0x1C00
    with VM(_machine((0x1000, start - 0x1000), (start, end - start))) as vm:
        _scatter(vm, Cells(vm))
        before = vm.vmstat()
        vm.compact_zone(vm.zones[1], CompactSettings())
        after = vm.vmstat()
        scanned = [after[name] - before[name] for name in ("compact_migrate_scanned", "compact_free_scanned")]
        assert all(0 < number <= end - start for number in scanned)
        vm.recount()


@pytest.mark.parametrize("leave", [8, 64, 400])
def test_b51_no_page_moves_twice_in_one_run(leave: int) -> None:
    """The scanners meet: in one run each page moves at most once, and always upwards (B51)."""
    with VM(_machine((0x1000, 2048))) as vm:
        driver = Cells(vm)
        _scatter(vm, driver, leave)
        moves: list[tuple[int, int]] = []
        copy = driver._copy

        def note(newpage: Page, oldpage: Page) -> None:
            moves.append((oldpage.pfn, newpage.pfn))
            copy(newpage, oldpage)

        driver._copy = note  # type: ignore[method-assign]
        vm.compact_node(0)
        assert moves
        assert all(old < new for old, new in moves)
        assert not {old for old, _ in moves} & {new for _, new in moves}


def test_every_bug_of_the_core_has_its_test() -> None:
    """Each entry that only the VM could commit has a test of its name here."""
    tested = {name.split("_")[1].upper() for name in globals() if name.startswith("test_b")}
    assert tested >= CORE
