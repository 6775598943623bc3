"""Allocating, freeing and mapping objects (spec/drivers.md 1.4-1.11, 7.5)."""

import pytest
from zs_kit import Kit

from movable import VM, PageFlag
from movable_zsmalloc import ZS_GFP, MapMode, ZsPool


@pytest.mark.parametrize("size", [0, 4097, -1, 1 << 40])
def test_sizes_that_cannot_be_fail(kit: Kit, pool: ZsPool, size: int) -> None:
    """Payloads of 0 and above 4096 give no handle and cost nothing (spec/drivers.md 8, 14)."""
    assert pool.zs_malloc(size) == 0
    assert (pool.zs_get_total_pages(), len(kit.store.handles)) == (0, 0)


def test_the_largest_object_costs_one_page(pool: ZsPool) -> None:
    """4096 bytes take exactly one page (spec/drivers.md 8, 14)."""
    assert pool.zs_malloc(4096)
    assert pool.zs_get_total_pages() == 1


def test_positions_in_class_3264(kit: Kit) -> None:
    """Slots start where spec/drivers.md 7.5 says; three of the five go over a page boundary."""
    handles = kit.mallocs(5, 3200)
    chain = kit.chain(handles[0])
    starts = [(chain.index(kit.page(handle)), slot * 3264 % 4096) for slot, handle in enumerate(handles)]
    assert starts == [(0, 0), (0, 3264), (1, 2432), (2, 1600), (3, 768)]
    assert [page.units for page in chain] == [0, 2432, 1600, 768]
    assert [len(kit.pool.object_pages(handle)) for handle in handles] == [1, 2, 2, 2, 1]


def test_a_chain_in_the_pages(kit: Kit) -> None:
    """The first page has PG_private, the last PG_private_2, each the zspage and a link (spec/drivers.md 1.5)."""
    (handle,) = kit.mallocs(1, 3200)
    chain = kit.chain(handle)
    marks = [page.flags & (PageFlag.PRIVATE | PageFlag.PRIVATE_2) for page in chain]
    assert marks == [PageFlag.PRIVATE, PageFlag(0), PageFlag(0), PageFlag.PRIVATE_2]
    assert {page.private for page in chain} == {kit.zspage(handle).id}
    assert [page.index for page in chain] == [*(page.pfn + 1 for page in chain[1:]), 0]


def test_the_header_of_a_slot(kit: Kit, pool: ZsPool) -> None:
    """An allocated slot's header is the handle with bit 0 set, a free one's is even (spec/drivers.md 8, 23)."""
    first, second = kit.mallocs(2, 1000)
    zspage = kit.zspage(first)
    assert kit.header(zspage, 0) == first | 1
    pool.zs_free(second)
    assert kit.header(zspage, 1) % 2 == 0


def test_a_huge_object_has_its_header_in_the_page_struct(kit: Kit) -> None:
    """The header of a huge object is in `page->index`; all 4096 bytes are its own (spec/drivers.md 8, 24)."""
    (handle,) = kit.mallocs(1, 4096)
    page = kit.page(handle)
    assert page.index == handle | 1
    assert PageFlag.OWNER_PRIV_1 in page.flags
    kit.put(handle, bytes(range(256)) * 16)
    assert bytes(page.data) == bytes(range(256)) * 16


def test_an_object_value_counts_slots_over_the_zspage(kit: Kit) -> None:
    """The index goes on over the pages; the frame is that of the slot's first byte (spec/drivers.md 8, 25)."""
    handles = kit.mallocs(73, 100)
    first, second = kit.chain(handles[0])
    assert kit.slot(handles[72]) == 72
    assert kit.page(handles[36]) is first
    assert kit.page(handles[37]) is second
    assert len(pool_pages := kit.pool.object_pages(handles[36])) == 2
    assert pool_pages == (first, second)


def test_the_first_object_has_the_plain_frame(kit: Kit) -> None:
    """Slot 0 of a zspage at frame p has the value p << 30 (spec/drivers.md 8, 26)."""
    (handle,) = kit.mallocs(1, 24)
    assert kit.word(handle) == kit.page(handle).pfn << 30


def spanning(kit: Kit) -> int:
    """An object in two pages."""
    _, handle = kit.mallocs(2, 3200)
    assert len(kit.pool.object_pages(handle)) == 2
    return handle


def test_a_read_only_copy_is_not_written_back(kit: Kit, pool: ZsPool) -> None:
    """What is written to a spanning object mapped RO is lost (spec/drivers.md 8, 27)."""
    handle = spanning(kit)
    kit.put(handle, b"kept" * 800)
    with pool.mapped(handle, MapMode.RO) as view:
        view[:4] = b"lost"
    assert kit.get(handle, 3200) == b"kept" * 800


def test_a_write_only_copy_is_stored_but_for_the_header(kit: Kit, pool: ZsPool) -> None:
    """A WO mapping of a spanning object shows leftovers and stores slot size - 8 bytes (spec/drivers.md 8, 28)."""
    handle = spanning(kit)
    kit.put(handle, b"1" * 3256)
    other = kit.mallocs(2, 3200)[1]
    kit.put(other, b"2" * 3256)
    header = kit.header(kit.zspage(handle), kit.slot(handle))
    with pool.mapped(handle, MapMode.WO) as view:
        assert bytes(view) == b"2" * 3256
        view[:] = b"3" * 3256
    assert kit.get(handle, 3256) == b"3" * 3256
    assert kit.header(kit.zspage(handle), kit.slot(handle)) == header == handle | 1


@pytest.mark.parametrize("mode", MapMode)
def test_an_object_in_one_page_is_mapped_itself(kit: Kit, pool: ZsPool, mode: MapMode) -> None:
    """Without a page boundary the mapping is the page in every mode, RO not enforced (spec/drivers.md 1.11)."""
    (handle,) = kit.mallocs(1, 1000)
    with pool.mapped(handle, mode) as view:
        view[:5] = b"there"
        assert bytes(kit.page(handle).data[8:13]) == b"there"


def test_a_mapping_holds_pin_and_read_lock(kit: Kit, pool: ZsPool) -> None:
    """Between map and unmap the handle is pinned and its zspage read-locked (spec/drivers.md 1.11)."""
    (handle,) = kit.mallocs(1, 1000)
    with pool.mapped(handle, MapMode.RO):
        assert kit.word(handle) & 1
        assert kit.zspage(handle).lock.held_for_read
    assert not kit.word(handle) & 1
    assert not kit.zspage(handle).lock.readers


def test_the_last_object_takes_its_pages_along(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """Freeing the last object of a zspage frees all its pages at once (spec/drivers.md 8, 29)."""
    before = vm.zones[0].free_pages
    handles = kit.mallocs(2, 3000)
    for handle in handles:
        pool.zs_free(handle)
    assert (vm.zones[0].free_pages, pool.zs_get_total_pages()) == (before, 0)
    assert vm.vmstat()["nr_zspages"] == 0


def test_a_locked_page_defers_the_freeing(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """With a page of it locked by somebody an empty zspage is freed by the work item only (8, 29)."""
    (handle,) = kit.mallocs(1, 3000)
    page = kit.chain(handle)[1]
    page.lock()
    pool.zs_free(handle)
    page.unlock()
    assert kit.lists(3000) == "E Z1:0"
    assert not any(each.locked for each in kit.mapped_pages())
    vm.run_work()
    assert (kit.lists(3000), pool.zs_get_total_pages()) == ("", 0)


def test_an_empty_zspage_can_be_used_again(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """Until the work item has run an empty zspage serves allocations (spec/drivers.md 8, 30)."""
    (handle,) = kit.mallocs(1, 3000)
    page = kit.chain(handle)[0]
    page.lock()
    pool.zs_free(handle)
    page.unlock()
    (again,) = kit.mallocs(1, 3000)
    assert kit.zspage(again).id == 1
    vm.run_work()
    assert kit.lists(3000) == "AE Z1:1"
    pool.check()


def test_pages_are_movable_when_there_is_an_object(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """The pages of a zspage are let go only once its first object exists, then all are (spec/drivers.md 8, 31)."""
    zspage = kit.store.alloc_zspage(kit.size_class(3200), ZS_GFP)
    assert zspage is not None
    pages = kit.store.chain(zspage)
    assert [(page.has_movable_tag, vm.isolate_movable_page(page)) for page in pages] == [(False, False)] * 4
    (handle,) = kit.mallocs(1, 3200)
    assert [page.mapping for page in kit.chain(handle)] == [pool.mapping] * 4


def test_objects_keep_their_bytes(kit: Kit) -> None:
    """Objects of all sizes side by side are read back as they were written (spec/drivers.md 1.11)."""
    sizes = [1, 24, 25, 100, 504, 1016, 1500, 2040, 2328, 2712, 3064, 3256, 3257, 4096]
    handles = [(kit.mallocs(1, size)[0], bytes([size % 251]) * size) for size in sizes for _ in range(7)]
    for handle, data in handles:
        kit.put(handle, data)
    for handle, data in handles:
        assert kit.get(handle, len(data)) == data
    kit.pool.check()


def test_handles_live_in_unmovable_memory(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """The words of handles are in kernel pages of their own, given back with the last handle (1.4)."""
    (handle,) = kit.mallocs(1, 1000)
    page = vm.page(handle >> 12)
    assert page.mapping is None
    assert page.refcount == 1
    pool.zs_free(handle)
    assert page.refcount == 0
