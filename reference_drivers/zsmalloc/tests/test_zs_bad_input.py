"""Bad use of a pool: the documented errno, nothing lost, nothing held against the VM (spec/drivers.md 1.9-1.11)."""

import copy
import errno
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from zs_kit import Kit, fill

from movable import GFP, VM, ZoneItem
from movable_zsmalloc import MapMode, ZramError, ZsError, ZsPool
from movable_zsmalloc.errors import ErrnoError


@pytest.fixture(autouse=True)
def unharmed(vm: VM, kit: Kit) -> Iterator[None]:
    """After each of these tests pool and machine fit together."""
    yield
    if not kit.pool.closed:
        kit.pool.check()
    vm.recount()


def refused(code: int, call: Callable[..., object], *arguments: object) -> str:
    """The text of the ZsError with this number that the call raises."""
    with pytest.raises(ZsError) as raised:
        call(*arguments)
    assert raised.value.errno == code
    return str(raised.value)


HANDLE_USES: dict[str, Callable[[ZsPool, int], object]] = {
    "free": ZsPool.zs_free,
    "map": lambda pool, handle: pool.zs_map_object(handle, MapMode.RW),
    "pages": ZsPool.object_pages,
}


@pytest.mark.parametrize("use", HANDLE_USES)
def test_a_stale_handle(kit: Kit, pool: ZsPool, use: str) -> None:
    """A handle that was freed, twice freed for one, is EINVAL and named in the text."""
    stale, kept = kit.mallocs(2, 1000)
    pool.zs_free(stale)
    assert f"handle: {stale} " in refused(errno.EINVAL, HANDLE_USES[use], pool, stale)
    assert kit.zspage(kept).inuse == 1


@pytest.mark.parametrize("use", HANDLE_USES)
@pytest.mark.parametrize("offset", [1, 8, -8, 1 << 40])
def test_a_handle_that_never_was(kit: Kit, pool: ZsPool, use: str, offset: int) -> None:
    """An address that was never handed out is EINVAL, also one within the pages of handles."""
    (handle,) = kit.mallocs(1, 1000)
    refused(errno.EINVAL, HANDLE_USES[use], pool, handle + offset)


@pytest.mark.parametrize("use", HANDLE_USES)
def test_a_handle_of_another_pool(vm: VM, kit: Kit, pool: ZsPool, use: str) -> None:
    """A handle of another pool of the same machine is EINVAL; that pool's object is untouched."""
    other = ZsPool(vm, "other")
    handle = other.zs_malloc(1000)
    assert (
        "other" not in refused(errno.EINVAL, HANDLE_USES[use], pool, handle).split("in pool")[1].split(";")[0]
    )
    assert len(other.object_pages(handle)) == 1
    other.check()


def test_freeing_nothing(kit: Kit, pool: ZsPool) -> None:
    """Handle 0 may be freed: nothing happens (spec/drivers.md 1.10)."""
    kit.mallocs(1, 1000)
    pool.zs_free(0)
    assert kit.lists(1000) == "AE Z1:1"


def test_mapping_nothing(pool: ZsPool) -> None:
    """Handle 0, what a failed zs_malloc gives, cannot be mapped."""
    refused(errno.EINVAL, pool.zs_map_object, 0, MapMode.RW)


def test_unmapping_what_is_not_mapped(kit: Kit, pool: ZsPool) -> None:
    """Unmapping without a mapping is EINVAL: for a handle never mapped, unmapped already, and for 0."""
    (handle,) = kit.mallocs(1, 1000)
    refused(errno.EINVAL, pool.zs_unmap_object, handle)
    with pool.mapped(handle, MapMode.RO):
        pass
    refused(errno.EINVAL, pool.zs_unmap_object, handle)
    refused(errno.EINVAL, pool.zs_unmap_object, 0)


def test_unmapping_another_object(kit: Kit, pool: ZsPool) -> None:
    """Unmapping another object than the mapped one is EINVAL, and the mapping stays."""
    first, second = kit.mallocs(2, 1000)
    with pool.mapped(first, MapMode.RW) as view:
        refused(errno.EINVAL, pool.zs_unmap_object, second)
        view[:4] = b"here"
    assert kit.get(first, 4) == b"here"


def test_unmapping_on_another_cpu(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """A mapping is one CPU's own: another cannot end it (spec/drivers.md 1.11)."""
    (handle,) = kit.mallocs(1, 1000)
    with pool.mapped(handle, MapMode.RO):
        vm.cpu = 1
        refused(errno.EINVAL, pool.zs_unmap_object, handle)
        vm.cpu = 0


def test_a_second_mapping(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """A CPU has one mapping at a time, another CPU has its own (spec/drivers.md 1.11)."""
    first, second = kit.mallocs(2, 3200)
    kit.put(first, b"1" * 3200)
    kit.put(second, b"2" * 3200)
    with pool.mapped(first, MapMode.RO) as view:
        refused(errno.EBUSY, pool.zs_map_object, second, MapMode.RO)
        refused(errno.EBUSY, pool.zs_map_object, first, MapMode.RO)
        vm.cpu = 1
        assert kit.get(second, 3200) == b"2" * 3200
        vm.cpu = 0
        assert bytes(view[:3200]) == b"1" * 3200


def test_freeing_a_mapped_object(kit: Kit, pool: ZsPool) -> None:
    """An object that this CPU has mapped cannot be freed: EBUSY; after unmapping it can."""
    (handle,) = kit.mallocs(1, 1000)
    with pool.mapped(handle, MapMode.RO):
        refused(errno.EBUSY, pool.zs_free, handle)
    pool.zs_free(handle)
    assert pool.zs_get_total_pages() == 0


@pytest.mark.parametrize("mode", ["RO", 1, None])
def test_a_mode_that_is_none(kit: Kit, pool: ZsPool, mode: Any) -> None:
    """Anything but a MapMode is EINVAL, and nothing is mapped then."""
    (handle,) = kit.mallocs(1, 1000)
    assert "mode" in refused(errno.EINVAL, pool.zs_map_object, handle, mode)
    assert not kit.word(handle) & 1


@pytest.mark.parametrize("size", [10.5, "10", None, [], b"x"])
def test_a_size_that_is_no_number(kit: Kit, pool: ZsPool, size: Any) -> None:
    """A size that is no integer is EINVAL and named in the text, and no handle is lost."""
    assert refused(errno.EINVAL, pool.zs_malloc, size) == (
        f"size: must be an integer, not {size!r} (Invalid argument)"
    )
    assert len(kit.store.handles) == 0


@pytest.mark.parametrize("use", HANDLE_USES)
@pytest.mark.parametrize("handle", [None, [], {}, 0.0, "", b"x"])
def test_a_handle_of_another_type(kit: Kit, pool: ZsPool, use: str, handle: Any) -> None:
    """What is no integer is EINVAL as a handle, also if it is empty or nothing."""
    kit.mallocs(1, 1000)
    assert f"handle: {handle!r} " in refused(errno.EINVAL, HANDLE_USES[use], pool, handle)


@pytest.mark.parametrize("use", [*HANDLE_USES, "unmap"])
def test_a_handle_as_a_float(kit: Kit, pool: ZsPool, use: str) -> None:
    """A float that equals a handle is EINVAL, and the object stays as it was, mapped or not."""
    (handle,) = kit.mallocs(1, 1000)
    if use == "unmap":
        with pool.mapped(handle, MapMode.RO):
            refused(errno.EINVAL, pool.zs_unmap_object, float(handle))
    else:
        refused(errno.EINVAL, HANDLE_USES[use], pool, float(handle))
    assert kit.zspage(handle).inuse == 1


@pytest.mark.parametrize("bad", [None, "", 5])
def test_a_name_that_is_none(vm: VM, bad: Any) -> None:
    """A pool needs a text for a name; nothing is registered without one."""
    before = vm.mappings
    assert f"name: must be a text to know the pool by, not {bad!r}" in refused(errno.EINVAL, ZsPool, vm, bad)
    assert vm.mappings == before


@pytest.mark.parametrize(
    "error", [ZsError(errno.EBUSY, "page: no"), ZramError(errno.EIO, "disk: no")], ids=["zs", "zram"]
)
def test_errors_can_be_copied(error: ErrnoError) -> None:
    """An error comes through pickling and copying with its type, number and text."""
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(twin), twin.errno, str(twin)) == (type(error), error.errno, str(error))


# -- what check() sees -----------------------------------------------------------------------------


def test_check_sees_locks_left_held(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """A lock of a class, a zspage, a handle or of the handles that is left held fails check(); 6.1."""
    (handle,) = kit.mallocs(1, 1000)
    zspage = kit.zspage(handle)
    pins = kit.store.handles.pins
    for take, give in (
        (kit.size_class(1000).lock.acquire, kit.size_class(1000).lock.release),
        (kit.store.handles.lock.acquire, kit.store.handles.lock.release),
        (zspage.lock.read_acquire, zspage.lock.read_release),
        (zspage.lock.write_acquire, zspage.lock.write_release),
        (lambda: pins.acquire(handle >> 3), lambda: pins.release(handle >> 3)),
    ):
        take()
        with pytest.raises(AssertionError, match=r"left held|are mapped|pinned and not mapped"):
            pool.check()
        give()
        pool.check()
    with pool.mapped(handle, MapMode.RO):
        pool.check()


def test_check_sees_a_wrong_counter(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """NR_ZSPAGES that is not the sum over the machine's pools fails check() of each of them (1.13)."""
    (handle,) = kit.mallocs(1, 1000)
    other = ZsPool(vm, "other")
    assert other.zs_malloc(3000)
    for delta in (1, -1):
        vm.mod_zone_page_state(kit.page(handle), ZoneItem.NR_ZSPAGES, delta)
        for each in (pool, other):
            with pytest.raises(AssertionError, match="nr_zspages is"):
                each.check()
        vm.mod_zone_page_state(kit.page(handle), ZoneItem.NR_ZSPAGES, -delta)
        pool.check()


POOL_USES: dict[str, Callable[[ZsPool, int], object]] = {
    **HANDLE_USES,
    "malloc": lambda pool, _: pool.zs_malloc(100),
    "unmap": ZsPool.zs_unmap_object,
    "compact": lambda pool, _: pool.zs_compact(),
    "shrink": lambda pool, _: pool.shrinker_scan(1),
}


@pytest.mark.parametrize("use", POOL_USES)
def test_a_destroyed_pool(vm: VM, kit: Kit, pool: ZsPool, use: str) -> None:
    """After destruction every use is ENODEV; what can only be read says that nothing is there."""
    free = vm.zones[0].free_pages
    (handle,) = kit.mallocs(1, 1000)
    pool.close()
    refused(errno.ENODEV, POOL_USES[use], pool, handle)
    assert (pool.zs_get_total_pages(), pool.shrinker_count()) == (0, 0)
    assert vm.zones[0].free_pages == free


def test_destroying_twice(pool: ZsPool) -> None:
    """A second close does nothing."""
    pool.close()
    pool.close()
    assert pool.closed


def test_destruction_with_an_object_mapped(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """While any CPU has an object mapped, close is EBUSY and nothing is lost."""
    (handle,) = kit.mallocs(1, 1000)
    vm.cpu = 1
    with pool.mapped(handle, MapMode.RW) as view:
        vm.cpu = 0
        refused(errno.EBUSY, pool.close)
        view[:4] = b"here"
        vm.cpu = 1
    vm.cpu = 0
    assert kit.get(handle, 4) == b"here"


def test_destruction_names_the_classes_that_have_objects(
    kit: Kit, pool: ZsPool, caplog: pytest.LogCaptureFixture
) -> None:
    """Size and group of each class that is not empty are reported (spec/drivers.md 1.13)."""
    kit.mallocs(1, 1000)
    kit.mallocs(4, 3000)
    with caplog.at_level("INFO", "movable_zsmalloc"):
        pool.close()
    assert sorted(record.message.split("class ")[1] for record in caplog.records) == [
        "1024 (ALMOST_EMPTY)",
        "3072 (FULL)",
    ]


@pytest.mark.parametrize("size", [100, 3200, 4096])
def test_short_memory(vm: VM, kit: Kit, pool: ZsPool, size: int) -> None:
    """With memory short zs_malloc is 0 and costs nothing; what is stored stays, and room is found again."""
    handles = kit.mallocs(3, size)
    for handle in handles:
        kit.put(handle, handle.to_bytes(8, "little"))
    taken = fill(vm)
    more = []
    while handle := pool.zs_malloc(size):
        more.append(handle)
    before = pool.classes_text(), len(kit.store.handles), vm.vmstat()["nr_zspages"], vm.zones[0].free_pages
    assert pool.zs_malloc(size) == 0
    assert before == (
        pool.classes_text(),
        len(kit.store.handles),
        vm.vmstat()["nr_zspages"],
        vm.zones[0].free_pages,
    )
    assert [kit.get(handle, 8) for handle in handles] == [handle.to_bytes(8, "little") for handle in handles]
    for page in taken[:8]:
        page.put()
    assert pool.zs_malloc(size)


def test_memory_for_some_pages_of_a_zspage(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """With fewer pages left than a zspage needs, those already taken are given back (spec/drivers.md 1.9 (5))."""
    kit.mallocs(1, 24)  # so that there is a page of handles
    taken = fill(vm)
    for page in taken[:3]:
        page.put()
    free = vm.zones[0].free_pages
    assert pool.zs_malloc(3200) == 0
    assert (vm.zones[0].free_pages, pool.zs_get_total_pages()) == (free, 1)
    assert vm.vmstat()["nr_zspages"] == 1
    assert pool.zs_malloc(3000)
    assert pool.zs_get_total_pages() == 4


def test_no_memory_for_the_word(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """With no page for the handle's word zs_malloc is 0 and asks for no other page (spec/drivers.md 1.9 (2))."""
    fill(vm)
    free = vm.zones[0].free_pages
    assert pool.zs_malloc(100, GFP.NOWAIT) == 0
    assert (vm.zones[0].free_pages, len(kit.store.handles), pool.zs_get_total_pages()) == (free, 0, 0)


def test_a_pool_that_is_full_still_moves_and_compacts(vm: VM, kit: Kit, pool: ZsPool) -> None:
    """Without free memory zs_compact works, as it allocates nothing (spec/drivers.md 1.12)."""
    handles = kit.mallocs(8, 1000)
    fill(vm)
    for number in (1, 2, 3, 5, 6, 7):
        pool.zs_free(handles[number])
    assert pool.zs_compact() == 1
