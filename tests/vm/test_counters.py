"""Counters that drivers keep (spec/drivers.md 1.9, 4.4)."""

import pytest

from movable import VM, MovableError, Page, ZoneItem


@pytest.fixture
def page(vm: VM) -> Page:
    """A page of the only zone."""
    page = vm.alloc_page()
    assert page is not None
    return page


def test_a_zone_counts_its_zspages(vm: VM, page: Page) -> None:
    """nr_zspages is a counter of the page's zone; /proc/vmstat has the sum (spec/drivers.md 1.13)."""
    vm.mod_zone_page_state(page, ZoneItem.NR_ZSPAGES, 3)
    vm.mod_zone_page_state(page, ZoneItem.NR_ZSPAGES, -1)
    assert vm.zones[page.zone_id].nr_zspages == 2
    assert vm.vmstat()["nr_zspages"] == 2


def test_a_page_counts_in_its_own_zone() -> None:
    """On a machine of several zones only the page's own is changed."""
    with VM("numa4") as vm:
        page = vm.alloc_page(node=2)
        assert page is not None
        vm.mod_zone_page_state(page, ZoneItem.NR_ZSPAGES, 1)
        assert [zone.nr_zspages for zone in vm.zones] == [0, 0, 1, 0]


def test_a_counter_does_not_go_below_zero(vm: VM, page: Page) -> None:
    """Taking away more than was counted is refused and changes nothing."""
    vm.mod_zone_page_state(page, ZoneItem.NR_ZSPAGES, 1)
    with pytest.raises(MovableError, match="delta: NR_ZSPAGES of Node 0 Normal cannot go below 0"):
        vm.mod_zone_page_state(page, ZoneItem.NR_ZSPAGES, -2)
    assert vm.vmstat()["nr_zspages"] == 1


def test_only_drivers_counters_can_be_changed(vm: VM, page: Page) -> None:
    """The VM's own counters are no ZoneItem; the error names the argument."""
    with pytest.raises(MovableError, match="item: must be a ZoneItem"):
        vm.mod_zone_page_state(page, 0, 1)  # type: ignore[arg-type]
