"""The tools of a check: ledger, probe, injected answers, terrain, deadline."""

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from errno import EBUSY
from random import Random

import pytest
from mutants.cells import Cells

from movable import DriverSpec, MigrateMode
from movable.conformance.deadline import deadline
from movable.conformance.ledger import Ledger
from movable.conformance.outcome import CheckFailed, DeadlineExpired
from movable.conformance.rig import Rig
from movable.conformance.state import changes, page_state
from movable.conformance.terrain import scatter


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A correct driver on a fresh machine, with eight pages in use."""
    rig = Rig(DriverSpec("cells", Cells, lambda driver: driver, Cells.capabilities), "seed")
    rig.fill()
    yield rig
    rig.dispose()


def test_the_ledger_never_repeats_itself() -> None:
    """Objects of four bytes and more are unique, and as long as asked."""
    ledger = Ledger(Random(1))
    objects = [ledger.fresh(size) for size in (4, 4, 4, 100, 1)]
    assert [len(one) for one in objects] == [4, 4, 4, 100, 1]
    assert len(set(objects[:3])) == 3


def test_a_call_is_recorded_with_its_surroundings(rig: Rig) -> None:
    """Before isolate_page the page is locked with a second reference; the record says what was answered."""
    page = rig.marked()[0]
    rig.isolate([page])
    (call,) = rig.probe.of("isolate_page")
    assert (call.pfn, call.answer, call.before.locked, call.before.refcount) == (page.pfn, True, True, 2)
    assert changes(call.before, call.after) == []


def test_an_injected_answer_spares_the_driver(rig: Rig) -> None:
    """An answer given by the suite does not reach the driver, and does not count as the driver's."""
    batch = rig.isolate(rig.marked()[:1])
    rig.answers.fail(-EBUSY)
    moves = rig.migrate(batch)
    assert moves.ret == 1
    assert rig.probe.moves() == []
    assert [call.hook for call in rig.probe.calls if call.injected] == ["migratepage"]
    assert len(rig.driver.cells) == len(rig.ledger.objects)


def test_a_refusal_can_be_injected(rig: Rig) -> None:
    """isolate_page can be answered with False in the driver's stead."""
    rig.answers.refuse(1)
    batch = rig.isolate(rig.marked()[:2])
    assert (len(batch.refused), len(batch.taken)) == (1, 1)


def test_a_move_tells_its_targets(rig: Rig) -> None:
    """Targets are listed in the order handed out, and those given back again."""
    batch = rig.isolate(rig.marked()[:1])
    rig.answers.fail(-11, 2)
    moves = rig.migrate(batch, MigrateMode.SYNC)
    assert (moves.ret, len(moves.targets), len(moves.released)) == (0, 3, 2)


def test_changes_are_told_field_by_field(rig: Rig) -> None:
    """Two states of a page differ in the fields that were written."""
    page = rig.marked()[0]
    before = page_state(page)
    page.get()
    page.data[5] ^= 1
    assert changes(before, page_state(page)) == ["refcount 1 -> 2", "contents changed"]
    page.put()


def test_a_wrong_byte_is_found(rig: Rig) -> None:
    """Reading back compares with the ledger, and the failure says where the difference begins."""
    handle = rig.ledger.handles[0]
    rig.driver.cells[handle].data[0] ^= 1
    with pytest.raises(CheckFailed, match=r"load\(1\) differs from what was stored, from byte 0"):
        rig.verify()


def test_the_driver_s_own_check_counts(rig: Rig) -> None:
    """An AssertionError of the workload's check() is a failure."""
    rig.driver.cells[1].private = 77
    with pytest.raises(CheckFailed, match="own check"):
        rig.verify()


def test_unload_demands_the_memory_back(rig: Rig) -> None:
    """A page that is missing after close() is a failure of LIFE-1."""
    rig.driver.allocate_extra = rig.vm.alloc_page()
    with pytest.raises(CheckFailed, match="1 pages are missing") as caught:
        rig.unload()
    assert caught.value.clause == "LIFE-1"


def test_scattered_pages_leave_no_large_block(rig: Rig) -> None:
    """With a plug, no free block of that order or above is left; pages of the driver lie all over."""
    pages = scatter(rig, plug=5)
    assert sum(rig.vm.zones[0].nr_free[5:]) == 0
    assert len({page.pfn // 256 for page in pages}) > 10


def test_a_deadline_is_raised_in_the_code_that_waits() -> None:
    """The block is left by an exception once its time is over."""
    start = time.monotonic()
    with pytest.raises(DeadlineExpired), deadline(0.05):
        time.sleep(5)
    assert time.monotonic() - start < 2


def test_a_deadline_is_noticed_even_if_swallowed() -> None:
    """Code that catches everything does not hide that its time was over."""
    with deadline(0.02) as clock:
        with suppress(BaseException):
            time.sleep(5)
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert clock.expired


def test_a_deadline_gives_an_outer_timer_back() -> None:
    """A timer of the test runner goes on with what was left of it."""
    before = signal.getsignal(signal.SIGALRM)
    left = signal.setitimer(signal.ITIMER_REAL, 100)
    with deadline(5):
        pass
    remaining, _ = signal.setitimer(signal.ITIMER_REAL, *left)
    assert 90 < remaining <= 100
    assert signal.getsignal(signal.SIGALRM) is before
