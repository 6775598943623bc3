"""What hooks answer or raise (spec/migration.md 6.1): wrong answers are reported, and harm nobody."""

import errno
import traceback
from typing import Any

import pytest
from migration.kit import Recorder, Targets, add_low, compact, isolate

from movable import RULES, VM, ContractViolation, MovableError, Page

HOOKS = ("isolate_page", "migratepage", "putback_page")


def answer(driver: Recorder, hook: str, value: Any) -> None:
    """Have a hook answer ``value``, or what it returns if it can be called."""
    give = value if callable(value) else lambda *_: value
    if hook == "isolate_page":
        driver.on_isolate = give
    elif hook == "migratepage":
        driver.answers = [give]
    else:
        driver.answers = [-errno.EBUSY]
        driver.on_putback = give


def provoke(vm: VM, driver: Recorder) -> ContractViolation:
    """Isolate, migrate and put back a page: the violation that this raises."""
    page = add_low(driver, 1)[0]
    with pytest.raises(ContractViolation) as caught:
        vm.migrate_pages(isolate_or_not(vm, page), Targets(vm).get)
    violation = caught.value
    assert violation.pfn == page.pfn
    assert (violation.driver, violation.cpu) == ("cells", 0)
    return violation


def isolate_or_not(vm: VM, page: Page) -> Any:
    """A migration list of the page, if its driver lets it go."""
    listed = vm.page_list()
    listed.isolate(page)
    return listed


BAD_TYPES: list[tuple[str, Any, str]] = [
    ("isolate_page", None, "None"),
    ("isolate_page", 1, "int"),
    ("isolate_page", 0, "int"),
    ("isolate_page", "yes", "str"),
    ("isolate_page", [], "list"),
    ("migratepage", None, "None"),
    ("migratepage", True, "bool"),
    ("migratepage", False, "bool"),
    ("migratepage", 0.0, "float"),
    ("migratepage", "-11", "str"),
    ("migratepage", OSError(11), "OSError"),
    ("putback_page", 0, "int"),
    ("putback_page", True, "bool"),
    ("putback_page", "done", "str"),
]


@pytest.mark.parametrize(("hook", "value", "seen"), BAD_TYPES, ids=repr)
def test_an_answer_has_its_type(vm: VM, driver: Recorder, hook: str, value: Any, seen: str) -> None:
    """isolate_page answers a bool, migratepage an int, putback_page nothing; the type seen is named."""
    answer(driver, hook, value)
    violation = provoke(vm, driver)
    assert (violation.rule.id, violation.where, violation.seen) == ("hook-bad-type", hook, seen)
    vm.recount()


@pytest.mark.parametrize("value", [1, 11, 4096, 32768, 2**31, 2**63, 10**100], ids=str)
def test_positive_numbers_are_no_answers(vm: VM, driver: Recorder, value: int) -> None:
    """migratepage answers 0 or a negative errno: any positive number is hook-positive, however large."""
    answer(driver, "migratepage", value)
    violation = provoke(vm, driver)
    assert (violation.rule.id, violation.where) == ("hook-positive", "migratepage")
    assert violation.expected == "0 or a negative errno"
    vm.recount()


@pytest.mark.parametrize("value", [-4096, -(2**31), -(2**63), -(10**100)], ids=str)
def test_errnos_are_small(vm: VM, driver: Recorder, value: int) -> None:
    """A negative number that is no errno is hook-unknown-errno, however large."""
    answer(driver, "migratepage", value)
    violation = provoke(vm, driver)
    assert violation.rule.id == "hook-unknown-errno"
    assert "-1 to -4095" in violation.expected
    vm.recount()


@pytest.mark.parametrize("value", [-1, -errno.EBUSY, -4095], ids=str)
def test_errnos_are_answers(vm: VM, driver: Recorder, value: int) -> None:
    """Every number from -1 to -4095 is an errno and breaks nothing."""
    answer(driver, "migratepage", value)
    page = driver.add()
    result = vm.migrate_pages(isolate(vm, [page]), Targets(vm).get)
    assert result.status == {page.pfn: value}


def test_integer_subclasses_are_answers(vm: VM, driver: Recorder) -> None:
    """An int of a subclass, as an enumeration's member, is an int."""
    number = type("Errno", (int,), {})(-errno.EBUSY)
    answer(driver, "migratepage", number)
    page = driver.add()
    assert vm.migrate_pages(isolate(vm, [page]), Targets(vm).get).status == {page.pfn: -errno.EBUSY}


@pytest.mark.parametrize("value", [7, "no", None], ids=repr)
def test_a_page_with_a_wrong_answer_is_put_back(vm: VM, driver: Recorder, value: Any) -> None:
    """A wrong answer of migratepage counts as a permanent failure: the page goes back to its driver (3.2)."""
    answer(driver, "migratepage", value)
    provoke(vm, driver)
    page = driver.cells[1]
    assert driver.hooks() == ["isolate_page", "migratepage", "putback_page"]
    assert (page.refcount, page.isolated, page in driver.idle) == (1, False, True)
    assert vm.vmstat()["nr_isolated_file"] == 0


@pytest.mark.parametrize("value", [1, None, "yes"], ids=repr)
def test_a_wrong_answer_of_isolate_page_is_a_no(vm: VM, driver: Recorder, value: Any) -> None:
    """What is not True does not isolate the page."""
    answer(driver, "isolate_page", value)
    provoke(vm, driver)
    page = driver.cells[1]
    assert (page.refcount, page.isolated, page.locked) == (1, False, False)


def fail(*_: object) -> Any:
    """Raise, from a line of its own."""
    raise LookupError("lost in the driver")


@pytest.mark.parametrize("hook", HOOKS)
def test_an_exception_is_reported_with_its_traceback(vm: VM, driver: Recorder, hook: str) -> None:
    """A hook that raises breaks hook-raised; its exception is the cause, with the driver's own lines."""
    answer(driver, hook, fail)
    violation = provoke(vm, driver)
    assert (violation.rule, violation.where) == (RULES["hook-raised"], hook)
    cause = violation.__cause__
    assert isinstance(cause, LookupError)
    functions = [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    assert functions[-1] == "fail"
    assert hook in functions
    vm.recount()


@pytest.mark.parametrize("hook", HOOKS)
def test_the_machine_survives_an_exception(vm: VM, driver: Recorder, hook: str) -> None:
    """After a hook raised, the VM goes on and other pages of the same driver can move."""
    answer(driver, hook, fail)
    provoke(vm, driver)
    driver.on_isolate = driver.on_putback = None
    page = driver.add("fine")
    assert vm.migrate_pages(isolate(vm, [page]), Targets(vm).get).succeeded == 1
    assert driver.load(2) == b"fine"
    vm.recount()


def test_compaction_goes_on_after_an_exception(vm: VM, driver: Recorder) -> None:
    """One page whose callback raises does not keep compaction from moving the others."""
    add_low(driver, 20)
    driver.answers = [fail]
    with pytest.raises(ContractViolation):
        compact(vm)
    assert len(driver.calls("migratepage")) == 20
    assert vm.vmstat()["pgmigrate_success"] == 19


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_passes_through(
    vm: VM, driver: Recorder, hook: str, interrupt: type[BaseException]
) -> None:
    """What is no Exception, as Ctrl-C, is no mistake of the driver: it ends the call and comes out."""

    def stop(*_: object) -> Any:
        raise interrupt("now")

    answer(driver, hook, stop)
    pages = driver.add_many(3)
    listed = vm.page_list()

    def work() -> None:
        for page in pages:
            listed.isolate(page)
        vm.migrate_pages(listed, Targets(vm).get)

    with pytest.raises(interrupt, match="now"):
        work()
    driver.on_isolate = driver.on_putback = None
    vm.putback_movable_pages(listed)
    vm.recount()
    assert vm.vmstat()["nr_isolated_file"] == 0


def test_an_interrupt_stops_compaction(vm: VM, driver: Recorder) -> None:
    """An interrupt inside compaction ends it there: pages not tried yet are given back."""

    def stop(*_: object) -> Any:
        raise KeyboardInterrupt

    add_low(driver, 20)
    driver.answers = [0, 0, stop]
    with pytest.raises(KeyboardInterrupt):
        compact(vm)
    assert len(driver.calls("migratepage")) == 3
    assert vm.vmstat()["nr_isolated_file"] == 0
    vm.recount()


def test_a_deep_recursion_is_an_exception_like_another(vm: VM, driver: Recorder) -> None:
    """A hook that recurses without end runs into Python's limit, which is reported as what it raised."""

    def forever(*_: object) -> Any:
        return forever()

    answer(driver, "migratepage", forever)
    violation = provoke(vm, driver)
    assert violation.rule.id == "hook-raised"
    assert isinstance(violation.__cause__, RecursionError)
    vm.recount()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_stale_violation_is_an_exception_like_another(vm: VM, driver: Recorder, hook: str) -> None:
    """A driver that raises a violation of another machine reports nothing about this one: hook-raised."""
    with VM("tiny") as other, pytest.raises(MovableError) as stale:
        other.raise_violation("bad-page", expected="elsewhere", seen="elsewhere")

    def raise_it(*_: object) -> Any:
        raise stale.value

    answer(driver, hook, raise_it)
    violation = provoke(vm, driver)
    assert violation.rule.id == "hook-raised"
    assert violation.__cause__ is stale.value
