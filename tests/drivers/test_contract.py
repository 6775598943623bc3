"""The contract (spec/migration.md 6.8; spec/drivers.md 6.3): each rule, broken by one mistake."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from drivers.mistakes import MISTAKES, Mistake
from migration.kit import Recorder, Targets, add_low, compact, isolate

from movable import GFP, RULES, VM, ContractViolation, Page

Work = Callable[[VM, list[Page]], object]


def by_list(vm: VM, pages: list[Page]) -> None:
    """Isolate and migrate the pages by hand; what is left goes back."""
    listed = vm.page_list()
    try:
        for page in pages:
            listed.isolate(page)
        vm.migrate_pages(listed, lambda _: vm.alloc_page(GFP.HIGHUSER_MOVABLE))
    except ContractViolation:
        with suppress(ContractViolation):
            vm.putback_movable_pages(listed)
        raise
    vm.putback_movable_pages(listed)


def by_compaction(vm: VM, pages: list[Page]) -> None:
    """Compact the zone that the pages are in."""
    compact(vm)


WORK: dict[str, Work] = {"list": by_list, "compaction": by_compaction}


def name(mistake: Mistake) -> str:
    """For pytest."""
    return f"{mistake.hook}: {mistake.name}"


ELSEWHERE = {"hook-raised", "hook-bad-type", "hook-positive", "hook-unknown-errno", "teardown-pages-left"}


def test_every_rule_of_the_contract_is_broken() -> None:
    """Each contract rule of the core has a driver that breaks it, here or in the tests of answers."""
    rules = {rule.id for rule in RULES.values() if rule.kind == "contract"}
    assert {mistake.rule for mistake in MISTAKES} == rules - ELSEWHERE


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("mistake", MISTAKES, ids=name)
def test_one_mistake_is_one_violation(vm: VM, driver: Recorder, mistake: Mistake, work: str) -> None:
    """A mistake is raised as its rule with page, CPU, callback, driver, expected and seen (6.8)."""
    vm.cpu = 1
    pages = add_low(driver, 3)
    mistake.make(driver)
    with pytest.raises(ContractViolation) as caught:
        WORK[work](vm, pages)
    violation = caught.value
    assert violation.rule is RULES[mistake.rule]
    assert (violation.cpu, violation.driver) == (1, "cells")
    assert violation.expected
    assert violation.seen
    if mistake.rule != "lru-while-isolated":
        assert violation.where == mistake.hook
    call = driver.calls(mistake.hook)[0]
    about = call.newpage if mistake.about == "new" else call.page
    assert about is not None
    assert violation.pfn == about.pfn


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("mistake", MISTAKES, ids=name)
def test_the_machine_lives_on(vm: VM, driver: Recorder, mistake: Mistake, work: str) -> None:
    """After a broken contract the VM recounts clean, allocates, and moves another driver's pages."""
    pages = add_low(driver, 3)
    mistake.make(driver)
    with pytest.raises(ContractViolation):
        WORK[work](vm, pages)
    vm.recount()
    other = Recorder(vm)
    page = other.add("well")
    assert vm.migrate_pages(isolate(vm, [page]), Targets(vm).get).succeeded == 1
    assert other.load(1) == b"well"
    vm.lru_add_drain_all()
    vm.recount()


FREED_ON_A_LIST = {"migratepage: fails, links new", "putback_page: drops a reference"}
ON_A_LIST = [mistake for mistake in MISTAKES if name(mistake) in FREED_ON_A_LIST]
UNCHECKED = [
    mistake
    for mistake in MISTAKES
    if mistake.rule != "lru-while-isolated" and name(mistake) not in FREED_ON_A_LIST
]


@pytest.mark.parametrize("mistake", UNCHECKED, ids=name)
def test_without_debugging_nothing_is_checked(vm: VM, driver: Recorder, mistake: Mistake) -> None:
    """At debug level 0 no callback is checked: the VM does with the page what a kernel would do."""
    vm.debug = 0
    mistake.make(driver)
    by_list(vm, add_low(driver, 3))
    assert vm.alloc_page() is not None


@pytest.mark.parametrize("mistake", ON_A_LIST, ids=name)
def test_a_page_freed_on_a_list_is_always_found(vm: VM, driver: Recorder, mistake: Mistake) -> None:
    """A page that is freed while a list links it would corrupt the list: reported at debug level 0 too."""
    vm.debug = 0
    pages = add_low(driver, 3)
    mistake.make(driver)
    with pytest.raises(ContractViolation) as caught:
        by_list(vm, pages)
    assert caught.value.rule.id == "bad-page"
    vm.recount()


def test_a_correct_driver_breaks_nothing(vm: VM, driver: Recorder) -> None:
    """The driver that the mistakes are made with is correct without them."""
    for work in (by_list, by_compaction, by_list):
        work(vm, list(driver.cells.values()) or add_low(driver, 3))
    driver.check()
    driver.close()
    assert vm.zones[0].free_pages == vm.zones[0].managed


def test_one_mistake_is_reported_once(vm: VM, driver: Recorder) -> None:
    """Rules that a callback breaks beyond its first mistake are not listed again: no cascade."""

    def everything(newpage: Page, oldpage: Page) -> int:
        oldpage.unlock()
        oldpage.private = 3
        newpage.private = 3
        return -5

    driver.answers = [everything]
    with pytest.raises(ContractViolation) as caught:
        by_list(vm, add_low(driver, 1))
    assert caught.value.rule.id == "migrate-unlocked"
    assert caught.value.more == ()


def test_later_mistakes_are_kept(vm: VM, driver: Recorder) -> None:
    """The first violation is raised; those of other callbacks of the same call are in ``more``."""

    def unlock(newpage: Page, oldpage: Page) -> int:
        oldpage.unlock()
        return -5

    driver.answers = [unlock, unlock, unlock]
    pages = add_low(driver, 3)
    with pytest.raises(ContractViolation) as caught:
        by_list(vm, pages)
    violations = [caught.value, *caught.value.more]
    assert [violation.rule.id for violation in violations] == ["migrate-unlocked"] * 3
    assert [violation.pfn for violation in violations] == [page.pfn for page in pages]


def test_hundreds_of_mistakes_are_not_too_many(vm: VM, driver: Recorder) -> None:
    """However many violations a call meets, the first is raised, some are kept, and the VM lives on."""
    driver.answers = [lambda newpage, oldpage: "no"] * 500
    with pytest.raises(ContractViolation) as caught:
        by_list(vm, add_low(driver, 500))
    assert caught.value.rule.id == "hook-bad-type"
    assert 10 < len(caught.value.more) < 500
    vm.recount()
    assert vm.alloc_page() is not None
