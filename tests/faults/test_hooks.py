"""Answers given in a driver's stead: HookFaults."""

from errno import EAGAIN, EBUSY, EIO, ENOMEM
from typing import Any

import pytest
from mutants.cells import Cells

from movable import VM, MigrateResult, MovableError, Page
from movable.faults import HookFaults, Targets


@pytest.fixture
def faults(cells: Cells) -> HookFaults:
    """A plugin on the driver's mapping."""
    plugin = HookFaults()
    cells.mapping.add_observer(plugin)
    return plugin


def _isolate(vm: VM, cells: Cells) -> tuple[Any, list[Page], list[Page]]:
    """The list, the pages isolated and those refused, in the order of their objects."""
    pages = vm.page_list("test")
    taken: list[Page] = []
    refused: list[Page] = []
    for page in cells.cells.values():
        (taken if pages.isolate(page) else refused).append(page)
    return pages, taken, refused


def _migrate(vm: VM, pages: Any) -> tuple[MigrateResult, Targets]:
    targets = Targets(vm)
    return vm.migrate_pages(pages, targets.get, targets.put), targets


def test_again_for_the_first_passes(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """-EAGAIN to the first three calls for a page: it moves at the fourth (spec/migration.md 3.2)."""
    pages, taken, _ = _isolate(vm, cells)
    fault = faults.fail(-EAGAIN, 3, page=taken[1])
    result, targets = _migrate(vm, pages)
    assert (result.succeeded, len(targets.handed), len(targets.released)) == (6, 9, 3)
    assert (fault.seen, fault.injected) == (4, 3)


@pytest.mark.parametrize("answer", [-EBUSY, -EIO, -1, -4095])
def test_a_single_call_is_answered(vm: VM, cells: Cells, faults: HookFaults, answer: int) -> None:
    """Any negative errno, to the call that is named: its page is put back, the others move (spec/migration.md 4.4)."""
    pages, taken, _ = _isolate(vm, cells)
    fault = faults.fail(answer, at=2)
    result, _ = _migrate(vm, pages)
    assert (result.ret, result.succeeded, fault.injected) == (1, 5, 1)
    assert result.status[taken[2].pfn] == answer
    assert cells.cells[3] is taken[2]


def test_for_ever_means_every_call(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """Without ``times`` no page moves: ten passes over six pages (spec/migration.md 3.2)."""
    pages, _, _ = _isolate(vm, cells)
    fault = faults.fail(-EAGAIN, None)
    result, _ = _migrate(vm, pages)
    assert (result.ret, fault.injected, faults.injected) == (6, 60, 60)
    vm.putback_movable_pages(pages)


def test_enomem_ends_the_batch(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """-ENOMEM at the fourth page leaves two untried (spec/migration.md 3.4)."""
    pages, _, _ = _isolate(vm, cells)
    faults.fail(-ENOMEM, at=3)
    result, _ = _migrate(vm, pages)
    assert (result.ret, result.succeeded, len(pages)) == (-ENOMEM, 3, 2)
    vm.putback_movable_pages(pages)


def test_an_isolation_is_refused(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """The k-th isolation is answered False; its page stays with the driver as it was."""
    fault = faults.refuse(at=4)
    pages, taken, refused = _isolate(vm, cells)
    assert (len(taken), refused) == (5, [cells.cells[5]])
    assert fault.injected == 1
    assert refused[0].refcount == 1
    assert refused[0] in cells.idle
    vm.putback_movable_pages(pages)


def test_a_page_can_be_refused_for_ever(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """With ``page`` other pages do not count."""
    fault = faults.refuse(None, page=cells.cells[2])
    for _ in range(3):
        pages, taken, _ = _isolate(vm, cells)
        assert len(taken) == 5
        vm.putback_movable_pages(pages)
    assert (fault.seen, fault.injected) == (3, 3)


def test_the_driver_is_not_asked(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """A call that a fault answers does not reach the driver."""
    asked: list[Page] = []
    cells._isolate = asked.append  # type: ignore[method-assign, assignment]
    faults.refuse(6)
    assert not _isolate(vm, cells)[1]
    assert not asked


def test_the_oldest_fault_answers(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """Of two faults that would answer a call the first one does, and both count it."""
    first, second = faults.fail(-EBUSY, 1), faults.fail(-EAGAIN, 2)
    pages, taken, _ = _isolate(vm, cells)
    result, _ = _migrate(vm, pages)
    assert result.status[taken[0].pfn] == -EBUSY
    assert (first.injected, second.injected, second.seen) == (1, 1, 7)


def test_cleared_faults_answer_nothing(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """After clear() the driver answers, and nothing counts as injected."""
    faults.fail(-EBUSY, None)
    faults.refuse(None)
    faults.clear()
    pages, taken, _ = _isolate(vm, cells)
    assert _migrate(vm, pages)[0].succeeded == len(taken) == 6
    assert faults.injected == 0


def test_a_removed_plugin_answers_nothing(vm: VM, cells: Cells, faults: HookFaults) -> None:
    """Taken from the mapping, it sees no call."""
    fault = faults.refuse(None)
    cells.mapping.remove_observer(faults)
    pages, taken, _ = _isolate(vm, cells)
    assert (len(taken), fault.seen) == (6, 0)
    vm.putback_movable_pages(pages)


def test_one_plugin_serves_two_machines(cells: Cells, faults: HookFaults, vm: VM) -> None:
    """On two mappings the calls of both are counted together."""
    other_vm = VM("tiny")
    other = Cells(other_vm)
    other.store(b"x")
    other.mapping.add_observer(faults)
    faults.refuse(at=6)
    pages, taken, _ = _isolate(vm, cells)
    assert (len(taken), _isolate(other_vm, other)[1]) == (6, [])
    vm.putback_movable_pages(pages)


@pytest.mark.parametrize("answer", [0, 11, -4096, 1])
def test_only_errors_can_be_injected(faults: HookFaults, answer: int) -> None:
    """Success is the driver's alone, and an errno is negative."""
    with pytest.raises(MovableError, match="answer: must be a negative errno"):
        faults.fail(answer)
    assert faults.injected == 0


@pytest.mark.parametrize("options", [{"at": -1}, {"times": -2}])
def test_numbers_below_zero_are_refused(faults: HookFaults, options: dict[str, Any]) -> None:
    """Calls are counted from 0."""
    with pytest.raises(MovableError, match=next(iter(options))):
        faults.refuse(**options)
