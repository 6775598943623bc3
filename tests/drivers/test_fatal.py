"""Fatal violations inside callbacks: the VM dies, the process and each ``finally`` live on (design 4)."""

import errno
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from migration.kit import Recorder, Targets, add_low, compact, isolate

from movable import GFP, VM, ContractViolation, DeadVM, KernelAssertion, MovableError, Mutex, Page, Violation

HOOKS = ("isolate_page", "migratepage", "putback_page")
Break = Callable[[VM, Page], object]


def put_twice(vm: VM, page: Page) -> None:
    """Free a page that the VM holds, whatever the allocator says to that."""
    page.put()
    with suppress(ContractViolation):
        page.put()


def give_up_twice(vm: VM, page: Page) -> None:
    """Clear the mark of a page that has none any more."""
    page.clear_movable()
    page.clear_movable()


BREAKS: dict[str, tuple[str, Break]] = {
    "frees a page the VM holds": ("page-ref-zero", put_twice),
    "locks a page it has locked": ("self-deadlock", lambda vm, page: page.lock()),
    "gives up twice": ("clear-not-movable", give_up_twice),
    "frees with a wrong order": ("free-wrong-order", lambda vm, page: vm.free_pages(page, 3)),
    "reports itself": (
        "driver-bug",
        lambda vm, page: vm.raise_violation("driver-bug", expected="", seen="", page=page),
    ),
}


def do(driver: Recorder, hook: str, work: Callable[[Page], Any]) -> None:
    """Have the hook do ``work`` with its page, and then answer as if all were well."""

    def isolate_page(page: Page) -> bool:
        work(page)
        return True

    def migratepage(newpage: Page, oldpage: Page) -> int:
        work(oldpage)
        return 0

    if hook == "isolate_page":
        driver.on_isolate = isolate_page
    elif hook == "migratepage":
        driver.answers = [migratepage]
    else:
        driver.answers = [-errno.EBUSY]
        driver.on_putback = work


def move(vm: VM, driver: Recorder) -> None:
    """Isolate and migrate a page."""
    vm.migrate_pages(isolate(vm, driver.add_many(1)), Targets(vm).get)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", BREAKS)
def test_a_fatal_mistake_comes_out_of_the_call(vm: VM, driver: Recorder, hook: str, name: str) -> None:
    """A fatal violation inside a callback is raised by the outer call, with page and CPU; the VM is dead."""
    rule, broken = BREAKS[name]
    vm.cpu = 1
    do(driver, hook, lambda page: broken(vm, page))
    with pytest.raises(Violation) as caught:
        move(vm, driver)
    death = [caught.value, *caught.value.more][-1]
    assert isinstance(death, KernelAssertion)
    assert (death.rule.id, death.cpu) == (rule, 1)
    assert death.pfn == driver.calls(hook)[0].page.pfn
    with pytest.raises(DeadVM, match=rule):
        vm.alloc_page()


@pytest.mark.parametrize("hook", HOOKS)
def test_finally_blocks_run(vm: VM, driver: Recorder, hook: str) -> None:
    """Nothing jumps over a driver's ``finally``: its locks are released although the VM is dead."""
    lock = Mutex(vm, "driver lock")
    seen: list[str] = []

    def work(page: Page) -> None:
        with lock:
            try:
                page.lock()
            finally:
                seen.append("finally")

    do(driver, hook, work)
    with pytest.raises(KernelAssertion):
        move(vm, driver)
    assert seen == ["finally"]
    assert lock.owner is None


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", BREAKS)
def test_a_swallowed_death_is_one(vm: VM, driver: Recorder, hook: str, name: str) -> None:
    """A driver that swallows a fatal violation and answers is not heard: the outer call raises it."""
    rule, broken = BREAKS[name]
    later: list[type[BaseException]] = []

    def work(page: Page) -> None:
        with suppress(MovableError):
            broken(vm, page)
        try:
            page.get()
        except MovableError as error:
            later.append(type(error))

    do(driver, hook, work)
    with pytest.raises(Violation) as caught:
        move(vm, driver)
    assert [caught.value, *caught.value.more][-1].rule.id == rule
    assert later == [KernelAssertion if rule == "page-ref-zero" else DeadVM]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_death_in_compaction(vm: VM, driver: Recorder, hook: str) -> None:
    """A fatal violation leaves compaction and direct compaction like any other call."""
    add_low(driver, 5)
    do(driver, hook, lambda page: page.lock())
    with pytest.raises(KernelAssertion) as caught:
        compact(vm)
    assert caught.value.rule.id == "self-deadlock"


def test_a_death_leaves_every_call_in_turn(vm: VM, driver: Recorder) -> None:
    """Through calls inside callbacks inside calls, a death unwinds each level as an exception."""
    pages = driver.add_many(10)
    unwound: list[int] = []

    def deeper(level: int) -> Callable[[Page], bool]:
        def isolate_page(page: Page) -> bool:
            if level == 9:
                page.lock()
            driver.on_isolate = deeper(level + 1)
            try:
                return vm.isolate_movable_page(pages[level + 1])
            except KernelAssertion:
                unwound.append(level)
                raise

        return isolate_page

    driver.on_isolate = deeper(0)
    with pytest.raises(KernelAssertion) as caught:
        vm.isolate_movable_page(pages[0])
    assert (caught.value.rule.id, caught.value.pfn) == ("self-deadlock", pages[9].pfn)
    assert unwound == list(range(8, -1, -1))


def test_a_death_inside_another_machines_callback(vm: VM, driver: Recorder) -> None:
    """A machine that dies in a callback of another takes only itself along."""
    with VM("tiny", debug=2) as other:

        def die(page: Page) -> None:
            victim = other.alloc_page()
            assert victim is not None
            with pytest.raises(KernelAssertion):
                victim.unlock()
            driver.idle.remove(page)

        do(driver, "isolate_page", die)
        move(vm, driver)
        assert driver.load(1) == b"object 0"
        with pytest.raises(DeadVM):
            other.alloc_page()
    vm.recount()


@pytest.mark.parametrize("where", ["get_new_page", "put_new_page", "wait_hook", "oom_notifier"])
def test_a_death_in_a_function_of_the_caller(vm: VM, driver: Recorder, where: str) -> None:
    """A fatal violation inside a target allocator, a wait hook or an OOM notifier comes out of the call."""
    page = driver.add()
    listed = isolate(vm, [page])
    targets = Targets(vm)

    def die(*_: object) -> Any:
        vm.free_pages(page, 5)

    def work() -> None:
        if where == "get_new_page":
            vm.migrate_pages(listed, die)
        elif where == "put_new_page":
            driver.answers = [-errno.EBUSY]
            vm.migrate_pages(listed, targets.get, die)
        elif where == "wait_hook":
            page.lock()
            vm.cpu = 1
            vm.wait_hook = die
            vm.putback_movable_pages(listed)
        else:
            vm.register_oom_notifier(die)
            while vm.alloc_page(GFP.HIGHUSER_MOVABLE) is not None:
                pass

    with pytest.raises(KernelAssertion) as caught:
        work()
    assert (caught.value.rule.id, caught.value.pfn) == ("free-wrong-order", page.pfn)
    with pytest.raises(DeadVM):
        page.get()


def test_a_dead_machine_with_pages_under_way_can_be_closed(driver: Recorder, vm: VM) -> None:
    """A machine that died in the middle of a migration is closed and collected like any other."""
    do(driver, "migratepage", lambda page: page.lock())
    with pytest.raises(KernelAssertion):
        move(vm, driver)
    vm.close()
    assert vm.closed


def test_many_deaths(vm: VM) -> None:
    """Dying costs nothing that adds up: a process can see hundreds of machines die in callbacks."""
    for _ in range(200):
        with VM("tiny", debug=1) as victim:
            driver = Recorder(victim)
            do(driver, "migratepage", lambda page: page.lock())
            with pytest.raises(KernelAssertion):
                move(victim, driver)
    assert vm.alloc_page() is not None
