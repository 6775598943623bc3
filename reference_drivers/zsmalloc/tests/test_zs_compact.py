"""zs_compact, the statistics and the shrinker (spec/drivers.md 1.12, 1.13, 7.7; 8, 16, 32-35)."""

from collections.abc import Callable, Iterable

import pytest
from zs_kit import Kit

from movable import VM, Page, PageList
from movable_zsmalloc import MapMode, ZsPool

Isolate = Callable[[Iterable[Page]], PageList]

HEADER = " class  size almost_full almost_empty obj_allocated   obj_used pages_used pages_per_zspage freeable"


def rows(pool: ZsPool) -> list[str]:
    """The rows of the statistics that have objects, and the totals."""
    lines = pool.classes_text().splitlines()
    return [line for line in lines[1:-2] if line.split()[4] != "0"] + lines[-1:]


def free(pool: ZsPool, handles: list[int], numbers: Iterable[int]) -> None:
    """Free objects by their numbers, from 1."""
    for number in numbers:
        pool.zs_free(handles[number - 1])


def test_three_zspages_with_one_object_each(kit: Kit, pool: ZsPool) -> None:
    """Class 3072 with the 1st, 5th and 9th of 12 objects: two zspages come free, the rows as in 7.7."""
    handles = kit.mallocs(12, 3000)
    for number in (1, 5, 9):
        kit.put(handles[number - 1], bytes([number]) * 3000)
    free(pool, handles, (2, 3, 4, 6, 7, 8, 10, 11, 12))
    assert kit.lists(3000) == "AE Z3:1 Z2:1 Z1:1"
    assert (
        rows(pool)[0]
        == "   190  3072           0            3            12          3          9                3        6"
    )
    assert (pool.zs_compact(), pool.zs_get_total_pages()) == (6, 3)
    assert kit.lists(3000) == "AE Z1:3"
    assert [kit.slot(handles[number - 1]) for number in (1, 5, 9)] == [0, 3, 2]
    assert (
        rows(pool)[0]
        == "   190  3072           0            1             4          3          3                3        0"
    )
    for number in (1, 5, 9):
        assert kit.get(handles[number - 1], 3000) == bytes([number]) * 3000
    pool.check()


def test_the_fullest_fill_up_first(kit: Kit, pool: ZsPool) -> None:
    """Class 1024 without the 4th, 7th, 8th, 11th and 12th of 12: one page comes free (spec/drivers.md 7.7)."""
    handles = kit.mallocs(12, 1000)
    free(pool, handles, (4, 7, 8, 11, 12))
    assert kit.lists(1000) == "AE Z3:2 Z2:2 Z1:3"
    assert kit.size_class(1000).zs_can_compact() == 1
    assert pool.zs_compact() == 1
    assert kit.lists(1000) == "AE Z1:3; FULL Z2:4"
    assert [(kit.zspage(handles[number]).id, kit.slot(handles[number])) for number in (8, 9)] == [
        (2, 3),
        (2, 2),
    ]


def test_a_surplus_below_one_zspage_is_left(kit: Kit, pool: ZsPool) -> None:
    """Two free slots in two zspages of four would free nothing: nothing moves (spec/drivers.md 7.7; 8, 33)."""
    handles = kit.mallocs(8, 1000)
    free(pool, handles, (1, 5))
    before = [kit.word(handle) for handle in kit.store.handles], kit.lists(1000)
    assert (kit.size_class(1000).zs_can_compact(), pool.zs_compact()) == (0, 0)
    assert before == ([kit.word(handle) for handle in kit.store.handles], "AE Z2:3 Z1:3")


def test_spanning_objects_move(kit: Kit, pool: ZsPool) -> None:
    """Class 112 without every other of 219 objects: two pages come free, contents kept (spec/drivers.md 7.7)."""
    handles = kit.mallocs(219, 100)
    for number, handle in enumerate(handles):
        kit.put(handle, bytes([number]) * 100)
    free(pool, handles, range(1, 220, 2))
    assert kit.lists(100) == "AE Z3:36 Z2:37 Z1:36"
    assert kit.size_class(100).zs_can_compact() == 2
    assert pool.zs_compact() == 2
    assert kit.lists(100) == "AE Z1:36; FULL Z2:73"
    assert any(len(pool.object_pages(handle)) == 2 for handle in handles[1::2])
    assert [kit.get(handle, 100) for handle in handles[1::2]] == [
        bytes([each]) * 100 for each in range(1, 219, 2)
    ]
    pool.check()


def test_spanning_to_whole_and_back(kit: Kit, pool: ZsPool) -> None:
    """Objects keep every byte from slots over two pages into slots in one, and the other way (1.12 (4))."""
    handles = kit.mallocs(10, 3200)
    kept = {handle: bytes([number]) * 3256 for number, handle in enumerate(handles) if number in (1, 2, 5, 6)}
    for handle, data in kept.items():
        kit.put(handle, data)
    free(pool, handles, (5, 1, 4, 8, 9, 10))
    assert kit.lists(3200) == "AE Z2:2 Z1:2"
    assert [len(pool.object_pages(handles[number])) for number in (5, 6)] == [1, 2]
    assert pool.zs_compact() == 4
    assert [len(pool.object_pages(handles[number])) for number in (5, 6)] == [2, 1]
    for handle, data in kept.items():
        assert kit.get(handle, 3256) == data
    pool.check()


def test_a_mixed_pool(kit: Kit, pool: ZsPool) -> None:
    """Rows and totals of the mixed pool of spec/drivers.md 7.7, which has 26 pages."""
    for count, size in ((200, 100), (10, 3000), (7, 3200), (3, 4096)):
        kit.mallocs(count, size)
    assert pool.zs_get_total_pages() == 26
    assert rows(pool) == [
        "     5   112           0            1           219        200          6                2        0",
        "   190  3072           0            1            12         10          9                3        0",
        "   202  3264           0            1            10          7          8                4        0",
        "   254  4096           0            0             3          3          3                1        0",
        " Total                 0            3           244        220         26                         0",
    ]


def test_the_statistics_of_an_empty_pool(pool: ZsPool) -> None:
    """A header, 69 rows by rising index, those without zspages too, a blank line, totals (1.13; 8, 16)."""
    header, *classes, blank, total = pool.classes_text().splitlines()
    assert header == HEADER
    assert len(classes) == 69
    indices = [int(line.split()[0]) for line in classes]
    assert indices == sorted(indices)
    assert (indices[0], indices[-1]) == (0, 254)
    assert blank == ""
    assert total.split() == ["Total", *["0"] * 6]
    assert {len(line) for line in (header, *classes, total)} == {len(HEADER)}


def test_the_statistics_count_both_partial_groups(kit: Kit, pool: ZsPool) -> None:
    """almost_full and almost_empty are the lengths of those lists (spec/drivers.md 1.13)."""
    handles = kit.mallocs(32, 500)
    free(pool, handles, (1, 9, 10, 17, 18))
    assert kit.lists(500) == "AF Z1:7; AE Z3:6 Z2:6; FULL Z4:8"
    assert rows(pool)[0].split() == ["30", "512", "1", "2", "32", "27", "4", "1", "0"]


def test_objects_stay_in_their_class(kit: Kit, pool: ZsPool) -> None:
    """Each object moves within its class; the pool's pages are those from before less the freed ones (8, 32)."""
    sizes = {handle: size for size in (24, 100, 1000, 3000, 3200, 4096) for handle in kit.mallocs(40, size)}
    for handle in list(sizes)[1::3] + list(sizes)[::3]:
        if handle in kit.store.handles:
            pool.zs_free(handle)
            del sizes[handle]
    before = set(kit.mapped_pages())
    freed = pool.zs_compact()
    after = set(kit.mapped_pages())
    assert after < before
    assert len(before - after) == freed > 0
    assert all(kit.zspage(handle).size_class is kit.size_class(size) for handle, size in sizes.items())
    pool.check()


def test_pinned_objects_stay(kit: Kit, pool: ZsPool) -> None:
    """An object whose handle is pinned is skipped, the others move (spec/drivers.md 8, 34)."""
    handles = kit.mallocs(12, 3000)
    free(pool, handles, (2, 3, 4, 6, 7, 8, 11, 12))
    assert kit.lists(3000) == "AE Z3:2 Z2:1 Z1:1"
    unpin = kit.pin_elsewhere(handles[8])
    word = kit.word(handles[8])
    assert pool.zs_compact() == 6
    assert kit.lists(3000) == "FULL Z3:4"
    assert kit.word(handles[8]) == word
    unpin()
    pool.check()


def test_a_mapped_source_does_not_hang(kit: Kit, pool: ZsPool) -> None:
    """Two zspages of four slots with one object each, the source's mapped: compaction ends (1.12)."""
    handles = kit.mallocs(8, 1000)
    free(pool, handles, (2, 3, 4, 6, 7, 8))
    assert kit.lists(1000) == "AE Z2:1 Z1:1"
    with pool.mapped(handles[4], MapMode.RO):
        assert pool.zs_compact() == 0
    assert pool.zs_get_total_pages() == 2
    assert pool.zs_compact() == 1
    pool.check()


def test_the_answer_is_the_total_so_far(kit: Kit, pool: ZsPool) -> None:
    """zs_compact gives the running total of pages freed, as in Linux 4.9 (spec/drivers.md 1.12)."""
    for expected in (1, 2):
        handles = kit.mallocs(8, 1000)
        for handle in handles[1:4] + handles[5:]:
            pool.zs_free(handle)
        assert pool.zs_compact() == pool.pages_compacted == expected
        for handle in (handles[0], handles[4]):
            pool.zs_free(handle)
    assert pool.zs_compact() == 2


def test_a_source_with_a_locked_page_counts_as_freed(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """With a page of the emptied zspage locked elsewhere it is freed by the work, but counted now (1.12)."""
    handles = kit.mallocs(8, 1000)
    free(pool, handles, (2, 3, 4, 6, 7, 8))
    unlock = kit.lock_elsewhere(kit.page(handles[4]))
    assert pool.zs_compact() == 1
    assert (kit.lists(1000), pool.zs_get_total_pages()) == ("AE Z1:2; E Z2:0", 2)
    unlock()
    vm.run_work()
    assert (kit.lists(1000), pool.zs_get_total_pages()) == ("AE Z1:2", 1)
    pool.check()


def test_the_shrinker_counts_what_could_come_free(kit: Kit, pool: ZsPool) -> None:
    """The count is the sum of the gains of the classes (spec/drivers.md 1.13)."""
    for size, objects in ((3000, 12), (1000, 8)):
        handles = kit.mallocs(objects, size)
        for number, handle in enumerate(handles):
            if number % 4:
                pool.zs_free(handle)
    assert pool.shrinker_count() == 6 + 1
    assert pool.shrinker_scan(1) == 7  # all, though 1 was asked for
    assert pool.shrinker_count() == 0


def test_the_shrinker_says_stop_when_nothing_comes_free(kit: Kit, pool: ZsPool) -> None:
    """The scan gives SHRINK_STOP, not 0, if it freed nothing, whatever earlier ones did (8, 35)."""
    handles = kit.mallocs(8, 1000)
    free(pool, handles, (2, 3, 4, 6, 7, 8))
    assert pool.shrinker_scan(128) == 1
    assert pool.shrinker_scan(128) is None


@pytest.mark.parametrize("size", [1000, 3000, 3200])
def test_isolated_pages_and_compaction(vm: VM, kit: Kit, pool: ZsPool, isolate: Isolate, size: int) -> None:
    """What was isolated while zs_compact ran is compacted after its putback (spec/drivers.md 1.12)."""
    most = kit.size_class(size).shape.objs_per_zspage
    handles = kit.mallocs(3 * most, size)
    for number, handle in enumerate(handles):
        if number % most:
            pool.zs_free(handle)
    listed = isolate(kit.chain(handles[0]))
    pages = len(listed)
    assert pool.zs_compact() == pages
    assert kit.word(handles[0]) == kit.page(handles[0]).pfn << 30
    vm.putback_movable_pages(listed)
    assert pool.zs_compact() == 2 * pages
    pool.check()
