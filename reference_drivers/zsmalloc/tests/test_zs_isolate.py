"""Isolating the pages of zspages, and putting them back (spec/drivers.md 2.3, 2.7; 8, 36-40, 49, 50)."""

from collections.abc import Callable, Iterable

import pytest
from zs_kit import Kit

from movable import VM, MigrateResult, Page, PageList
from movable_zsmalloc import ZsPool
from movable_zsmalloc.zspage import Fullness

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[[Iterable[Page]], MigrateResult]


def test_an_empty_zspage_is_refused(vm: VM, kit: Kit) -> None:
    """A zspage without objects does not let its pages go (spec/drivers.md 8, 36)."""
    (handle,) = kit.mallocs(1, 3000)
    chain = kit.chain(handle)
    kit.empty_later(handle)
    assert [vm.isolate_movable_page(page) for page in chain] == [False] * 3


def test_a_full_zspage_is_accepted(kit: Kit, isolate: Isolate) -> None:
    """A zspage without room lets its pages go like any other (spec/drivers.md 8, 36)."""
    handles = kit.mallocs(4, 3000)
    assert kit.lists(3000) == "FULL Z1:4"
    isolate([kit.page(handles[0])])
    assert (kit.lists(3000), kit.zspage(handles[0]).isolated) == ("", 1)


def test_a_zspage_taken_by_compaction_is_refused(vm: VM, kit: Kit) -> None:
    """What is on no list and not isolated is in the hands of zs_compact (spec/drivers.md 8, 37)."""
    (handle,) = kit.mallocs(1, 3000)
    size_class = kit.size_class(3000)
    zspage = size_class.isolate_zspage(Fullness.ALMOST_EMPTY)
    assert zspage is kit.zspage(handle)
    assert not vm.isolate_movable_page(kit.page(handle))
    size_class.insert_zspage(zspage)
    assert vm.isolate_movable_page(kit.page(handle))


@pytest.mark.parametrize(("size", "pages"), [(1000, 1), (100, 2), (3000, 3), (3200, 4)])
def test_all_pages_of_a_zspage_at_once(kit: Kit, isolate: Isolate, size: int, pages: int) -> None:
    """All pages can be isolated at the same time; the zspage knows how many are (spec/drivers.md 8, 38)."""
    (handle,) = kit.mallocs(1, size)
    for number, page in enumerate(kit.chain(handle), 1):
        isolate([page])
        assert kit.zspage(handle).isolated == number
    assert number == pages
    kit.pool.check()


def test_an_isolated_zspage_serves_nothing(vm: VM, kit: Kit, isolate: Isolate) -> None:
    """While a page is isolated the free slots of its zspage are not handed out (spec/drivers.md 8, 39)."""
    (handle,) = kit.mallocs(1, 3000)
    listed = isolate(kit.chain(handle)[2:])
    (second,) = kit.mallocs(1, 3000)
    assert kit.zspage(second).id == 2
    vm.putback_movable_pages(listed)
    (third,) = kit.mallocs(1, 3000)
    assert kit.zspage(third).id == 1


def test_an_isolated_zspage_is_hidden_from_compaction(kit: Kit, pool: ZsPool, isolate: Isolate) -> None:
    """zs_compact moves nothing into or out of a zspage whose pages are isolated (spec/drivers.md 1.12)."""
    handles = kit.mallocs(12, 3000)
    for number in (1, 2, 3, 5, 6, 7):
        pool.zs_free(handles[number])
    isolate([kit.page(handles[0])])
    words = [kit.word(handles[number]) for number in (0, 4)]
    assert pool.zs_compact() == 0
    assert [kit.word(handles[number]) for number in (0, 4)] == words
    pool.check()


def test_objects_of_an_isolated_zspage_can_be_used(vm: VM, kit: Kit, pool: ZsPool, isolate: Isolate) -> None:
    """Objects can be read, written and freed while all their pages are isolated (spec/drivers.md 8, 40)."""
    first, second, third = kit.mallocs(3, 3000)
    kit.put(second, b"before" * 500)
    listed = isolate(kit.chain(first))
    assert kit.get(second, 3000) == b"before" * 500
    kit.put(second, b"during" * 500)
    pool.zs_free(first)
    assert (kit.zspage(second).inuse, kit.lists(3000)) == (2, "")
    pool.check()
    vm.putback_movable_pages(listed)
    assert kit.get(second, 3000) == b"during" * 500
    pool.zs_free(third)
    pool.check()


@pytest.mark.parametrize(("freed", "group"), [(0, "FULL"), (1, "AF"), (2, "AE"), (4, "AE")])
def test_putback_goes_by_what_is_in_use_by_then(
    vm: VM, kit: Kit, pool: ZsPool, isolate: Isolate, freed: int, group: str
) -> None:
    """After the last putback the zspage is on the list of its present group (spec/drivers.md 2.7; 8, 49)."""
    handles = kit.mallocs(5, 3200)
    lists = [isolate([page]) for page in kit.chain(handles[0])]
    for handle in handles[:freed]:
        pool.zs_free(handle)
    for listed in lists:
        assert kit.lists(3200) == ""
        vm.putback_movable_pages(listed)
    assert kit.lists(3200) == f"{group} Z1:{5 - freed}"
    pool.check()


def test_the_last_migration_relists_too(kit: Kit, move: Move, isolate: Isolate, vm: VM) -> None:
    """When the last isolated page has moved its zspage is on a list again (spec/drivers.md 2.4 (11); 8, 49)."""
    handles = kit.mallocs(5, 3200)
    chain = kit.chain(handles[0])
    held = isolate(chain[3:])
    assert move(chain[:3]).succeeded == 3
    assert (kit.zspage(handles[0]).isolated, kit.lists(3200)) == (1, "")
    kit.pool.check()
    vm.putback_movable_pages(held)
    assert kit.lists(3200) == "FULL Z1:5"
    assert move(kit.chain(handles[0])).succeeded == 4
    assert kit.lists(3200) == "FULL Z1:5"


@pytest.mark.parametrize("size", [1000, 3000, 4096])
def test_a_zspage_freed_while_isolated_goes_later(
    vm: VM, kit: Kit, pool: ZsPool, isolate: Isolate, size: int
) -> None:
    """Freed objects leave an isolated zspage in being; putback queues the work that frees it (8, 50)."""
    (handle,) = kit.mallocs(1, size)
    chain = kit.chain(handle)
    free = vm.zones[0].free_pages
    listed = isolate(chain)
    pool.zs_free(handle)
    assert (vm.run_work(), pool.zs_get_total_pages()) == (0, len(chain))
    pool.check()
    vm.putback_movable_pages(listed)
    assert kit.lists(size) == "E Z1:0"
    assert (vm.run_work(), pool.zs_get_total_pages()) == (1, 0)
    assert vm.zones[0].free_pages == free + len(chain) + 1  # and the page of handles
    assert [page.refcount for page in chain] == [0] * len(chain)
    pool.check()


def test_an_emptied_zspage_put_back_can_be_used_again(
    vm: VM, kit: Kit, pool: ZsPool, isolate: Isolate
) -> None:
    """Between putback and the work the zspage serves again, and the work then leaves it (8, 30, 50)."""
    (handle,) = kit.mallocs(1, 3000)
    listed = isolate(kit.chain(handle)[:1])
    pool.zs_free(handle)
    vm.putback_movable_pages(listed)
    (again,) = kit.mallocs(1, 3000)
    assert kit.zspage(again).id == 1
    assert vm.run_work() == 1
    assert kit.lists(3000) == "AE Z1:1"
    pool.check()
