"""Observers: pluggy wrappers and stand-ins around a driver's callbacks (design 5)."""

import errno
import random
import traceback
from collections.abc import Generator
from typing import Any

import pytest
from migration.kit import Recorder, Targets, compact, isolate

from movable import (
    VM,
    AddressSpace,
    ContractViolation,
    DriverError,
    IsolateMode,
    MigrateMode,
    MovableError,
    Page,
    hookimpl,
)


class Silent:
    """Wraps all three callbacks and changes nothing."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl(wrapper=True)
    def isolate_page(self, page: Page, mode: IsolateMode) -> Generator[None, Any, Any]:
        """Note and pass on."""
        answer = yield
        self.seen.append(f"isolate_page {answer}")
        return answer

    @hookimpl(wrapper=True)
    def migratepage(
        self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode
    ) -> Generator[None, Any, Any]:
        """Note and pass on."""
        answer = yield
        self.seen.append(f"migratepage {answer}")
        return answer

    @hookimpl(wrapper=True)
    def putback_page(self, page: Page) -> Generator[None, Any, Any]:
        """Note and pass on."""
        answer = yield
        self.seen.append(f"putback_page {answer}")
        return answer


class Bystander:
    """Is asked before the driver, and has no answer of its own."""

    @hookimpl
    def isolate_page(self, page: Page) -> None:
        """No answer: the driver is asked."""

    @hookimpl
    def migratepage(self, newpage: Page) -> None:
        """No answer: the driver is asked."""

    @hookimpl
    def putback_page(self) -> None:
        """No answer: the driver is asked."""


class Standin:
    """Answers migratepage in the driver's stead, once."""

    def __init__(self, answer: Any) -> None:
        self.answers = [answer]

    @hookimpl(tryfirst=True)
    def migratepage(self, oldpage: Page) -> Any:
        """An answer, or None to ask the driver."""
        return self.answers.pop() if self.answers else None


def workload(driver: Recorder, seed: int) -> list[Any]:
    """A few hundred random operations on a driver and its pages; everything that can be seen of them."""
    vm, random_ = driver.vm, random.Random(seed)
    seen: list[Any] = []
    for step in range(300):
        driver.answers = random_.choices([0, -errno.EAGAIN, -errno.EBUSY, -errno.ENOMEM], [6, 2, 2, 1], k=5)
        operation = random_.choice(["store", "store", "drop", "migrate", "refuse", "compact"])
        handles = sorted(driver.cells)
        if operation == "store" or not handles:
            seen.append(driver.store(f"object {step}".encode()))
        elif operation == "drop":
            seen.append(driver.drop(random_.choice(handles)))
        elif operation == "refuse":
            driver.refused = {driver.cells[random_.choice(handles)]}
        elif operation == "compact":
            seen.append(compact(vm))
        else:
            listed = vm.page_list()
            for handle in random_.sample(handles, min(3, len(handles))):
                seen.append(listed.isolate(driver.cells[handle]))
            seen.append(vm.migrate_pages(listed, Targets(vm).get))
            vm.putback_movable_pages(listed)
    seen.append(vm.vmstat())
    seen += [driver.load(handle) for handle in sorted(driver.cells)]
    for page in (vm.page(pfn) for pfn in range(0x1000, 0x2000)):
        seen.append((page.refcount, page.flags, page.private, page.mapping is None, page.on_list))
    return seen


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "observers",
    [[Silent], [Bystander], [Silent, Bystander, Silent]],
    ids=["wrapper", "bystander", "three"],
)
def test_observers_change_nothing(seed: int, observers: list[type]) -> None:
    """A workload ends with the same answers, pages, contents, counters and calls, observed or not."""
    with VM("tiny", debug=1) as plain, VM("tiny", debug=1) as watched:
        first, second = Recorder(plain), Recorder(watched)
        for observer in observers:
            second.mapping.add_observer(observer())
        assert workload(first, seed) == workload(second, seed)
        assert [(call.hook, call.page.pfn, call.mode, call.refcount) for call in first.log] == [
            (call.hook, call.page.pfn, call.mode, call.refcount) for call in second.log
        ]


def test_a_wrapper_sees_each_call_and_answer(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A wrapper runs around every callback and is told the driver's answer."""
    silent = Silent()
    driver.mapping.add_observer(silent)
    driver.answers = [-errno.EAGAIN, -errno.EBUSY, 0]
    vm.migrate_pages(isolate(vm, driver.add_many(2)), targets.get)
    assert silent.seen == [
        "isolate_page True",
        "isolate_page True",
        "migratepage -11",
        "migratepage -16",
        "putback_page None",
        "migratepage 0",
    ]


def test_a_wrapper_can_change_an_answer(vm: VM, driver: Recorder) -> None:
    """What a wrapper returns is what the VM sees."""

    class Refusing:
        """A plugin for one test: refusing."""

        @hookimpl(wrapper=True)
        def isolate_page(self, page: Page) -> Generator[None, Any, bool]:
            """Turn the driver's True into a refusal."""
            assert (yield) is True
            driver.idle.add(page)
            return False

    driver.mapping.add_observer(Refusing())
    page = driver.add()
    assert vm.isolate_movable_page(page) is False
    assert (page.refcount, page in driver.idle) == (1, True)


@pytest.mark.parametrize("answer", [-errno.EAGAIN, -errno.EBUSY, -errno.ENOMEM])
def test_an_observer_may_answer_instead(vm: VM, driver: Recorder, targets: Targets, answer: int) -> None:
    """A plain implementation that is tried first answers in the driver's stead, who is not asked."""
    driver.mapping.add_observer(Standin(answer))
    page = driver.add("there")
    listed = isolate(vm, [page])
    result = vm.migrate_pages(listed, targets.get)
    assert result.status[page.pfn] == (0 if answer == -errno.EAGAIN else answer)
    assert len(driver.calls("migratepage")) == int(answer == -errno.EAGAIN)
    assert driver.load(1) == b"there"


def test_an_observer_without_answer_passes_on(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A plain implementation that returns None lets the driver answer."""
    driver.mapping.add_observer(Standin(None))
    assert vm.migrate_pages(isolate(vm, [driver.add()]), targets.get).succeeded == 1
    assert len(driver.calls("migratepage")) == 1


@pytest.mark.parametrize("answer", [None, "0", 7, True], ids=repr)
@pytest.mark.parametrize("observed", [False, True], ids=["direct", "observed"])
def test_bad_answers_are_found_alike(
    vm: VM, driver: Recorder, targets: Targets, answer: Any, observed: bool
) -> None:
    """A wrong answer of the driver breaks the same rule with and without an observer."""
    if observed:
        driver.mapping.add_observer(Silent())
    driver.answers = [lambda newpage, oldpage: answer]
    with pytest.raises(ContractViolation) as caught:
        vm.migrate_pages(isolate(vm, [driver.add()]), targets.get)
    expected = "hook-positive" if answer == 7 else "hook-bad-type"
    assert caught.value.rule.id == expected


@pytest.mark.parametrize("observed", [False, True], ids=["direct", "observed"])
def test_exceptions_pass_through_observers(
    vm: VM, driver: Recorder, targets: Targets, observed: bool
) -> None:
    """What the driver raises is the cause of hook-raised, with its own traceback, observed or not."""

    def fail(newpage: Page, oldpage: Page) -> int:
        raise LookupError("lost")

    if observed:
        driver.mapping.add_observer(Silent())
    driver.answers = [fail]
    with pytest.raises(ContractViolation) as caught:
        vm.migrate_pages(isolate(vm, [driver.add()]), targets.get)
    cause = caught.value.__cause__
    assert isinstance(cause, LookupError)
    assert "in fail" in "".join(traceback.format_exception(cause))


def test_an_observer_that_raises_breaks_the_contract(vm: VM, driver: Recorder) -> None:
    """An exception of an observer is reported like one of the driver it watches; the VM lives on."""

    class Broken:
        """A plugin for one test: broken."""

        @hookimpl(wrapper=True)
        def isolate_page(self) -> Generator[None, Any, Any]:
            """Raise after the driver has answered."""
            yield
            raise LookupError("blind")

    driver.mapping.add_observer(Broken())
    page = driver.add()
    with pytest.raises(ContractViolation) as caught:
        vm.isolate_movable_page(page)
    assert caught.value.rule.id == "hook-raised"
    assert isinstance(caught.value.__cause__, LookupError)
    vm.recount()


def test_a_removed_observer_sees_nothing(vm: VM, driver: Recorder, targets: Targets) -> None:
    """After remove_observer the driver is called directly again."""
    silent = Silent()
    driver.mapping.add_observer(silent)
    driver.mapping.remove_observer(silent)
    vm.migrate_pages(isolate(vm, [driver.add()]), targets.get)
    assert silent.seen == []
    assert driver.hooks() == ["isolate_page", "migratepage"]


def test_observers_nest_in_order(vm: VM, driver: Recorder) -> None:
    """The observer that came last is the outermost."""
    order: list[str] = []

    class Named:
        """A plugin for one test: named."""

        def __init__(self, name: str) -> None:
            self.name = name

        @hookimpl(wrapper=True)
        def isolate_page(self) -> Generator[None, Any, Any]:
            """Note the order in which observers are called."""
            order.append(self.name)
            return (yield)

    driver.mapping.add_observer(Named("first"))
    driver.mapping.add_observer(Named("second"))
    vm.isolate_movable_page(driver.add())
    assert order == ["second", "first"]


def test_an_observer_may_take_itself_out(vm: VM, driver: Recorder) -> None:
    """Observers can come and go inside a callback; that call ends as it began."""
    calls: list[Page] = []

    class Once:
        """A plugin for one test: once."""

        @hookimpl(wrapper=True)
        def isolate_page(self, page: Page) -> Generator[None, Any, Any]:
            """Note the page and leave the answer to the driver."""
            calls.append(page)
            driver.mapping.remove_observer(self)
            driver.mapping.add_observer(Silent())
            return (yield)

    driver.mapping.add_observer(Once())
    pages = driver.add_many(2)
    listed = isolate(vm, pages)
    assert (calls, list(listed)) == (pages[:1], pages)


def test_a_bad_observer_leaves_no_trace(vm: VM, driver: Recorder) -> None:
    """An observer that is refused is registered with none of its hooks, and others can still come."""

    class Half:
        """A plugin for one test: half."""

        calls = 0

        @hookimpl
        def isolate_page(self) -> None:
            """Count the calls."""
            type(self).calls += 1

        @hookimpl
        def putback_page(self, whence: str) -> None:
            """Nothing to undo."""

    class Misspelt(Half):
        """A plugin for one test: misspelt."""

        @hookimpl
        def migrate_page(self) -> None:
            """A hook of this name does not exist."""

        putback_page = None  # type: ignore[assignment]

    for bad in (Half(), Misspelt()):
        with pytest.raises(DriverError, match="driver 'cells': "):
            driver.mapping.add_observer(bad)
    silent = Silent()
    driver.mapping.add_observer(silent)
    assert vm.isolate_movable_page(driver.add())
    assert (silent.seen, Half.calls) == (["isolate_page True"], 0)


def test_an_observer_is_registered_once(driver: Recorder) -> None:
    """The same observer cannot watch twice, and one that does not watch cannot be removed."""
    silent = Silent()
    driver.mapping.add_observer(silent)
    with pytest.raises(DriverError, match="registered already"):
        driver.mapping.add_observer(silent)
    driver.mapping.remove_observer(silent)
    with pytest.raises(DriverError, match="no observer of it"):
        driver.mapping.remove_observer(silent)
    assert silent.seen == []


def test_the_driver_is_no_observer(driver: Recorder) -> None:
    """A driver cannot be removed from its own mapping."""
    with pytest.raises(DriverError, match="close its mapping instead"):
        driver.mapping.remove_observer(driver)
    with pytest.raises(MovableError, match="registered already"):
        driver.mapping.add_observer(driver)
    assert driver.vm.isolate_movable_page(driver.add())
