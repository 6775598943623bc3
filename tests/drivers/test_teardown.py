"""Unloading a driver (spec/drivers.md 6.5 (8))."""

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import VM, ContractViolation


def test_a_driver_without_pages_goes_in_peace(vm: VM, driver: Recorder) -> None:
    """A driver that released every page leaves nothing behind, and its memory is free."""
    driver.add_many(5)
    driver.close()
    assert vm.zones[0].free_pages == vm.zones[0].managed
    assert vm.mappings == ()
    vm.recount()


def test_pages_left_are_named(vm: VM, driver: Recorder) -> None:
    """Pages that still carry a mapping when it goes are teardown-pages-left: the first named, all counted."""
    pages = driver.add_many(3)
    with pytest.raises(ContractViolation) as caught:
        driver.mapping.close()
    violation = caught.value
    assert (violation.rule.id, violation.driver) == ("teardown-pages-left", "cells")
    assert violation.pfn == min(page.pfn for page in pages)
    assert violation.seen == "3 still carry the mapping"
    assert driver.mapping.closed


def test_isolated_pages_are_left_too(vm: VM, driver: Recorder) -> None:
    """A mapping that goes while the VM holds a page of it isolated leaves that page behind."""
    page = driver.add()
    listed = isolate(vm, [page])
    with pytest.raises(ContractViolation) as caught:
        driver.mapping.close()
    assert (caught.value.rule.id, caught.value.pfn) == ("teardown-pages-left", page.pfn)
    vm.putback_movable_pages(listed)
    assert (page.refcount, page.isolated, driver.calls("putback_page")) == (1, False, [])


def test_orphans_are_not_isolated_any_more(vm: VM, driver: Recorder) -> None:
    """Pages of a closed mapping are not PageMovable: nobody isolates them, no code of the driver runs."""
    page = driver.add()
    with pytest.raises(ContractViolation):
        driver.mapping.close()
    assert vm.isolate_movable_page(page) is False
    assert driver.log == []
    assert page.mapping is driver.mapping


def test_an_isolated_orphan_is_migrated_away_without_its_driver(
    vm: VM, driver: Recorder, targets: Targets
) -> None:
    """Migration of a page whose mapping closed meanwhile is that of a page given up: no callback (6.7)."""
    page = driver.add()
    listed = isolate(vm, [page])
    with pytest.raises(ContractViolation):
        driver.mapping.close()
    assert vm.migrate_pages(listed, targets.get, targets.put).succeeded == 1
    assert (page.refcount, page.isolated, driver.calls("migratepage")) == (1, False, [])
    vm.recount()


def test_pages_given_up_are_not_left(vm: VM, driver: Recorder) -> None:
    """A page that was given up carries the mapping no more, so it does not hinder the driver's going."""
    page = driver.add()
    driver.give_up(page)
    driver.mapping.close()
    assert (page.refcount, driver.mapping.closed) == (1, True)


def test_another_drivers_pages_do_not_count(vm: VM, driver: Recorder) -> None:
    """Each mapping answers for its own pages only."""
    other = Recorder(vm)
    other.add_many(4)
    driver.mapping.close()
    assert len(other.mapping.pages()) == 4
