"""Drivers that refuse, raise, stall, or free pages under a range that is being emptied: spec/compaction.md 8.2, 8.3."""

from collections.abc import Callable
from errno import EAGAIN, EBUSY, EINVAL, ENOMEM
from typing import Any

import pytest
from contig.kit import BLOCK, START, frames, free_pages, nodes, pages_at, readable, small
from migration.kit import Recorder

from movable import (
    VM,
    ContractViolation,
    DeadVM,
    KernelAssertion,
    MigrateMode,
    MovableError,
    Page,
    RangeResult,
)

END = START + BLOCK


def take(vm: VM) -> RangeResult:
    """Allocate the first pageblock."""
    return vm.alloc_contig_range(START, END)


def remove(vm: VM) -> RangeResult:
    """Take the first pageblock offline."""
    return vm.offline_pages(START, BLOCK, non_lru=True, max_passes=7)


BOTH = pytest.mark.parametrize("ask", [take, remove])


def as_before(vm: VM, driver: Recorder, pages: list[Page], free: int) -> None:
    """Nothing is isolated, nothing lost, and every page rests where it was."""
    vm.debug = 2
    vm.recount()
    stat = vm.vmstat()
    assert (stat["nr_isolated_anon"], stat["nr_isolated_file"]) == (0, 0)
    assert (free_pages(vm), vm.zones[0].nr_isolate_pageblock, vm.offline_ranges) == (free, 0, ())
    assert frames(driver.cells.values()) == frames(pages)
    assert {(page.refcount, page.locked, page.isolated) for page in pages} == {(1, False, False)}
    assert readable(driver)


def test_again_for_ever_is_asked_fifty_times() -> None:
    """-EAGAIN: five calls of ten passes for one batch, one isolation, one put-back, then -EBUSY (8.2 step 2)."""
    vm = small()
    driver = Recorder(vm, [-EAGAIN] * 1000)
    pages = pages_at(driver, [START + 3, START + 4])
    before = free_pages(vm)
    result = take(vm)
    assert (result.ret, result.passes, result.busy) == (-EBUSY, 5, START + 3)
    assert {hook: driver.hooks().count(hook) for hook in set(driver.hooks())} == {
        "isolate_page": 2,
        "migratepage": 100,
        "putback_page": 2,
    }
    as_before(vm, driver, pages, before)


def test_again_for_a_while_is_waited_for() -> None:
    """A page that moves at the 45th attempt moves (8.2 step 2)."""
    vm = small()
    driver = Recorder(vm, [-EAGAIN] * 44)
    pages_at(driver, [START + 3])
    assert (take(vm).ret, take(vm).ret, len(driver.calls("migratepage"))) == (0, -EBUSY, 45)


def test_offline_repeats_without_an_end_but_its_time() -> None:
    """Pages that do not move are simply tried again, until the time is over: -EAGAIN (8.3)."""
    vm = small()
    driver = Recorder(vm, [-EAGAIN] * 1000)
    pages = pages_at(driver, [START + 3])
    before = free_pages(vm)
    result = remove(vm)
    assert (result.ret, result.passes, result.failed, result.busy) == (-EAGAIN, 7, 7, START + 3)
    assert driver.hooks() == (["isolate_page"] + ["migratepage"] * 10 + ["putback_page"]) * 7
    as_before(vm, driver, pages, before)


@BOTH
@pytest.mark.parametrize("answer", [-EBUSY, -EINVAL, -ENOMEM])
def test_another_error_puts_the_page_back(ask: Callable[[VM], RangeResult], answer: int) -> None:
    """A page that answers another error is put back at once and stays; offline tries it in each pass (8.2, 8.3)."""
    vm = small()
    driver = Recorder(vm, [answer] * 100)
    pages = pages_at(driver, [START + 3])
    before = free_pages(vm)
    result = ask(vm)
    stalled = -EBUSY if ask is take else -EAGAIN
    assert result.ret == (-ENOMEM if answer == -ENOMEM else stalled)
    assert driver.hooks().count("putback_page") == driver.hooks().count("isolate_page") >= 1
    as_before(vm, driver, pages, before)


@BOTH
def test_a_refusal_is_the_end(ask: Callable[[VM], RangeResult]) -> None:
    """A page that is not let go fails the range: contiguous allocation asks once, offline in five passes (8.2, 8.3)."""
    vm = small()
    driver = Recorder(vm)
    pages = pages_at(driver, [START + 3, START + 5])
    driver.refused = {pages[1]}
    before = free_pages(vm)
    result = ask(vm)
    assert (result.ret, result.busy) == (-EBUSY, START + 5)
    if ask is take:
        assert driver.hooks() == ["isolate_page", "isolate_page", "migratepage"]
        assert (free_pages(vm), len(driver.cells)) == (before, 2)
        return
    assert driver.hooks() == ["isolate_page", "isolate_page", "putback_page"] * 5
    as_before(vm, driver, pages, before)


@BOTH
def test_pages_given_up_while_isolated_are_free(ask: Callable[[VM], RangeResult]) -> None:
    """The driver drops everything while its pages are isolated: the range is free, nothing is moved (8.4)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3, START + 4, START + 5])

    def isolate(page: Page) -> Any:
        driver.idle.remove(page)
        return True

    driver.on_isolate = isolate

    def drop_all(_new: Page, old: Page) -> int:
        for handle in list(driver.cells):
            if driver.cells[handle] is not old:
                driver.drop(handle)
        return -EAGAIN

    driver.answers = [drop_all]
    result = ask(vm)
    assert (result.ret, result.migrated) == (0, 3)
    assert len(driver.cells) == 1
    assert readable(driver)


def test_a_page_freed_in_putback_counts_as_free() -> None:
    """-EBUSY of the migration is forgotten if the range is free in the end, as from 4.14 on (8.2 step 5)."""
    vm = small()
    driver = Recorder(vm, [-EAGAIN] * 50)
    (page,) = pages_at(driver, [START + 3])

    def put_back(page: Page) -> None:
        driver.idle.add(page)
        driver.cells.clear()
        waiting.append(page)

    waiting: list[Page] = []
    driver.on_putback = put_back
    assert (take(vm).ret, waiting) == (-EBUSY, [page])
    driver.cells[page.private] = page
    driver.drop(page.private)
    assert take(vm).ret == 0


@BOTH
@pytest.mark.parametrize("hook", ["isolate_page", "migratepage", "putback_page"])
def test_a_callback_that_raises(ask: Callable[[VM], RangeResult], hook: str) -> None:
    """An exception in a callback is a broken contract; the range is not kept, and the books are right (6.1)."""
    vm = small()
    driver = Recorder(vm, [-EBUSY] if hook == "putback_page" else [])
    pages = pages_at(driver, [START + 3])
    before = free_pages(vm)

    def bad(*_pages: Page) -> Any:
        driver.on_isolate = driver.on_putback = None
        if hook == "putback_page":
            driver.idle.add(pages[0])
        raise RuntimeError("no")

    if hook == "migratepage":
        driver.answers = [bad]
    elif hook == "isolate_page":
        driver.on_isolate = bad
    else:
        driver.on_putback = bad
    with pytest.raises(ContractViolation, match="hook-raised"):
        ask(vm)
    vm.recount()
    assert (free_pages(vm), vm.offline_ranges, vm.zones[0].nr_isolate_pageblock) == (before, (), 0)
    assert readable(driver)
    assert ask(vm).ret == 0


@BOTH
@pytest.mark.parametrize("hook", ["isolate_page", "migratepage", "putback_page"])
def test_an_interrupt_is_raised_and_nothing_kept(ask: Callable[[VM], RangeResult], hook: str) -> None:
    """KeyboardInterrupt in a callback ends the call as a signal would, with all pages put back (8.2, 8.3)."""
    vm = small()
    driver = Recorder(vm, [-EBUSY] if hook == "putback_page" else [])
    pages = pages_at(driver, range(START + 3, START + 13))
    before = free_pages(vm)

    def interrupt(*arguments: Page) -> Any:
        driver.on_isolate = driver.on_putback = None
        if hook == "putback_page":
            driver.idle.add(arguments[0])
        raise KeyboardInterrupt

    if hook == "migratepage":
        driver.answers = [interrupt]
    elif hook == "isolate_page":
        driver.on_isolate = interrupt
    else:
        driver.on_putback = interrupt
    with pytest.raises(KeyboardInterrupt):
        ask(vm)
    vm.recount()
    stat = vm.vmstat()
    assert (stat["nr_isolated_anon"], stat["nr_isolated_file"]) == (0, 0)
    assert (free_pages(vm), vm.offline_ranges, vm.zones[0].nr_isolate_pageblock) == (before, (), 0)
    assert {page.isolated for page in pages if page.mapping} <= {False}
    assert readable(driver)
    assert ask(vm).ret == 0


@BOTH
def test_a_fatal_mistake_stops_the_machine(ask: Callable[[VM], RangeResult]) -> None:
    """A driver that drops the isolation reference stops the machine in the middle; it does no more work (6.9)."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3])

    def migrate(_new: Page, old: Page) -> int:
        old.clear_movable()
        old.clear_movable()
        return 0

    driver.answers = [migrate]
    with pytest.raises(KernelAssertion, match="clear-not-movable"):
        ask(vm)
    with pytest.raises(DeadVM):
        ask(vm)


@BOTH
def test_not_from_inside_a_callback(ask: Callable[[VM], RangeResult]) -> None:
    """A callback cannot begin to empty a range: a page is on its way."""
    vm = small()
    driver = Recorder(vm)
    pages_at(driver, [START + 3])
    seen: list[str] = []

    def migrate(newpage: Page, oldpage: Page) -> Any:
        with pytest.raises(MovableError, match="not inside a callback") as raised:
            ask(vm)
        seen.append(str(raised.value))
        return driver._migrate(driver.mapping, newpage, oldpage, MigrateMode.SYNC)

    driver.answers = [migrate]
    listed = vm.page_list("caller")
    assert listed.isolate(next(iter(driver.cells.values())))
    vm.migrate_pages(listed, vm.target_node(0))
    assert len(seen) == 1


def test_a_driver_that_allocates_and_frees_meanwhile() -> None:
    """Pages that a callback allocates come from elsewhere, those that it frees become part of the range (8.1, 8.2)."""
    vm = nodes()
    driver = Recorder(vm)
    pages_at(driver, [START + 3, START + 4, START + 5])
    extra: list[Page] = []

    def busy(_new: Page, old: Page) -> int:
        extra.append(driver.add("at 0x, later"))
        for handle, page in list(driver.cells.items()):
            if page.pfn == START + 3 and page is not old:
                driver.drop(handle)
        return -EAGAIN

    driver.answers = [busy] * 5
    assert take(vm).ret == 0
    assert not set(frames(extra)) & set(range(START, END))
    assert readable(driver)


def test_isolated_by_somebody_else() -> None:
    """A page that somebody holds isolated is in use and cannot be isolated: five passes, -EBUSY (8.3)."""
    vm = small()
    driver = Recorder(vm)
    pages = pages_at(driver, [START + 3, START + 4])
    listed = vm.page_list("somebody's")
    assert listed.isolate(pages[1])
    result = remove(vm)
    assert (result.ret, result.passes, result.busy) == (-EBUSY, 5, START + 4)
    vm.putback_movable_pages(listed)
    assert remove(vm).ret == 0
