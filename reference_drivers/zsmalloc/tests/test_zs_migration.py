"""Moving the pages of zspages (spec/drivers.md 2.4-2.6, 7.6; 8, 41-51)."""

import errno
from collections.abc import Callable, Iterable, Iterator

import pytest
from zs_kit import Kit, Watcher, fill

from movable import (
    GFP,
    VM,
    MachineConfig,
    MigrateMode,
    MigrateResult,
    NodeConfig,
    Page,
    PageFlag,
    PageList,
    ZoneConfig,
)
from movable_zsmalloc import MapMode, ZsPool

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[..., MigrateResult]

MARKS = PageFlag.PRIVATE | PageFlag.PRIVATE_2 | PageFlag.OWNER_PRIV_1


def marks(pages: Iterable[Page]) -> list[PageFlag]:
    """The flags that tell a page's place in its zspage."""
    return [page.flags & MARKS for page in pages]


def pattern(handle: int, size: int) -> bytes:
    """Bytes that tell one object from another, and one place in it from the next."""
    return b"".join((handle + place).to_bytes(8, "little") for place in range(-(-size // 8)))[:size]


class Frames:
    """A machine that is full but for the frames that the test gives away."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.pages = {page.pfn: page for page in fill(vm, GFP.HIGHUSER_MOVABLE | GFP.MEMALLOC)}

    def move(self, page: Page, pfn: int) -> None:
        """Migrate a page to a frame."""
        listed = self.vm.page_list("to a frame")
        assert listed.isolate(page)
        assert self.vm.migrate_pages(listed, lambda _: self.pages[pfn]).succeeded == 1


@pytest.fixture
def wide() -> Iterator[VM]:
    """A machine with the frames of spec/drivers.md 7.6, from 0x1000 to 0x3fff."""
    config = MachineConfig("wide", (NodeConfig((ZoneConfig("Normal", 0x1000, 0x3000),), (0, 1)),), cpus=2)
    with VM(config, debug=1) as machine:
        yield machine


def test_moving_two_of_four_pages(wide: VM) -> None:
    """Words, chain, marks and first offsets after each step are those of spec/drivers.md 7.6 (8, 41-43)."""
    kit = Kit(wide)
    handles = kit.mallocs(5, 3200)
    frames = Frames(wide)
    for number, page in enumerate(kit.chain(handles[0])):
        frames.move(page, 0x1000 + number)
    for handle in handles:
        kit.put(handle, pattern(handle, 3200))

    def state() -> tuple[list[int], list[int], list[int]]:
        chain = kit.chain(handles[0])
        words = [kit.word(handle) for handle in handles]
        return words, [page.pfn for page in chain], [page.units for page in chain]

    offsets = [0, 2432, 1600, 768]
    words = [0x40000000000, 0x40000000002, 0x40040000004, 0x40080000006, 0x400C0000008]
    assert state() == (words, [0x1000, 0x1001, 0x1002, 0x1003], offsets)
    frames.move(wide.page(0x1001), 0x2000)
    words[2] = 0x80000000004
    assert state() == (words, [0x1000, 0x2000, 0x1002, 0x1003], offsets)
    frames.move(wide.page(0x1000), 0x3000)
    words[:2] = 0xC0000000000, 0xC0000000002
    assert state() == (words, [0x3000, 0x2000, 0x1002, 0x1003], offsets)
    assert kit.zspage(handles[0]).first_pfn == 0x3000
    assert marks(kit.chain(handles[0])) == [PageFlag.PRIVATE, PageFlag(0), PageFlag(0), PageFlag.PRIVATE_2]
    for handle in handles:
        assert kit.get(handle, 3200) == pattern(handle, 3200)
    kit.pool.check()


@pytest.mark.parametrize("number", [0, 1])
def test_only_words_of_slots_that_start_in_the_page_change(kit: Kit, move: Move, number: int) -> None:
    """Migration changes the words of slots starting in the page, and only their frame (8, 41)."""
    handles = kit.mallocs(73, 100)
    page = kit.chain(handles[0])[number]
    before = {handle: kit.word(handle) for handle in handles}
    inside = {handle for handle in handles if kit.page(handle) is page}
    assert len(inside) == (37, 36)[number]
    assert move([page]).succeeded == 1
    (newpage,) = {kit.page(handle) for handle in inside}
    assert newpage is not page
    for handle in handles:
        moved = (newpage.pfn - page.pfn) << 30 if handle in inside else 0
        assert kit.word(handle) == before[handle] + moved


def test_contents_go_along_whatever_their_size(kit: Kit, move: Move) -> None:
    """Objects of every class, in one page or over two, are what they were after all pages moved (8, 42)."""
    contents = {}
    for shape in {each.shape for each in kit.store.size_classes}:
        size = shape.size - shape.header
        for handle in kit.mallocs(min(shape.objs_per_zspage, 40), size):
            contents[handle] = pattern(handle, size)
            kit.put(handle, contents[handle])
    spanning = sum(len(kit.pool.object_pages(handle)) == 2 for handle in contents)
    assert spanning > 60
    pages = kit.mapped_pages()
    slots = {handle: kit.slot(handle) for handle in contents}
    assert move(pages).succeeded == len(pages)
    assert slots == {handle: kit.slot(handle) for handle in contents}
    for handle, data in contents.items():
        assert kit.get(handle, len(data)) == data
    kit.pool.check()


@pytest.mark.parametrize("number", range(4))
def test_each_page_of_a_chain_can_be_replaced(kit: Kit, move: Move, number: int) -> None:
    """First, middle or last: links, marks, first offset and mapping are carried over (spec/drivers.md 2.5)."""
    (handle,) = kit.mallocs(1, 3200)
    before = kit.chain(handle)
    fields = [(page.units, page.private, page.mapping) for page in before], marks(before)
    assert move([before[number]]).succeeded == 1
    after = kit.chain(handle)
    assert [page is old for page, old in zip(after, before, strict=True)] == [
        place != number for place in range(4)
    ]
    assert fields == ([(page.units, page.private, page.mapping) for page in after], marks(after))
    assert kit.zspage(handle).first_pfn == after[0].pfn
    kit.pool.check()


@pytest.mark.parametrize("size", [1000, 3000, 4096])
def test_the_old_page_is_bare(kit: Kit, watcher: Watcher, move: Move, size: int) -> None:
    """On success nothing of zsmalloc is left in the old page, but PG_isolated is (spec/drivers.md 2.6; 8, 47)."""
    (handle,) = kit.mallocs(1, size)
    seen = []

    def look(page: Page) -> None:
        seen.append((page.private, page.index, page.units, page.mapping, page.flags, page.refcount))

    watcher.after["migratepage"] = look
    pages = kit.chain(handle)
    move(pages)
    assert seen == [(0, 0, -1, None, PageFlag.LOCKED | PageFlag.ISOLATED, 1)] * len(pages)


def test_the_new_page_is_locked_and_owned_when_the_callback_ends(
    kit: Kit, watcher: Watcher, move: Move
) -> None:
    """On success the new page is locked, movable and has the driver's reference too (spec/drivers.md 6.3)."""
    (handle,) = kit.mallocs(1, 1000)
    seen = []

    def look(_: Page) -> None:
        page = kit.page(handle)
        seen.append((page.locked, page.movable, page.isolated, page.refcount))

    watcher.after["migratepage"] = look
    move([kit.page(handle)])
    assert seen == [(True, True, False, 2)]


def test_a_huge_page_takes_its_header_along(kit: Kit, move: Move) -> None:
    """The header of a huge object goes to the new page's index, with the huge mark (8, 48)."""
    (handle,) = kit.mallocs(1, 4096)
    kit.put(handle, pattern(handle, 4096))
    old = kit.page(handle)
    assert move([old]).succeeded == 1
    new = kit.page(handle)
    assert new is not old
    assert (new.index, new.flags & MARKS) == (handle | 1, MARKS)
    assert kit.get(handle, 4096) == pattern(handle, 4096)
    kit.pool.check()


def test_a_page_in_which_no_slot_is_used_moves(kit: Kit, pool: ZsPool, move: Move) -> None:
    """Slots of the page that are free keep their links: the free list is the same afterwards (2.4)."""
    handles = kit.mallocs(5, 3200)
    for handle in (handles[2], handles[3], handles[4]):
        pool.zs_free(handle)
    free = kit.free_slots(kit.zspage(handles[0]))
    assert move(kit.chain(handles[0])).succeeded == 4
    assert kit.free_slots(kit.zspage(handles[0])) == free == [4, 3, 2, 5]
    assert [kit.slot(handle) for handle in kit.mallocs(3, 3200)] == [4, 3, 2]
    pool.check()


@pytest.mark.parametrize("busy", [0, 5, 36, 37, 72])
def test_a_pinned_handle_stops_its_page(vm: VM, kit: Kit, isolate: Isolate, move: Move, busy: int) -> None:
    """A handle pinned on another CPU: -EAGAIN, nothing changed, no other pin left; its other page moves (8, 44)."""
    handles = kit.mallocs(73, 100)
    page, other = (
        kit.page(handles[busy]),
        next(page for page in kit.chain(handles[0]) if page is not kit.page(handles[busy])),
    )
    unpin = kit.pin_elsewhere(handles[busy])
    before = [kit.word(handle) for handle in handles], bytes(page.data), kit.chain(handles[0])
    listed = isolate([page])
    result = vm.migrate_pages(listed, lambda _: vm.alloc_page())
    assert (result.ret, result.status) == (1, {page.pfn: -errno.EAGAIN})
    assert before == ([kit.word(handle) for handle in handles], bytes(page.data), kit.chain(handles[0]))
    assert [kit.word(handle) & 1 for handle in handles] == [number == busy for number in range(73)]
    assert (page.isolated, page.refcount, kit.zspage(handles[0]).isolated) == (True, 2, 1)
    vm.putback_movable_pages(listed)
    assert move([other]).succeeded == 1
    unpin()
    assert move([page]).succeeded == 1
    kit.pool.check()


def test_a_mapped_object_stops_all_pages_of_its_zspage(kit: Kit, pool: ZsPool, move: Move) -> None:
    """While an object is mapped each page of its zspage answers -EAGAIN, and no other zspage does (2.4 (3))."""
    handles = kit.mallocs(6, 3200)
    mine, others = kit.chain(handles[0]), kit.chain(handles[5])
    with pool.mapped(handles[4], MapMode.RW):
        result = move(mine + others)
        assert set(result.status.values()) == {0, -errno.EAGAIN}
        assert [page for page in mine if result.status[page.pfn]] == mine
        assert kit.chain(handles[0]) == mine
        assert [page for page in others if not result.status[page.pfn]] == others
    assert move(mine).succeeded == 4
    pool.check()


def test_an_emptied_zspage_is_busy(vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, move: Move) -> None:
    """Without objects at migrate time the answer is -EBUSY, as in Linux 4.9; putback sees to the rest (8, 46)."""
    (handle,) = kit.mallocs(1, 3000)
    pages = kit.chain(handle)
    watcher.after["isolate_page"] = lambda page: pool.zs_free(handle) if page is pages[-1] else None
    assert move(pages).failed == 3
    assert [call.answer for call in watcher.calls("migratepage")] == [-errno.EBUSY] * 3
    assert len(watcher.calls("putback_page")) == 3
    assert pool.zs_get_total_pages() == 3
    vm.run_work()
    assert (pool.zs_get_total_pages(), kit.lists(3000)) == (0, "")
    pool.check()


def test_a_stale_huge_header_is_not_followed(
    vm: VM, kit: Kit, pool: ZsPool, watcher: Watcher, move: Move
) -> None:
    """The header that a freed huge object left in page.index is not looked at when migrating (2.4)."""
    (handle,) = kit.mallocs(1, 4096)
    page = kit.page(handle)
    watcher.after["isolate_page"] = lambda _: pool.zs_free(handle)
    assert move([page]).status == {page.pfn: -errno.EBUSY}
    assert page.index == handle | 1
    vm.run_work()
    assert (page.refcount, pool.zs_get_total_pages()) == (0, 0)


def test_counts_are_unchanged(vm: VM, kit: Kit, pool: ZsPool, move: Move) -> None:
    """Pool pages, objects allocated and used, and nr_zspages are the same after migration (8, 51)."""
    for size in (100, 1000, 3000, 3200, 4096):
        kit.mallocs(6, size)

    def counts() -> tuple[object, ...]:
        return pool.zs_get_total_pages(), pool.classes_text(), vm.vmstat()["nr_zspages"]

    before, pages = counts(), kit.mapped_pages()
    assert move(pages).succeeded == len(pages) == before[0]
    assert counts() == before


@pytest.mark.parametrize("mode", MigrateMode)
def test_all_modes_move(vm: VM, kit: Kit, isolate: Isolate, mode: MigrateMode) -> None:
    """The mode makes no difference to a driver that neither sleeps nor waits (spec/drivers.md 2.4)."""
    (handle,) = kit.mallocs(1, 3000)
    listed = isolate(kit.chain(handle))
    result = vm.migrate_pages(listed, lambda _: vm.alloc_page(GFP.HIGHUSER_MOVABLE), mode=mode)
    assert (result.ret, result.succeeded) == (0, 3)
    kit.pool.check()


def test_zone_counters_follow(two_nodes: tuple[VM, Kit, int]) -> None:
    """nr_zspages goes down in the old zone and up in the new one (spec/drivers.md 2.4 (12))."""
    vm, kit, handle = two_nodes
    assert [zone.nr_zspages for zone in vm.zones] == [0, 3]
    listed = vm.page_list("to the other node")
    for page in kit.chain(handle):
        assert listed.isolate(page)
    assert vm.migrate_pages(listed, vm.target_node(0)).succeeded == 3
    assert [zone.nr_zspages for zone in vm.zones] == [3, 0]
    kit.pool.check()


@pytest.fixture
def two_nodes() -> Iterator[tuple[VM, Kit, int]]:
    """Two nodes, and a zspage of three pages on the second."""
    nodes = tuple(
        NodeConfig((ZoneConfig("Normal", 0x1000 + nid * 0x1000, 0x1000),), (nid,)) for nid in (0, 1)
    )
    with VM(MachineConfig("two nodes", nodes, cpus=2), debug=2) as vm:
        vm.cpu = 1
        kit = Kit(vm)
        (handle,) = kit.mallocs(1, 3000)
        yield vm, kit, handle


def test_compaction_of_the_machine_moves_objects_unharmed(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """After the VM has compacted its memory around them, objects are what they were (spec/drivers.md 8, 42)."""
    contents = {}
    between = []
    for number in range(600):
        (handle,) = kit.mallocs(1, 40 + 5 * number)
        contents[handle] = pattern(handle, 40 + 5 * number)
        kit.put(handle, contents[handle])
        between.append(vm.alloc_page(GFP.HIGHUSER_MOVABLE))
    for page in between:
        assert page is not None
        page.put()
    moved = sum(run.migrated for run in vm.compact_node(0))
    assert moved > 100
    for handle, data in contents.items():
        assert kit.get(handle, len(data)) == data
    pool.check()
