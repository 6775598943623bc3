"""A machine that met a fatal violation does no more work, and says why."""

from collections.abc import Callable

import pytest
from migration.kit import Recorder

from movable import VM, AddressSpace, DeadVM, KernelAssertion, Page, PageList, VmEvent


@pytest.fixture
def listed(vm: VM) -> PageList:
    """A list of the machine."""
    return vm.page_list("left over")


@pytest.fixture
def dead(vm: VM, driver: Recorder) -> Page:
    """A page of the driver, on a machine that has just died of it."""
    page = driver.add("contents")
    with pytest.raises(KernelAssertion):
        page.unlock()
    return page


WORK: dict[str, Callable[[VM, Page, PageList], object]] = {
    "alloc_page": lambda vm, page, listed: vm.alloc_page(),
    "free_pages": lambda vm, page, listed: vm.free_pages(page),
    "lock": lambda vm, page, listed: page.lock(),
    "trylock": lambda vm, page, listed: page.trylock(),
    "unlock": lambda vm, page, listed: page.unlock(),
    "get": lambda vm, page, listed: page.get(),
    "put": lambda vm, page, listed: page.put(),
    "set_movable": lambda vm, page, listed: page.set_movable(page.mapping),
    "clear_movable": lambda vm, page, listed: page.clear_movable(),
    "movable": lambda vm, page, listed: page.movable,
    "copy_from": lambda vm, page, listed: page.copy_from(page),
    "discard": lambda vm, page, listed: page.discard(),
    "list add": lambda vm, page, listed: listed.add(page),
    "list add_tail": lambda vm, page, listed: listed.add_tail(page),
    "list remove": lambda vm, page, listed: listed.remove(page),
    "list isolate": lambda vm, page, listed: listed.isolate(page),
    "isolate_movable_page": lambda vm, page, listed: vm.isolate_movable_page(page),
    "putback_movable_pages": lambda vm, page, listed: vm.putback_movable_pages(listed),
    "migrate_pages": lambda vm, page, listed: vm.migrate_pages(listed, lambda old: None),
    "compact_node": lambda vm, page, listed: vm.compact_node(0),
    "compact_memory": lambda vm, page, listed: vm.compact_memory(),
    "compact_zone": lambda vm, page, listed: vm.compact_zone(vm.zones[0]),
    "try_to_compact_pages": lambda vm, page, listed: vm.try_to_compact_pages(3),
    "reset_isolation_suitable": lambda vm, page, listed: vm.zones[0].reset_isolation_suitable(),
    "lru_add_drain_all": lambda vm, page, listed: vm.lru_add_drain_all(),
    "count_vm_event": lambda vm, page, listed: vm.count_vm_event(VmEvent.BALLOON_INFLATE),
    "adjust_managed_page_count": lambda vm, page, listed: vm.adjust_managed_page_count(page, 1),
    "recount": lambda vm, page, listed: vm.recount(),
    "raise_violation": lambda vm, page, listed: vm.raise_violation("driver-bug", expected="", seen=""),
    "replace_page": lambda vm, page, listed: vm.mappings[0].replace_page(vm.page(page.pfn + 1), page),
    "close mapping": lambda vm, page, listed: vm.mappings[0].close(),
}


@pytest.mark.parametrize("work", WORK)
def test_a_dead_vm_refuses_work(vm: VM, listed: PageList, dead: Page, work: str) -> None:
    """Every operation that could change a dead machine raises DeadVM with the violation it died of."""
    with pytest.raises(DeadVM, match="unlock-not-locked") as caught:
        WORK[work](vm, dead, listed)
    assert caught.value.violation.rule.id == "unlock-not-locked"
    assert caught.value.violation.pfn == dead.pfn
    assert "make a new one" in str(caught.value)


READS: dict[str, Callable[[VM, Page], object]] = {
    "refcount": lambda vm, page: page.refcount,
    "flags": lambda vm, page: page.flags,
    "locked": lambda vm, page: page.locked,
    "lock_owner": lambda vm, page: page.lock_owner,
    "mapping": lambda vm, page: page.mapping,
    "has_movable_tag": lambda vm, page: page.has_movable_tag,
    "anon, ksm": lambda vm, page: (page.anon, page.ksm),
    "private": lambda vm, page: page.private,
    "index": lambda vm, page: page.index,
    "page_type": lambda vm, page: page.page_type,
    "order": lambda vm, page: page.order,
    "on_list": lambda vm, page: page.on_list,
    "contents": lambda vm, page: bytes(page.data),
    "free pages": lambda vm, page: [zone.free_pages for zone in vm.zones],
    "buddyinfo": lambda vm, page: [zone.nr_free for zone in vm.zones],
    "vmstat": lambda vm, page: vm.vmstat(),
    "mapped pages": lambda vm, page: vm.mappings[0].pages(),
    "cpu": lambda vm, page: vm.cpu,
    "debug": lambda vm, page: vm.debug,
}


@pytest.mark.parametrize("read", READS)
def test_a_dead_vm_can_be_read(vm: VM, driver: Recorder, read: str) -> None:
    """What a machine was when it died can still be looked at."""
    page = driver.add("contents")
    before = READS[read](vm, page)
    with pytest.raises(KernelAssertion):
        page.unlock()
    assert READS[read](vm, page) == before


def test_lists_of_a_dead_vm_can_be_read(vm: VM, driver: Recorder, dead: Page) -> None:
    """A page list of a dead machine still tells its pages."""
    assert list(driver.idle) == [dead]
    assert (len(driver.idle), dead in driver.idle, dead.on_list) == (1, True, True)


def test_the_first_fatal_violation_is_the_one_named(vm: VM, driver: Recorder, dead: Page) -> None:
    """A machine dies once: later calls name the first fatal violation however often they are made."""
    for _ in range(100):
        with pytest.raises(DeadVM) as caught:
            dead.lock()
        assert caught.value.violation.rule.id == "unlock-not-locked"
    assert str(caught.value).count("unlock-not-locked") == 1


def test_a_dead_vm_can_be_closed(vm: VM, dead: Page) -> None:
    """A dead machine gives its memory back like any other."""
    vm.close()
    assert vm.closed


def test_other_machines_live_on(vm: VM, dead: Page) -> None:
    """No machine shares state with another: one may die while others work."""
    with VM("tiny", debug=2) as other:
        driver = Recorder(other)
        driver.add("alive")
        other.compact_node(0)
        assert driver.load(1) == b"alive"
    with pytest.raises(DeadVM):
        vm.alloc_page()


def test_a_mapping_of_a_dead_vm_can_be_made_and_read(vm: VM, dead: Page) -> None:
    """Registering a driver on a dead machine does no work in it, so it is the first use that is refused."""
    late = Recorder(vm)
    assert isinstance(late.mapping, AddressSpace)
    with pytest.raises(DeadVM):
        late.store(b"x")
