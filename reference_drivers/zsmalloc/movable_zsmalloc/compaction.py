"""zs_compact: moving objects together within their class, so that zspages come free (spec/drivers.md 1.12).

Objects move here, not pages. A zspage that is being worked on is on no list and not isolated, so that the VM
cannot have its pages.
"""

from movable import PAGE_SIZE
from movable_zsmalloc.encoding import OBJ_ALLOCATED_TAG, OFFSET_MASK, PAGE_SHIFT, WORD_SHIFT, WORDS_SHIFT
from movable_zsmalloc.store import PFN_SHIFT, ZspageStore
from movable_zsmalloc.zspage import Fullness, SizeClass, Zspage

__all__ = ["compact_class"]


def compact_class(store: ZspageStore, size_class: SizeClass) -> int:
    """Free zspages of a class by moving their objects into fuller ones; how many pages that freed.

    Objects that are pinned stay. A round that moves nothing is the last one: the kernel would go on until
    the pins are gone.
    """
    freed = 0
    while True:
        with size_class.lock:
            source = size_class.isolate_zspage(Fullness.ALMOST_EMPTY, Fullness.ALMOST_FULL)
            if source is None:
                return freed
            before = source.inuse
            finished = size_class.zs_can_compact() > 0 and _empty_zspage(store, source)
            if size_class.insert_zspage(source) is Fullness.EMPTY:
                store.free_zspage(source)
                freed += size_class.shape.pages_per_zspage
            if not finished or source.inuse == before:
                return freed


def _empty_zspage(store: ZspageStore, source: Zspage) -> bool:
    """Move what can be moved out of a zspage; False if there is no room left for it. Class lock held."""
    size_class = source.size_class
    slot = 0
    while True:
        target = size_class.isolate_zspage(Fullness.ALMOST_FULL, Fullness.ALMOST_EMPTY)
        if target is None:
            return False
        slot = _migrate_zspage(store, source, target, slot)
        size_class.insert_zspage(target)
        if slot == size_class.shape.objs_per_zspage:
            return True


def _migrate_zspage(store: ZspageStore, source: Zspage, target: Zspage, slot: int) -> int:
    """Move objects from this slot on, until the target is full: the slot reached. Class lock held."""
    shape = source.size_class.shape
    words, pins = store.words, store.handles.pins
    pages = [page.pfn for page in store.chain(source)]
    for index in range(slot, shape.objs_per_zspage):
        start = index * shape.size
        header = words[(pages[start >> PAGE_SHIFT] << WORDS_SHIFT) + ((start & OFFSET_MASK) >> 3)]
        word = header >> WORD_SHIFT
        if not header & OBJ_ALLOCATED_TAG or not pins.trylock(word):
            continue
        if target.inuse == shape.objs_per_zspage:
            pins.release(word)
            return index
        obj = store.obj_malloc(target, header & ~OBJ_ALLOCATED_TAG)
        _copy_object(store, source, index, target, obj)
        used, words[word] = words[word], obj | 1  # the pin stays until the word is right
        pins.release(word)
        store.obj_free(source, used)
    return shape.objs_per_zspage


def _copy_object(store: ZspageStore, source: Zspage, index: int, target: Zspage, obj: int) -> None:
    """Copy a slot, header included; both may go over a page boundary."""
    target_index = obj >> 1 & (1 << PFN_SHIFT - 1) - 1
    whole = b"".join(_parts(store, source, index))
    done = 0
    for part in _parts(store, target, target_index):
        part[:] = whole[done : done + len(part)]
        done += len(part)


def _parts(store: ZspageStore, zspage: Zspage, index: int) -> list[memoryview]:
    """The memory of a slot: one piece, or two if it goes over a page boundary."""
    shape = zspage.size_class.shape
    page = store.slot_page(zspage, index)
    offset = index * shape.size & OFFSET_MASK
    start, room = (page.pfn << PAGE_SHIFT) + offset, PAGE_SIZE - offset
    memory = store.vm.memory
    if shape.size <= room:
        return [memory[start : start + shape.size]]
    following = store.get_next_page(page, shape)
    assert following is not None
    rest = following.pfn << PAGE_SHIFT
    return [memory[start : start + room], memory[rest : rest + shape.size - room]]
