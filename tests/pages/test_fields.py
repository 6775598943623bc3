"""The fields of struct page (spec/migration.md 1.1, 1.2, 1.5)."""

import ctypes

import pytest
from migration.kit import Recorder, isolate
from pages.raw import StructPage, struct_page

from movable import (
    GFP,
    VM,
    ContractViolation,
    MachineConfig,
    MovableError,
    NodeConfig,
    Page,
    PageFlag,
    PageType,
    PfnRange,
    ZoneConfig,
)

BITS = {
    "LOCKED": 0,
    "ERROR": 1,
    "REFERENCED": 2,
    "UPTODATE": 3,
    "DIRTY": 4,
    "LRU": 5,
    "ACTIVE": 6,
    "SLAB": 7,
    "OWNER_PRIV_1": 8,
    "ARCH_1": 9,
    "RESERVED": 10,
    "PRIVATE": 11,
    "PRIVATE_2": 12,
    "WRITEBACK": 13,
    "HEAD": 14,
    "SWAPCACHE": 15,
    "MAPPEDTODISK": 16,
    "RECLAIM": 17,
    "SWAPBACKED": 18,
    "UNEVICTABLE": 19,
    "MLOCKED": 20,
}
NOT_THE_DRIVERS = [PageFlag.LOCKED, PageFlag.LRU, PageFlag.RESERVED, PageFlag.HEAD, PageFlag.SLAB]


def test_struct_page_is_one_cache_line(vm: VM, page: Page) -> None:
    """struct page is 64 bytes with the kernel's fields at the places that page.h promises native drivers."""
    page.private, page.index = 7, 9
    raw = struct_page(vm, page)
    assert ctypes.sizeof(StructPage) == 64
    assert (raw.private, raw.index, raw._refcount, raw._mapcount, raw.lock_cpu) == (7, 9, 1, -1, -1)


def test_a_fresh_page_has_one_reference_and_nothing_else(page: Page) -> None:
    """A page fresh from the allocator has refs 1, no mapcount, mapping, private or flag (1.5)."""
    assert (page.refcount, page.mapcount, page.private, page.flags) == (1, 0, 0, PageFlag(0))
    assert page.mapping is None
    assert not page.on_list
    assert page.page_type is PageType.NONE


def test_a_page_knows_its_place(vm: VM) -> None:
    """A page tells its node, its zone, and the order of the allocation that it heads."""
    page = vm.alloc_pages(3)
    assert page is not None
    assert (page.nid, vm.zones[page.zone_id].nid, page.order) == (0, 0, 3)
    assert vm.zones[page.zone_id].start_pfn <= page.pfn < vm.zones[page.zone_id].end_pfn


def test_there_is_one_page_object_for_a_frame(vm: VM, page: Page) -> None:
    """vm.page() answers the same object each time, so pages compare with `is`."""
    assert vm.page(page.pfn) is page
    assert repr(page) == f"<Page {page.pfn:#x}>"


@pytest.mark.parametrize("pfn", [-1, 0, 0x2000, 1 << 40, 1.5, "0x1000", None])
def test_only_frames_of_the_machine_have_pages(vm: VM, pfn: object) -> None:
    """A number that is no frame of the machine is refused by name, whatever it is."""
    with pytest.raises(MovableError, match="pfn: there is no page frame"):
        vm.page(pfn)  # type: ignore[arg-type]


def test_a_hole_has_no_pages() -> None:
    """A pageblock that lies in a hole of its zone has no page frames (spec/compaction.md 1.2)."""
    zone = ZoneConfig("Normal", 0x1000, 0x1000, holes=(PfnRange(0x1400, 0x400),))
    with VM(MachineConfig("holey", (NodeConfig((zone,)),))) as vm:
        assert vm.page(0x1000).refcount == 0
        with pytest.raises(MovableError, match="there is no page frame"):
            vm.page(0x1500)


@pytest.mark.parametrize(("name", "bit"), BITS.items())
def test_flags_have_the_bits_of_linux(name: str, bit: int) -> None:
    """Each flag is the bit that 1.2 gives for Linux 4.8."""
    assert PageFlag[name] == 1 << bit


def test_isolated_is_the_alias_of_reclaim(page: Page) -> None:
    """PG_isolated and PG_reclaim are one bit (1.2)."""
    page.set_flag(PageFlag.RECLAIM)
    assert page.flags == PageFlag.ISOLATED
    assert page.isolated


@pytest.mark.parametrize("flag", [flag for flag in PageFlag if flag not in NOT_THE_DRIVERS])
def test_a_driver_sets_and_clears_its_flags(page: Page, flag: PageFlag) -> None:
    """A flag that a driver may own can be set and cleared, and no other changes with it."""
    page.set_flag(flag)
    assert page.flags == flag
    page.clear_flag(flag)
    assert page.flags == PageFlag(0)


@pytest.mark.parametrize("flag", NOT_THE_DRIVERS)
def test_flags_of_the_vm_are_not_written_directly(page: Page, flag: PageFlag) -> None:
    """Flags that lock, list or allocate a page have methods of their own and refuse to be written."""
    with pytest.raises(MovableError, match=f"flag: .*{flag.name}.* is not written directly"):
        page.set_flag(flag | PageFlag.DIRTY)
    with pytest.raises(MovableError, match="is not written directly"):
        page.clear_flag(flag)
    assert page.flags == PageFlag(0)


@pytest.mark.parametrize("value", [0, 1, 2**63, 2**64 - 1])
def test_private_and_index_hold_64_bits(page: Page, value: int) -> None:
    """private and index hold any unsigned 64-bit number."""
    page.private = value
    page.index = value
    assert (page.private, page.index) == (value, value)


@pytest.mark.parametrize("page_type", [PageType.BALLOON, PageType.KMEMCG])
def test_a_type_lives_in_mapcount(vm: VM, page: Page, page_type: PageType) -> None:
    """A page that is never mapped keeps its type in _mapcount, and its mapcount reads as 0 (1.1)."""
    page.page_type = page_type
    assert struct_page(vm, page)._mapcount == page_type
    assert (page.page_type, page.mapcount) == (page_type, 0)
    page.page_type = PageType.NONE
    assert struct_page(vm, page)._mapcount == -1


@pytest.mark.parametrize("page_type", [PageType.BUDDY, -128], ids=["member", "number"])
def test_only_the_allocator_makes_a_buddy(page: Page, page_type: PageType) -> None:
    """A driver cannot mark its page as a free buddy."""
    with pytest.raises(MovableError, match="only the allocator"):
        page.page_type = page_type
    assert page.page_type is PageType.NONE


def test_what_is_no_type_is_refused(page: Page) -> None:
    """A number that is no page type is refused by name."""
    with pytest.raises(MovableError, match="page_type"):
        page.page_type = 5  # type: ignore[assignment]
    assert page.mapcount == 0


def test_the_fields_of_a_free_page_are_the_allocators(page: Page) -> None:
    """Fields of a free page cannot be written."""
    page.put()
    with pytest.raises(MovableError, match="is free"):
        page.private = 1
    with pytest.raises(MovableError, match="is free"):
        page.set_flag(PageFlag.DIRTY)
    with pytest.raises(MovableError, match="is free"):
        page.page_type = PageType.BALLOON
    assert page.refcount == 0


ACCEPTED = [PageFlag.ERROR, PageFlag.REFERENCED, PageFlag.UPTODATE, PageFlag.DIRTY, PageFlag.OWNER_PRIV_1]
ACCEPTED += [PageFlag.ARCH_1, PageFlag.MAPPEDTODISK, PageFlag.SWAPBACKED, PageFlag.ISOLATED]


@pytest.mark.parametrize("flag", ACCEPTED)
def test_free_wipes_the_flags_that_it_accepts(page: Page, flag: PageFlag) -> None:
    """A page freed with a harmless flag, PG_isolated among them, is accepted in silence and wiped (1.5)."""
    page.set_flag(flag)
    page.put()
    assert page.refcount == 0
    assert page.flags == PageFlag(0)


REFUSED = [PageFlag.PRIVATE, PageFlag.PRIVATE_2, PageFlag.WRITEBACK, PageFlag.SWAPCACHE]
REFUSED += [PageFlag.ACTIVE, PageFlag.UNEVICTABLE, PageFlag.MLOCKED]


@pytest.mark.parametrize("flag", REFUSED)
def test_free_reports_the_flags_of_an_owner(vm: VM, page: Page, flag: PageFlag) -> None:
    """A page freed with an owner's flag is a bug report; it is freed all the same (1.5)."""
    page.set_flag(flag)
    with pytest.raises(ContractViolation) as caught:
        page.put()
    assert (caught.value.rule.id, caught.value.pfn) == ("bad-page", page.pfn)
    assert (page.refcount, page.flags) == (0, PageFlag(0))
    vm.recount()


@pytest.mark.parametrize(
    ("left", "seen"), [("lock", "still locked"), ("type", "page type"), ("list", "list")]
)
def test_free_reports_what_an_owner_left(vm: VM, page: Page, left: str, seen: str) -> None:
    """A page freed locked, with a page type, or on a list is a bug report (1.5)."""
    listed = vm.page_list("owner's")
    if left == "lock":
        page.lock()
    elif left == "type":
        page.page_type = PageType.BALLOON
    else:
        listed.add(page)
    with pytest.raises(ContractViolation, match=seen) as caught:
        page.put()
    assert caught.value.rule.id == "bad-page"
    assert (len(listed), page.locked, page.page_type) == (0, False, PageType.BUDDY)


def test_free_reports_an_untagged_mapping(vm: VM, page: Page, driver: Recorder) -> None:
    """A mapping without tag bits at free is a bug report; a tagged one is set to NULL first (1.5)."""
    raw = struct_page(vm, page)
    raw.mapping = struct_page(vm, driver.add()).mapping & ~3
    with pytest.raises(ContractViolation, match="untagged mapping") as caught:
        page.put()
    assert caught.value.rule.id == "bad-page"
    assert raw.mapping == 0


@pytest.mark.parametrize("tag", [1, 2, 3])
def test_free_drops_a_tagged_mapping(vm: VM, page: Page, tag: int) -> None:
    """A page freed with tag bits in its mapping is no bug (1.5)."""
    raw = struct_page(vm, page)
    raw.mapping = tag
    page.put()
    assert (page.refcount, raw.mapping) == (0, 0)


def test_a_page_freed_while_isolated_is_accepted(vm: VM, driver: Recorder) -> None:
    """A page whose last reference goes while PG_isolated is set is freed and the bit is wiped (1.5)."""
    page = driver.add()
    listed = isolate(vm, [page])
    driver.drop(1)
    vm.putback_movable_pages(listed)
    assert (page.refcount, page.isolated) == (0, False)
    assert vm.alloc_page(GFP.HIGHUSER_MOVABLE) is page


def test_units_share_storage_with_the_mapcount(page: Page) -> None:
    """`units` is a driver's own number in `_mapcount`'s place, -1 while unused (spec/drivers.md 1.5)."""
    assert page.units == -1
    page.units = 2432
    assert (page.units, page.mapcount) == (2432, 2433)
    page.units = -1
    assert page.mapcount == 0


def test_units_left_in_a_freed_page_are_a_bad_page(page: Page) -> None:
    """A page freed with `units` still set is reported, as one with a mapcount (spec/drivers.md 1.5)."""
    page.units = 16
    with pytest.raises(ContractViolation, match="bad-page"):
        page.put()


@pytest.mark.parametrize("value", [-2, 1 << 31])
def test_units_are_a_signed_32_bit_number(page: Page, value: int) -> None:
    """A number that does not fit is refused and changes nothing."""
    with pytest.raises(MovableError, match="units: must be"):
        page.units = value
    assert page.units == -1
