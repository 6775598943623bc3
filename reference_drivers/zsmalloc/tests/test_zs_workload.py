"""How the suite sees a pool, and pools whose pages do not move."""

from collections.abc import Callable, Iterable

import pytest

from movable import VM, Capabilities, MigrateResult, Page, PageList, find_driver, installed_drivers
from movable_zsmalloc import ZsPool, ZsWorkload, movable_drivers

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[..., MigrateResult]


@pytest.fixture
def workload(pool: ZsPool) -> ZsWorkload:
    """A workload over an empty pool."""
    return ZsWorkload(pool)


@pytest.mark.parametrize("size", [1, 24, 25, 3256, 3257, 4095, 4096])
def test_what_is_stored_is_loaded(workload: ZsWorkload, move: Move, size: int) -> None:
    """Objects of 1 to 4096 bytes come back as they were, also after their pages have moved."""
    data = bytes(range(256)) * 16
    handles = [workload.store(data[-size:]) for _ in range(5)]
    pages = workload.pool.mapping.pages()
    assert move(pages).succeeded == len(pages)
    assert [workload.load(handle) for handle in handles] == [data[-size:]] * 5
    workload.check()


@pytest.mark.parametrize("size", [0, 4097])
def test_sizes_for_which_there_is_no_room(workload: ZsWorkload, size: int) -> None:
    """What a pool cannot hold is told by None, and nothing is kept."""
    assert workload.store(bytes(size)) is None
    assert workload.pool.zs_get_total_pages() == 0


def test_a_full_machine(vm: VM, workload: ZsWorkload) -> None:
    """With memory short store says None; what is there stays and can be dropped."""
    vm.debug = 1
    handles = []
    while (handle := workload.store(b"x" * 4096)) is not None:
        handles.append(handle)
    assert len(handles) > 3500
    assert workload.load(handles[0]) == workload.load(handles[-1]) == b"x" * 4096
    assert all(workload.drop(handle) for handle in handles)
    assert workload.pool.zs_get_total_pages() == 0
    workload.check()


def test_the_pages_of_an_object(workload: ZsWorkload, move: Move) -> None:
    """An object names the one or two pages that hold it, the new ones after a migration."""
    first, second = workload.store(b"a" * 3200), workload.store(b"b" * 3200)
    assert [len(workload.pages(handle)) for handle in (first, second)] == [1, 2]
    assert workload.pages(first)[0] is workload.pages(second)[0]
    before = workload.pages(second)
    assert move(before).succeeded == 2
    after = workload.pages(second)
    assert [page.refcount for page in after] == [1, 1]
    assert bytes(after[0].data[3272:3276]) == b"bbbb"
    assert after[0] is workload.pages(first)[0]


def test_drop_works_on_isolated_objects(vm: VM, workload: ZsWorkload, isolate: Isolate) -> None:
    """An object whose pages are isolated is dropped like any other, as claimed (drop_isolated)."""
    handle = workload.store(b"x" * 3000)
    listed = isolate(workload.pool.mapping.pages())
    assert workload.drop(handle)
    vm.putback_movable_pages(listed)
    vm.run_work()
    assert workload.pool.zs_get_total_pages() == 0
    workload.check()


def test_pin_keeps_the_pages(workload: ZsWorkload, move: Move) -> None:
    """While an object is pinned none of its zspage's pages moves; afterwards all do (spec/drivers.md 1.11)."""
    handle = workload.store(b"x" * 3200)
    pages = workload.pool.mapping.pages()
    with workload.pin(handle):
        assert (move(pages).succeeded, workload.pool.mapping.pages()) == (0, pages)
    assert move(pages).succeeded == 4
    assert workload.load(handle) == b"x" * 3200


def test_check_finds_a_wrong_word(workload: ZsWorkload) -> None:
    """A word that names another slot is found by the pool's own check."""
    handle = workload.store(b"x" * 100)
    assert handle is not None
    workload.check()
    workload.pool._store.words[handle >> 3] += 2
    with pytest.raises(AssertionError):
        workload.check()


def test_check_finds_a_broken_link(workload: ZsWorkload) -> None:
    """A chain that ends too early is found by the pool's own check."""
    workload.store(b"x" * 3000)
    workload.check()
    workload.pool.mapping.pages()[1].index = 0
    with pytest.raises(AssertionError, match="2 pages chained"):
        workload.check()


def test_the_provider_offers_one_driver(vm: VM) -> None:
    """The package provides the driver zsmalloc, which claims all that the suite can ask of it."""
    (spec,) = movable_drivers()
    assert (spec.name, dict(spec.expectations)) == ("zsmalloc", {})
    assert spec.capabilities == Capabilities(
        contents=True, pin=True, drop_isolated=True, spanning=True, concurrent=True, max_object=4096
    )
    driver = spec.factory(vm)
    workload = spec.workload(driver)
    handle = workload.store(b"there")
    assert handle is not None
    assert workload.load(handle) == b"there"
    driver.close()


def test_zsmalloc_is_installed() -> None:
    """The driver is found by its entry point, as any third party's is."""
    assert "zsmalloc" in installed_drivers()
    assert find_driver("zsmalloc").factory is ZsPool
