"""A driver in C passes the same checks as one in Python (design 5)."""

import pytest
from migration.kit import Recorder, Targets, compact, isolate

from movable import GFP, VM, KernelAssertion, MigrateMode, Page


class Native:
    """The address space of the C driver that the benchmark runs: it copies pages and keeps ``private``."""

    name = "native"

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self._machine = vm.machine
        self.pointer = vm.machine.create_mapping(self, native=True)

    def adopt(self, contents: bytes) -> Page:
        """A page of the driver with these contents; ``private`` is their length."""
        page = self.vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        assert page is not None
        page.data[: len(contents)] = contents
        page.private = len(contents)
        page.lock()
        page.set_movable(self)
        page.unlock()
        return page


@pytest.fixture
def native(vm: VM) -> Native:
    """A native mapping without pages."""
    return Native(vm)


def contents(page: Page) -> bytes:
    """What the driver keeps in a page."""
    return bytes(page.data[: page.private])


def test_a_native_mapping_owns_its_pages(vm: VM, native: Native) -> None:
    """page_mapping of a page of a native driver is its address space."""
    page = native.adopt(b"x")
    assert page.mapping is native
    assert page.has_movable_tag


@pytest.mark.parametrize("mode", MigrateMode)
def test_a_native_driver_moves_contents(vm: VM, native: Native, targets: Targets, mode: MigrateMode) -> None:
    """Migration through a native driver moves contents and private, and gives the old page up."""
    old = native.adopt(b"in C")
    result = vm.migrate_pages(isolate(vm, [old]), targets.get, mode=mode)
    (new,) = targets.got
    assert (result.ret, contents(new)) == (0, b"in C")
    assert (old.refcount, new.refcount, new.locked, new.isolated) == (0, 1, False, False)
    assert new.mapping is native


def test_native_targets_need_no_python(vm: VM, native: Native) -> None:
    """With a target of the core and a native driver a migration runs in C from end to end."""
    pages = [native.adopt(f"page {number}".encode()) for number in range(100)]
    result = vm.migrate_pages(isolate(vm, pages), vm.target_node(0))
    moved = [page for page in map(vm.page, range(0x1000, 0x2000)) if page.mapping is native]
    assert (result.ret, result.succeeded) == (0, 100)
    assert sorted(contents(page) for page in moved) == sorted(f"page {n}".encode() for n in range(100))


def test_a_native_page_can_be_put_back(vm: VM, native: Native) -> None:
    """Isolation and putback of a native driver's page leave it as it was."""
    page = native.adopt(b"stays")
    vm.putback_movable_pages(isolate(vm, [page]))
    assert (page.refcount, page.isolated, contents(page)) == (1, False, b"stays")


def test_compaction_moves_native_and_python_pages(vm: VM, native: Native) -> None:
    """Pages of both kinds of driver move in one compaction and keep their contents."""
    driver = Recorder(vm)
    blocks = [vm.alloc_pages(10, GFP.HIGHUSER_MOVABLE) for _ in range(3)]
    for number in range(50):
        native.adopt(f"native {number}".encode())
        driver.add(f"python {number}")
    for block in blocks:
        assert block is not None
        vm.free_pages(block, 10)
    run = compact(vm)
    assert run.migrated == 100
    found = sorted(contents(page) for page in map(vm.page, range(0x1000, 0x2000)) if page.mapping is native)
    assert found == sorted(f"native {number}".encode() for number in range(50))
    assert [driver.load(number + 1) for number in range(50)] == [f"python {n}".encode() for n in range(50)]


def test_given_up_native_pages_are_not_moved(vm: VM, native: Native, targets: Targets) -> None:
    """A native page that was given up while isolated is freed without a callback (6.7)."""
    page = native.adopt(b"gone")
    listed = isolate(vm, [page])
    page.lock()
    page.clear_movable()
    page.unlock()
    page.put()
    assert vm.migrate_pages(listed, targets.get).succeeded == 1
    assert page.refcount == 0


def test_a_native_drivers_death_unwinds(vm: VM, native: Native) -> None:
    """A fatal violation around a native callback comes out as an exception, like any other."""
    page = native.adopt(b"x")
    listed = isolate(vm, [page])
    page.lock()
    with pytest.raises(KernelAssertion) as caught:
        vm.migrate_pages(listed, vm.target_node(0))
    assert (caught.value.rule.id, caught.value.pfn) == ("self-deadlock", page.pfn)
