"""Kernel assertions (spec/migration.md 6.9): each is raised with rule, page, CPU, expected and seen."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from migration.kit import Recorder, Targets, isolate
from pages.raw import struct_page

from movable import RULES, VM, DeadVM, KernelAssertion, Mutex, Page, PageFlag
from movable._core import ffi

UNDER_A_SCHEDULE = {
    "deadlock",
    "livelock",
    "lock-order",
    "nondeterminism",
    "schedule-stopped",
    "sleep-in-async",
    "sleep-in-atomic",
}
"""Rules that only several CPUs can break; tests/schedules and tests/races break them."""

WITHOUT_A_DOOR = {
    "lru-active-unevictable": "a page loses PG_unevictable before it is put on the LRU (7.3 step 2)",
    "migrate-writeback": "writeback is over, or the page let go, before a method runs (4.3 step 2)",
    "migration-entry-unlocked": "the page is locked from step B1 to step 19 (4.2)",
    "putback-not-movable": "PageMovable is asked before each putback_movable_page (4.1 step 9, 6.5)",
}


def page_not_locked(vm: VM, driver: Recorder, page: Page) -> None:
    """Mark an unlocked page."""
    page.set_movable(driver.mapping)


def unlock_not_locked(vm: VM, driver: Recorder, page: Page) -> None:
    """Unlock an unlocked page."""
    page.unlock()


def self_deadlock(vm: VM, driver: Recorder, page: Page) -> None:
    """Lock a page twice."""
    page.lock()
    page.lock()


def lock_not_held(vm: VM, driver: Recorder, page: Page) -> None:
    """Release a driver's lock that is free."""
    Mutex(vm, "free").release()


def page_ref_zero(vm: VM, driver: Recorder, page: Page) -> None:
    """Take a reference on a free page."""
    driver.drop(page.private)
    page.get()


def set_movable_tagged(vm: VM, driver: Recorder, page: Page) -> None:
    """Mark a page with a mapping that carries the tag already."""
    pointer = ffi.cast("struct address_space *", struct_page(vm, page).mapping)
    page.lock()
    page.set_movable(SimpleNamespace(pointer=pointer, _machine=vm.machine))


def clear_not_movable(vm: VM, driver: Recorder, page: Page) -> None:
    """Give a page up twice."""
    driver.give_up(page)
    driver.give_up(page)


def putback_not_isolated(vm: VM, driver: Recorder, page: Page) -> None:
    """Put a page back whose PG_isolated somebody cleared."""
    listed = isolate(vm, [page])
    page.clear_flag(PageFlag.ISOLATED)
    vm.putback_movable_pages(listed)


def migrate_not_isolated(vm: VM, driver: Recorder, page: Page) -> None:
    """Migrate a page whose PG_isolated somebody cleared."""
    listed = isolate(vm, [page])
    page.clear_flag(PageFlag.ISOLATED)
    vm.migrate_pages(listed, Targets(vm).get)


def isolate_no_mapping(vm: VM, driver: Recorder, page: Page) -> None:
    """Isolate a movable page that is a slab page too, so that page_mapping gives none."""
    struct_page(vm, page).flags |= PageFlag.SLAB
    vm.isolate_movable_page(page)


def lru_add_on_lru(vm: VM, driver: Recorder, page: Page) -> None:
    """Put back an isolated page that lost its tag and has PG_lru."""
    listed = isolate(vm, [page])
    struct_page(vm, page).mapping = 0
    struct_page(vm, page).flags |= PageFlag.LRU
    vm.putback_movable_pages(listed)


def free_wrong_order(vm: VM, driver: Recorder, page: Page) -> None:
    """Free a page as if it were two."""
    vm.free_pages(page, 1)


def list_corrupt(vm: VM, driver: Recorder, page: Page) -> None:
    """Link a page into a second list."""
    vm.page_list("second").add(page)


def driver_bug(vm: VM, driver: Recorder, page: Page) -> None:
    """Let a driver report on itself."""
    vm.raise_violation("driver-bug", expected="a good driver", seen="a bad one", page=page)


def nesting_too_deep(vm: VM, driver: Recorder, page: Page) -> None:
    """Isolate another page from each isolate_page, without end."""
    pages = iter(driver.add_many(100))
    driver.on_isolate = lambda _: vm.isolate_movable_page(next(pages))
    vm.isolate_movable_page(page)


PROVOKERS: dict[str, Callable[[VM, Recorder, Page], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        page_not_locked,
        unlock_not_locked,
        self_deadlock,
        lock_not_held,
        page_ref_zero,
        set_movable_tagged,
        clear_not_movable,
        putback_not_isolated,
        migrate_not_isolated,
        isolate_no_mapping,
        lru_add_on_lru,
        free_wrong_order,
        list_corrupt,
        driver_bug,
        nesting_too_deep,
    )
}
ABOUT_NO_PAGE = {"lock-not-held", "nesting-too-deep"}


@pytest.fixture
def page(driver: Recorder) -> Page:
    """A page of the driver."""
    return driver.add()


def test_each_assertion_is_provoked_here() -> None:
    """Every assertion of the core is raised here or under a schedule, or named with why it cannot be."""
    assertions = {rule.id for rule in RULES.values() if rule.kind == "assertion"}
    assert set(PROVOKERS) | set(WITHOUT_A_DOOR) | UNDER_A_SCHEDULE == assertions
    assert not set(PROVOKERS) & set(WITHOUT_A_DOOR)


@pytest.mark.parametrize("rule", PROVOKERS)
def test_an_assertion_says_what_where_and_who(vm: VM, driver: Recorder, page: Page, rule: str) -> None:
    """A broken assertion is a KernelAssertion with its rule, pfn, CPU, expected, seen and place (6.9)."""
    vm.cpu = 1
    with pytest.raises(KernelAssertion) as caught:
        PROVOKERS[rule](vm, driver, page)
    violation = caught.value
    assert (violation.rule, violation.cpu) == (RULES[rule], 1)
    assert violation.pfn == (None if rule in ABOUT_NO_PAGE else page.pfn)
    assert violation.expected
    assert violation.seen
    assert violation.where
    for part in (rule, RULES[rule].sentence, RULES[rule].source, violation.expected, violation.seen):
        assert part in str(violation)


@pytest.mark.parametrize("rule", PROVOKERS)
def test_an_assertion_stops_the_machine(vm: VM, driver: Recorder, page: Page, rule: str) -> None:
    """After a broken assertion the VM refuses work and names that one."""
    with pytest.raises(KernelAssertion):
        PROVOKERS[rule](vm, driver, page)
    with pytest.raises(DeadVM) as caught:
        vm.alloc_page()
    assert caught.value.violation.rule.id == rule


UNCONDITIONAL = ["self-deadlock", "lock-not-held", "page-ref-zero", "free-wrong-order", "list-corrupt"]
UNCONDITIONAL += ["driver-bug", "nesting-too-deep"]


@pytest.mark.parametrize("rule", sorted(set(PROVOKERS) - set(UNCONDITIONAL)))
def test_debug_assertions_go_with_the_debug_level(vm: VM, driver: Recorder, page: Page, rule: str) -> None:
    """At debug level 0 the assertions of debug builds are gone: the VM goes on, as a kernel would (6.9)."""
    vm.debug = 0
    PROVOKERS[rule](vm, driver, page)
    assert vm.alloc_page() is not None


@pytest.mark.parametrize("rule", UNCONDITIONAL)
def test_some_assertions_are_always_on(vm: VM, driver: Recorder, page: Page, rule: str) -> None:
    """What the core cannot go on after is asserted at debug level 0 too."""
    vm.debug = 0
    with pytest.raises(KernelAssertion) as caught:
        PROVOKERS[rule](vm, driver, page)
    assert caught.value.rule.id == rule
