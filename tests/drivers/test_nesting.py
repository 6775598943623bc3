"""Callbacks that call back into the machine (spec/drivers.md 6.1): allocating, migrating, compacting."""

import errno
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from migration.kit import Recorder, Targets, add_low, compact, isolate

from movable import GFP, VM, CompactResult, ContractViolation, DeadVM, KernelAssertion, MovableError, Page

HOOKS = ("isolate_page", "migratepage", "putback_page")


def during(driver: Recorder, hook: str, work: Callable[[], object]) -> None:
    """Have the driver do ``work`` in the first call of a hook, before what it does anyway."""
    pending = [work]

    def do() -> None:
        while pending:
            pending.pop()()

    def isolate_page(page: Page) -> bool:
        do()
        driver.idle.remove(page)
        return True

    def migratepage(newpage: Page, oldpage: Page) -> int:
        do()
        driver._copy(newpage, oldpage)
        driver._take(newpage, driver.mapping)
        driver._redirect(oldpage.private, newpage)
        driver._give_up(oldpage)
        return 0

    def putback_page(page: Page) -> None:
        do()
        driver.idle.add(page)

    if hook == "isolate_page":
        driver.on_isolate = isolate_page
    elif hook == "migratepage":
        driver.answers = [migratepage]
    else:
        driver.answers = [-errno.EBUSY]
        driver.on_putback = putback_page


def run(vm: VM, driver: Recorder) -> None:
    """Isolate and migrate three objects' pages; all contents must be there afterwards."""
    driver.add_many(3)
    listed = vm.page_list()
    try:
        for handle in (1, 2, 3):
            assert listed.isolate(driver.cells[handle])
        vm.migrate_pages(listed, Targets(vm).get)
    finally:
        # A list is not dropped with isolated pages; of a VM that is dead they cannot be put back.
        with suppress(DeadVM):
            vm.putback_movable_pages(listed)
    assert [driver.load(handle) for handle in (1, 2, 3)] == [b"object 0", b"object 1", b"object 2"]
    driver.check()
    vm.recount()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_callback_may_allocate_and_free(vm: VM, driver: Recorder, hook: str) -> None:
    """Any callback may take and give back memory."""
    taken: list[Page | None] = []

    def work() -> None:
        taken.extend(vm.alloc_pages(order) for order in range(5))
        for order, page in enumerate(taken):
            assert page is not None
            vm.free_pages(page, order)

    during(driver, hook, work)
    run(vm, driver)
    assert len(taken) == 5


@pytest.mark.parametrize("hook", HOOKS)
def test_a_callback_may_move_another_drivers_pages(vm: VM, driver: Recorder, hook: str) -> None:
    """A migration inside a callback moves its pages, and the outer one goes on."""
    other = Recorder(vm)
    page = other.add("inner")

    def work() -> None:
        assert vm.migrate_pages(isolate(vm, [page]), Targets(vm).get).succeeded == 1

    during(driver, hook, work)
    run(vm, driver)
    assert other.load(1) == b"inner"
    assert other.cells[1] is not page


@pytest.mark.parametrize("hook", HOOKS)
def test_a_callback_may_move_its_own_drivers_pages(vm: VM, driver: Recorder, hook: str) -> None:
    """A driver may be called back for another page of its own while a callback of it runs."""
    extra = driver.store(b"extra")
    assert extra is not None

    def work() -> None:
        driver.on_isolate = driver.on_putback = None
        inner = isolate(vm, driver.pages(extra))
        assert vm.migrate_pages(inner, Targets(vm).get).succeeded == 1

    during(driver, hook, work)
    pages = driver.add_many(2)
    listed = isolate(vm, pages)
    vm.migrate_pages(listed, Targets(vm).get)
    vm.putback_movable_pages(listed)
    assert [driver.load(handle) for handle in sorted(driver.cells)] == [b"extra", b"object 0", b"object 1"]
    vm.recount()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_callback_may_compact(vm: VM, driver: Recorder, hook: str) -> None:
    """A compaction inside a callback ends, and loses nothing."""
    other = Recorder(vm)
    add_low(other, 40)
    during(driver, hook, lambda: compact(vm))
    run(vm, driver)
    assert [other.load(number + 1) for number in range(40)] == [f"object {n}".encode() for n in range(40)]


def test_a_callback_may_run_out_of_memory(vm: VM, driver: Recorder) -> None:
    """An allocation that fails inside a callback is an answer like any other: None."""
    answers = []

    def work() -> None:
        answers.append(vm.alloc_pages(10))

    pages = driver.add_many(1)
    while vm.alloc_pages(5) is not None:
        pass
    during(driver, "migratepage", work)
    vm.migrate_pages(isolate(vm, pages), Targets(vm).get)
    assert answers == [None]
    assert driver.load(1) == b"object 0"


@pytest.mark.parametrize("caller", ["migrate_pages", "compaction"])
def test_a_callback_may_drop_pages_that_wait_their_turn(vm: VM, driver: Recorder, caller: str) -> None:
    """Objects may be dropped while their pages are on the caller's list: those count as moved (6.8 (7))."""
    pages = add_low(driver, 10)

    def work() -> None:
        for handle in list(driver.cells):
            if not driver.cells[handle].locked:
                driver.drop(handle)

    during(driver, "migratepage", work)
    if caller == "compaction":
        compact(vm)
    else:
        assert vm.migrate_pages(isolate(vm, pages), Targets(vm).get).succeeded == 10
    assert (len(driver.cells), len(driver.calls("migratepage"))) == (1, 1)
    assert vm.zones[0].free_pages == vm.zones[0].managed - 1
    vm.recount()


def test_a_callback_may_put_back_the_rest_of_its_list(vm: VM, driver: Recorder) -> None:
    """A callback that gives back the pages still on the caller's list ends the call early, nothing lost."""
    pages = driver.add_many(4)
    listed = isolate(vm, pages)
    during(driver, "migratepage", lambda: vm.putback_movable_pages(listed))
    result = vm.migrate_pages(listed, Targets(vm).get)
    assert (result.ret, result.succeeded, len(listed)) == (0, 1, 0)
    assert len(driver.calls("putback_page")) == 3
    vm.recount()


def test_a_callback_may_migrate_the_rest_of_its_list(vm: VM, driver: Recorder) -> None:
    """A callback that migrates the pages still on the caller's list leaves none for it."""
    pages = driver.add_many(4)
    listed = isolate(vm, pages)
    inner: list[int] = []

    def work() -> None:
        inner.append(vm.migrate_pages(listed, Targets(vm).get).succeeded)

    during(driver, "migratepage", work)
    assert vm.migrate_pages(listed, Targets(vm).get).succeeded == 1
    assert (inner, len(listed), vm.vmstat()["pgmigrate_success"]) == ([3], 0, 4)
    vm.recount()


def test_a_callback_may_work_on_another_machine(vm: VM, driver: Recorder) -> None:
    """Machines do not get in each other's way, one inside a callback of the other."""
    with VM("tiny", debug=2) as other:
        guest = Recorder(other)
        during(guest, "migratepage", vm.alloc_page)
        during(driver, "migratepage", lambda: run(other, guest))
        run(vm, driver)
        assert guest.load(2) == b"object 1"


def test_migration_without_end_is_stopped(vm: VM, driver: Recorder) -> None:
    """Callbacks that call each other without end are stopped by an assertion, not by the stack."""
    driver.add_many(200)
    depth = []

    def deeper(newpage: Page, oldpage: Page) -> Any:
        depth.append(oldpage)
        page = next(iter(driver.idle))
        vm.migrate_pages(isolate(vm, [page]), Targets(vm).get)
        return -errno.EBUSY

    driver.answers = [deeper] * 200
    with pytest.raises(KernelAssertion) as caught:
        vm.migrate_pages(isolate(vm, [driver.cells[1]]), Targets(vm).get)
    assert caught.value.rule.id == "nesting-too-deep"
    assert 50 < len(depth) < 64


def test_compaction_without_end_is_stopped(vm: VM, driver: Recorder) -> None:
    """A callback that compacts each time it is called ends: nobody compacts while too much is isolated."""
    add_low(driver, 200)
    results = []

    def deeper(newpage: Page, oldpage: Page) -> int:
        results.append(compact(vm).result)
        return -errno.EBUSY

    driver.answers = [deeper] * 200
    compact(vm)
    assert set(results) == {CompactResult.CONTENDED}
    assert len(results) == 200


@pytest.mark.parametrize("hook", HOOKS)
def test_a_swallowed_violation_comes_out_of_the_outer_call(vm: VM, driver: Recorder, hook: str) -> None:
    """A driver that swallows the exception of a broken rule hides nothing: the outer call raises it."""
    other = Recorder(vm)
    page = other.add()
    other.on_isolate = lambda _: "maybe"

    def work() -> None:
        with suppress(MovableError):
            vm.isolate_movable_page(page)

    during(driver, hook, work)
    with pytest.raises(ContractViolation) as caught:
        run(vm, driver)
    assert (caught.value.rule.id, caught.value.pfn) == ("hook-bad-type", page.pfn)
    vm.recount()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_violation_that_passes_through_a_callback_is_one(vm: VM, driver: Recorder, hook: str) -> None:
    """A violation raised by a call inside a callback, and not caught there, is reported once, as itself."""
    other = Recorder(vm)
    page = other.add()
    other.on_isolate = lambda _: "maybe"
    during(driver, hook, lambda: vm.isolate_movable_page(page))
    with pytest.raises(ContractViolation) as caught:
        run(vm, driver)
    assert (caught.value.rule.id, caught.value.pfn, caught.value.more) == ("hook-bad-type", page.pfn, ())


def test_errors_of_use_inside_a_callback_are_the_drivers(vm: VM, driver: Recorder) -> None:
    """A MovableError about wrong use, raised inside a callback, is what the hook raised."""
    during(driver, "migratepage", lambda: vm.page(0))
    with pytest.raises(ContractViolation) as caught:
        run(vm, driver)
    assert caught.value.rule.id == "hook-raised"
    assert "there is no page frame" in str(caught.value.__cause__)


def test_an_oom_notifier_may_drop_objects(vm: VM, driver: Recorder) -> None:
    """Memory that a notifier gives back when there is none is handed out (spec/drivers.md 4.9)."""
    handles = []
    while (handle := driver.store(b"balloon")) is not None:
        handles.append(handle)

    def notify() -> int:
        return sum(driver.drop(handles.pop()) for _ in range(min(64, len(handles))))

    vm.register_oom_notifier(notify)
    assert vm.alloc_page() is not None
    assert len(driver.cells) < vm.zones[0].managed - 64
    vm.unregister_oom_notifier(notify)
    vm.recount()


def test_an_error_of_an_oom_notifier_comes_out(vm: VM) -> None:
    """What a notifier raises comes out of the allocation as itself; the VM lives on."""

    def notify() -> int:
        raise LookupError("nothing to give")

    while vm.alloc_page(GFP.HIGHUSER_MOVABLE) is not None:
        pass
    vm.register_oom_notifier(notify)
    with pytest.raises(LookupError, match="nothing to give"):
        vm.alloc_page()
    vm.unregister_oom_notifier(notify)
    vm.recount()
