"""Misuse from Python ends in an error that names it, never in a broken machine."""

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from movable import (
    GFP,
    VM,
    AddressSpace,
    CompactPriority,
    CompactSettings,
    IsolateMode,
    MigrateMode,
    MovableError,
    Page,
    hookimpl,
)
from movable.vm import NodeTarget


class Idle:
    """A driver that refuses everything."""

    def __init__(self, vm: VM) -> None:
        self.mapping = AddressSpace(vm, self, "idle")

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Refuse."""
        return False

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Never reached."""
        return -16

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Never reached."""


class Watching:
    """An observer that does nothing."""

    @hookimpl(wrapper=True)
    def putback_page(self) -> Any:
        """Pass the call through."""
        return (yield)


def test_a_driver_collected_with_its_vm_is_refused() -> None:
    """A finalizer that runs after the machine is gone gets MovableError, whatever the order."""
    told: list[str] = []

    class Closing(Idle):
        """Closes its mapping when it is collected."""

        def __del__(self) -> None:
            try:
                self.mapping.close()
            except MovableError as error:
                told.append(str(error))

    for _ in range(20):
        Closing(VM("tiny"))
        gc.collect()
    assert all("closed" in text for text in told)


def test_observers_may_leave_after_the_vm_is_closed() -> None:
    """Removing an observer from a mapping of a closed VM does nothing."""
    vm = VM("tiny")
    driver, observer = Idle(vm), Watching()
    driver.mapping.add_observer(observer)
    vm.close()
    driver.mapping.remove_observer(observer)
    assert vm.closed


def test_a_page_is_one_object() -> None:
    """A Page cannot be renumbered, forged or pickled, and a copy of it is the page itself."""
    with VM("tiny") as vm:
        page = vm.page(0x1000)
        assert copy.copy(page) is copy.deepcopy(page) is page
        with pytest.raises(AttributeError):
            page.pfn = 0x1001  # type: ignore[misc]
        for pfn in (0x1000, 10**10, -1, 1.5):
            with pytest.raises(MovableError, match="pfn"):
                Page(vm.machine, pfn)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="pfn"):
            pickle.dumps(page)


def test_lists_and_machines_are_not_copied() -> None:
    """copy.copy() of a page list or a machine is refused, since both own what they point to."""
    with VM("tiny") as vm:
        for owner in (vm.page_list(), vm.machine):
            with pytest.raises(TypeError, match="cannot be copied"):
                copy.copy(owner)


WRONG: dict[str, Callable[[VM, Page], object]] = {
    "mode": lambda vm, page: vm.migrate_pages(
        vm.page_list(),
        lambda _: None,
        mode=-100000,  # type: ignore[arg-type]
    ),
    "reason": lambda vm, page: vm.migrate_pages(
        vm.page_list(),
        lambda _: None,
        reason=99,  # type: ignore[arg-type]
    ),
    "nodes": lambda vm, page: vm.migrate_pages(vm.page_list(), NodeTarget(10**6)),
    "classzone": lambda vm, page: vm.compact_zone(
        vm.zones[0],
        CompactSettings(order=1, classzone=10**8),  # type: ignore[arg-type]
    ),
    "priority": lambda vm, page: vm.try_to_compact_pages(
        3,
        priority=7,  # type: ignore[arg-type]
    ),
    "event": lambda vm, page: vm.count_vm_event(0),  # type: ignore[arg-type]
    "migratetype": lambda vm, page: vm.zones[0].free_counts(10**6),  # type: ignore[arg-type]
    "delta": lambda vm, page: vm.adjust_managed_page_count(page, -(10**6)),
    "order": lambda vm, page: vm.alloc_pages(-1),
    "node": lambda vm, page: vm.alloc_page(node=9),
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_number_is_refused_by_name(argument: str) -> None:
    """A number that stands for nothing raises MovableError naming the argument, and changes nothing."""
    with VM("tiny", debug=2) as vm:
        page = vm.alloc_page()
        assert page is not None
        before = vm.vmstat()
        with pytest.raises(MovableError, match=argument):
            WRONG[argument](vm, page)
        assert vm.vmstat() == before


def test_every_priority_is_accepted() -> None:
    """Each CompactPriority is a valid request."""
    with VM("tiny") as vm:
        assert len({vm.try_to_compact_pages(3, priority=priority) for priority in CompactPriority}) == 1


def test_a_notifier_that_lies_ends_the_search() -> None:
    """An out-of-memory notifier that claims pages it did not free makes the allocation fail, not loop."""
    with VM("tiny", debug=0) as vm:
        vm.register_oom_notifier(lambda: 1)
        while vm.alloc_page(GFP.KERNEL) is not None:
            pass
        assert vm.alloc_page(GFP.KERNEL) is None
