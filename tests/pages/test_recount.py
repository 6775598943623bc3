"""The full recount sees structures that do not fit together, and names the page (design 4)."""

import errno
from collections.abc import Callable
from contextlib import suppress

import pytest
from migration.kit import Recorder, Targets, isolate
from pages.raw import struct_page

from movable import (
    PAGE_SIZE,
    RULES,
    VM,
    ContractViolation,
    DeadVM,
    KernelAssertion,
    MovableError,
    Page,
    PageFlag,
    PageType,
)


@pytest.fixture
def vm(vm: VM) -> VM:
    """A machine that recounts only when it is asked."""
    vm.debug = 1
    return vm


@pytest.fixture
def page(vm: VM, driver: Recorder) -> Page:
    """A page of the driver, with a neighbour in use: its buddy stays away."""
    driver.add_many(2)
    return driver.cells[1]


def recount_free_list(vm: VM, driver: Recorder, page: Page) -> Page:
    """A free page with a reference."""
    driver.drop(1)
    struct_page(vm, page)._refcount = 1
    return page


def recount_unmerged(vm: VM, driver: Recorder, page: Page) -> Page:
    """A page freed while its buddy looked as if it were of another order."""
    buddy = driver.cells[2]
    driver.drop(2)
    struct_page(vm, buddy).private = 5
    driver.drop(1)
    struct_page(vm, buddy).private = 0
    return buddy


def recount_free_pages(vm: VM, driver: Recorder, page: Page) -> None:
    """A page in use that is marked as a free one."""
    struct_page(vm, page)._mapcount = PageType.BUDDY
    page.private = 0


def recount_managed(vm: VM, driver: Recorder, page: Page) -> None:
    """A page in use that became a reserved one."""
    struct_page(vm, page).flags |= PageFlag.RESERVED


def recount_page(vm: VM, driver: Recorder, page: Page) -> Page:
    """An allocated page without a reference."""
    struct_page(vm, page)._refcount = 0
    return page


def recount_lru(vm: VM, driver: Recorder, page: Page) -> Page:
    """A page on the inactive list with the flag of an active one."""
    vm.debug = 0
    targets = Targets(vm)

    def forget_the_mark(newpage: Page, oldpage: Page) -> int:
        newpage.get()
        oldpage.clear_movable()
        oldpage.put()
        return 0

    driver.answers = [forget_the_mark]
    vm.migrate_pages(isolate(vm, [page]), targets.get)
    vm.lru_add_drain_all()
    targets.got[0].set_flag(PageFlag.ACTIVE)
    return targets.got[0]


def recount_list(vm: VM, driver: Recorder, page: Page) -> Page:
    """A page on a list that believes to be on none."""
    struct_page(vm, page).list_id = 0
    return page


def recount_isolated(vm: VM, driver: Recorder, page: Page) -> None:
    """An isolated page that somebody freed under the hands of the caller who counted it."""
    vm.debug = 0
    driver.lists.append(isolate(vm, [page]))
    page.put()
    with suppress(ContractViolation):
        page.put()


def recount_rmap(vm: VM, driver: Recorder, page: Page) -> Page:
    """A page of a process that claims one mapping more than page tables have."""
    process = vm.process()
    address = process.mmap(PAGE_SIZE)
    process.touch(address)
    mapped = process.page(address)
    assert mapped is not None
    struct_page(vm, mapped)._mapcount += 1
    return mapped


def recount_cache(vm: VM, driver: Recorder, page: Page) -> Page:
    """A page of a file at another index than its own."""
    file = vm.file("data", PAGE_SIZE)
    file.read(0, 1)
    cached = file.page(0)
    assert cached is not None
    cached.index = 3
    return cached


def recount_mm(vm: VM, driver: Recorder, page: Page) -> None:
    """A page of shared memory that became one of a file."""
    process = vm.process()
    address = process.mmap(PAGE_SIZE, shared=True)
    process.touch(address)
    mapped = process.page(address)
    assert mapped is not None
    mapped.clear_flag(PageFlag.SWAPBACKED)


PROVOKERS: dict[str, Callable[[VM, Recorder, Page], Page | None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        recount_free_list,
        recount_unmerged,
        recount_free_pages,
        recount_managed,
        recount_page,
        recount_lru,
        recount_list,
        recount_isolated,
        recount_rmap,
        recount_cache,
        recount_mm,
    )
}


def test_each_recount_is_provoked_here() -> None:
    """Every rule that a recount can find broken is broken by a test of this file."""
    assert set(PROVOKERS) == {rule.id for rule in RULES.values() if rule.kind == "recount"}


@pytest.mark.parametrize("rule", PROVOKERS)
def test_a_recount_finds_it(vm: VM, driver: Recorder, page: Page, rule: str) -> None:
    """A structure that does not fit is a fatal violation with rule, page, expected and seen."""
    where = PROVOKERS[rule](vm, driver, page)
    with pytest.raises(KernelAssertion) as caught:
        vm.recount()
    assert caught.value.rule.id == rule
    assert caught.value.pfn == (where.pfn if where is not None else None)
    assert caught.value.expected
    assert caught.value.seen
    with pytest.raises(DeadVM, match=rule):
        vm.alloc_page()


@pytest.mark.parametrize("rule", PROVOKERS)
def test_debug_level_2_recounts_after_each_operation(vm: VM, driver: Recorder, page: Page, rule: str) -> None:
    """At debug level 2 the next operation finds it, whatever that is; at level 1 nothing is recounted."""
    PROVOKERS[rule](vm, driver, page)
    vm.debug = 1
    vm.zones[0].reset_isolation_suitable()
    vm.debug = 2
    with pytest.raises(KernelAssertion, match=rule):
        vm.zones[0].reset_isolation_suitable()


def test_a_sound_machine_passes(vm: VM, driver: Recorder) -> None:
    """Pages in use, on lists, isolated, given up and on the LRU are all accounted for."""
    pages = driver.add_many(6)
    listed = isolate(vm, pages[:3])
    driver.give_up(pages[0])
    driver.drop(2)
    vm.recount()
    vm.putback_movable_pages(listed)
    vm.recount()
    assert vm.vmstat()["nr_isolated_file"] == 0


def test_pages_on_their_way_are_not_recounted(vm: VM, driver: Recorder) -> None:
    """Inside a callback pages are on their way: a recount is refused there, and kills nothing."""

    def recount(newpage: Page, oldpage: Page) -> int:
        with pytest.raises(MovableError, match=r"recount: .* callback"):
            vm.recount()
        return -errno.EBUSY

    driver.answers = [recount]
    result = vm.migrate_pages(isolate(vm, driver.add_many(2)), Targets(vm).get)
    assert (result.succeeded, result.failed) == (1, 1)
    vm.recount()
