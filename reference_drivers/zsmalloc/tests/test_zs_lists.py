"""Fullness groups, the lists of a class and which zspage serves (spec/drivers.md 1.8, 7.2-7.4)."""

import pytest
from zs_kit import Kit

from movable_zsmalloc import ZsPool
from movable_zsmalloc.zspage import Fullness

# slot size and objects: the most that is ALMOST_EMPTY (spec/drivers.md 7.2)
ALMOST_EMPTY = {
    24: (128, 96),
    104: (73, 54),
    504: (8, 6),
    2328: (7, 5),
    3256: (5, 3),
    3064: (4, 3),
    2040: (2, 1),
}


@pytest.mark.parametrize("size", ALMOST_EMPTY)
def test_the_group_follows_what_is_in_use(kit: Kit, size: int) -> None:
    """Filling a zspage walks it through the groups of spec/drivers.md 7.2; with N = 4 none is almost full (8, 18)."""
    most, limit = ALMOST_EMPTY[size]
    for inuse in range(1, most + 1):
        (handle,) = kit.mallocs(1, size)
        expected = Fullness.ALMOST_EMPTY if inuse <= limit else Fullness.ALMOST_FULL
        assert kit.zspage(handle).fullness is (Fullness.FULL if inuse == most else expected)


def test_three_quarters_is_the_border(kit: Kit) -> None:
    """With N = 73, 54 in use is almost empty and 55 almost full (spec/drivers.md 8, 19)."""
    *_, last = kit.mallocs(54, 104)
    assert kit.zspage(last).fullness is Fullness.ALMOST_EMPTY
    (last,) = kit.mallocs(1, 104)
    assert kit.zspage(last).fullness is Fullness.ALMOST_FULL


def test_a_huge_zspage_is_full_with_one_object(kit: Kit) -> None:
    """N = 1: full or empty, nothing between (spec/drivers.md 7.2)."""
    (handle,) = kit.mallocs(1, 4096)
    assert kit.zspage(handle).fullness is Fullness.FULL


def test_the_walk_in_class_3072(kit: Kit, pool: ZsPool) -> None:
    """Lists, pages and gain after each operation are those of spec/drivers.md 7.3."""
    handles: list[int] = []

    def state() -> tuple[str, int, int]:
        return kit.lists(3000), pool.zs_get_total_pages(), kit.size_class(3000).zs_can_compact()

    for count, expected in (
        (3, ("AE Z1:3", 3, 0)),
        (1, ("FULL Z1:4", 3, 0)),
        (4, ("FULL Z2:4 Z1:4", 6, 0)),
        (1, ("AE Z3:1; FULL Z2:4 Z1:4", 9, 0)),
    ):
        handles += kit.mallocs(count, 3000)
        assert state() == expected
    for number, expected in (
        (1, ("AE Z1:3 Z3:1; FULL Z2:4", 9, 3)),
        (2, ("AE Z1:2 Z3:1; FULL Z2:4", 9, 3)),
        (5, ("AE Z2:3 Z1:2 Z3:1", 9, 3)),
        (6, ("AE Z2:2 Z1:2 Z3:1", 9, 3)),
        (3, ("AE Z2:2 Z1:1 Z3:1", 9, 6)),
        (4, ("AE Z2:2 Z3:1", 6, 3)),
        (9, ("AE Z2:2", 3, 0)),
    ):
        pool.zs_free(handles[number - 1])
        assert state() == expected
    pool.zs_free(handles[6])
    pool.zs_free(handles[7])
    assert state() == ("", 0, 0)


def test_fuller_zspages_serve_first(kit: Kit, pool: ZsPool) -> None:
    """An almost full zspage serves before an almost empty one, the slot freed last first (7.4; 8, 20)."""
    handles = kit.mallocs(10, 3200)
    assert kit.lists(3200) == "FULL Z2:5 Z1:5"
    pool.zs_free(handles[1])
    assert kit.lists(3200) == "AF Z1:4; FULL Z2:5"
    pool.zs_free(handles[6])
    pool.zs_free(handles[8])
    assert kit.lists(3200) == "AF Z1:4; AE Z2:3"
    assert kit.free_slots(kit.zspage(handles[5]))[:2] == [3, 1]
    first, second = kit.mallocs(2, 3200)
    assert (kit.zspage(first).id, kit.slot(first)) == (1, 1)
    assert (kit.zspage(second).id, kit.slot(second)) == (2, 3)
    assert kit.lists(3200) == "AF Z2:4; FULL Z1:5"


def test_a_zspage_with_fewer_objects_goes_second(kit: Kit, pool: ZsPool) -> None:
    """One that has fewer objects than the head of its list is put behind it (spec/drivers.md 8, 21)."""
    handles = kit.mallocs(12, 1000)
    pool.zs_free(handles[0])
    assert kit.lists(1000) == "AE Z1:3; FULL Z3:4 Z2:4"
    for number in (4, 5, 6, 7):
        pool.zs_free(handles[number])
    (late,) = kit.mallocs(1, 1000)
    assert kit.zspage(late).id == 1
    pool.zs_free(handles[8])
    assert kit.lists(1000) == "AE Z3:3; FULL Z1:4"
    kit.mallocs(2, 1000)
    assert kit.lists(1000) == "AE Z4:1; FULL Z3:4 Z1:4"
    pool.zs_free(late)
    assert kit.lists(1000) == "AE Z1:3 Z4:1; FULL Z3:4"
    (fifth,) = kit.mallocs(1, 1000)
    assert kit.zspage(fifth).id == 1


def test_changes_within_a_group_do_not_reorder(kit: Kit, pool: ZsPool) -> None:
    """A zspage whose group stays the same stays where it is on the list (spec/drivers.md 8, 22)."""
    handles = kit.mallocs(8, 1000)
    pool.zs_free(handles[0])
    pool.zs_free(handles[4])
    assert kit.lists(1000) == "AE Z2:3 Z1:3"
    pool.zs_free(handles[5])
    pool.zs_free(handles[6])
    assert kit.lists(1000) == "AE Z2:1 Z1:3"


def test_slots_are_handed_out_in_order_and_come_back_last_first(kit: Kit, pool: ZsPool) -> None:
    """A new zspage gives slots 0, 1, 2..; freed ones come back last in, first out (spec/drivers.md 7.4; 8, 17)."""
    handles = kit.mallocs(4, 1000)
    assert [kit.slot(handle) for handle in handles] == [0, 1, 2, 3]
    pool.zs_free(handles[2])
    pool.zs_free(handles[0])
    assert [kit.slot(handle) for handle in kit.mallocs(2, 1000)] == [0, 2]


def test_a_tail_ends_the_free_list(kit: Kit, pool: ZsPool) -> None:
    """In class 112 the free list ends at slot 73, which does not exist; freed slots go before it (7.4)."""
    handles = kit.mallocs(73, 100)
    zspage = kit.zspage(handles[0])
    assert zspage.freeobj == 73
    for slot in (0, 10, 72):
        pool.zs_free(handles[slot])
    assert kit.free_slots(zspage) == [72, 10, 0, 73]


def test_without_a_tail_the_end_mark_is_all_ones(kit: Kit) -> None:
    """A full zspage whose slots fill its pages has the 32-bit end mark as its free slot (spec/drivers.md 1.7)."""
    *_, last = kit.mallocs(4, 1000)
    assert kit.zspage(last).freeobj == 0xFFFF_FFFF


def test_no_allocation_from_a_full_class_touches_old_zspages(kit: Kit) -> None:
    """When all zspages are full a new one is made (spec/drivers.md 1.9)."""
    kit.mallocs(4, 1000)
    (handle,) = kit.mallocs(1, 1000)
    assert (kit.zspage(handle).id, kit.slot(handle)) == (2, 0)
