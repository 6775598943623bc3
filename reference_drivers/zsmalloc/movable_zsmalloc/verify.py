"""Do the structures of a pool fit together? What `ZsPool.check` asks (spec/drivers.md 1.4-1.8, 2.5)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from movable import PAGE_SIZE, VM, AddressSpace, PageFlag
from movable_zsmalloc.encoding import OBJ_ALLOCATED_TAG, WORD_SHIFT, WORDS_SHIFT, obj_to_location
from movable_zsmalloc.store import ZspageStore
from movable_zsmalloc.zspage import SizeClass, Zspage

__all__ = ["verify_counter", "verify_locks", "verify_store"]


def verify_store(store: ZspageStore, mapping: AddressSpace) -> None:
    """Compare everything at rest; AssertionError for the first thing that does not fit."""
    for zspage in store.zspages.values():
        _verify_chain(store, zspage, mapping)
    used = 0
    members = defaultdict(list)
    for zspage in store.zspages.values():
        members[zspage.size_class].append(zspage)
    for size_class in store.size_classes:
        _verify_class(size_class, members[size_class])
        used += size_class.obj_used
    pages = sum(zspage.size_class.shape.pages_per_zspage for zspage in store.zspages.values())
    assert pages == store.pages_allocated, f"{pages} pages in zspages, {store.pages_allocated} counted"
    assert used == len(store.handles), f"{used} slots in use, {len(store.handles)} handles"
    for handle in store.handles:
        _verify_handle(store, handle)


def verify_locks(store: ZspageStore, mapped: Sequence[tuple[int, Zspage]]) -> None:
    """No lock is held but those of the objects that are mapped: AssertionError names the first one."""
    for lock in (store.handles.lock, *(each.lock for each in store.size_classes)):
        assert lock.owner is None, f"{lock!r} was left held"
    handles = {handle for handle, _ in mapped}
    for handle in store.handles:
        pinned = store.handles.pins.locked(handle >> WORD_SHIFT)
        assert pinned == (handle in handles), f"handle {handle:#x}: pinned and not mapped, or the other way"
    readers = Counter(zspage.id for _, zspage in mapped)
    for zspage in store.zspages.values():
        assert zspage.lock.writer is None, f"{zspage.lock!r} was left held"
        assert len(zspage.lock.readers) == readers[zspage.id], (
            f"{zspage.lock!r}: {readers[zspage.id]} objects of it are mapped"
        )


def verify_counter(vm: VM, stores: Iterable[ZspageStore]) -> None:
    """NR_ZSPAGES of each zone is what the machine's pools have there; ``stores`` are all of them."""
    pages = Counter(
        page.zone_id for store in stores for zspage in store.zspages.values() for page in store.chain(zspage)
    )
    for zone in vm.zones:
        assert zone.nr_zspages == pages[zone.id], (
            f"{zone.name}: nr_zspages is {zone.nr_zspages}, the pools have {pages[zone.id]} pages there"
        )


def _verify_chain(store: ZspageStore, zspage: Zspage, mapping: AddressSpace) -> None:
    shape = zspage.size_class.shape
    pages = store.chain(zspage)
    assert len(pages) == shape.pages_per_zspage, f"{zspage!r}: {len(pages)} pages chained"
    for number, page in enumerate(pages):
        where = f"{zspage!r}, {page!r}"
        assert page.private == zspage.id, f"{where}: private is {page.private}"
        assert page.mapping is mapping, f"{where}: mapping is {page.mapping!r}"
        assert page.units == -number * PAGE_SIZE % shape.size, f"{where}: first slot at {page.units}"
        flags = page.flags
        assert (PageFlag.PRIVATE in flags) == (number == 0), f"{where}: PG_private"
        assert (PageFlag.PRIVATE_2 in flags) == (page is pages[-1]), f"{where}: PG_private_2"
        assert (PageFlag.OWNER_PRIV_1 in flags) == shape.huge, f"{where}: huge mark"
    isolated = sum(page.isolated for page in pages)
    assert isolated == zspage.isolated, f"{zspage!r}: {isolated} pages isolated, {zspage.isolated} counted"
    assert zspage.listed != bool(isolated), f"{zspage!r}: on a list while isolated, or on none"
    _verify_slots(store, zspage)


def _verify_slots(store: ZspageStore, zspage: Zspage) -> None:
    shape = zspage.size_class.shape
    free, index = set(), zspage.freeobj
    while index < shape.objs_per_zspage and index not in free:
        free.add(index)
        index = _header(store, zspage, index) >> 1
    assert len(free) == shape.objs_per_zspage - zspage.inuse, (
        f"{zspage!r}: {len(free)} slots on the free list"
    )
    if shape.huge:
        return
    for index in range(shape.objs_per_zspage):
        tagged = bool(_header(store, zspage, index) & OBJ_ALLOCATED_TAG)
        assert tagged != (index in free), (
            f"{zspage!r}: slot {index} is free by one account, in use by another"
        )


def _verify_class(size_class: SizeClass, mine: list[Zspage]) -> None:
    shape = size_class.shape
    listed = []
    for number, group in enumerate(size_class.groups):
        for zspage in group:
            assert zspage.fullness == number == zspage.get_fullness_group(), f"{zspage!r}: in the wrong group"
            listed.append(zspage)
    assert len(listed) == len(set(listed)) == sum(zspage.listed for zspage in mine), (
        f"class {shape.index}: lists"
    )
    assert size_class.obj_used == sum(zspage.inuse for zspage in mine), f"class {shape.index}: obj_used"
    assert size_class.obj_allocated == len(mine) * shape.objs_per_zspage, (
        f"class {shape.index}: obj_allocated"
    )


def _verify_handle(store: ZspageStore, handle: int) -> None:
    pfn, index = obj_to_location(store.words[handle >> WORD_SHIFT])
    page = store.vm.page(pfn)
    zspage = store.get_zspage(page)
    assert page is store.slot_page(zspage, index), (
        f"handle {handle:#x}: slot {index} does not start in {page!r}"
    )
    header = page.index if zspage.size_class.shape.huge else _header(store, zspage, index)
    assert header == handle | OBJ_ALLOCATED_TAG, f"handle {handle:#x}: the slot's header is {header:#x}"


def _header(store: ZspageStore, zspage: Zspage, index: int) -> int:
    shape = zspage.size_class.shape
    offset = index * shape.size % PAGE_SIZE
    return store.words[(store.slot_page(zspage, index).pfn << WORDS_SHIFT) + (offset >> 3)]
